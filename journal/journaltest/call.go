// Package journaltest makes calls to measure journals, and machines, with.
package journaltest

import (
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
)

const (
	question = "could you please tell me whether there is an appointment left on monday"
	answer   = "Let me have a look at the calendar for you. On Monday we have two appointments left, at ten and at half past three. " +
		"Which of them would suit you better, or shall I look at another day?"
	// turn is how long a question and its answer take.
	turn = 14 * time.Second
)

// Call returns a call of at least the given length as a machine goes through it: words in
// parts as recognisers deliver them, an answer in tokens, its sound in parts of 200 ms
// with the times of its words, and the timers that the machine armed. The config makes
// the machine again.
func Call(length time.Duration) (conversation.Config, []script.Entry) {
	c := &caller{cfg: conversation.Config{Greeting: "Hello, this is the clinic. How can I help you today?", DynamicTurns: true, FinalWait: 900 * time.Millisecond},
		timers: map[conversation.Timer]conversation.Arm{}}
	c.m = conversation.New(c.cfg)
	c.at(0, conversation.MediaStarted{})
	for begin := 5 * time.Second; begin < length; begin += turn {
		c.ask(begin)
	}
	c.at(max(length, c.now), conversation.HungUp{Remote: true, Reason: "normal"})
	c.until(c.now + time.Second)
	return c.cfg, c.entries
}

// caller plays both sides of a machine on a clock of its own.
type caller struct {
	cfg     conversation.Config
	m       *conversation.Machine
	now     time.Duration
	timers  map[conversation.Timer]conversation.Arm
	due     []script.Entry // sorted
	entries []script.Entry
}

// ask has the caller say the question.
func (c *caller) ask(begin time.Duration) {
	words := strings.Fields(question)
	c.at(begin, conversation.SpeechStarted{Ago: 80 * time.Millisecond})
	for i := range words {
		c.at(begin+time.Duration(i+1)*300*time.Millisecond, conversation.Heard{Text: strings.Join(words[:i+1], " ")})
	}
	over := begin + time.Duration(len(words)+1)*300*time.Millisecond
	c.at(over, conversation.SpeechEnded{Ago: 200 * time.Millisecond, Length: over - begin})
	c.at(over+150*time.Millisecond, conversation.Heard{Text: question + ".", Final: true, Flushed: true})
}

// at steps the machine with an input, after all that is due before.
func (c *caller) at(at time.Duration, in conversation.Input) {
	c.until(at)
	c.step(at, in)
}

// until steps the machine with what is due by at, in order.
func (c *caller) until(at time.Duration) {
	for {
		var timer conversation.Arm
		for _, a := range c.timers {
			if timer.Name == "" || a.At < timer.At || a.At == timer.At && a.Name < timer.Name {
				timer = a
			}
		}
		switch {
		case len(c.due) > 0 && c.due[0].At <= at && (timer.Name == "" || c.due[0].At <= timer.At):
			e := c.due[0]
			c.due = c.due[1:]
			c.step(e.At, e.In)
		case timer.Name != "" && timer.At <= at:
			delete(c.timers, timer.Name)
			c.step(timer.At, conversation.TimerFired{Name: timer.Name, Epoch: timer.Epoch})
		default:
			return
		}
	}
}

func (c *caller) step(at time.Duration, in conversation.Input) {
	c.now = max(c.now, at)
	c.entries = append(c.entries, script.Entry{At: c.now, In: in})
	for _, o := range c.m.Step(c.now, in) {
		switch o := o.(type) {
		case conversation.Arm:
			c.timers[o.Name] = o
		case conversation.Disarm:
			delete(c.timers, o.Name)
		case conversation.AskModel:
			c.reply(o.Gen)
		case conversation.Say:
			c.speak(o)
		}
	}
}

// reply has the model answer, token by token.
func (c *caller) reply(gen uint64) {
	at := c.now + 400*time.Millisecond
	for token := range strings.SplitAfterSeq(answer, " ") {
		c.later(at, conversation.ModelText{Gen: gen, Text: token})
		at += 25*time.Millisecond + 113*time.Microsecond
	}
	c.later(at, conversation.ModelDone{Gen: gen})
}

// speak has the voice deliver an utterance faster than it is played.
func (c *caller) speak(o conversation.Say) {
	const part = 200 * time.Millisecond
	begin := c.now + 150*time.Millisecond
	for _, e := range c.due { // behind what is played already
		if p, ok := e.In.(conversation.Played); ok && p.Utt < o.Utt {
			begin = max(begin, e.At)
		}
	}
	words, first := strings.Fields(o.Text), 0
	total := time.Duration(len(words)) * 310 * time.Millisecond
	v := conversation.Voiced{Utt: o.Utt}
	heard := c.now + 100*time.Millisecond
	for i, w := range words {
		start := first + strings.Index(o.Text[first:], w)
		first = start + len(w)
		v.Words = append(v.Words, conversation.Word{Start: start, End: first, From: total * time.Duration(i) / time.Duration(len(words)), To: total * time.Duration(i+1) / time.Duration(len(words))})
		if v.Done = i == len(words)-1; v.Done || (i+1)*310/200 > i*310/200+1 {
			v.Total = (v.Words[len(v.Words)-1].To + part - 1).Truncate(part)
			heard += 40*time.Millisecond + 71*time.Microsecond
			c.later(heard, v)
			v.Words = nil
		}
	}
	c.later(begin, conversation.Audible{Utt: o.Utt})
	c.later(begin+v.Total, conversation.Played{Utt: o.Utt})
}

// later has an input come at a time.
func (c *caller) later(at time.Duration, in conversation.Input) {
	i := len(c.due)
	for i > 0 && c.due[i-1].At > at {
		i--
	}
	c.due = append(c.due[:i], append([]script.Entry{{At: at, In: in}}, c.due[i:]...)...)
}
