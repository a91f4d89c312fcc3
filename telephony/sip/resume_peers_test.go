package sip

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// SIPp stays in a call whose process dies: its hold and its hang-up are answered, and it
// is heard, as if nothing had been.
func TestResumeACallOfSIPp(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, _ := listenTo(t, d)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tone.ulaw"), audio.EncodeULaw(nil, audio.Sine(8000, 8000, 440, -12)), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/peers/uac.xml")
	if err != nil {
		t.Fatal(err)
	}
	longer := strings.Replace(string(raw), `<pause milliseconds="2000"/>`, `<pause milliseconds="5000"/>`, 1)
	if err := os.WriteFile(filepath.Join(dir, "uac.xml"), []byte(longer), 0o600); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		run(t, dir, "sipp", d.Addr().String(), "-sf", "uac.xml", "-s", "+12125550123", "-t", "u1", "-i", "127.0.0.1", "-mi", "127.0.0.1",
			"-p", fmt.Sprint(telephonytest.Ports(t, 2)), "-mp", fmt.Sprint(telephonytest.Ports(t, 100)), "-m", "1", "-nostdin", "-trace_err")
	}()
	defer func() { <-over }()
	l := (<-legs).(*leg)
	loud := func(frames chan heardFrame) {
		t.Helper()
		n := 0
		eventually(t, "the tone", func() bool {
			if f := <-frames; !f.missing && (f.level > 100 || f.level < -100) {
				n++
			}
			return n >= 20
		})
	}
	loud(frames)
	dialog := l.Dialog()
	die(d)
	up := resume(t, nextDriver(t, d, 0), dialog)
	loud(up.frames)
	up.begins(t, telephony.KindResumed)
	for _, want := range []telephony.EventKind{telephony.KindHeld, telephony.KindEnded} {
		if ev := next(t, up.events); ev.Kind != want || want == telephony.KindEnded && !ev.Remote {
			t.Errorf("event %+v, want %d", ev, want)
		}
	}
}

// ffmpeg, which counts rollovers by itself, decrypts what we send before the gap and after
// it, in which our numbers begin anew.
func TestFFmpegDecryptsOverAGap(t *testing.T) {
	t.Parallel()
	for s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, "require", true, nil)
			legs, _ := tape(t, d)
			u, port := newRawUA(t, d, "udp"), telephonytest.Ports(t, 2)
			ok := u.establish(secureSDP("RTP/SAVP", port, keyLine("1", s, 1)))
			l := (<-legs).(*leg)
			l.media.mu.Lock()
			l.media.out.seq = 65536 - numberGap // before its first packet
			l.media.mu.Unlock()
			first, die1 := context.WithCancel(t.Context())
			second, stop := context.WithCancel(t.Context())
			var talking sync.WaitGroup
			defer talking.Wait()
			defer stop()
			defer die1()
			talking.Go(func() { tone(first, l, 440) })
			heard := make(chan []int16, 1)
			go func() { heard <- decryptedFor(t, port, cryptoOf(ok), 6*time.Second) }()
			eventually(t, "some sound", func() bool {
				l.media.mu.Lock()
				defer l.media.mu.Unlock()
				return l.media.out.packets >= 100
			})
			dialog := l.Dialog()
			die1()
			die(d)
			up := resume(t, nextDriver(t, d, 0), dialog)
			if up.media.out.seq>>16 != 1 {
				t.Errorf("number %d", up.media.out.seq)
			}
			talking.Go(func() { tone(second, up, 880) })
			pcm := <-heard
			if share := best(pcm, 8000, 440); share < 0.95 {
				t.Errorf("before the gap the tone is %.2f of what ffmpeg decrypts", share)
			}
			if share := best(pcm, 8000, 880); share < 0.95 {
				t.Errorf("after the gap the tone is %.2f of what ffmpeg decrypts", share)
			}
		})
	}
}
