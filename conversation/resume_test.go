package conversation

import (
	"strings"
	"testing"
	"time"
)

// TestWhatIsSaidAgain cuts a greeting at every 20 ms: no word is credited that was not
// heard, what is said again begins with the sentence that was cut, and that one alone is
// repeated. With times of words, and without.
func TestWhatIsSaidAgain(t *testing.T) {
	t.Parallel()
	const text = "Hello, this is Dr. Kim's surgery. We are open from 8 to 5! How can I help you today?"
	starts := []int{0, strings.Index(text, "We are"), strings.Index(text, "How can")}
	const total, audible = 9 * time.Second, 100 * ms
	for _, words := range [][]Word{evenWords(text, total), nil} {
		for until := time.Duration(0); until <= audible+total-20*ms; until += 20 * ms {
			m := New(Config{Greeting: text})
			m.Step(0, MediaStarted{})
			m.Step(50*ms, Voiced{Utt: 1, Words: words, Total: total, Done: true})
			if until >= audible {
				m.Step(audible, Audible{Utt: 1})
			}
			heard, said := "", []string{}
			for _, o := range m.Step(until+3*time.Second, Resumed{Until: until}) {
				switch o := o.(type) {
				case Note:
					heard = o.Text
				case Say:
					said = append(said, o.Text)
				}
			}
			sure := 0
			for _, w := range evenWords(text, total) {
				if audible+w.To+lag <= until {
					sure = w.End
				}
			}
			if len(heard) > sure || len(heard) < sure && words != nil || !strings.HasPrefix(text, heard) {
				t.Fatalf("until %v: credited %q, surely heard %q", until, heard, text[:sure])
			}
			from := 0
			for _, s := range starts {
				if s <= len(heard)+1 {
					from = s
				}
			}
			want := m.cfg.Phrases.Lost + "|" + text[from:]
			if until < audible {
				want = text
			}
			if got := strings.Join(said, "|"); got != want {
				t.Fatalf("until %v, heard %q: said %q, want %q", until, heard, got, want)
			}
		}
	}
}

// TestEveryLanguageIsSorry: all languages have the phrase, each its own.
func TestEveryLanguageIsSorry(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for language := range lexicons() {
		p := PhrasesOf(language).Lost
		if other, twice := seen[p]; p == "" || twice {
			t.Errorf("%s says %q, as does %s", language, p, other)
		}
		seen[p] = language
	}
	if len(seen) < 11 {
		t.Errorf("%d languages", len(seen))
	}
}

// TestTimesThatCannotBe: a time of the last line that is no time of the call changes
// nothing but what is credited.
func TestTimesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, until := range []time.Duration{-time.Hour, 0, 1<<63 - 1, -1 << 63} {
		m := New(Config{Greeting: "Hello, this is the surgery. How can I help you?"})
		m.Step(0, MediaStarted{})
		m.Step(0, Voiced{Utt: 1, Total: 4 * time.Second, Done: true})
		m.Step(0, Audible{Utt: 1})
		m.Step(time.Second, Resumed{Until: until})
		for _, h := range m.History() {
			if n := countWords(h.Text); n > 2 {
				t.Errorf("until %v: %d words of the first second: %q", until, n, h.Text)
			}
		}
		if s := m.Snapshot(); s.Agent != Thinking {
			t.Errorf("until %v: %+v", until, s)
		}
	}
}

// TestCallsThatWereNotComplete are dropped with their generation; those of an earlier one
// are made once its words were heard.
func TestCallsThatWereNotComplete(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	var run []string
	var utts []uint64
	gen := uint64(0)
	step := func(at time.Duration, in Input) {
		for _, o := range m.Step(at, in) {
			switch o := o.(type) {
			case RunTool:
				run = append(run, o.ID)
			case AskModel:
				gen = o.Gen
			case Say:
				utts = append(utts, o.Utt)
			}
		}
	}
	step(0, MediaStarted{})
	step(0, Heard{Text: "press one", Final: true})
	step(ms, TurnYielded{})
	step(2*ms, ModelCall{Gen: gen, ID: "keys", Name: digitsTool, Args: "{}"})
	step(2*ms, ModelCall{Gen: gen, ID: "look", Name: "look", Args: "{}"})
	step(2*ms, ModelDone{Gen: gen})
	step(3*ms, ToolDone{ID: "look", Result: "yes"})
	step(4*ms, ModelCall{Gen: gen, ID: "not complete", Name: digitsTool, Args: "{}"})
	step(4*ms, ModelCall{Gen: gen, ID: "nor this", Name: endTool, Args: "{}"})
	step(5*time.Second, Resumed{Until: 4 * ms})
	step(6*time.Second, ModelText{Gen: gen, Text: "Here you are, that is all."})
	step(6*time.Second, ModelDone{Gen: gen})
	at := 7 * time.Second
	for i := 0; i < len(utts); i++ {
		step(at, Voiced{Utt: utts[i], Total: time.Second, Done: true})
		step(at, Audible{Utt: utts[i]})
		at += time.Second
		if len(run) != 1 {
			t.Errorf("%v ran before the words were heard", run)
		}
		step(at, Played{Utt: utts[i]})
	}
	if got := strings.Join(run, " "); got != "look keys" || len(utts) != 2 {
		t.Errorf("%q ran, behind %d utterances", got, len(utts))
	}
}
