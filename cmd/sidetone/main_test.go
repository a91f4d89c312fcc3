package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/store"
)

// The first signal asks, the second hurries, the third does not wait.
func TestSignals(t *testing.T) { //nolint:paralleltest // signals concern the whole process
	for name, sent := range map[string][]syscall.Signal{
		"patient":   {syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM},
		"impatient": {syscall.SIGINT, syscall.SIGINT},
	} {
		force := make(chan struct{}, 1)
		ctx, now, stop := signals(func() { force <- struct{}{} })
		for i, s := range sent {
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				t.Fatal(err)
			}
			want := []<-chan struct{}{ctx.Done(), now, force}[i+3-len(sent)]
			select {
			case <-want:
			case <-time.After(5 * time.Second):
				t.Fatalf("%s: signal %d has no effect", name, i+1)
			}
			if i+1 < len(sent) && len(force) > 0 {
				t.Errorf("%s: signal %d forces already", name, i+1)
			}
		}
		if ctx.Err() == nil {
			t.Errorf("%s: the context goes on", name)
		}
		stop()
	}
}

func TestParseLine(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in   string
		want softphone.Line
		bad  bool
	}{
		{in: "hello, you", want: softphone.Line{Text: "hello, you"}},
		{in: "@1.5s wait a moment", want: softphone.Line{Text: "wait a moment", After: 1500 * time.Millisecond}},
		{in: "key:12#", want: softphone.Line{Keys: "12#"}},
		{in: "@soon wait", bad: true},
		{in: "@1s", bad: true},
		{in: "@-1s wait", bad: true},
	}
	for _, c := range cases {
		got, err := parseLine(c.in)
		if (err != nil) != c.bad {
			t.Errorf("%q: error %v", c.in, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" && !c.bad {
			t.Errorf("%q (-want +got):\n%s", c.in, diff)
		}
	}
}

// wav writes a second of sound.
func wav(t *testing.T, f audio.WAVFormat) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "line.wav")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audio.NewWAVWriter(file, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(make([]int16, f.Rate*f.Channels)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_ = file.Close() // a writer may have closed it
	return path
}

func TestWAVLineComesAtTheLinesRate(t *testing.T) {
	t.Parallel()
	for codec, want := range map[string]int{"": 16000, "G722": 16000, "PCMU": 8000, "PCMA": 8000} {
		for _, rate := range []int{8000, 16000} {
			l, err := wavLine(wav(t, audio.WAVFormat{Rate: rate, Channels: 1}), codec)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(l.Sound); n < want*99/100 || n > want*101/100 {
				t.Errorf("%d Hz for %q: got %d samples, want about %d", rate, codec, n, want)
			}
		}
	}
	if _, err := wavLine(wav(t, audio.WAVFormat{Rate: 8000, Channels: 2}), ""); err == nil || !strings.Contains(err.Error(), "2 channels") {
		t.Errorf("stereo: error %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.wav")
	if err := os.WriteFile(broken, []byte("not sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wavLine(broken, ""); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("broken file: error %v", err)
	}
	if _, err := wavLine(broken+".missing", ""); err == nil {
		t.Error("a missing file is no error")
	}
}

// command runs sidetone with arguments.
func command(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(args, &o, &e)
	return code, o.String(), e.String()
}

func TestWrongCommandLinesAreExplained(t *testing.T) {
	t.Parallel()
	cases := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"dance"}, 2, "dance"},
		{nil, 2, "sidetone --help"},
		{[]string{"serve", "--no-such-flag"}, 2, "--no-such-flag"},
		{[]string{"serve", "--config", "/nonexistent/x.yaml"}, 2, "/nonexistent/x.yaml"},
		{[]string{"call", "--codec", "MP3", "+1"}, 2, "--codec"},
		{[]string{"call"}, 1, "name a number"},
		{[]string{"call", "--listen", "+1", "+2"}, 1, "name a number"},
		{[]string{"call", "--deaf", "--say", "@now x", "+14155550100"}, 1, "@DURATION"},
		{[]string{"token", "revoke"}, 2, "id"},
		{[]string{"serve", "--data", "/dev/null/x"}, 1, "data directory"},
	}
	for _, c := range cases {
		code, _, errs := command(c.args...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("sidetone %v: exit %d, want %d and %q in:\n%s", c.args, code, c.code, c.want, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if code, out, errs := command("version"); code != 0 || strings.TrimSpace(out) != version || errs != "" {
		t.Errorf("exit %d, out %q, err %q", code, out, errs)
	}
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if code, out, errs := command("migrate", "--data", dir); code != 0 || !strings.Contains(out, "up to date") {
		t.Fatalf("migrate: exit %d, %q, %q", code, out, errs)
	}
	if code, _, errs := command("token", "create", "--data", dir); code != 1 || !strings.Contains(errs, "no environment") {
		t.Errorf("an empty store: exit %d, %q", code, errs)
	}
	c := server.Defaults()
	c.Data = dir
	err := server.WithStore(t.Context(), c, func(s *store.Store) error {
		_, err := s.CreateAccount(context.Background(), "a", "e")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code, key, errs := command("token", "create", "--data", dir, "--label", "laptop")
	key = strings.TrimSpace(key)
	if code != 0 || len(key) < 20 || strings.ContainsAny(key, " \n") {
		t.Fatalf("create: exit %d, %q, %q", code, key, errs)
	}
	_, list, _ := command("token", "list", "--data", dir)
	rows := strings.Split(strings.TrimSpace(list), "\n")
	if len(rows) != 2 || !strings.Contains(rows[1], "laptop") || strings.Contains(list, key) {
		t.Fatalf("list:\n%s", list)
	}
	fields := strings.Fields(rows[1])
	if fields[len(fields)-1] != "-" {
		t.Errorf("a new key is revoked: %q", rows[1])
	}
	if code, _, errs := command("token", "revoke", "--data", dir, fields[0]); code != 0 {
		t.Errorf("revoke: exit %d, %q", code, errs)
	}
	if _, list, _ = command("token", "list", "--data", dir); strings.HasSuffix(strings.TrimSpace(list), "-") {
		t.Errorf("the key is not revoked:\n%s", list)
	}
	if code, _, errs := command("token", "list", "--data", dir, "--environment", "nowhere"); code != 1 || !strings.Contains(errs, "nowhere") {
		t.Errorf("unknown environment: exit %d, %q", code, errs)
	}
}

func TestDoctorPrintsALineACheckAndFails(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command("doctor", "--data", filepath.Join(blocked, "data"))
	if code != 1 || errs != "" || !strings.Contains(out, "FAIL  data directory") || !strings.Contains(out, "-> choose another directory") {
		t.Errorf("exit %d, %q\n%s", code, errs, out)
	}
}

func TestPrinterSpeaksToPeopleAndPrograms(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &out}
	e := softphone.Event{Kind: "gap", Took: 612 * time.Millisecond, At: 2500 * time.Millisecond}
	phoneCommand{}.printer(a)(e)
	if got := out.String(); !strings.Contains(got, "2.50s") || !strings.Contains(got, "612 ms") {
		t.Errorf("for people: %q", got)
	}
	out.Reset()
	phoneCommand{JSON: true}.printer(a)(e)
	if err := (phoneCommand{JSON: true}).summary(a, softphone.Result{Said: 1, Gaps: []time.Duration{612 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&out)
	var event, result map[string]any
	if err := d.Decode(&event); err != nil || event["took_ms"] != 612.0 || event["kind"] != "gap" {
		t.Errorf("for programs: %v, %v", event, err)
	}
	if err := d.Decode(&result); err != nil || result["kind"] != "result" || result["said"] != 1.0 {
		t.Errorf("result: %v, %v", result, err)
	}
}
