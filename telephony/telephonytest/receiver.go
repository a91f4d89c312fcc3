package telephonytest

import (
	"context"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// receiver is the state of one Events loop.
type receiver struct {
	leg     *MemoryLeg
	timer   *time.Timer
	started bool
	// origin is when slot 0 was sent, sentSlots how many were.
	origin    time.Time
	sentSlots int64
	missing   []int16
}

// next waits for the next event; false when ctx ended.
func (r *receiver) next(ctx context.Context) (telephony.Event, bool) {
	for {
		ev, ok, again := r.step(time.Now())
		if ok {
			return ev, true
		}
		r.timer.Reset(time.Until(again))
		select {
		case <-r.timer.C:
		case <-r.leg.wake:
		case <-ctx.Done():
			return telephony.Event{}, false
		}
	}
}

// step returns an event that is due, or when to look again.
func (r *receiver) step(now time.Time) (ev telephony.Event, ok bool, again time.Time) {
	l := r.leg
	l.mu.Lock()
	defer l.mu.Unlock()
	again = now.Add(time.Hour)
	if !l.accepted {
		return l.ended, l.over, again
	}
	if ev, ok, again = r.due(now, again); ok {
		return ev, true, now
	}
	if l.over {
		return l.ended, true, now
	}
	if !r.started {
		r.started, r.origin = true, now
	}
	r.transmit(now)
	sent := r.slotTime(l.line.next)
	if sent.After(now) {
		return ev, false, earlier(again, sent)
	}
	p, ok, at := l.line.pop(now, sent)
	if !ok {
		return ev, false, earlier(again, earlier(at, r.slotTime(r.sentSlots)))
	}
	return r.audio(p), true, now
}

// due returns control events and marks whose time has come.
func (r *receiver) due(now, again time.Time) (telephony.Event, bool, time.Time) {
	l := r.leg
	if len(l.control) > 0 {
		ev := l.control[0]
		l.control = l.control[1:]
		return ev, true, again
	}
	if len(l.marks) > 0 {
		if first := l.marks[0]; !first.at.After(now) {
			l.marks = l.marks[1:]
			return first.ev, true, again
		}
		again = earlier(again, l.marks[0].at)
	}
	return telephony.Event{}, false, again
}

// transmit puts every frame on the line that the far end has sent by now.
func (r *receiver) transmit(now time.Time) {
	l := r.leg
	n := l.info.Rate / 50
	for !r.slotTime(r.sentSlots).After(now) {
		silent := l.held || (l.suppress && len(l.speech) == 0)
		pcm := make([]int16, n)
		if !l.held {
			l.speech = l.speech[copy(pcm, l.speech):]
			l.finishSpeech()
		}
		l.line.push(r.sentSlots, r.slotTime(r.sentSlots), pcm, silent)
		r.sentSlots++
	}
}

func (r *receiver) slotTime(n int64) time.Time {
	return r.origin.Add(time.Duration(n) * r.leg.line.net.slot())
}

// audio turns a released packet into an event.
func (r *receiver) audio(p packet) telephony.Event {
	rate := r.leg.info.Rate
	f := audio.Frame{PCM: p.pcm, Rate: rate, Offset: p.slot * int64(rate/50)}
	if p.silent {
		if r.missing == nil {
			r.missing = make([]int16, rate/50)
		}
		clear(r.missing)
		f.PCM, f.Missing = r.missing, true
		return telephony.Event{Kind: telephony.KindAudio, Audio: f}
	}
	return telephony.Event{Kind: telephony.KindAudio, Audio: f, Arrived: p.arrive}
}
