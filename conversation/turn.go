package conversation

import (
	"strings"
	"time"
)

// dials are the waits of an agent before any speed is applied.
type dials struct {
	short, long, dictation time.Duration
	// sentence is the wait after sentence-final punctuation in a final text.
	sentence time.Duration
	// final is how long the recogniser's final is awaited; never scaled.
	final time.Duration
	// dynamic applies the rules; otherwise short always holds.
	dynamic bool
}

func dialsOf(c Config) dials {
	d := dials{short: 500 * time.Millisecond, long: 2500 * time.Millisecond}
	switch c.Endpoint {
	case Relaxed:
		d.short, d.long = 700*time.Millisecond, 3*time.Second
	case Sensitive:
		d.short, d.long = 300*time.Millisecond, 1200*time.Millisecond
	case Auto:
	}
	d.sentence = d.short
	if c.Endpoint == Sensitive {
		d.sentence = 250 * time.Millisecond
	}
	d.dictation = 2 * time.Second
	d.final, d.dynamic = c.FinalWait, c.DynamicTurns
	return d
}

// observation is all that the end of a turn is decided from.
type observation struct {
	// text is what the caller said so far in this turn.
	text string
	// asked is what the agent said last.
	asked string
	// final says that no final of the recogniser is outstanding.
	final bool
	// silence is the time since the caller's last voiced sample.
	silence time.Duration
	// unvoiced says that only the recogniser noticed the caller.
	unvoiced bool
	// speed divides the waits; learned is the caller's habitual pause.
	speed   float64
	learned time.Duration
}

// rule names the reason of a decision; it is shown on the call's page.
type rule string

const (
	ruleFixed      rule = "fixed"      // dynamic turns are off
	ruleShort      rule = "short"      // nothing speaks against the end
	ruleSentence   rule = "sentence"   // sentence-final punctuation
	ruleUnfinished rule = "unfinished" // the last word cannot end a sentence
	ruleDictation  rule = "dictation"  // digits or letters are being read out
	ruleLearned    rule = "learned"    // this caller pauses longer
	ruleUnvoiced   rule = "unvoiced"   // too quiet for the voice detector
	ruleYielded    rule = "yielded"    // the caller said so
	ruleKeys       rule = "keys"       // pressed keys
)

// decision is how long to wait after the caller's last voiced sample, why, and
// whether the turn is over now.
type decision struct {
	wait   time.Duration
	rule   rule
	commit bool
}

const (
	waitCap       = 4 * time.Second
	unvoicedFloor = 600 * time.Millisecond
)

// decide is the whole policy of the end of a turn.
func decide(o observation, d dials, l *lexicon) decision {
	wait, why := chooseWait(o, d, l)
	wait = min(time.Duration(float64(wait)/o.speed), waitCap)
	if o.unvoiced && wait < unvoicedFloor {
		wait, why = unvoicedFloor, ruleUnvoiced
	}
	arrived := o.final || o.silence >= d.final
	return decision{wait: wait, rule: why, commit: o.text != "" && o.silence >= wait && arrived}
}

func chooseWait(o observation, d dials, l *lexicon) (time.Duration, rule) {
	if !d.dynamic {
		return d.short, ruleFixed
	}
	words := wordsOf(o.text)
	switch n := l.dictation(words); {
	case n >= 3 && (l.asksForDictation(o.asked) || n*2 >= len(words)):
		return d.dictation, ruleDictation
	case unfinished(o.text, words, l):
		return d.long, ruleUnfinished
	case strings.ContainsAny(lastRune(o.text), ".?!。？！") && o.final:
		return max(d.sentence, min(o.learned, d.long)), ruleSentence
	case o.learned > d.short:
		return min(o.learned, d.long), ruleLearned
	default:
		return d.short, ruleShort
	}
}

// unfinished reports whether the last word or mark cannot end a sentence.
func unfinished(text string, words []string, l *lexicon) bool {
	if len(words) == 0 {
		return false
	}
	switch lastRune(text) {
	case ".", "?", "!":
		return false
	case ",", "-", ":", "…":
		return true
	}
	for _, w := range l.hanging {
		if w == words[len(words)-1] {
			return true
		}
	}
	return false
}

func lastRune(text string) string {
	r := []rune(strings.TrimSpace(text))
	if len(r) == 0 {
		return ""
	}
	return string(r[len(r)-1])
}

// habits are what the machine learnt about the way the caller speaks.
type habits struct {
	wordsPerMinute float64
	pause          time.Duration
}

const usualPace = 150

// speed is the caller's pace relative to the usual one times the agent's dial,
// kept in the dial's range.
func (h *habits) speed(dial float64, dynamic bool) float64 {
	if !dynamic {
		return dial
	}
	return clamp(dial*clamp(h.wordsPerMinute/usualPace, 0.5, 2), 0.5, 2)
}

// learnPace takes in a turn. Very short ones say nothing about the pace.
func (h *habits) learnPace(words int, voiced time.Duration) {
	if words < 2 || voiced < 400*time.Millisecond {
		return
	}
	weight := min(1, 0.1*float64(words+3)/8)
	pace := float64(words) / voiced.Minutes()
	h.wordsPerMinute = h.wordsPerMinute*(1-weight) + pace*weight
}

// learnPause takes in a pause inside a turn. One that we mistook for the turn's
// end (cut) weighs half, others a tenth.
func (h *habits) learnPause(p time.Duration, cut bool) {
	if p < 200*time.Millisecond || p > waitCap {
		return
	}
	weight := 0.1
	if cut {
		weight = 0.5
	}
	h.pause = time.Duration(float64(h.pause)*(1-weight) + float64(p)*weight)
}

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
