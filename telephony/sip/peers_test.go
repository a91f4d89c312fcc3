package sip

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// echo answers calls and returns what it hears, and keeps count.
type echo struct {
	calls, cancelled, held, resumed atomic.Int64
	loud                            atomic.Int64 // samples above the noise
	codec                           atomic.Value
	ring                            bool // never answer
}

func (e *echo) answer(ctx context.Context, leg telephony.Leg) {
	if e.ring {
		leg.(telephony.Ringer).Ring(ctx)
	} else if err := leg.Accept(ctx); err != nil {
		return
	}
	e.codec.Store(leg.Info().Codec)
	for ev := range leg.Events(ctx) {
		switch ev.Kind {
		case telephony.KindAudio:
			for _, v := range ev.Audio.PCM {
				if v > 1000 || v < -1000 {
					e.loud.Add(1)
				}
			}
			leg.Send(ev.Audio)
		case telephony.KindHeld:
			e.held.Add(1)
		case telephony.KindResumed:
			e.resumed.Add(1)
		case telephony.KindEnded:
			if ev.Cause == telephony.CauseCancelled {
				e.cancelled.Add(1)
			} else if ev.Remote {
				e.calls.Add(1)
			}
		}
	}
}

// run runs a peer and fails with its output.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestSIPp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, scenario, mode, codec string
		ring                        bool
	}{
		{"pcmu udp", "uac.xml", "u1", "PCMU", false},
		{"pcmu tcp", "uac.xml", "t1", "PCMU", false},
		{"pcmu tcp many connections", "uac.xml", "tn", "PCMU", false},
		{"g722 udp", "uac722.xml", "u1", "G722", false},
		{"early cancel udp", "cancel.xml", "u1", "", true},
		{"early cancel tcp", "cancel.xml", "t1", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := &echo{ring: test.ring}
			d := newDriver(t, nil)
			serve(t, d, e.answer)
			dir := t.TempDir()
			tone := audio.EncodeULaw(nil, audio.Sine(8000, 8000, 440, -12))
			if err := os.WriteFile(filepath.Join(dir, "tone.ulaw"), tone, 0o600); err != nil {
				t.Fatal(err)
			}
			tone = audio.NewG722Encoder().Encode(nil, audio.Sine(16000, 16000, 440, -12))
			if err := os.WriteFile(filepath.Join(dir, "tone.g722"), tone, 0o600); err != nil {
				t.Fatal(err)
			}
			scenario, err := filepath.Abs("testdata/peers/" + test.scenario)
			if err != nil {
				t.Fatal(err)
			}
			run(t, dir, "sipp", d.Addr().String(), "-sf", scenario, "-s", "+12125550123", "-t", test.mode,
				"-max_socket", "500", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", fmt.Sprint(telephonytest.Ports(t, 2)),
				"-mp", fmt.Sprint(telephonytest.Ports(t, 100)), "-m", "1", "-nostdin", "-trace_err")
			if test.ring {
				eventually(t, "the cancelled call", func() bool { return e.cancelled.Load() == 1 })
				return
			}
			eventually(t, "the end of the call", func() bool { return e.calls.Load() == 1 })
			if got := e.codec.Load(); got != test.codec {
				t.Errorf("codec %v, want %s", got, test.codec)
			}
			if e.loud.Load() < 8000 || e.held.Load() != 1 {
				t.Errorf("heard %d loud samples, held %d times", e.loud.Load(), e.held.Load())
			}
		})
	}
}

func TestBaresip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, codec, want, suffix string
		bind                      bool
	}{
		{"g722 udp", "G722/16000/1", "G722", "", true},
		{"pcmu tcp", "PCMU/8000/1", "PCMU", ";transport=tcp", true},
		{"pcmu from an address its sdp does not name", "PCMU/8000/1", "PCMU", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := &echo{}
			d := newDriver(t, nil)
			serve(t, d, e.answer)
			dir := baresipDir(t, test.codec)
			args := []string{"-4", "-f", dir, "-e", "/dial sip:+12125550123@" + d.Addr().String() + test.suffix, "-t", "3"}
			if test.bind {
				args = append([]string{"-n", "127.0.0.1"}, args...)
			}
			run(t, dir, "baresip", args...)
			eventually(t, "the end of the call", func() bool { return e.calls.Load() == 1 })
			if got := e.codec.Load(); got != test.want || e.loud.Load() < 8000 {
				t.Errorf("codec %v, %d loud samples", got, e.loud.Load())
			}
			heard, _ := filepath.Glob(filepath.Join(dir, "out", "dump-*-dec.wav"))
			if len(heard) == 0 {
				t.Fatal("baresip heard nothing")
			}
			if n := loudWAV(t, heard[0]); n < 8000 {
				t.Errorf("baresip heard %d loud samples", n)
			}
		})
	}
}

// baresipDir makes a configuration folder with a WAV to play.
func baresipDir(t *testing.T, codec string) string {
	t.Helper()
	dir := t.TempDir()
	wav := filepath.Join(dir, "tone.wav")
	run(t, dir, "sox", "-n", "-r", "16000", "-c", "1", "-b", "16", wav, "synth", "10", "sine", "440", "vol", "0.3")
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config", "accounts"} {
		raw, err := os.ReadFile("testdata/peers/baresip/" + name)
		if err != nil {
			t.Fatal(err)
		}
		rtp := telephonytest.Ports(t, 42)
		text := strings.NewReplacer("@WAV@", wav, "@DIR@", dir, "G722/16000/1", codec,
			"127.0.0.1:15070", fmt.Sprintf("127.0.0.1:%d", telephonytest.Ports(t, 2)),
			"15100-15140", fmt.Sprintf("%d-%d", rtp, rtp+40)).Replace(string(raw))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loudWAV counts the samples of a 16-bit file that are no noise.
func loudWAV(t *testing.T, path string) (n int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 44; i+1 < len(raw); i += 2 {
		if v := int16(uint16(raw[i]) | uint16(raw[i+1])<<8); v > 1000 || v < -1000 {
			n++
		}
	}
	return n
}
