package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// greeting lasts longer than the call of testdata/sipp/call.xml.
const greeting = "Good morning, this is the ferry office. The ferry to the island leaves every hour from seven in the morning until ten in the evening, " +
	"and on Sundays from nine. Bicycles and dogs travel free, and children pay half the fare."

// sipp runs a scenario of testdata/sipp against target until it ends.
func sipp(t *testing.T, ctx context.Context, scenario, target, number, transport string, replace ...string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata/sipp", scenario))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := strings.NewReplacer(append(replace, "@DIR@", dir)...).Replace(string(raw))
	for name, data := range map[string]string{scenario: text, "tone.ulaw": string(stimulus(0, 440)), "tone.g722": string(stimulus(9, 440)),
		"other.ulaw": string(stimulus(0, 620)), "other.alaw": string(stimulus(8, 620))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := telephonytest.Ports(t, 50)
	args := []string{"-sf", scenario, "-t", transport, "-i", "127.0.0.1", "-mi", "127.0.0.1",
		"-p", fmt.Sprint(port), "-mp", fmt.Sprint(port + 10), "-m", "1", "-nostdin", "-timeout", "60s", "-timeout_error", "-trace_err"}
	if target != "" {
		args = append([]string{target, "-s", number}, args...)
	}
	out, problems, err := try(ctx, dir, "sipp", args...)
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(dir, "*errors.log"))
		for _, l := range logs {
			more, _ := os.ReadFile(l)
			problems += string(more)
		}
		t.Fatalf("sipp: %v\n%s\n%s", err, tail(out, 1500), tail(problems, 3000))
	}
}

// SIPp calls, plays a tone, holds, resumes and hangs up, while the agent
// speaks. The relay hears what SIPp hears.
func TestSIPpCalls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, network, mode, codec string
		kind                       byte
	}{
		{"PCMU over UDP", "udp", "u1", "PCMU", 0},
		{"PCMU over TCP", "tcp", "t1", "PCMU", 0},
		{"G.722 over UDP", "udp", "u1", "G722", 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 90*time.Second)
			s := start(t)
			number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			r := intercept(t, s.sip, test.network)
			file := map[byte]string{0: "tone.ulaw", 9: "tone.g722"}[test.kind]
			sipp(t, ctx, "call.xml", r.sip, number, test.mode, "@TYPE@", fmt.Sprint(test.kind), "@NAME@", test.codec, "@FILE@", file)

			c := s.ended(t, ctx, 1)
			events := s.events(t, ctx, c.ID)
			if c.FromNumber != "+12025550171" || c.ToNumber != number || c.EndReason != "" && strings.Contains(c.EndReason, "error") {
				t.Errorf("stored: %+v", c)
			}
			if got := codecOf(events); got != test.codec {
				t.Errorf("codec %q, want %q", got, test.codec)
			}
			heard := r.packets()
			checkSound(t, ctx, s, c, spread(decode(t, heard, test.kind), heard), paced)
			checkHold(t, heard, test.kind, paced)
		})
	}
}

// codecOf returns what the call was connected with.
func codecOf(events []client.Event) string {
	for _, e := range events {
		if e.Type == "connected" {
			codec, _ := e.Data["codec"].(string)
			return codec
		}
	}
	return ""
}

// checkSound compares what the peer got with the call's recording, and the
// recording of the caller with the tone that it played.
func checkSound(t *testing.T, ctx context.Context, s *server, c client.Call, heard sound, paced *timing.Meter) {
	t.Helper()
	caller, agent := s.recording(t, ctx, c.ID)
	if got := caller.tone(440); got < 2.5 {
		t.Errorf("the recording has %.2f s of the caller's tone", got)
	}
	if got := heard.loud(); got < 1.5 {
		t.Errorf("the peer heard %.2f s of speech", got)
	}
	if a, b := heard.loud(), agent.loud(); a < b*0.8-0.2 || a > b*1.25+0.2 {
		paced.Errorf("the peer heard %.2f s of speech, the recording has %.2f s", a, b)
	}
	if got := alike(heard, agent); got > 0.85 {
		t.Logf("what the peer heard resembles the recording by %.2f", got)
	} else {
		paced.Errorf("what the peer heard (%d samples) resembles the recording (%d) by %.2f", len(heard.pcm), len(agent.pcm), got)
	}
	if got := heard.tone(440); got > 0.1 {
		t.Errorf("the peer heard %.2f s of its own tone", got)
	}
}

// checkHold finds the second in which the server must not send, and sound
// after it.
func checkHold(t *testing.T, packets []packet, kind byte, paced *timing.Meter) {
	t.Helper()
	gap, at := time.Duration(0), 0
	for i := 1; i < len(packets); i++ {
		if packets[i].sequence != packets[i-1].sequence+1 {
			t.Errorf("packet %d has number %d after %d", i, packets[i].sequence, packets[i-1].sequence)
		}
		if d := packets[i].at.Sub(packets[i-1].at); d > gap {
			gap, at = d, i
		}
	}
	if gap < 600*time.Millisecond || gap > 3*time.Second {
		paced.Errorf("the longest pause of the server's sound is %v, want the hold of 1 s", gap)
	}
	after := decode(t, packets[at:], kind)
	if got := after.loud(); got < 0.5 {
		t.Errorf("after the hold the peer heard %.2f s of speech", got)
	}
}

func TestSIPpGivesUpWhileItRings(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]string{"UDP": "u1", "TCP": "t1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 60*time.Second)
			s := start(t, "SIDETONE_CALLS_ANSWER_AFTER=20s")
			number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			sipp(t, ctx, "cancel.xml", s.sip, number, mode)
			c := s.ended(t, ctx, 1)
			if c.Status != "ended" || c.Transcript != "" || !c.StartTime.IsZero() || c.StageOutcome == "" {
				t.Errorf("stored: %+v", c)
			}
			for _, e := range s.events(t, ctx, c.ID) {
				if e.Type == "connected" || e.Type == "error" {
					t.Errorf("a cancelled call has the event %+v", e)
				}
			}
		})
	}
}

func TestKeysByINFO(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 60*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: "Press some keys.", Voice: s.voice(t, "voice_flite")})
	raw, err := os.ReadFile("testdata/sipp/press.xml")
	if err != nil {
		t.Fatal(err)
	}
	press := ""
	for i, key := range []string{"4", "2", "#"} {
		press += strings.NewReplacer("@CSEQ@", fmt.Sprint(2+i), "@KEY@", key).Replace(string(raw))
	}
	sipp(t, ctx, "info.xml", s.sip, number, "u1", "@PRESS@", press)
	c := s.ended(t, ctx, 1)
	if got := textOf(s.events(t, ctx, c.ID), "digits"); got != "42" { // the # ends them
		t.Errorf("pressed 42#, understood %q", got)
	}
}
