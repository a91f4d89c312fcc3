package sip

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// toneShare is the share of a tone in the power of a sound.
func toneShare(pcm []int16, rate int, freq float64) float64 {
	var re, im, all float64
	for i, v := range pcm {
		a := 2 * math.Pi * freq * float64(i) / float64(rate)
		re += float64(v) * math.Cos(a)
		im += float64(v) * math.Sin(a)
		all += float64(v) * float64(v)
	}
	return 2 * (re*re + im*im) / (all*float64(len(pcm)) + 1)
}

// best is the largest share of a tone in any piece of a tenth of a second.
func best(pcm []int16, rate int, freq float64) (share float64) {
	for n := rate / 10; len(pcm) >= n; pcm = pcm[n:] {
		share = max(share, toneShare(pcm[:n], rate, freq))
	}
	return share
}

// tone sends frames of a tone until ctx ends.
func tone(ctx context.Context, l telephony.Leg, freq float64) {
	rate := l.Info().Rate
	pcm := audio.Sine(rate, rate, freq, -12)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for at := 0; ctx.Err() == nil; at = (at + rate/50) % rate {
		if l.Send(audio.Frame{PCM: pcm[at : at+rate/50], Rate: rate}) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// decrypted lets ffmpeg decrypt PCMU that comes to its port until it has half a second
// of it.
func decrypted(t *testing.T, port int, crypto string) []int16 {
	t.Helper()
	return decryptedFor(t, port, crypto, 500*time.Millisecond)
}

// decryptedFor is decrypted for another time.
func decryptedFor(t *testing.T, port int, crypto string, length time.Duration) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "in.sdp")
	text := fmt.Sprintf("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=crypto:%s\r\n", port, crypto)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,crypto,udp,rtp,srtp",
		"-analyzeduration", "0", "-i", file, "-t", fmt.Sprint(length.Seconds()), "-f", "s16le", "-ar", "8000", "pipe:1")
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(uint16(raw[2*i]) | uint16(raw[2*i+1])<<8)
	}
	return pcm
}

// cryptoOf is the a=crypto attribute of a description.
func cryptoOf(msg string) string {
	_, rest, _ := strings.Cut(msg, "a=crypto:")
	line, _, _ := strings.Cut(rest, "\r\n")
	return line
}

// ffmpeg decrypts what we send, on both suites, and after a change of the key.
func TestFFmpegDecrypts(t *testing.T) {
	t.Parallel()
	for s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, "require", true, nil)
			legs, events := tape(t, d)
			_ = events
			u := newRawUA(t, d, "udp")
			first, second := telephonytest.Ports(t, 2), telephonytest.Ports(t, 2)
			ok := u.establish(secureSDP("RTP/SAVP", first, keyLine("1", s, 1)))
			l := <-legs
			ctx, cancel := context.WithCancel(t.Context())
			var talking sync.WaitGroup
			talking.Go(func() { tone(ctx, l, 440) })
			defer talking.Wait()
			defer cancel()
			if share := best(decrypted(t, first, cryptoOf(ok)), 8000, 440); share < 0.95 {
				t.Errorf("the tone is %.2f of what ffmpeg decrypts", share)
			}
			other := suite80 + suite32 - s // our key is another one then
			u.send(u.request("INVITE", 2, secureSDP("RTP/SAVP", second, keyLine("1", other, 2))))
			again := u.status("INVITE", 200)
			u.ack(2, "")
			if cryptoOf(again)[len("1 AES_CM_128_HMAC_SHA1_80"):] == cryptoOf(ok)[len("1 AES_CM_128_HMAC_SHA1_80"):] {
				t.Error("our key did not change")
			}
			if share := best(decrypted(t, second, cryptoOf(again)), 8000, 440); share < 0.95 {
				t.Errorf("after the change the tone is %.2f of what ffmpeg decrypts", share)
			}
		})
	}
}

// We decrypt what ffmpeg encrypts.
func TestFFmpegEncrypts(t *testing.T) {
	t.Parallel()
	for s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, "require", true, nil)
			heard := make(chan float64, 1)
			serve(t, d, func(ctx context.Context, leg telephony.Leg) {
				if leg.Accept(ctx) != nil {
					return
				}
				var pcm []int16
				for ev := range leg.Events(ctx) {
					if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
						pcm = append(pcm, ev.Audio.PCM...)
					}
					if len(pcm) >= 8000 {
						heard <- best(pcm, 8000, 440)
						return
					}
				}
			})
			u := newRawUA(t, d, "udp")
			port := telephonytest.Ports(t, 2)
			to := &rtpPeer{t: t}
			to.talkTo(u.establish(secureSDP("RTP/SAVP", port, keyLine("1", s, 1))))
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000",
				"-c:a", "pcm_mulaw", "-f", "rtp", "-srtp_out_suite", s.String(), "-srtp_out_params", base64.StdEncoding.EncodeToString(someKey(1).secret()[:]),
				fmt.Sprintf("srtp://%s?localrtpport=%d&pkt_size=172", to.to, port))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cancel()
			select {
			case share := <-heard:
				if share < 0.95 {
					t.Errorf("the tone is %.2f of what we decrypt", share)
				}
			case <-ctx.Done():
				t.Error("nothing of ffmpeg's was decrypted")
			}
		})
	}
}

// baresipSRTP prepares a baresip with a way to encrypt.
func baresipSRTP(t *testing.T, encryption, account string) (dir string, port string) {
	t.Helper()
	dir = baresipDir(t, "PCMU/8000/1")
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = strings.Cut(string(config), "sip_listen 127.0.0.1:")
	port, _, _ = strings.Cut(port, "\n")
	text := strings.Replace(string(config), "module g711.so", "module srtp.so\nmodule g711.so", 1)
	line := "<sip:t@127.0.0.1>;regint=0;audio_codecs=PCMU/8000/1" + account
	if encryption != "" {
		line += ";mediaenc=" + encryption
	}
	for name, text := range map[string]string{"config": text, "accounts": line + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, port
}

// checkDump looks for the tone in what baresip heard.
func checkDump(t *testing.T, dir string) {
	t.Helper()
	dumps, _ := filepath.Glob(filepath.Join(dir, "out", "dump-*-dec.wav"))
	if len(dumps) == 0 {
		t.Fatal("baresip heard nothing")
	}
	raw, err := os.ReadFile(dumps[0])
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 0, len(raw)/2)
	for i := 44; i+1 < len(raw); i += 2 {
		pcm = append(pcm, int16(uint16(raw[i])|uint16(raw[i+1])<<8))
	}
	if share := max(best(pcm, 8000, 440), best(pcm, 16000, 440)); share < 0.9 {
		t.Errorf("the tone is %.2f of what baresip heard", share)
	}
}

// baresip calls with each of its ways to encrypt.
func TestBaresipCallsWithSRTP(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		encryption, policy string
		encrypted          bool
	}{
		{"srtp-mand", "require", true}, {"srtp-mand", "prefer", true}, {"srtp-mandf", "prefer", true},
		{"srtp", "prefer", true}, {"srtp", "require", true}, {"srtp", "off", false}, {"", "prefer", false},
	} {
		t.Run(test.encryption+" "+test.policy, func(t *testing.T) {
			t.Parallel()
			e := &echo{}
			d := srtpDriver(t, test.policy, true, nil)
			encrypted := make(chan bool, 1)
			serve(t, d, func(ctx context.Context, l telephony.Leg) {
				encrypted <- l.(*leg).stream.crypto != nil
				e.answer(ctx, l)
			})
			dir, _ := baresipSRTP(t, test.encryption, "")
			run(t, dir, "baresip", "-n", "127.0.0.1", "-4", "-f", dir, "-e", "/dial sip:+12125550123@"+d.Addr().String(), "-t", "3")
			eventually(t, "the end of the call", func() bool { return e.calls.Load() == 1 })
			if got := <-encrypted; got != test.encrypted || e.loud.Load() < 8000 {
				t.Errorf("encrypted: %v, %d loud samples", got, e.loud.Load())
			}
			checkDump(t, dir)
		})
	}
}

// We call a baresip with each of its ways to encrypt.
func TestBaresipAnswersWithSRTP(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		encryption, policy string
		encrypted, fails   bool
	}{
		{"srtp-mand", "require", true, false}, {"srtp", "prefer", true, false}, {"", "prefer", false, false}, {"", "require", false, true},
	} {
		t.Run(test.encryption+" "+test.policy, func(t *testing.T) {
			t.Parallel()
			dir, port := baresipSRTP(t, test.encryption, ";answermode=auto")
			ctx, cancel := context.WithCancel(t.Context())
			cmd := exec.CommandContext(ctx, "baresip", "-n", "127.0.0.1", "-4", "-f", dir, "-t", "30")
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends its file
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ready := make(chan struct{})
			go func() {
				in := bufio.NewScanner(out)
				for in.Scan() {
					if strings.Contains(in.Text(), "baresip is ready") {
						close(ready)
						break
					}
				}
				io.Copy(io.Discard, out)
			}()
			defer cmd.Wait()
			defer cancel()
			select {
			case <-ready:
			case <-time.After(20 * time.Second):
				t.Fatal("baresip is not ready")
			}
			d := newDriver(t, func(c *Config) {
				c.Trunks = []Trunk{{Name: "phone", Host: net.JoinHostPort("127.0.0.1", port), SRTP: test.policy, SRTPOverClear: true}}
			})
			l, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "t", Trunk: "phone"}, nil)
			if test.fails {
				if err == nil {
					t.Error("the call stands")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := l.(*leg).stream.crypto != nil; got != test.encrypted {
				t.Errorf("encrypted: %v", got)
			}
			talk, stop := context.WithCancel(t.Context())
			var talking sync.WaitGroup
			talking.Go(func() { tone(talk, l, 440) })
			var pcm []int16
			frames := 0
			for ev := range l.Events(t.Context()) {
				if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
					pcm = append(pcm, ev.Audio.PCM...)
				}
				if ev.Kind == telephony.KindAudio {
					frames++
				}
				if frames >= 150 {
					break
				}
			}
			stop()
			talking.Wait()
			if share := best(pcm, l.Info().Rate, 440); share < 0.9 {
				t.Errorf("the tone is %.2f of what we heard", share)
			}
			if err := l.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Error(err)
			}
			cancel()
			cmd.Wait()
			checkDump(t, dir)
		})
	}
}
