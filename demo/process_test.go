package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/process/processtest"
)

// showWith returns a demo whose program is a shell script.
func showWith(t *testing.T, script string) (*show, *bytes.Buffer) {
	t.Helper()
	program := processtest.Script(t, "program", script)
	var out bytes.Buffer
	return &show{o: Options{Program: program, Out: &out, Shift: 7 * time.Millisecond, Codec: "PCMU"}, story: typed(), dir: t.TempDir(), begun: time.Now()}, &out
}

func TestStartServer(t *testing.T) {
	t.Parallel()
	s, out := showWith(t, `while [ "$1" != --ready-file ]; do shift; done
echo '{"http":"127.0.0.1:81","sip":"127.0.0.1:82","api_key":"secret-key"}' >"$2.part" && mv "$2.part" "$2"
exec sleep 60
`)
	stop, err := s.startServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err == nil { // a program that SIGTERM killed
		t.Error("a server that was killed is taken for one that ended well")
	}
	if s.sip != "127.0.0.1:82" || s.api == nil || !strings.Contains(out.String(), "API 127.0.0.1:81, SIP 127.0.0.1:82") {
		t.Errorf("SIP at %q, printed %q", s.sip, out)
	}
	if strings.Contains(out.String(), "secret-key") {
		t.Error("the key is printed")
	}
}

func TestStartServerTellsWhyItEnds(t *testing.T) {
	t.Parallel()
	s, _ := showWith(t, "echo the port is taken >&2\nexit 1\n")
	if _, err := s.startServer(t.Context()); err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("error %v, want the server's own words", err)
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	s, _ := showWith(t, `for a in "$@"; do printf '{"kind":"arg","text":"%s"}\n' "$a"; done
echo no json
echo '{"kind":"result","gaps_ms":[600,610.5]}'
`)
	var args []string
	var result phoneEvent
	err := s.phone(t.Context(), func(e phoneEvent) {
		if result = e; e.Kind == "arg" {
			args = append(args, e.Text)
		}
	}, "--stay", "+12025550143")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(args, " "); !strings.HasPrefix(got, "phone --json") || !strings.Contains(got, "--shift 7ms --codec PCMU --stay +12025550143 --tty") {
		t.Errorf("started as %q", got)
	}
	if d := cmp.Diff(phoneEvent{Kind: "result", Gaps: []float64{600, 610.5}}, result); d != "" {
		t.Errorf("last event (-want +got):\n%s", d)
	}
}

func TestPhoneThatFails(t *testing.T) {
	t.Parallel()
	s, _ := showWith(t, "echo no answer within 10 s >&2\nexit 1\n")
	if err := s.phone(t.Context(), func(phoneEvent) {}); err == nil || !strings.Contains(err.Error(), "no answer within 10 s") {
		t.Errorf("error %v, want the program's own words", err)
	}
}
