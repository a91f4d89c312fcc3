package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// The softphone's keys are RFC 4733 events, for the server offers them.
func TestKeysByTelephoneEvent(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 60*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: "Press some keys.", Voice: s.voice(t, "voice_flite")})
	run(t, ctx, ".", program, "call", "--server", s.sip, "--codec", "PCMU", "--say", "key:123#", "--wait", "8s", number)
	c := s.ended(t, ctx, 1)
	if got := textOf(s.events(t, ctx, c.ID), "digits"); got != "123" { // the # ends them
		t.Errorf("pressed 123#, understood %q", got)
	}
	caller, _ := s.recording(t, ctx, c.ID)
	if got := caller.loud(); got > 0.1 {
		t.Errorf("events left %.2f s of sound in the recording", got)
	}
}

// A called party without telephone events hears tones, which multimon-ng
// reads.
func TestMultimonHearsOurKeys(t *testing.T) {
	t.Parallel()
	ctx := within(t, 60*time.Second)
	ear, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ear.Close() }()
	var mu sync.Mutex
	var heard []packet
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(ear, func(b []byte, _ netip.AddrPort) {
			if p, ok := parseRTP(b); ok {
				mu.Lock()
				heard = append(heard, p)
				mu.Unlock()
			}
		})
	}()
	port := answering(t, fmt.Sprint(ear.LocalAddr().(*net.UDPAddr).Port))
	out, problems, err := "", "", error(nil)
	await(t, ctx, "an answered call", func() bool { // SIPp does not say when it listens
		out, problems, err = try(ctx, ".", program, "call", "--server", fmt.Sprintf("127.0.0.1:%d", port), "--codec", "PCMU", "--deaf",
			"--say", "key:1590#*D", "--wait", "500ms", "--patience", "300ms", "+12025550144")
		return err == nil
	})
	_ = ear.Close()
	<-done
	tones := decode(t, heard, 0)
	path := filepath.Join(t.TempDir(), "keys.wav")
	writeWAV(t, path, tones)
	raw := strings.TrimSuffix(path, "wav") + "raw"
	run(t, ctx, ".", "sox", "-D", path, "-r", "22050", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", raw)
	got, _, err := try(ctx, ".", "multimon-ng", "-q", "-t", "raw", "-a", "DTMF", raw)
	if err != nil {
		t.Fatalf("multimon-ng: %v", err)
	}
	if keys := dtmf(got); keys != "1590#*D" {
		t.Errorf("multimon-ng heard %q in %.1f s (%d packets)\n%s\n%s", keys, tones.loud(), len(heard), out, problems)
	}
}

// dtmf joins the keys that multimon-ng printed.
func dtmf(out string) string {
	keys := ""
	for line := range strings.Lines(out) {
		if key, ok := strings.CutPrefix(strings.TrimSpace(line), "DTMF: "); ok {
			keys += key
		}
	}
	return keys
}

// answering starts a SIPp that answers one call with its sound at media, and
// returns its port.
func answering(t *testing.T, media string) int {
	t.Helper()
	port := telephonytest.Ports(t, 50)
	dir := t.TempDir()
	raw := strings.ReplaceAll(readText(t, "testdata/sipp/answer.xml"), "@PORT@", media)
	writeText(t, filepath.Join(dir, "answer.xml"), raw)
	cmd := exec.CommandContext(t.Context(), "sipp", "-sf", "answer.xml", "-t", "u1", "-i", "127.0.0.1", "-p", fmt.Sprint(port),
		"-mp", fmt.Sprint(port+10), "-m", "1", "-nostdin", "-timeout", "50s")
	cmd.Dir = dir
	cmd.Env = cleanEnv()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended after its call
		_ = cmd.Wait()
	})
	return port
}

// The keys of package audio, through G.711, are read by multimon-ng at the
// limits of ITU-T Q.24: short, quiet, all sixteen.
func TestMultimonReadsOurTones(t *testing.T) {
	t.Parallel()
	ctx := within(t, 60*time.Second)
	const all = "1234567890*#ABCD"
	pcm, err := audio.DTMF(all, 8000, 60*time.Millisecond, 60*time.Millisecond, -10)
	if err != nil {
		t.Fatal(err)
	}
	line := audio.DecodeULaw(nil, audio.EncodeULaw(nil, append(make([]int16, 4000), pcm...)))
	dir := t.TempDir()
	writeWAV(t, filepath.Join(dir, "keys.wav"), sound{8000, line})
	run(t, ctx, dir, "sox", "-D", "keys.wav", "-r", "22050", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "keys.raw")
	if got := dtmf(run(t, ctx, dir, "multimon-ng", "-q", "-t", "raw", "-a", "DTMF", "keys.raw")); got != all {
		t.Errorf("multimon-ng read %q, want %q", got, all)
	}
}
