package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
)

// Somebody who changes the codec in the middle of a call is heard and hears as
// before.
func TestSIPpChangesTheCodec(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to     string
		first, other byte
		file, second string
	}{
		{"PCMU", "PCMA", 0, 8, "tone.ulaw", "other.alaw"},
		{"G722", "PCMU", 9, 0, "tone.g722", "other.ulaw"},
	} {
		t.Run(test.from+" to "+test.to, func(t *testing.T) {
			t.Parallel()
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 90*time.Second)
			s := start(t)
			number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			r := intercept(t, s.sip, "udp")
			sipp(t, ctx, "switch.xml", r.sip, number, "u1", "@TYPE@", fmt.Sprint(test.first), "@NAME@", test.from, "@FILE@", test.file,
				"@TYPE2@", fmt.Sprint(test.other), "@NAME2@", test.to, "@FILE2@", test.second)

			c := s.ended(t, ctx, 1)
			if got := codecOf(s.events(t, ctx, c.ID)); got != test.from || c.Status != "ended" {
				t.Errorf("codec %q, call %+v", got, c)
			}
			heard := r.packets()
			caller, agent := s.recording(t, ctx, c.ID)
			for _, freq := range []float64{440, 620} {
				if got := caller.tone(freq); got < 2 {
					t.Errorf("the recording has %.2f s of the caller's %v Hz", got, freq)
				}
			}
			changed := 0
			for changed < len(heard) && heard[changed].kind == test.first {
				changed++
			}
			for i, p := range heard[changed:] {
				if p.kind != test.other {
					t.Fatalf("packet %d after the change has type %d", i, p.kind)
				}
			}
			before, after := decode(t, heard[:changed], test.first), decode(t, heard[changed:], test.other)
			for name, part := range map[string]struct {
				sound
				begin int
			}{test.from: {before, 0}, test.to: {after, changed}} {
				if got := part.loud(); got < 1.5 {
					t.Errorf("the peer heard %.2f s of speech in %s", got, name)
				}
				if got := alikeFrom(part.sound, agent, part.begin); got < 0.85 {
					paced.Errorf("what the peer heard in %s resembles the recording by %.2f", name, got)
				}
			}
			if a, b := before.loud()+after.loud(), agent.loud(); a < b*0.8-0.2 || a > b*1.25+0.2 {
				paced.Errorf("the peer heard %.2f s of speech, the recording has %.2f s", a, b)
			}
		})
	}
}

// A caller without an offer gets ours, and answers it in the ACK.
func TestSIPpLetsTheServerOffer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		codec, file string
		kind        byte
	}{{"PCMU", "tone.ulaw", 0}, {"G722", "tone.g722", 9}} {
		t.Run(test.codec, func(t *testing.T) {
			t.Parallel()
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 90*time.Second)
			s := start(t)
			number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			r := intercept(t, s.sip, "udp")
			sipp(t, ctx, "late.xml", r.sip, number, "u1", "@TYPE@", fmt.Sprint(test.kind), "@NAME@", test.codec, "@FILE@", test.file)
			c := s.ended(t, ctx, 1)
			heard := r.packets()
			if c.Status != "ended" || len(heard) == 0 || heard[0].kind != test.kind {
				t.Fatalf("%d packets, call %+v", len(heard), c)
			}
			checkSound(t, ctx, s, c, spread(decode(t, heard, test.kind), heard), paced)
		})
	}
}
