package conversation

import (
	"strings"
	"testing"
	"time"
)

const story = "Once upon a time there was a very old king, who had a horse and a dog in his castle."

// interrupted plays a sentence of 5 s, stops it at a position, and returns what
// the history says of it.
func interrupted(t *testing.T, words []Word, done bool, at time.Duration) string {
	t.Helper()
	m := New(Config{})
	m.Step(0, MediaStarted{})
	m.Step(time.Second, Heard{Text: "tell me", Final: true})
	m.Step(1600*ms, TimerFired{Name: timerEndpoint, Epoch: m.timers.armed[timerEndpoint].epoch})
	m.Step(2*time.Second, ModelText{Gen: 1, Text: story + "\n"})
	m.Step(2*time.Second, Voiced{Utt: 1, Words: words, Total: 5 * time.Second, Done: done})
	m.Step(2*time.Second, Audible{Utt: 1})
	m.Step(2*time.Second+at, SpeechStarted{Ago: 80 * ms})
	m.Step(2*time.Second+at, Stopped{Utt: 1, At: at})
	m.Step(3*time.Second+at, Heard{Text: "stop it"})
	m.Step(3*time.Second+at, Stopped{Utt: 1, At: at})
	h := m.History()
	if last := h[len(h)-1]; last.Role == Assistant {
		if !last.Interrupted && last.Text != story {
			t.Errorf("at %v: cut message %q is not marked", at, last.Text)
		}
		return last.Text
	}
	return ""
}

// Interruptions at every 20 ms of a 5 s sentence whose words have times: the
// history equals the words whose last sample was heard.
func TestHeardWordsEqualTruth(t *testing.T) {
	t.Parallel()
	words := evenWords(story, 4900*ms)
	for at := time.Duration(0); at < 5*time.Second; at += 20 * ms {
		want := ""
		for _, w := range words {
			if w.To <= at {
				want = story[:w.End]
			}
		}
		if got := interrupted(t, words, true, at); got != want {
			t.Fatalf("at %v: heard %q, want %q", at, got, want)
		}
	}
}

// Without word times the history never has more than was heard, and at most two
// words less.
func TestHeardWordsWithoutTimes(t *testing.T) {
	t.Parallel()
	truth := wordsByLength(story, 4900*ms)
	for at := time.Duration(0); at < 5*time.Second; at += 20 * ms {
		heard := 0
		for _, w := range truth {
			if w.To <= at {
				heard++
			}
		}
		got := len(strings.Fields(interrupted(t, nil, true, at)))
		if got > heard || got < heard-2 {
			t.Fatalf("at %v: %d words credited, %d heard", at, got, heard)
		}
		if early := len(strings.Fields(interrupted(t, nil, false, at))); early > heard {
			t.Fatalf("at %v: %d words credited before the sound was complete, %d heard", at, early, heard)
		}
	}
}

// wordsByLength gives every word a share of the sound by its length, as speech
// does roughly.
func wordsByLength(text string, total time.Duration) []Word {
	words := evenWords(text, total)
	for i := range words {
		w := &words[i]
		w.From = total * time.Duration(w.Start) / time.Duration(len(text))
		w.To = total * time.Duration(w.End) / time.Duration(len(text))
	}
	return words
}

func TestRestart(t *testing.T) {
	t.Parallel()
	u := utterance{text: "one two three", words: evenWords("one two three", 3*time.Second), total: 3100 * ms, done: true}
	for _, c := range []struct{ at, want time.Duration }{
		{0, 0},
		{500 * ms, 0},
		{1000 * ms, 0},
		{1020 * ms, 1000 * ms},
		{2990 * ms, 2000 * ms},
		{3000 * ms, 3000 * ms},
		{3050 * ms, 3050 * ms},
	} {
		if got := u.restart(c.at); got != c.want {
			t.Errorf("restart(%v) = %v, want %v", c.at, got, c.want)
		}
	}
	hum := utterance{text: "one two three", total: 3 * time.Second}
	if got := hum.restart(200 * ms); got != 0 {
		t.Errorf("restart without word times = %v, want 0", got)
	}
}
