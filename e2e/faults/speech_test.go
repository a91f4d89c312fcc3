package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/process/processtest"
)

// clinic is an agent that greets and knows two answers.
const clinic = `"initial_message":"Sunny Hill clinic, how can I help you?","prompt":{"content":"playbook: clinic\n` +
	`when caller says: parking, park, car\n  say: Yes, there is free parking behind the building.\n` +
	`when caller says: opening, hours, open\n  say: We are open from eight until six.\n` +
	`otherwise:\n  say: I did not understand.\n"}`

// clinicNumber puts that agent on a number.
func (n *node) clinicNumber() string {
	n.t.Helper()
	number := n.number("")
	id := n.create("{" + clinic + "}")
	if _, err := n.api.Numbers().Update(n.t.Context(), number, client.Change{"inbound_agent": id}); err != nil {
		n.t.Fatal(err)
	}
	return number
}

// said waits until an event of that type holds one of the words, case aside.
func (n *node) said(id, kind string, limit time.Duration, words ...string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	var seen []string
	for e, err := range n.api.Calls().Events(ctx, id, 0) {
		if err != nil {
			seen = append(seen, err.Error())
			break
		}
		seen = append(seen, e.Type+": "+e.Text)
		for _, w := range words {
			if e.Type == kind && strings.Contains(strings.ToLower(e.Text), w) {
				return
			}
		}
	}
	n.t.Fatalf("no %s with one of %q in\n%s", kind, words, strings.Join(seen, "\n"))
}

// children lists the processes of the server that run the program.
func (n *node) children(program string) []int {
	n.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		n.t.Fatal(err)
	}
	var out []int
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		name, rest, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(rest)
		if len(f) < 2 || f[0] == "Z" || f[1] != strconv.Itoa(n.cmd.Process.Pid) || !strings.Contains(name, program) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// phone calls a number with the product's own softphone.
func (n *node) phone(number string, more ...string) *program {
	return launch(n.t, nil, append(append([]string{"call", "--server", n.ready.SIP, "--deaf"}, more...), number)...)
}

// A recogniser that is killed is replaced; the next line is understood.
func TestRecogniserKilled(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.clinicNumber()
	// Recognition of one sentence is never certain; the third line is a second chance.
	const hours = "What are your opening hours?"
	p := n.phone(number, "--say", "Is there any parking at the clinic?", "--say", hours, "--say", hours, "--stay", "--length", "50s")
	id := n.live()
	n.said(id, "caller", 30*time.Second, "")
	pids := n.children("pocketsphinx")
	if len(pids) != 1 {
		t.Fatalf("%d recognisers run, want 1", len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.said(id, "agent", 45*time.Second, "eight")
	if again := n.children("pocketsphinx"); len(again) != 1 || again[0] == pids[0] {
		t.Errorf("recognisers after the loss: %v, before %v", again, pids)
	}
	p.signal(syscall.SIGINT)
	if got := n.last(20 * time.Second); got.Status != "ended" {
		t.Errorf("status %s, reason %s", got.Status, got.EndReason)
	}
	until(t, 20*time.Second, "the recogniser to end", func() bool { return len(n.children("pocketsphinx")) == 0 })
}

// A recogniser that hangs costs at most an answer: the call stays, can be ended
// in the ordinary way, and the program does not outlive it.
func TestRecogniserHangs(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.clinicNumber()
	p := n.phone(number, "--say", "Is there any parking at the clinic?", "--stay", "--length", "40s")
	id := n.live()
	n.said(id, "agent", 20*time.Second, "how can i help")
	pids := n.children("pocketsphinx")
	if len(pids) != 1 {
		t.Fatalf("%d recognisers run, want 1", len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n.said(id, "agent", 30*time.Second, "catch", "still there", "did not understand", "parking")
	p.signal(syscall.SIGINT)
	n.last(20 * time.Second)
	until(t, 20*time.Second, "the recogniser to end", func() bool { return len(n.children("pocketsphinx")) == 0 })
}

// Without a recogniser the agent greets, apologises and hangs up.
func TestRecogniserMissing(t *testing.T) {
	t.Parallel()
	n := serve(t, "speech: {pocketsphinx: /nowhere/pocketsphinx}")
	number := n.clinicNumber()
	n.phone(number, "--stay", "--length", "30s")
	got := n.last(40 * time.Second)
	n.said(got.ID, "agent", 20*time.Second, "something went wrong")
	if got.Status != "error" || got.EndReason != "error" || got.ErrorMessage == "" {
		t.Errorf("status %s, reason %q, message %q", got.Status, got.EndReason, got.ErrorMessage)
	}
	n.healthy(n.number(echo))
}

// voice is a program in the place of the synthesiser that works while a file
// exists and does something else without.
func voice(t *testing.T, otherwise string) (program, works string) {
	t.Helper()
	works = filepath.Join(t.TempDir(), "works")
	program = processtest.Script(t, "flite", fmt.Sprintf("[ -e %s ] || { %s; }\nexec flite \"$@\"", works, otherwise))
	if err := os.WriteFile(works, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return program, works
}

// A voice that fails mid-call: the agent still apologises, from the phrases
// prepared when the call began, and ends the call.
func TestSynthesiserFails(t *testing.T) {
	t.Parallel()
	for name, otherwise := range map[string]string{"error": "echo out of order >&2; exit 1", "hang": "exec sleep 300", "junk": "echo RIFF; exit 0", "crash": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synthesiserFails(t, otherwise)
		})
	}
}

func synthesiserFails(t *testing.T, otherwise string) {
	program, works := voice(t, otherwise)
	n := serve(t, "speech: {flite: "+program+"}")
	number := n.clinicNumber()
	p := n.phone(number, "--say", "Is there any parking at the clinic?", "--stay", "--length", "40s")
	id := n.live()
	n.said(id, "agent", 20*time.Second, "how can i help")
	if err := os.Remove(works); err != nil {
		t.Fatal(err)
	}
	n.said(id, "error", 30*time.Second, "voice")
	n.said(id, "agent", 20*time.Second, "something went wrong")
	got := n.last(20 * time.Second)
	if got.Status != "error" || got.EndReason != "error" || got.ErrorMessage == "" {
		t.Errorf("status %s, reason %q, message %q", got.Status, got.EndReason, got.ErrorMessage)
	}
	if !p.ended(10 * time.Second) {
		t.Error("the caller was not hung up on")
	}
	if err := os.WriteFile(works, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if p = n.phone(number, "--length", "6s", "--stay"); !p.ended(40 * time.Second) {
		t.Error("the caller did not hang up")
	}
	n.said(n.last(20*time.Second).ID, "agent", 20*time.Second, "how can i help")
	until(t, 20*time.Second, "the programs to end", func() bool { return len(n.children("")) == 0 })
}

// A voice that never worked: the call ends with a clean reason.
func TestSynthesiserMissing(t *testing.T) {
	t.Parallel()
	n := serve(t, "speech: {flite: /nowhere/flite}")
	number := n.clinicNumber()
	n.phone(number, "--stay", "--length", "40s")
	got := n.last(30 * time.Second) // over in milliseconds: too short to be met alive
	if got.Status != "error" || got.EndReason != "error" || got.ErrorMessage == "" {
		t.Errorf("status %s, reason %q, message %q", got.Status, got.EndReason, got.ErrorMessage)
	}
	n.said(got.ID, "error", 20*time.Second, "voice")
	n.healthy(n.number(echo))
}
