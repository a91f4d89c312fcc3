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
	s := start(t, `SIDETONE_SIP_TRUNKS=[{name: carrier, addresses: [127.0.0.0/8], numbers: ["`+number+`"], media: {srtp: require, srtp_over_clear: true}}]`)
	agent, err := s.api.Agents().Create(ctx, client.Agent{Name: "Receptionist", Prompt: &client.Prompt{Content: playbook(t)}, InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Numbers().Buy(ctx, client.Purchase{TelephonyProvider: "sip", PhoneNumber: number}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Numbers().Update(ctx, number, client.Change{"inbound_agent": agent.ID}); err != nil {
		t.Fatal(err)
	}
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
