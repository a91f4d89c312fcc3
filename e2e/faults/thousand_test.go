//go:build faults

package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/standin"
)

// The waves of TestThousandCallsReplay: of 50 calls with tone words, and of 4 in a human
// voice for the offline recogniser.
const (
	toneWaves, toneCalls     = 18, 50
	speechWaves, speechCalls = 25, 4
	// wavesVariable holds fewer waves of each kind, for trials.
	wavesVariable = "FAULTS_WAVES"
)

// patientAgent is toneAgent with others who take over.
const patientAgent = `{"prompt":{"content":"Be kind."},"actions":[{"type":"action_end_conversation"}],"initial_message":"Welcome here caller.","provider":"openai","model":"gpt-4.1-mini",` +
	`"llm_fallback":{"provider":"openai","model_name":"gpt-4.1-nano"},` +
	`"transcriber":{"type":"transcriber_deepgram","fallback":{"type":"transcriber_deepgram","model":"nova-2"}},` +
	`"voice":{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM","fallback":{"type":"voice_eleven_labs","voice_id":"pNInz6obpgDQGcFmaJgB"}}}`

// A thousand calls with faults of vendors, keys, hold, interruptions and hang-ups of either
// side are replayed to the bit. How fast they were does not count.
func TestThousandCallsReplay(t *testing.T) {
	began := time.Now()
	s := newSurvivors(t, "calls: {max: 100}\ndefaults: {transcriber: pocketsphinx, voice: voice_flite}\n")
	s.clinic = s.n.clinicNumber()
	if _, err := s.n.api.Numbers().Update(t.Context(), s.plain, client.Change{"inbound_agent": s.n.create(patientAgent)}); err != nil {
		t.Fatal(err)
	}
	tones, speeches := toneWaves, speechWaves
	if fewer, err := strconv.Atoi(os.Getenv(wavesVariable)); err == nil {
		tones, speeches = min(tones, fewer), min(speeches, fewer)
	}
	calls := 0
	for range tones {
		calls += s.wave(t, toneCalls, callFrom{network: "udp", lines: []string{"tell me more", "and what else"}})
	}
	s.checkMix(t)
	for range speeches {
		calls += s.wave(t, speechCalls, callFrom{network: "udp", speech: true, lines: []string{"Is there any parking?", "What are your opening hours?"}})
	}
	replaying := time.Now()
	exact := s.n.replay()
	t.Logf("%d of %d calls were replayed exactly; the calls took %s, the replay %s", exact, calls, replaying.Sub(began).Round(time.Second), time.Since(replaying).Round(time.Millisecond))
	if exact != calls {
		t.Errorf("%d of %d calls were replayed exactly", exact, calls)
	}
}

// checkMix shows that the newest calls were not all alike, by the inputs of their journals.
func (s *survivors) checkMix(t *testing.T) {
	t.Helper()
	seen := map[string]int{}
	calls := s.n.calls()
	for _, c := range calls {
		var text strings.Builder
		if err := s.n.api.Calls().Journal(t.Context(), c.ID, &text); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"caller key", "line held", "line unheld", "line hungup", "line ended", "recogniser ", "playout stopped", "tool done"} {
			seen[what] += strings.Count(text.String(), " "+what)
		}
		for _, e := range c.Errors {
			vendor, _, _ := strings.Cut(e, ":")
			seen["error of "+vendor]++
		}
	}
	t.Logf("the newest %d calls had %v", len(calls), seen)
	for what, n := range seen {
		if n == 0 {
			t.Errorf("no call had %q: %v", what, seen)
		}
	}
}

// wave has calls at the same time, each of 8 to 15 s, and returns how many.
func (s *survivors) wave(t *testing.T, calls int, c callFrom) int {
	t.Helper()
	var leaves []time.Time
	gone, held := map[*survivor]bool{}, map[*survivor]bool{}
	for i := range calls {
		if i%4 == 1 {
			s.faults.ears.Inject(anyFault())
		}
		s.survive(t, c)
		leaves = append(leaves, time.Now().Add(8*time.Second+rand.N(7*time.Second)))
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); <-tick.C {
		for i, v := range s.placed {
			if !gone[v] && i%3 != 0 && time.Now().After(leaves[i]) {
				gone[v] = true
				v.hangUp()
			}
		}
		i := rand.IntN(len(s.placed))
		if v := s.placed[i]; !gone[v] {
			s.act(v, held, i%3 == 0 && time.Until(leaves[i]) < 7*time.Second)
		}
	}
	for _, v := range s.placed {
		if !gone[v] {
			v.hangUp()
		}
	}
	until(t, time.Minute, "the calls to end", func() bool { return s.n.open() == 0 })
	for _, v := range s.placed {
		v.end()
	}
	s.placed = nil
	for _, c := range []*standin.Control{s.faults.ears, s.faults.model, s.faults.voice} {
		c.Clear()
	}
	return calls
}

// act does something to a call, or to the vendors; leaving says that the caller may ask
// the agent to hang up.
func (s *survivors) act(v *survivor, held map[*survivor]bool, leaving bool) {
	switch rand.IntN(6) {
	case 0:
		v.key(byte(rand.IntN(12)))
	case 1:
		held[v] = !held[v]
		v.hold(held[v])
	case 2:
		s.faults.model.Inject(anyFault())
	case 3:
		s.faults.voice.Inject(anyFault())
	case 4:
		if leaving && !v.speech {
			v.say("bye now")
		}
	default:
		v.interrupt()
	}
}

// anyFault is one of a vendor's, for one request.
func anyFault() standin.Fault {
	all := []standin.Fault{
		{Kind: standin.Status, Status: 401}, {Kind: standin.Status, Status: 429, RetryAfter: time.Second}, {Kind: standin.Status, Status: 500},
		{Kind: standin.Reset, After: rand.IntN(4)}, {Kind: standin.Mute}, {Kind: standin.Slow, Delay: 30 * time.Millisecond},
	}
	f := all[rand.IntN(len(all))]
	f.Times = 1
	return f
}
