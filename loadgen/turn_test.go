package loadgen

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// virtualAgent answers a conversation on a virtual clock. Its packets leave
// 7 ms after the caller's; all travel in no time.
type virtualAgent struct {
	rate   int
	wait   time.Duration // from the last voiced sample to the answer's first
	speaks time.Duration // length of an answer
	react  time.Duration // from the interruption's first sample to silence
	pause  time.Duration // resumes this long after stopping; zero: never

	first, last time.Duration // voiced samples of the caller's latest burst
	from, to    time.Duration // when the agent sounds
	question    bool          // the burst began while the agent was silent
	stopped     bool          // the burst stopped the agent
}

// hear takes the caller's packet sent at at.
func (a *virtualAgent) hear(pcm []int16, at time.Duration) {
	first := firstAudible(pcm)
	if first < 0 {
		return
	}
	if at-a.last > 150*time.Millisecond {
		a.first = at + audio.Span(int64(first), a.rate)
		a.question, a.stopped = a.first >= a.to, false
	}
	a.last = at - audio.Span(int64(len(pcm)-1-lastAudible(pcm)), a.rate)
	if a.question || a.stopped && a.pause == 0 {
		a.from, a.to = a.last+a.wait, a.last+a.wait+a.speaks
	}
}

// speak fills the agent's packet sent at at.
func (a *virtualAgent) speak(pcm []int16, at time.Duration) {
	clear(pcm)
	if a.react > 0 && !a.question && !a.stopped && a.first > 0 && at >= a.first+a.react {
		a.stopped = true
		a.from, a.to = at+a.pause, at+a.pause+a.speaks
		if a.pause == 0 {
			a.from, a.to = a.last+a.wait, a.last+a.wait+a.speaks
		}
	}
	for i := range pcm {
		moment := at + audio.Span(int64(i), a.rate)
		if moment >= a.from && moment < a.to && a.last > 0 {
			pcm[i] = 8000
		}
	}
}

// converse runs the conversation against the agent until it is done.
func converse(t *testing.T, v *conversation, agent *virtualAgent) {
	t.Helper()
	ours, theirs := make([]int16, v.config.Codec.frame()), make([]int16, v.config.Codec.frame())
	for now := time.Second; !v.done(); now += framePeriod {
		if now > 20*time.Minute {
			t.Fatal("the conversation did not end in 20 minutes")
		}
		clear(ours)
		v.fill(ours, now)
		v.sent(now)
		agent.hear(ours, now)
		agent.speak(theirs, now+7*time.Millisecond)
		v.heard(theirs, now+7*time.Millisecond)
	}
}

// newTestConversation returns a conversation with short sounds of its own: to
// make those of a run takes long.
func newTestConversation(c Config, turns int) *conversation {
	c = c.withDefaults()
	for i := range 3 {
		length := c.Burst + time.Duration(i)*17*time.Millisecond
		c.Stimuli = append(c.Stimuli, audio.Sine(c.Codec.rate(), int(audio.Samples(length, c.Codec.rate())), 140, -12))
	}
	return newConversation(c, newSounds(c), rand.New(rand.NewPCG(7, 7)), turns)
}

func TestTurnAddedLatency(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{PCMU, G722} {
		for _, added := range []time.Duration{0, 12 * time.Millisecond, 40 * time.Millisecond, 333 * time.Millisecond} {
			v := newTestConversation(Config{
				Scenario: ScenarioTurn, Codec: codec, Wait: 500 * time.Millisecond, StubDelay: 70 * time.Millisecond,
			}, 20)
			agent := &virtualAgent{rate: codec.rate(), wait: 570*time.Millisecond + added, speaks: 700 * time.Millisecond}
			converse(t, v, agent)
			if len(v.added) != 20 || v.discarded != 0 || v.unanswered != 0 {
				t.Fatalf("%s, %v: %d measured, %d discarded, %d unanswered", codec, added, len(v.added), v.discarded, v.unanswered)
			}
			for _, got := range v.added {
				// One sample of rounding at 8 kHz is 125 us.
				if diff := got - added; diff < -200*time.Microsecond || diff > 200*time.Microsecond {
					t.Errorf("%s: added = %v, want %v", codec, got, added)
				}
			}
		}
	}
}

func TestTurnUnanswered(t *testing.T) {
	t.Parallel()
	v := newTestConversation(Config{Scenario: ScenarioTurn, AnswerWithin: time.Second}, 3)
	converse(t, v, &virtualAgent{rate: 8000, wait: time.Hour})
	if v.unanswered != 3 || len(v.added) != 0 {
		t.Errorf("unanswered = %d, added = %v", v.unanswered, v.added)
	}
}

func TestTurnDiscardsOverlap(t *testing.T) {
	t.Parallel()
	v := newTestConversation(Config{Scenario: ScenarioTurn}, 1)
	pcm := make([]int16, 160)
	for now := time.Second; v.stage != speaking; now += framePeriod {
		v.fill(pcm, now)
		v.sent(now)
	}
	v.heard([]int16{0, 9000}, 5*time.Second)
	if v.discarded != 1 || !v.done() {
		t.Errorf("discarded = %d, done = %v; want 1, true", v.discarded, v.done())
	}
}

func TestBargeIn(t *testing.T) {
	t.Parallel()
	for _, react := range []time.Duration{60 * time.Millisecond, 130 * time.Millisecond, 400 * time.Millisecond} {
		v := newTestConversation(Config{Scenario: ScenarioBargeIn}, 15)
		agent := &virtualAgent{rate: 8000, wait: 520 * time.Millisecond, speaks: 5 * time.Second, react: react}
		converse(t, v, agent)
		if len(v.bargeIn) != 15 || v.discarded != 0 || v.resumed != 0 {
			t.Fatalf("react %v: %d measured, %d discarded, %d resumed", react, len(v.bargeIn), v.discarded, v.resumed)
		}
		for _, got := range v.bargeIn {
			// The agent hears a voice when its packet leaves, up to a frame after
			// it was spoken; its last packet left up to a frame before silence.
			if got > react+framePeriod || got < react-framePeriod {
				t.Errorf("barge-in = %v, want at most a frame from %v", got, react)
			}
		}
	}
}

func TestBargeInDiscardsAnswerThatEndsByItself(t *testing.T) {
	t.Parallel()
	v := newTestConversation(Config{Scenario: ScenarioBargeIn}, 4)
	converse(t, v, &virtualAgent{rate: 8000, wait: 520 * time.Millisecond, speaks: 100 * time.Millisecond})
	if len(v.bargeIn) != 0 || v.discarded != 4 {
		t.Errorf("measured %d, discarded %d; want 0 and 4", len(v.bargeIn), v.discarded)
	}
}

func TestBargeInCountsResumption(t *testing.T) {
	t.Parallel()
	v := newTestConversation(Config{Scenario: ScenarioBargeIn, Burst: 2 * time.Second}, 2)
	agent := &virtualAgent{
		rate: 8000, wait: 520 * time.Millisecond, speaks: 5 * time.Second,
		react: 100 * time.Millisecond, pause: 600 * time.Millisecond,
	}
	converse(t, v, agent)
	if v.resumed == 0 {
		t.Errorf("resumed = 0 with an agent that speaks on; discarded %d", v.discarded)
	}
}

func TestCoughSilence(t *testing.T) {
	t.Parallel()
	const pause = 500 * time.Millisecond
	v := newTestConversation(Config{Scenario: ScenarioCough, Quiet: 900 * time.Millisecond}, 6)
	agent := &virtualAgent{
		rate: 8000, wait: 520 * time.Millisecond, speaks: 6 * time.Second,
		react: 100 * time.Millisecond, pause: pause,
	}
	converse(t, v, agent)
	if len(v.silence) == 0 {
		t.Fatalf("no silence measured; discarded %d", v.discarded)
	}
	for _, got := range v.silence {
		if got < pause || got > pause+2*framePeriod {
			t.Errorf("silence = %v, want %v to a frame", got, pause)
		}
	}
}

func TestTalkerRoundTrip(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{PCMU, PCMA, G722} {
		c := Config{Codec: codec, ClickEvery: 200 * time.Millisecond}.withDefaults()
		talker := newTalker(c, newClock(), newSounds(c), 3)
		coder, back := newCoder(codec), make([]int16, 0, 320)
		pcm := make([]int16, codec.frame())
		const delay = 23 * time.Millisecond
		for k := range 200 {
			now := time.Duration(k) * framePeriod
			clear(pcm)
			talker.fill(pcm, now)
			talker.sent(now)
			back = coder.decode(back[:0], coder.encode(nil, pcm))
			talker.heard(back, now+delay)
		}
		if len(talker.rtt) < 18 {
			t.Fatalf("%s: %d clicks found in 4 s", codec, len(talker.rtt))
		}
		for _, got := range talker.rtt {
			// G.722 is 22 samples of 16 kHz late.
			if got < delay || got > delay+2*time.Millisecond {
				t.Errorf("%s: round trip = %v, want %v", codec, got, delay)
			}
		}
	}
}

func TestClockClicksLoggedWhereSent(t *testing.T) {
	t.Parallel()
	c := Config{Scenario: ScenarioClock, ClickEvery: 300 * time.Millisecond}.withDefaults()
	if got, want := c.period(), 19996*time.Microsecond; got < want-time.Microsecond || got > want+time.Microsecond {
		t.Errorf("period at 200 ppm = %v, want %v", got, want)
	}
	talker := newTalker(c, newClock(), newSounds(c), 0)
	talker.answered = time.Second
	pcm := make([]int16, 160)
	var stream []int16
	for k := range 100 {
		clear(pcm)
		talker.fill(pcm, 0)
		talker.sent(time.Second + time.Duration(k)*c.period())
		stream = append(stream, pcm...)
	}
	if len(talker.clicks) < 6 {
		t.Fatalf("%d clicks in 2 s, want 6 or more", len(talker.clicks))
	}
	for _, click := range talker.clicks {
		if stream[click.Sample] != clickLevel || click.Sample > 0 && stream[click.Sample-1] == clickLevel {
			t.Errorf("no click begins at sample %d", click.Sample)
		}
		packet, within := click.Sample/160, click.Sample%160
		want := time.Duration(packet)*c.period() + audio.Span(within, 8000)
		if diff := time.Duration(click.SinceAnswer*1e9) - want; diff < -time.Microsecond || diff > time.Microsecond {
			t.Errorf("click at sample %d logged %v off", click.Sample, diff)
		}
	}
}
