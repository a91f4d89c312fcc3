package conversation

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestDecide(t *testing.T) {
	t.Parallel()
	l := english()
	for _, c := range []struct {
		name, text, asked string
		endpoint          Endpointing
		fixed             bool
		speed             int64
		learned           time.Duration
		awaiting          bool
		unvoiced          bool
		wait              time.Duration
		rule              rule
	}{
		{name: "auto", text: "I need a taxi", wait: 500 * ms, rule: ruleShort},
		{name: "relaxed", text: "I need a taxi", endpoint: Relaxed, wait: 700 * ms, rule: ruleShort},
		{name: "sensitive", text: "I need a taxi", endpoint: Sensitive, wait: 300 * ms, rule: ruleShort},
		{name: "sensitive sentence", text: "I need a taxi.", endpoint: Sensitive, wait: 250 * ms, rule: ruleSentence},
		{name: "sensitive sentence unstable", text: "I need a taxi.", endpoint: Sensitive, awaiting: true, wait: 300 * ms, rule: ruleShort},
		{name: "no text yet", text: "", wait: 500 * ms, rule: ruleShort},
		{name: "conjunction", text: "I need a taxi and", wait: 2500 * ms, rule: ruleUnfinished},
		{name: "conjunction relaxed", text: "I need a taxi and", endpoint: Relaxed, wait: 3 * time.Second, rule: ruleUnfinished},
		{name: "conjunction sensitive", text: "I need a taxi and", endpoint: Sensitive, wait: 1200 * ms, rule: ruleUnfinished},
		{name: "filler", text: "I would like um", wait: 2500 * ms, rule: ruleUnfinished},
		{name: "a word that may end a sentence", text: "tell me about that", wait: 500 * ms, rule: ruleShort},
		{name: "comma", text: "On Friday,", wait: 2500 * ms, rule: ruleUnfinished},
		{name: "a full stop outweighs the word", text: "That is what I am here for.", wait: 500 * ms, rule: ruleSentence},
		{name: "fixed ignores the words", text: "I need a taxi and", fixed: true, wait: 500 * ms, rule: ruleFixed},
		{name: "digits asked for", text: "it is four one five", asked: "What is your number?", wait: 2 * time.Second, rule: ruleDictation},
		{name: "digits not asked for", text: "we will be coming there at about four one five", wait: 500 * ms, rule: ruleShort},
		{name: "mostly digits", text: "four one five", wait: 2 * time.Second, rule: ruleDictation},
		{name: "numerals", text: "my code 415", asked: "Your code?", wait: 2 * time.Second, rule: ruleDictation},
		{name: "letters", text: "j o n", asked: "Please spell your name.", wait: 2 * time.Second, rule: ruleDictation},
		{name: "two digits", text: "four one", asked: "What is your number?", wait: 500 * ms, rule: ruleShort},
		{name: "fast", text: "I need a taxi", speed: maxSpeed, wait: 250 * ms, rule: ruleShort},
		{name: "slow", text: "I need a taxi", speed: minSpeed, wait: time.Second, rule: ruleShort},
		{name: "never above the cap", text: "I need a taxi and", endpoint: Relaxed, speed: minSpeed, wait: 4 * time.Second, rule: ruleUnfinished},
		{name: "learned", text: "I need a taxi", learned: 900 * ms, wait: 900 * ms, rule: ruleLearned},
		{name: "learned at most the long wait", text: "I need a taxi", learned: 3500 * ms, wait: 2500 * ms, rule: ruleLearned},
		{name: "unvoiced", text: "hello there", unvoiced: true, wait: 600 * ms, rule: ruleUnvoiced},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := waitsOf(Config{Endpoint: c.endpoint, DynamicTurns: !c.fixed, FinalWait: time.Second})
			o := observation{
				text: c.text, asked: c.asked, final: !c.awaiting, unvoiced: c.unvoiced,
				speed: orDefault(c.speed, normalSpeed), learned: c.learned,
			}
			got := decide(o, d, &l)
			if got.wait != c.wait || got.rule != c.rule || got.commit {
				t.Errorf("decide = %v by %s, commit %t; want %v by %s and no commit", got.wait, got.rule, got.commit, c.wait, c.rule)
			}
		})
	}
}

// The turn is over when the wait is over and the final is in, or not worth
// waiting for; never without words.
func TestDecideCommit(t *testing.T) {
	t.Parallel()
	l := english()
	for _, c := range []struct {
		text    string
		silence time.Duration
		final   bool
		want    bool
	}{
		{"yes", 499 * ms, true, false},
		{"yes", 500 * ms, true, true},
		{"yes", 500 * ms, false, false},
		{"yes", 999 * ms, false, false},
		{"yes", 1000 * ms, false, true},
		{"", 5000 * ms, true, false},
	} {
		o := observation{text: c.text, silence: c.silence, final: c.final, speed: normalSpeed}
		got := decide(o, waitsOf(Config{FinalWait: time.Second}), &l).commit
		if got != c.want {
			t.Errorf("%+v: commit = %t", c, got)
		}
	}
}

// With the final in, a turn adds nothing to its wait: the model is asked exactly
// at the last voiced sample plus W, wherever the end of the burst was noticed
// and whenever inside the wait the final came.
func TestTurnAddsNothingToTheWait(t *testing.T) {
	t.Parallel()
	for hangover := 40 * ms; hangover <= 400*ms; hangover += 13 * ms {
		for final := hangover; final <= 500*ms; final += 17 * ms {
			m := New(Config{})
			m.Step(0, MediaStarted{})
			m.Step(1080*ms, SpeechStarted{Ago: 80 * ms})
			const last = 2013 * ms
			out := m.Step(last+hangover, SpeechEnded{Ago: hangover, Length: 1013 * ms})
			if _, ok := out[0].(Disarm); !ok || !has[FinalizeSpeech](out) {
				t.Fatalf("no finalisation at once: %v", out)
			}
			at := armedAt(out, timerEndpoint)
			out = m.Step(last+final, Heard{Text: "hello", Final: true, Flushed: true})
			if final < 500*ms {
				if again := armedAt(out, timerEndpoint); again != 0 {
					at = again
				}
				if at != last+500*ms {
					t.Fatalf("hangover %v, final %v: endpoint at %v, want %v", hangover, final, at, last+500*ms)
				}
				out = m.Step(at, TimerFired{Name: timerEndpoint, Epoch: m.timers.armed[timerEndpoint].epoch})
			}
			if !has[AskModel](out) {
				t.Fatalf("hangover %v, final %v: model not asked: %v", hangover, final, out)
			}
		}
	}
}

func has[T Output](out []Output) bool {
	for _, o := range out {
		if _, ok := o.(T); ok {
			return true
		}
	}
	return false
}

func armedAt(out []Output, name Timer) time.Duration {
	for _, o := range out {
		if a, ok := o.(Arm); ok && a.Name == name {
			return a.At
		}
	}
	return 0
}

func TestHabits(t *testing.T) {
	t.Parallel()
	h := habits{pace: usualPace, pause: 500 * ms}
	h.learnPace(1, time.Second)
	h.learnPace(9, 300*ms)
	if got := h.speed(1000, true); got != normalSpeed {
		t.Errorf("speed after useless utterances = %v, want 1000000", got)
	}
	for range 50 {
		h.learnPace(100, 10*time.Second)
	}
	if got := h.speed(1000, true); got != maxSpeed {
		t.Errorf("speed of a very fast caller = %v, want the limit 2000000", got)
	}
	if got := h.speed(800, false); got != 800_000 {
		t.Errorf("speed without dynamic turns = %v, want the dial", got)
	}
	for range 50 {
		h.learnPace(2, 10*time.Second)
	}
	if got := h.speed(1000, true); got != minSpeed {
		t.Errorf("speed of a very slow caller = %v, want the limit 500000", got)
	}
	h.learnPause(100*ms, false)
	h.learnPause(9*time.Second, true)
	if h.pause != 500*ms {
		t.Errorf("pause = %v after pauses that say nothing", h.pause)
	}
	h.learnPause(1500*ms, false)
	h.learnPause(1400*ms, true)
	if h.pause != 1000*ms {
		t.Errorf("pause = %v, want 1s", h.pause)
	}
}
