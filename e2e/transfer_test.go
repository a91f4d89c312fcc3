package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

// colleague is the number of the person to whom agents hand callers.
const colleague = "+12025550142"

// handsOver is a playbook that hands every caller over who says or presses anything.
const handsOver = `playbook: Front desk

otherwise:
  say: One moment please.
  do transfer_call
  otherwise: Nobody is here. Please call again.
`

// transferring places an agent with an action that hands callers to the desk.
func (s *server) transferring(t *testing.T, kind string, change func(*client.Agent)) string {
	t.Helper()
	a := client.Agent{Prompt: &client.Prompt{Content: handsOver}, Voice: s.voice(t, "voice_flite"),
		Actions: []client.Action{{Type: kind, Config: map[string]any{"phone_number": colleague, "headers_out": map[string]any{"X-Ticket": "7"}}}}}
	change(&a)
	return s.place(t, a)
}

// person lets a softphone answer one call for the colleague, with further arguments.
func (s *server) person(t *testing.T, args ...string) (ended func()) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.CommandContext(t.Context(), program, append([]string{"call", "--server", s.sip, "--listen", colleague, "--count", "1", "--deaf", "--ready-file", ready}, args...)...)
	cmd.Env = cleanEnv()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	await(t, within(t, 20*time.Second), "the person's phone", func() bool {
		_, err := os.Stat(ready)
		return err == nil
	})
	return func() {
		t.Helper()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the person's phone: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the person is left on a dead line")
		}
	}
}

// steps are the texts of a call's events about transfers.
func steps(events []client.Event) []string { return strings.Split(textOf(events, "transfer"), "|") }

// A caller is handed to a person over real SIP: they hear each other, and when the person hangs
// up the call is over. What the person says is not recorded, for nobody wanted that.
func TestCallerIsHandedToAPerson(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, kind string
		person     []string
		want       string
	}{
		{"bridged", "action_transfer_call", []string{"--say", "good morning this is the front desk", "--wait", "1s"}, "started connected over"},
		{"asked first", "action_warm_transfer", []string{"--say", "key:1", "--wait", "3s"}, "started answered connected over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listen(t)
			ctx := within(t, 90*time.Second)
			s := start(t)
			number := s.transferring(t, test.kind, func(*client.Agent) {})
			over := s.person(t, test.person...)
			heard := filepath.Join(t.TempDir(), "heard.wav")
			run(t, ctx, ".", program, "call", "--server", s.sip, "--deaf", "--stay", "--length", "50s", "--record", heard, "--say", "key:1#", "--wait", "1s", number)
			over()
			c := s.ended(t, ctx, 1)
			events := s.events(t, ctx, c.ID)
			if got := slices.DeleteFunc(steps(events), func(s string) bool { return s == "ringing" }); strings.Join(got, " ") != test.want {
				t.Errorf("steps %q, want %q", got, test.want)
			}
			if c.Stage != "transfer_successful" || c.StageOutcome != "transfer_disconnected" || c.EndReason != "transfer_over" {
				t.Errorf("stored: stage %s, outcome %s, reason %s", c.Stage, c.StageOutcome, c.EndReason)
			}
			if test.kind == "action_warm_transfer" {
				return // the music is recorded, and the person says nothing
			}
			_, told := s.recording(t, ctx, c.ID)
			if mine, recorded := readWAVFile(t, heard).loud(), told.loud(); mine < recorded+0.5 {
				t.Errorf("the caller heard %.1f s of sound, and %.1f s are recorded", mine, recorded)
			}
		})
	}
}

// The line connects the caller with somebody else, and the call is over.
func TestSIPpIsTransferredByItsLine(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 60*time.Second)
	s := start(t)
	off := false
	number := s.transferring(t, "action_transfer_call", func(a *client.Agent) { a.Transfer, a.EnableRecording = "refer", &off })
	sipp(t, ctx, "refer.xml", s.sip, number, "u1")
	c := s.ended(t, ctx, 1)
	if got := fmt.Sprint(steps(s.events(t, ctx, c.ID))); got != "[started transferred_away]" || c.Stage != "transfer_successful" || c.EndReason != "transferred_away" {
		t.Errorf("steps %s, stage %s, reason %s", got, c.Stage, c.EndReason)
	}
}

// Nobody has the number: the caller is the agent's again, who says so.
func TestCallerComesBack(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 60*time.Second)
	s := start(t)
	number := s.transferring(t, "action_transfer_call", func(*client.Agent) {})
	run(t, ctx, ".", program, "call", "--server", s.sip, "--deaf", "--length", "12s", "--stay", "--say", "key:1#", "--wait", "1s", number)
	c := s.ended(t, ctx, 1)
	events := s.events(t, ctx, c.ID)
	if got := steps(events); len(got) != 2 || got[1] != "trunk_error" {
		t.Errorf("steps %q", got)
	}
	if got := textOf(events, "agent"); !strings.Contains(got, "Please call again.") {
		t.Errorf("the agent said %q", got)
	}
}
