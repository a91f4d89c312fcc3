package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
)

// typed makes a WAV of Baudot tones with minimodem.
func typed(t *testing.T, ctx context.Context, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "typed.wav")
	cmd := exec.CommandContext(ctx, "minimodem", "--tx", "tdd", "-R", "8000", "-f", path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("minimodem: %v\n%s", err, out)
	}
	return path
}

// read lets minimodem read the Baudot tones of a WAV.
func read(t *testing.T, ctx context.Context, path string) string {
	t.Helper()
	out, problems, err := try(ctx, filepath.Dir(path), "minimodem", "--rx", "tdd", "-f", path)
	if err != nil {
		t.Logf("minimodem: %v %s", err, problems) // it also fails after the last carrier
	}
	return strings.ToLower(out)
}

// A caller whose tones come from minimodem is understood, and minimodem reads
// what the agent types.
func TestMinimodemReadsAndIsRead(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 120*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: "ferry.", Voice: s.voice(t, "voice_tty")})
	heard := filepath.Join(t.TempDir(), "heard.wav")
	paced := timing.Start(t)
	run(t, ctx, ".", program, "call", "--server", s.sip, "--codec", "PCMU", "--deaf", "--wav", typed(t, ctx, "HOURS GA"),
		"--record", heard, "--patience", "3s", "--wait", "30s", number)
	c := s.ended(t, ctx, 1)
	events := s.events(t, ctx, c.ID)
	if got := strings.ToLower(textOf(events, "caller")); !strings.Contains(got, "hours") {
		t.Errorf("minimodem typed HOURS, the agent understood %q", got)
	}
	got := read(t, ctx, heard)
	for _, want := range []string{"ferry", "open 8 to 6"} {
		if !strings.Contains(got, want) {
			paced.Errorf("minimodem read %q, want %q in it", got, want)
		}
	}
	caller, agent := s.recording(t, ctx, c.ID)
	dir := t.TempDir()
	for name, side := range map[string]struct {
		s    sound
		want string
	}{"agent": {agent, "open 8 to 6"}, "caller": {caller, "hours"}} {
		path := filepath.Join(dir, name+".wav")
		writeWAV(t, path, side.s)
		if got := read(t, ctx, path); !strings.Contains(got, side.want) {
			t.Errorf("minimodem read %q in the recording of the %s, want %q", got, name, side.want)
		}
	}
}

// Our own text telephone talks with the agent.
func TestTextTelephone(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 120*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: "ferry.", Voice: s.voice(t, "voice_tty")})
	out := run(t, ctx, ".", program, "call", "--server", s.sip, "--tty", "--say", "hours?", "--say", "bye.", "--stay", "--length", "60s", number)
	for _, want := range []string{"ferry", "open 8 to 6", "good bye"} {
		if !strings.Contains(strings.ToLower(out), want) {
			t.Errorf("the caller did not read %q:\n%s", want, out)
		}
	}
	c := s.ended(t, ctx, 1)
	got := strings.ToLower(textOf(s.events(t, ctx, c.ID), "caller"))
	if !strings.Contains(got, "hours") || !strings.Contains(got, "bye") {
		t.Errorf("the agent read %q", got)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "data", "recordings", c.ID+".wav")); err != nil {
		t.Error(err)
	}
}
