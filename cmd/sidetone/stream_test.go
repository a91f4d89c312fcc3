package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// against runs a command against a server of one handler.
func against(t *testing.T, handler http.HandlerFunc, args ...string) (code int, out, errs string) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	return command(append(args, "--url", server.URL, "--key", "sk_x")...)
}

// stream answers with events.
func stream(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i, e := range events {
			_, _ = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i+1, e)
		}
	}
}

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	var asked string
	whole := func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + " after " + r.Header.Get("Last-Event-ID")
		stream(`{"type":"caller","offset_ms":1250,"text":"hi\u001b[2J"}`,
			`{"type":"turn","offset_ms":1810,"text":"short","data":{"commit_ms":520.4,"final_ms":515,"gap_ms":640.2,"model_first_ms":521,"say_ms":522,"wait_ms":500}}`,
			`{"type":"ended","offset_ms":2000,"text":"hangup"}`)(w, r)
	}
	code, out, errs := against(t, whole, "calls", "events", "c1", "--after", "3")
	want := `    1.25 s           caller       hi [2J
    1.81 s    +0.56  turn         gap 640 ms, wait 500, words at 515, turn over at 520, model at 521, voice asked at 522
    2.00 s    +0.19  ended        hangup
`
	if code != 0 || out != want || errs != "" || asked != "/v1/calls/c1/events after 3" {
		t.Errorf("exit %d %s, asked %q\n%s", code, errs, asked, cmp.Diff(want, out))
	}
	code, out, _ = against(t, whole, "calls", "events", "c1", "-o", "json")
	if code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, `"type":"ended"`) {
		t.Errorf("as JSON: exit %d\n%s", code, out)
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "data: {\"type\":\"caller\",\"text\":\"hi\"}\n\ndata: {\"ty")
	}
	if code, out, errs = against(t, cut, "calls", "events", "c1"); code != 1 || !strings.Contains(out, "hi") || !strings.Contains(errs, "read events of call c1") {
		t.Errorf("cut off: exit %d, %q, %q", code, out, errs)
	}
}

func TestTranscript(t *testing.T) {
	t.Parallel()
	whole := stream(`{"type":"connected","data":{"codec":"G722"}}`,
		`{"type":"agent","offset_ms":2940,"text":"How can I help?"}`,
		`{"type":"ignored","offset_ms":3100,"text":"mm-hm"}`,
		`{"type":"turn","offset_ms":3200}`,
		`{"type":"agent","offset_ms":64604,"text":"We are open from","data":{"interrupted":true,"said":"We are open from nine."}}`,
		`{"type":"agent","offset_ms":64700,"text":"Yes.","data":{"interrupted":true,"said":"Yes."}}`,
		`{"type":"caller","offset_ms":65000,"text":"is there \u202eparking"}`,
		`{"type":"digits","offset_ms":65100,"text":"12"}`,
		`{"type":"ended","offset_ms":66000,"text":"hangup"}`)
	want := `  0:02.9  agent   How can I help?
  0:03.1  caller  [mm-hm]
  1:04.6  agent   We are open from [interrupted; not heard: nine.]
  1:04.7  agent   Yes. [interrupted]
  1:05.0  caller  is there  parking
  1:05.1  caller  keys 12
`
	if code, out, errs := against(t, whole, "calls", "transcript", "c1"); code != 0 || errs != "" || out != want {
		t.Errorf("exit %d %s (-want +got)\n%s", code, errs, cmp.Diff(want, out))
	}
	silent := stream(`{"type":"agent","offset_ms":2940}`, `{"type":"ended","offset_ms":66000}`)
	if code, out, errs := against(t, silent, "calls", "transcript", "c1"); code != 0 || out != "" || !strings.Contains(errs, "keeps no transcript") {
		t.Errorf("nothing said: exit %d, %q, %q", code, out, errs)
	}
	if code, out, _ := against(t, whole, "calls", "transcript", "c1", "-o", "json"); code != 0 || strings.Count(out, "\n") != 9 {
		t.Errorf("as JSON: exit %d\n%s", code, out)
	}
}

func TestRecordingIsSavedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const sound = "RIFF and so on"
	whole := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sound) }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, sound)
	}
	missing := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"the call has no recording"}`)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "call.wav")
	if code, out, errs := against(t, whole, "calls", "recording", "c1", "-f", path); code != 0 || out != path+"\n" || errs != "" {
		t.Errorf("whole: exit %d, %q, %q", code, out, errs)
	}
	if code, out, _ := against(t, whole, "calls", "recording", "c1", "-f", "-"); code != 0 || out != sound {
		t.Errorf("to standard output: exit %d, %q", code, out)
	}
	for want, handler := range map[string]http.HandlerFunc{"unexpected EOF": cut, "the call has no recording": missing} {
		if code, out, errs := against(t, handler, "calls", "recording", "c1", "-f", path); code != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %q, %q", want, code, out, errs)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != sound {
			t.Errorf("%s: the file that was there holds %q, %v", want, got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if got := strings.Map(fileRune, "../../etc/x\n"); strings.ContainsAny(got, "/\n") {
		t.Errorf("an id becomes the file %q", got)
	}
}

// The microphone's command is read, the speaker's is told the end and may fail.
func TestSoundCommands(t *testing.T) {
	t.Parallel()
	microphone, end, err := source(t.Context(), "printf abc; sleep 300")
	if err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, 3)
	if _, err := io.ReadFull(microphone, heard); err != nil || string(heard) != "abc" {
		t.Errorf("read %q, %v", heard, err)
	}
	if err := end(); err != nil { // does not wait for the sleep
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "heard")
	speaker, end, err := sink(t.Context(), "cat >"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(speaker, "abc"); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "abc" {
		t.Errorf("the speaker heard %q, %v", got, err)
	}
	if _, end, err = sink(t.Context(), "exit 3"); err != nil {
		t.Fatal(err)
	}
	if err := end(); err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("a speaker that failed: %v", err)
	}
}

// The script that bash is given is bash, and asks this program.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	code, script, errs := command("completion", "bash")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %q", code, errs)
	}
	var out bytes.Buffer
	bash := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script+`
sidetone() { printf '%s ' "$@"; }
COMP_WORDS=(sidetone agents li) COMP_CWORD=2
_sidetone
printf '%s|' "${COMPREPLY[@]}"`)
	bash.Stdout, bash.Stderr = &out, &out
	if err := bash.Run(); err != nil || out.String() != "complete -- agents li |" {
		t.Errorf("%v: %q", err, out.String())
	}
	for shell, want := range map[string]string{"zsh": "compdef _sidetone sidetone", "fish": "complete -c sidetone"} {
		if code, script, _ := command("completion", shell); code != 0 || !strings.Contains(script, want) {
			t.Errorf("%s: exit %d\n%s", shell, code, script)
		}
	}
	if code, out, _ := command("complete", "--", "calls", "re"); code != 0 || out != fmt.Sprintln("recording") {
		t.Errorf("complete: exit %d, %q", code, out)
	}
}
