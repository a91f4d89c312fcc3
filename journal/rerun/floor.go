package rerun

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// floor follows when the agent speaks. A spell lasts from its first sound until nothing
// is left to be said, asked or done; what the caller has interrupted has no end.
type floor struct {
	asked map[uint64]bool
	utts  []uint64
	tools map[string]bool

	speaking, interrupted bool
	last                  time.Duration // when an utterance was over
	began, ended          []moment
}

// moment is something the agent did: when, and when it was known, which is later for the
// end of a spell after which the model has nothing more to say.
type moment struct{ at, known time.Duration }

func newFloor() floor { return floor{asked: map[uint64]bool{}, tools: map[string]bool{}} }

// busy reports whether the agent has something to say, or is working on it.
func (f *floor) busy() bool { return len(f.asked) > 0 || len(f.utts) > 0 || len(f.tools) > 0 }

func (f *floor) step(at time.Duration, in conversation.Input, outs []conversation.Output) {
	f.take(at, in)
	for _, out := range outs {
		f.heed(at, out)
	}
	if !f.speaking || f.busy() {
		return
	}
	if !f.interrupted {
		f.ended = append(f.ended, moment{f.last, at})
	}
	f.speaking, f.interrupted = false, false
}

func (f *floor) take(at time.Duration, in conversation.Input) {
	switch in := in.(type) {
	case conversation.Audible:
		if !f.speaking {
			f.began = append(f.began, moment{at, at})
		}
		f.speaking, f.interrupted, f.last = true, false, at
	case conversation.Played:
		f.last = at
		f.forget(in.Utt)
	case conversation.VoiceFailed:
		f.forget(in.Utt)
	case conversation.ModelDone:
		delete(f.asked, in.Gen)
	case conversation.ModelFailed:
		delete(f.asked, in.Gen)
	case conversation.ToolDone:
		delete(f.tools, in.ID)
	case conversation.Resumed:
		*f = floor{asked: map[uint64]bool{}, tools: map[string]bool{}, last: f.last, began: f.began, ended: f.ended}
	}
}

func (f *floor) heed(at time.Duration, out conversation.Output) {
	switch out := out.(type) {
	case conversation.AskModel:
		if !out.Hedge {
			f.asked[out.Gen] = true
		}
	case conversation.CancelModel:
		delete(f.asked, out.Gen)
	case conversation.Say:
		f.utts = append(f.utts, out.Utt)
	case conversation.Unsay:
		f.forget(out.Utt)
	case conversation.StopPlayout:
		f.utts, f.last = nil, at
	case conversation.RunTool:
		f.tools[out.ID] = true
	case conversation.Note:
		f.interrupted = f.interrupted || out.Kind == conversation.NoteInterrupted
	}
}

func (f *floor) forget(utt uint64) {
	f.utts = slices.DeleteFunc(f.utts, func(u uint64) bool { return u == utt })
}

// after returns the moments after a time, up to one at which they had to be known.
func after(all []moment, from, until time.Duration) []moment {
	var out []moment
	for _, m := range all {
		if m.at > from && m.known <= until {
			out = append(out, m)
		}
	}
	return out
}
