package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// decrypt lets ffmpeg decrypt recorded SRTP that holds G.722.
func decrypt(t *testing.T, packets []packet, crypto string) sound {
	t.Helper()
	port := telephonytest.Ports(t, 2)
	file := filepath.Join(t.TempDir(), "recorded.sdp")
	text := fmt.Sprintf("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/SAVP 9\r\na=rtpmap:9 G722/8000\r\na=crypto:%s\r\n", port, crypto)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 60*time.Second)
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,crypto,udp,rtp,srtp",
		"-i", file, "-t", "4", "-f", "s16le", "-ar", "16000", "-")
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		raw, err := cmd.Output()
		done <- result{raw, err}
	}()
	await(t, ctx, "ffmpeg's port", func() bool {
		open, err := os.ReadFile("/proc/net/udp")
		return err == nil && strings.Contains(string(open), fmt.Sprintf(":%04X ", port))
	})
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, p := range packets {
		<-tick.C
		_, _ = conn.Write(p.raw) // ffmpeg may have what it wants
	}
	r := <-done
	if r.err != nil {
		t.Fatalf("ffmpeg: %v", r.err)
	}
	s := sound{rate: 16000}
	for i := 0; i+1 < len(r.raw); i += 2 {
		s.pcm = append(s.pcm, int16(binary.LittleEndian.Uint16(r.raw[i:])))
	}
	return s
}

// A trunk that requires SRTP: baresip and the agent hear each other, and what was
// recorded on the way is nothing but what ffmpeg decrypts with the agreed key. The call
// says how its line was.
func TestEncryptedCalls(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 120*time.Second)
	const number = "+14155550142"
	s := start(t, trunkSetting(`{name: carrier, addresses: [127.0.0.0/8], numbers: ["`+number+`"], media: {srtp: require, srtp_over_clear: true}}`))
	s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
	r := intercept(t, s.sip, "udp")
	heard := baresip(t, ctx, "G722/16000/1;mediaenc=srtp-mand", "sip:"+number+"@"+r.sip, true)
	c := s.ended(t, ctx, 1)
	words := []string{"ferry", "morning", "island", "leaves", "hour", "office"}
	checkWords(t, ctx, heard, words...)
	r.mu.Lock()
	crypto := r.crypto
	r.mu.Unlock()
	checkWords(t, ctx, decrypt(t, r.packets(), crypto), words...)
	q := c.LineQuality
	if q == nil || q.Near == nil || q.Near.Packets < 100 || q.Near.MOS < 1 {
		t.Fatalf("line quality %+v", q)
	}
	events := s.events(t, ctx, c.ID)
	if e := events[len(events)-2]; e.Type != "line_quality" || !strings.HasPrefix(e.Text, "received: loss ") {
		t.Errorf("the last event but one is %+v", e)
	}
}

// baresip and the agent hear each other over TLS and SRTP, whoever calls: with SRTP as
// baresip offers it beside plain sound, and as it insists on it.
func TestBaresipOverTLS(t *testing.T) {
	t.Parallel()
	words := []string{"ferry", "morning", "island", "leaves", "hour", "office"}
	tests := map[string]func(*testing.T){}
	for encryption, policy := range map[string]string{"srtp": "prefer", "srtp-mand": "require"} {
		setting := func(number, more string) string {
			return trunkSetting(`{name: carrier, addresses: [127.0.0.0/8], numbers: ["` + number + `"], media: {srtp: ` + policy + `}` + more + `}`)
		}
		tests[encryption+" calls"] = func(t *testing.T) {
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 120*time.Second)
			const number = "+14155550145"
			cert, key := telephonytest.Certificate(t, time.Hour)
			s, secure := secureServer(t, cert, key, setting(number, ""))
			s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			heard, wrote := baresipCall(t, ctx, "G722/16000/1;mediaenc="+encryption, "sip:"+number+"@"+secure+";transport=tls", true)
			c := s.ended(t, ctx, 1)
			checkSound(t, ctx, s, c, heard, paced)
			checkWords(t, ctx, heard, words...)
			if !strings.Contains(wrote, "SRTP is Enabled") {
				t.Errorf("baresip does not say that its sound is encrypted:\n%s", tail(wrote, 3000))
			}
		}
		tests[encryption+" is called"] = func(t *testing.T) {
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 120*time.Second)
			const number, phone = "+14155550146", "+12025550174"
			cert, key := telephonytest.Certificate(t, time.Hour)
			both := filepath.Join(t.TempDir(), "both.pem") // baresip takes one file
			writeText(t, both, readText(t, key)+readText(t, cert))
			dir, port := baresipDir(t, "G722/16000/1;answermode=auto;mediaenc="+encryption, "sip_certificate "+both+"\n")
			s := start(t, setting(number, fmt.Sprintf(", host: %q, transport: tls, tls: {ca_file: %q}", fmt.Sprintf("127.0.0.1:%d", port+1), cert)))
			agent := s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			out := make(chan string, 1)
			go func() {
				text, problems, _ := try(ctx, dir, "baresip", "-n", "127.0.0.1", "-4", "-f", dir, "-t", "10") // what it heard is judged
				out <- text + problems
			}()
			awaitTCP(t, ctx, port+1)
			if _, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: number, ToNumber: phone, Agent: agent.ID}); err != nil {
				t.Fatal(err)
			}
			wrote := <-out
			c := s.ended(t, ctx, 1)
			heard := baresipHeard(t, dir, wrote)
			checkSound(t, ctx, s, c, heard, paced)
			checkWords(t, ctx, heard, words...)
			if !strings.Contains(wrote, "SRTP is Enabled") {
				t.Errorf("baresip does not say that its sound is encrypted:\n%s", tail(wrote, 3000))
			}
		}
	}
	together(t, tests)
}
