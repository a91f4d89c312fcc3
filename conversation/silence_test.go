package conversation

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A caller who asks and waits hears something within 4 s of the end of the
// wait, whatever the model, the voice and the recogniser do; and behind an
// announcement at the latest after 8 s plus a moment.
func TestNoUnexplainedSilence(t *testing.T) {
	t.Parallel()
	var worstFirst, worstGap time.Duration
	for delay := time.Duration(0); delay <= 14*time.Second; delay += 250 * ms {
		for _, voice := range []time.Duration{100 * ms, 2 * time.Second, time.Hour} {
			for _, final := range []time.Duration{300 * ms, time.Hour} {
				name := fmt.Sprintf("model %v, voice %v, final %v", delay, voice, final)
				first, gap := longestSilence(t, delay, voice, final)
				worstFirst, worstGap = max(worstFirst, first), max(worstGap, gap)
				if first > 4*time.Second || gap > 8200*ms {
					t.Errorf("%s: %v before the first sound, %v between sounds", name, first, gap)
				}
			}
		}
	}
	t.Logf("worst: %v before the first sound, %v between sounds", worstFirst, worstGap)
}

type event struct {
	at time.Duration
	in Input
}

// longestSilence plays one turn and returns how long after the end of the wait
// the first sound came, and the longest silence after that until the call's end
// or 40 s.
func longestSilence(t *testing.T, model, voice, final time.Duration) (first, gap time.Duration) {
	t.Helper()
	m := New(Config{IdleTime: time.Hour})
	const owed = 2500 * ms
	events := []event{
		{0, MediaStarted{}}, {1080 * ms, SpeechStarted{Ago: 80 * ms}},
		{2200 * ms, SpeechEnded{Ago: 200 * ms, Length: time.Second}},
		{2000*ms + final, Heard{Text: "what is it", Final: true, Flushed: true}},
	}
	if final == time.Hour {
		events = append(events, event{1900 * ms, Heard{Text: "what is it"}})
	}
	silentSince, heard := owed, false
	for len(events) > 0 {
		slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
		e := events[0]
		events = events[1:]
		if e.at > 40*time.Second {
			break
		}
		switch in := e.in.(type) {
		case Audible:
			if !heard {
				first = e.at - owed
			} else {
				gap = max(gap, e.at-silentSince)
			}
			heard = true
		case Played:
			silentSince = e.at
		case TimerFired:
			if m.timers.armed[in.Name].epoch != in.Epoch {
				continue
			}
		}
		for _, o := range m.Step(e.at, e.in) {
			events = append(events, react(o, e.at, model, voice, &events)...)
		}
	}
	if !heard {
		t.Errorf("model %v, voice %v: nothing was ever heard", model, voice)
	}
	return first, gap
}

// react is the world's answer to an output.
func react(o Output, now, model, voice time.Duration, events *[]event) []event {
	switch o := o.(type) {
	case Arm:
		return []event{{o.At, TimerFired{Name: o.Name, Epoch: o.Epoch}}}
	case AskModel:
		if o.Hedge {
			return nil
		}
		return []event{{now + model, ModelText{Gen: o.Gen, Text: "That is easy to answer."}}, {now + model, ModelDone{Gen: o.Gen}}}
	case StopPlayout:
		*events = slices.DeleteFunc(*events, func(e event) bool {
			switch e.in.(type) {
			case Audible, Played, Voiced:
				return true
			}
			return false
		})
		return []event{{now, Stopped{}}}
	case Say:
		after := voice
		if o.Cached {
			after = 50 * ms
		}
		begin := now + after
		for _, e := range *events {
			if p, ok := e.in.(Played); ok && p.Utt < o.Utt {
				begin = max(begin, e.at)
			}
		}
		return []event{
			{begin, Voiced{Utt: o.Utt, Total: time.Second, Done: true}}, {begin, Audible{Utt: o.Utt}},
			{begin + time.Second, Played{Utt: o.Utt}},
		}
	}
	return nil
}
