package conversation

import (
	"strings"
	"time"
)

// waits are how long an agent waits, before any speed is applied.
type waits struct {
	short, long, dictation time.Duration
	// sentence is the wait after sentence-final punctuation in a final text.
	sentence time.Duration
	// final is how long the recogniser's final is awaited; never scaled.
	final time.Duration
	// dynamic applies the rules; otherwise short always applies.
	dynamic bool
}

func waitsOf(c Config) waits {
	d := waits{short: 500 * time.Millisecond, long: 2500 * time.Millisecond}
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

// observation is everything that decide depends on.
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
	// speed divides the waits, in millionths; learned is the caller's habitual
	// pause.
	speed   int64
	learned time.Duration
}

// rule names the reason of a decision; it is in the call's record.
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

// decide decides whether the caller's turn is over.
func decide(o observation, d waits, l *lexicon) decision {
	wait, why := chooseWait(o, d, l)
	wait = min(wait*normalSpeed/time.Duration(o.speed), waitCap)
	if o.unvoiced && wait < unvoicedFloor {
		wait, why = unvoicedFloor, ruleUnvoiced
	}
	arrived := o.final || o.silence >= d.final
	return decision{wait: wait, rule: why, commit: o.text != "" && o.silence >= wait && arrived}
}

func chooseWait(o observation, d waits, l *lexicon) (time.Duration, rule) {
	if !d.dynamic {
		return d.short, ruleFixed
	}
	words := wordsOf(o.text)
	switch n := l.dictation(words); {
	case n >= 3 && (l.asksForDictation(o.asked) || n*2 >= len(words)):
		return d.dictation, ruleDictation
	case unfinished(o.text, words, l):
		return d.long, ruleUnfinished
	case strings.ContainsAny(lastRune(o.text), ".?!。？！।") && o.final:
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
	case ".", "?", "!", "。", "？", "！", "।":
		return false
	case ",", "-", ":", "…", "、", "，":
		return true
	}
	last := words[len(words)-1]
	return l.hanging.any(func(w string) bool { return w == last || wide(w) && strings.HasSuffix(last, w) })
}

func lastRune(text string) string {
	r := []rune(strings.TrimSpace(text))
	if len(r) == 0 {
		return ""
	}
	return string(r[len(r)-1])
}

// habits are what the machine has learned about how the caller speaks.
type habits struct {
	// pace is in thousandths of a word per minute.
	pace  int64
	pause time.Duration
}

const (
	usualPace = 150_000
	// normalSpeed, minSpeed and maxSpeed are speeds in millionths.
	normalSpeed, minSpeed, maxSpeed = 1_000_000, 500_000, 2_000_000
	// manyWords bounds what a recogniser may claim of one turn.
	manyWords = 10_000
)

// speed returns, in millionths, the caller's pace relative to the usual one
// times the agent's speed, which is in thousandths; limited to the range that
// the agent's speed has.
func (h *habits) speed(agent int, dynamic bool) int64 {
	if !dynamic {
		return int64(agent) * 1000
	}
	relative := clamp(h.pace*normalSpeed/usualPace, minSpeed, maxSpeed)
	return clamp(int64(agent)*relative/1000, minSpeed, maxSpeed)
}

// learnPace updates the pace by a turn. Very short turns say nothing about it.
func (h *habits) learnPace(words int, voiced time.Duration) {
	if words < 2 || voiced < 400*time.Millisecond {
		return
	}
	words = min(words, manyWords)
	weight := min(80, int64(words)+3) // of 80: a longer turn says more
	pace := int64(words) * 1000 * int64(time.Minute) / int64(voiced)
	h.pace = (h.pace*(80-weight) + pace*weight) / 80
}

// learnPause updates the usual pause by one inside a turn. A pause that was
// mistaken for the turn's end (cut) has a weight of a half, others of a tenth.
func (h *habits) learnPause(p time.Duration, cut bool) {
	if p < 200*time.Millisecond || p > waitCap {
		return
	}
	weight := time.Duration(1)
	if cut {
		weight = 5
	}
	h.pause = (h.pause*(10-weight) + p*weight) / 10
}

func clamp[T ~int | ~int64](v, low, high T) T { return min(max(v, low), high) }
