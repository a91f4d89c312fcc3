package faults

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// Calls go on in the process that takes the place of one that was killed.
func TestCallsSurviveTheirProcess(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) {
		survived, of := newSurvivors(t, settings).round(t, roundOptions{calls: 8, unreachable: 2, soundWithin: 5 * time.Second})
		if survived != of {
			t.Errorf("%d of %d calls went on", survived, of)
		}
	})
}

// numberOfTLS is that of callers over TLS, and addressOfTLS where they are.
const numberOfTLS, addressOfTLS = "+14155550145", "127.0.0.3"

// newSurvivors starts a server for calls that survive it, and agents who speak tone words.
func newSurvivors(t *testing.T, settings string) *survivors {
	t.Helper()
	cert, key := telephonytest.Certificate(t, time.Hour)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	s := &survivors{cert: pair, roots: x509.NewCertPool()}
	s.roots.AppendCertsFromPEM(raw)
	secure := telephonytest.Ports(t, 1)
	vendors, controls := toneVendors(t, teller{})
	s.faults = controls
	s.n = serve(t, fmt.Sprintf(`%s%ssip:
  tls: {listen: "127.0.0.1:%d", cert_file: %q, key_file: %q}
  trunks:
    - {name: secure, host: %s, transport: tls, addresses: [%s/32], numbers: [%q], media: {srtp: require}, tls: {ca_file: %q, server_name: 127.0.0.1}}
`, settings, vendors, secure, cert, key, addressOfTLS, addressOfTLS, numberOfTLS, cert))
	agent := s.n.create(toneAgent)
	bought, err := s.n.api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	s.plain, s.secure = bought.Number, numberOfTLS
	if _, err := s.n.api.Numbers().Buy(t.Context(), client.Purchase{TelephonyProvider: "sip", PhoneNumber: s.secure}); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{s.plain, s.secure} {
		if _, err := s.n.api.Numbers().Update(t.Context(), number, client.Change{"inbound_agent": agent}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// roundOptions say what one death of the server is like.
type roundOptions struct {
	calls       int // of far ends that the server reaches
	unreachable int // of those on TCP and TLS that it does not
	speech      int // of calls, in a human voice
	// soundWithin is how soon after the start of the new process each caller hears the agent.
	soundWithin time.Duration
}

// round kills the server with live calls, starts it again, and wants them to go on. It
// returns how many did, and of how many.
func (s *survivors) round(t *testing.T, o roundOptions) (survived, of int) {
	t.Helper()
	before := len(s.n.calls())
	var all, lost []*survivor
	for i := range o.calls + o.unreachable {
		c := callFrom{network: []string{"udp", "tcp", "udp", "tls"}[i%4], reachable: i < o.calls, lines: []string{"tell me more", "and what else"}}
		switch {
		case !c.reachable:
			c.network = []string{"tcp", "tls"}[i%2]
		case i/4 < o.speech && i%4 == 0:
			c.speech, c.lines = true, []string{"Is there any parking?", "What are your opening hours?"}
		case i%7 == 3: // the server may die while its agent hangs up
			c.lines = []string{"tell me more", "bye now"}
		}
		v := s.survive(t, c)
		if all = append(all, v); !c.reachable {
			lost = append(lost, v)
		}
	}
	s.awaitLive(t, before, len(all))
	wait(time.Duration(3000+rand.IntN(5000)) * time.Millisecond)
	open := s.open()
	s.n.kill()
	wait(time.Duration(rand.IntN(1000)) * time.Millisecond)
	s.n.sip = s.n.ready.SIP
	began := time.Now()
	s.n.start()
	wait(8 * time.Second)
	for i, v := range all {
		if i%2 == 0 && !v.speech {
			v.say("bye now")
		}
	}
	wait(6 * time.Second)
	var hangUps sync.WaitGroup
	for _, v := range all {
		hangUps.Go(v.hangUp)
	}
	hangUps.Wait()
	until(t, time.Minute, "the calls to end", func() bool { return s.n.open() == 0 })
	records := map[string]client.Call{}
	for _, c := range s.n.calls()[:len(all)] {
		records[c.FromNumber] = c
	}
	for _, v := range all {
		c, ok := records[v.caller.from]
		if !ok {
			t.Fatalf("no record of the call from %s", v.caller.from)
		}
		if !open[v.caller.from] {
			v.checkRecord(t, s.n, c, began)
			continue
		}
		if slices.Contains(lost, v) {
			if c.Status != "error" || c.EndReason != "server_restart" {
				t.Errorf("the call over %s of a far end that takes no connection: %s, %s, %q", v.network, c.Status, c.EndReason, c.Errors)
			}
			continue
		}
		of++
		if v.checkSurvival(t, s.n, c, began, o.soundWithin) {
			survived++
		}
	}
	t.Logf("%d of %d calls went on", survived, of)
	return survived, of
}

// awaitLive waits until all of n calls behind those before are under way.
func (s *survivors) awaitLive(t *testing.T, before, n int) {
	t.Helper()
	until(t, 20*time.Second, "the calls to be under way", func() bool {
		all := s.n.calls()
		live := 0
		for _, c := range all[:max(0, len(all)-before)] {
			if c.Status == "in_progress" || c.Over() {
				live++
			}
		}
		return live == n || len(all) == 100
	})
}

// open are the callers whose calls are under way.
func (s *survivors) open() map[string]bool {
	out := map[string]bool{}
	for _, c := range s.n.calls() {
		if !c.Over() {
			out[c.FromNumber] = true
		}
	}
	return out
}

// say makes the caller say something else from now on.
func (v *survivor) say(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines = [][]int16{v.sound(line)}
}

// hangUp hangs up unless the call is over.
func (v *survivor) hangUp() { v.ask("BYE", "") }

// checkRecord wants a call that was over before the server died to have ended truthfully.
func (v *survivor) checkRecord(t *testing.T, n *node, c client.Call, _ time.Time) {
	t.Helper()
	if c.Status != "ended" {
		t.Errorf("the call from %s, which was over: %s, %s, %q", v.caller.from, c.Status, c.EndReason, c.Errors)
	}
}

// checkSurvival tells whether a call went on, and wants what is said of it to be true.
func (v *survivor) checkSurvival(t *testing.T, n *node, c client.Call, began time.Time, within time.Duration) bool {
	t.Helper()
	who := fmt.Sprintf("the call of %s over %s", v.caller.from, v.network)
	restarted, ends, pauses, next := 0, 0, 0, ""
	var said []string
	for _, e := range n.events(c.ID) {
		if restarted > 0 && next == "" && e.Data["interrupted"] != true && slices.Contains([]string{"agent", "caller", "interrupted"}, e.Type) {
			next = e.Type
		}
		switch {
		case e.Type == "restarted":
			restarted++
		case e.Type == "paused":
			pauses++
		case e.Type == "agent":
			said = append(said, spell(e.Text)...)
		case e.Type == "action" && e.Text == "end_conversation" && e.Data["said"] == "done":
			ends++
		}
	}
	if ends > 1 {
		t.Errorf("%s was ended by %d tools: %+v", who, ends, n.events(c.ID))
	}
	if restarted == 0 && c.Status == "ended" && c.EndReason == "goodbye" {
		return true // the server died while it hung up
	}
	if restarted != 1 || c.Status != "ended" {
		t.Logf("%s did not go on: %s, %s, %q", who, c.Status, c.EndReason, c.Errors)
		return false
	}
	if !v.speech {
		v.checkWords(t, who, said, pauses, next == "agent")
	}
	v.checkStream(t, who, began, within, next == "agent")
	v.checkTranscript(t, who, c)
	v.checkJournal(t, n, c)
	return true
}

// spell are the words of a text as they are heard.
func spell(text string) (out []string) {
	for word := range strings.FieldsSeq(text) {
		if w := tonewords.Spell(word); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// checkWords wants nothing to be credited that was not heard, and at most one sentence to
// be heard twice. Each of the pauses that the agent made, for a sound of the caller's, may
// have parted a word, which the caller's ear does not know then. spoke says that the agent
// was the first to speak after the restart, as the caller did not.
func (v *survivor) checkWords(t *testing.T, who string, said []string, pauses int, spoke bool) {
	t.Helper()
	heard := map[string]int{}
	var all []string
	for _, w := range v.words() {
		heard[w.text]++
		all = append(all, w.text)
	}
	apology := spell("Sorry, I lost you for a moment.")
	if lost, late := v.lostPackets(), v.lateness(); lost > 0 || late > callerLate { // sound that came late from its voice is no word
		t.Logf("%s: %d packets did not come, and this program was %s late: its words are not judged", who, lost, late)
		return
	}
	if heard[apology[1]] == 0 && heard["farewell"] == 0 && spoke { // last words are said without it
		t.Errorf("%s: nobody said that it was lost; heard %q", who, all)
	}
	again := 0
	for w, n := range heard {
		if n > 1 && !slices.Contains(apology, w) {
			again += n - 1
		}
	}
	if again > sentenceWords {
		t.Errorf("%s: %d words were heard twice: %q", who, again, all)
	}
	var missing []string
	for _, w := range said {
		if heard[w]--; heard[w] < 0 {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		t.Logf("%s: %q were not heard; the agent paused %d times", who, missing, pauses)
	}
	if len(missing) > pauses {
		t.Errorf("%s: the record says %q, the caller heard %q", who, said, all)
	}
}

// checkStream wants the stream to go on, and sound in time, unless the caller was the first
// to speak: then the agent listens.
func (v *survivor) checkStream(t *testing.T, who string, began time.Time, within time.Duration, spoke bool) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.IndexFunc(v.came, func(a arrival) bool { return a.at.After(began) })
	if i < 1 {
		t.Errorf("%s: no packet after the restart", who)
		return
	}
	last, next := v.came[i-1], v.came[i]
	if last.ssrc != next.ssrc || int16(next.seq-last.seq) <= 0 {
		t.Errorf("%s: SSRC and number were %x %d, and are %x %d", who, last.ssrc, last.seq, next.ssrc, next.seq)
	}
	ticks, passed := time.Duration(int32(next.time-last.time))*time.Second/8000, next.at.Sub(last.at)
	if d := (ticks - passed).Abs(); d > 200*time.Millisecond {
		t.Errorf("%s: its timestamps went on by %s in %s", who, ticks, passed)
	}
	loud := slices.IndexFunc(v.came[i:], arrival.loud)
	if loud < 0 {
		t.Errorf("%s: no sound after the restart", who)
		return
	}
	after := v.came[i+loud].at.Sub(began)
	t.Logf("%s: first packet %s, first sound %s after the start", who, next.at.Sub(began).Round(time.Millisecond), after.Round(time.Millisecond))
	switch {
	case after <= within:
	case !spoke:
		t.Logf("%s: the agent was heard %s after the start, as the caller spoke first", who, after)
	case v.late > callerLate:
		t.Logf("%s: the agent was heard %s after the start; the caller itself was %s late: not judged", who, after, v.late)
	default:
		t.Errorf("%s: the agent was heard %s after the start", who, after)
	}
}

// callerLate is how late a caller's frames may be for the server's times to be judged.
const callerLate = 60 * time.Millisecond

// lateness is the most by which a frame of the caller's was late.
func (v *survivor) lateness() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.late
}

// lostPackets counts what was sent to the caller and did not come.
func (v *survivor) lostPackets() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.came[1:] {
		last, next := v.came[i], v.came[i+1]
		if gap := next.at.Sub(last.at); gap < 500*time.Millisecond && !restarted(last, next) { // else the server was away
			n += max(0, int(int16(next.seq-last.seq))-1)
		}
	}
	return n
}

// checkTranscript wants no line of the caller's to be there more often than it was said.
func (v *survivor) checkTranscript(t *testing.T, who string, c client.Call) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if lines := strings.Count(c.Transcript, "HUMAN: "); lines > v.said {
		t.Errorf("%s: the caller said %d lines:\n%s", who, v.said, c.Transcript)
	}
}

// checkJournal wants the journal of both processes to replay as one.
func (v *survivor) checkJournal(t *testing.T, n *node, c client.Call) {
	t.Helper()
	status, text := n.request("GET", "/v1/calls/"+c.ID+"/journal", "")
	if status != 200 {
		t.Fatalf("journal: %d %s", status, text)
	}
	j, err := journal.Read([]byte(text))
	if err == nil {
		_, err = j.Replay()
	}
	if err != nil || j.Ending != journal.Whole {
		t.Errorf("the journal of call %s: %v", c.ID, err)
	}
}
