package rerun

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
	"github.com/sidetone/sidetone/journal"
)

// reply is an input that an output has led to.
type reply struct {
	in conversation.Input
	// after is how long after the output it came, or after its synthesis began.
	after time.Duration
	// step is where it stands in the journal; none when it does not.
	step int
	// mark is what the report says when it comes.
	mark string
	// unknown: in is nil, as it is not known how the answer went on from here.
	unknown bool
}

// none is the step of what is not in the journal.
const none = -1

// recording is what an output has led to.
type recording struct {
	at      time.Duration
	replies []reply
	// whole: nothing of it is missing. over: what comes later does not count.
	whole, over, used bool
	beside            bool // the voice spoke it beside another one
	// life counts the processes that had the call before; died: this one did before the
	// rest came.
	life    int
	died    bool
	text    string
	stopped time.Duration // when the sound of an utterance was stopped
}

// shelf has recordings by what they answer, in the order of the call.
type shelf map[string][]*recording

func (s shelf) add(key string, r *recording) { s[key] = append(s[key], r) }

// take returns the first recording for a key that was not taken, or the last one again;
// nil when there is none. One that is whole is better than one that is not, and one that
// ended with its process is as good for a process that will die as well.
func (s shelf) take(key string, life int) *recording {
	var best *recording
	for _, r := range s[key] {
		if best == nil || r.worth(life) >= best.worth(life) && (best.used || r.worth(life) > best.worth(life)) {
			best = r
		}
	}
	if best != nil {
		best.used = true
	}
	return best
}

// worth is how good a recording is to be used by a process.
func (r *recording) worth(life int) int {
	if r.whole && !r.died || r.died && r.life == life && !r.used {
		return 1
	}
	return 0
}

// calls is what a recorded call shows of those who took part in it.
type calls struct {
	answers, sounds, results shelf
	gens, utts               map[uint64]*recording // the same by number
	tools                    map[string]*recording
	pace                     pace
	// thinks is how long the model takes until its first words, tick how long sound waits
	// to be sent, and hangs how long it takes to hang up.
	thinks, tick, hangs time.Duration
	// born says that a model spoke itself.
	born bool
}

// collector finds what came of the outputs of a call.
type collector struct {
	*calls
	ready                  map[uint64]time.Duration // when an utterance could be heard
	leaves                 time.Duration            // when the agent hung up
	voiceFree, played      time.Duration
	thought, firsts, ticks []time.Duration
	sound                  time.Duration
	runes, life            int
}

// collect takes a call apart.
func collect(played []journal.Played) (*calls, error) {
	c := &collector{ready: map[uint64]time.Duration{}, calls: &calls{answers: shelf{}, sounds: shelf{}, results: shelf{}, hangs: 20 * time.Millisecond,
		gens: map[uint64]*recording{}, utts: map[uint64]*recording{}, tools: map[string]*recording{}}}
	before := time.Duration(0)
	for i, p := range played {
		if in, ok := p.In.(conversation.Resumed); ok {
			c.die(diedAt(in, p.At, before))
		}
		before = p.At
		c.take(i, p.At, p.In)
		for _, out := range p.Outputs {
			if err := c.heed(p.At, out); err != nil {
				return nil, err
			}
		}
	}
	last := played[len(played)-1].At
	for _, r := range c.gens {
		if !r.over {
			r.cut(last)
		}
	}
	for utt := range c.utts {
		c.cutSound(last, utt)
	}
	c.thinks = median(c.thought, 0)
	c.tick = min(max(0, median(c.ticks, usualTick)), 2*usualTick)
	c.pace.first, c.pace.perRune = median(c.firsts, usualFirst), usualRune
	if c.runes > 0 {
		c.pace.perRune = c.sound / time.Duration(c.runes)
	}
	for _, r := range c.utts {
		c.pace.finish(r)
	}
	return c.calls, nil
}

// median returns the middle one, or usual when there is none.
func median(all []time.Duration, usual time.Duration) time.Duration {
	if len(all) == 0 {
		return usual
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (c *collector) take(step int, at time.Duration, in conversation.Input) {
	switch in := in.(type) {
	case conversation.ModelText:
		c.answer(step, at, in.Gen, in, false)
	case conversation.ModelCall:
		c.answer(step, at, in.Gen, in, false)
	case conversation.ModelDone:
		c.answer(step, at, in.Gen, in, true)
	case conversation.ModelFailed:
		c.answer(step, at, in.Gen, in, true)
	case conversation.ToolDone:
		if r := c.tools[in.ID]; r != nil && !r.over {
			r.add(reply{in: in, after: at - r.at, step: step}, true)
		}
	case conversation.TimerFired:
		if in.Name == conversation.TimerTool {
			c.giveUpTools()
		}
	case conversation.HungUp: // the far end may seem to have done it
		if c.leaves > 0 {
			c.hangs = at - c.leaves
		}
	case conversation.Born:
		c.born = true
	default:
		c.takeSound(step, at, in)
	}
}

// giveUpTools ends the wait for tools that gave no result in time.
func (c *collector) giveUpTools() {
	for _, r := range c.tools {
		if !r.over {
			r.whole, r.over = true, true
		}
	}
}

func (c *collector) answer(step int, at time.Duration, gen uint64, in conversation.Input, whole bool) {
	r := c.gens[gen]
	if r == nil || r.over {
		return
	}
	if len(r.replies) == 0 {
		c.thought = append(c.thought, at-r.at)
	}
	r.add(reply{in: in, after: at - r.at, step: step}, whole)
}

func (c *collector) takeSound(step int, at time.Duration, in conversation.Input) {
	switch in := in.(type) {
	case conversation.Voiced:
		c.pace.words = c.pace.words || len(in.Words) > 0
		if c.ready[in.Utt] == 0 && in.Total > 0 {
			c.ready[in.Utt] = at
		}
		if r := c.spoke(step, at, in.Utt, in, in.Done); r != nil && in.Done {
			c.sound, c.runes = c.sound+in.Total, c.runes+utf8.RuneCountInString(r.text)
		}
	case conversation.VoiceFailed:
		c.spoke(step, at, in.Utt, in, true)
	case conversation.Audible:
		if ready, ok := c.ready[in.Utt]; ok && ready > c.played {
			c.ticks = append(c.ticks, at-ready)
		}
	case conversation.Played:
		c.played = at
	}
}

// spoke notes what came of an utterance; its times count from when the voice was free.
func (c *collector) spoke(step int, at time.Duration, utt uint64, in conversation.Input, whole bool) *recording {
	r := c.utts[utt]
	if r == nil || r.over {
		return nil
	}
	if len(r.replies) == 0 {
		if !r.beside {
			r.at = max(r.at, min(c.voiceFree, at))
		}
		c.firsts = append(c.firsts, at-r.at)
	}
	r.add(reply{in: in, after: at - r.at, step: step}, whole)
	if whole && !r.beside {
		c.voiceFree = at
	}
	return r
}

// add notes what came of an output.
func (r *recording) add(p reply, whole bool) {
	r.replies = append(r.replies, p)
	r.whole, r.over = whole, whole
}

func (c *collector) heed(at time.Duration, out conversation.Output) error {
	switch out := out.(type) {
	case conversation.AskModel:
		if out.Hedge {
			return nil
		}
		key, err := question(out)
		if err != nil {
			return err
		}
		c.gens[out.Gen] = &recording{at: at, life: c.life}
		c.answers.add(key, c.gens[out.Gen])
	case conversation.CancelModel:
		if r := c.gens[out.Gen]; r != nil && !r.over {
			r.cut(at)
		}
	case conversation.Say:
		c.utts[out.Utt] = &recording{at: at, life: c.life, text: out.Text, beside: out.Ahead != 0}
		c.sounds.add(out.Text, c.utts[out.Utt])
	case conversation.Unsay:
		c.cutSound(at, out.Utt)
	case conversation.StopPlayout:
		for utt := range c.utts {
			c.cutSound(at, utt)
		}
	case conversation.RunTool:
		c.tools[out.ID] = &recording{at: at, life: c.life}
		c.results.add(toolCall(out), c.tools[out.ID])
	}
	if leaves(out) {
		c.leaves = at
	}
	return nil
}

func (c *collector) cutSound(at time.Duration, utt uint64) {
	if r := c.utts[utt]; !r.over {
		r.over, r.stopped = true, at
		if !r.beside {
			c.voiceFree = at
		}
	}
}

// die ends what the process was at when it died.
func (c *collector) die(at time.Duration) {
	c.life++
	for _, r := range c.gens {
		if !r.over {
			r.cut(at)
			r.died = true
		}
	}
	for _, r := range c.tools {
		if !r.over {
			r.add(reply{in: unknownResult(), after: at - r.at + soon, step: none, mark: UnknownResult}, false)
			r.over, r.died = true, true
		}
	}
	for utt, r := range c.utts {
		r.died = r.died || !r.over
		c.cutSound(at, utt)
	}
}

func unknownResult() conversation.ToolDone {
	return conversation.ToolDone{Result: "the result is not known in this simulation", Failed: true, Unknown: true}
}

// soon is how long after an interruption what was not known before comes: what happened at
// that time has happened then.
const soon = time.Microsecond

// cut ends an answer that was no longer wanted: how it would have gone on is not known.
func (r *recording) cut(at time.Duration) {
	r.over = true
	r.replies = append(r.replies, reply{after: at - r.at + soon, step: none, unknown: true})
}

// finish completes the sound of an utterance that was stopped before all of it was there.
func (p pace) finish(r *recording) {
	if r.whole {
		return
	}
	known, words := time.Duration(0), 0
	for _, s := range r.replies {
		if v, ok := s.in.(conversation.Voiced); ok {
			known, words = v.Total, words+len(v.Words)
		}
	}
	v := p.speak(r.text)
	v.Total = max(v.Total, known)
	if p.words {
		v.Words = wordsOf(r.text, v.Total)
	}
	v.Words = v.Words[min(words, len(v.Words)):]
	r.replies = append(r.replies, reply{in: v, after: max(0, r.stopped-r.at) + soon, step: none})
	r.whole = true
}

// question is what a question to the model is known by: messages and flags, but not how
// long the sound of an interrupted message was heard, which is never quite the same.
func question(ask conversation.AskModel) (string, error) {
	ask.Gen, ask.Hedge = 0, false
	ask.Messages = slices.Clone(ask.Messages)
	for i := range ask.Messages {
		ask.Messages[i].HeardFor = 0
	}
	text, err := script.AppendOutput(nil, ask)
	return string(text), err
}

// endConversation is the tool that ends the call.
const endConversation = "end_conversation"

// toolCall is what a call of a tool is known by.
func toolCall(out conversation.RunTool) string {
	return fmt.Sprintf("%s %t %s", out.Name, out.Unoffered, out.Args)
}
