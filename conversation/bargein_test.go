package conversation

import (
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text            string
		sensitivity     Sensitivity
		ending, leaving bool
		language        string
		want            verdict
	}{
		{text: "", want: undecided},
		{text: "Mm-hm.", want: backchannel},
		{text: "uh-huh, uh huh", want: backchannel},
		{text: "yeah right", want: backchannel},
		{text: "I see", want: backchannel},
		{text: "okay, got it", want: backchannel},
		{text: "stop", want: interruption},
		{text: "Wait!", want: interruption},
		{text: "hold on", want: interruption},
		{text: "no", want: interruption},
		{text: "excuse me", want: interruption},
		{text: "yeah but", want: interruption},
		{text: "okay, hold on", want: interruption},
		{text: "taxi", want: interruption},
		{text: "mm", sensitivity: High, want: interruption},
		{text: "yes", ending: true, want: interruption},
		{text: "mm-hm", ending: true, want: backchannel},
		{text: "thanks, bye", leaving: true, want: backchannel},
		{text: "okay bye bye", leaving: true, want: backchannel},
		{text: "bye", want: interruption},
		{text: "no wait", leaving: true, want: interruption},
		{text: "ja, genau", language: "de-DE", want: backchannel},
		{text: "moment", language: "de", want: interruption},
		{text: "sí, claro", language: "es", want: backchannel},
		{text: "espera", language: "es", want: interruption},
		{text: "d'accord", language: "fr", want: backchannel},
		{text: "attendez", language: "fr", want: interruption},
	} {
		l := lexiconOf(c.language)
		s := orDefault(c.sensitivity, Low)
		if got := judge(c.text, s, c.ending, c.leaving, &l); got != c.want {
			t.Errorf("judge(%q, %s, ending %t, leaving %t, %q) = %d, want %d", c.text, s, c.ending, c.leaving, c.language, got, c.want)
		}
	}
}

func TestResumeAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		burst     time.Duration
		awaiting  bool
		firstText time.Duration
		want      time.Duration
	}{
		{300 * ms, true, 600 * ms, 600 * ms},
		{300 * ms, true, 100 * ms, 300 * ms},
		{300 * ms, true, 3 * time.Second, time.Second},
		{300 * ms, false, 600 * ms, 300 * ms},
		{399 * ms, true, 600 * ms, 600 * ms},
		{400 * ms, true, 600 * ms, 2 * time.Second},
		{900 * ms, false, 600 * ms, 2 * time.Second},
	} {
		got := resumeAfter(c.burst, c.awaiting, Config{FirstTextWait: c.firstText, FinalWait: time.Second})
		if got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got := resumeAfter(time.Second, true, Config{FinalWait: 3 * time.Second}); got != 3*time.Second {
		t.Errorf("a slow final is awaited: %v", got)
	}
}

// A cough of 300 ms costs the listener at most 900 ms with the default
// first-text wait, from the pause at 80 ms to the resumption.
func TestCoughCost(t *testing.T) {
	t.Parallel()
	c := withDefaults(Config{})
	if cost := 300*ms - 80*ms + resumeAfter(300*ms, true, c); cost > 900*ms {
		t.Errorf("a cough costs %v", cost)
	}
}
