package rerun

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// usualTick is how long sound waits for the next packet, when the call does not tell.
const usualTick = 10 * time.Millisecond

// sound is what an utterance has of it.
type sound struct {
	utt           uint64
	total         time.Duration
	done, audible bool
	ready         time.Duration // when the first of it came
	at, since     time.Duration // position at was reached at since, and moves on from there unless paused
}

// player sends the sound of utterances, one after the other.
type player struct {
	queue  []*sound
	paused bool
	free   time.Duration // since when nothing is sent
	// tick is how long it takes until the first of a sound is sent.
	tick time.Duration
}

func (p *player) find(utt uint64) *sound {
	i := slices.IndexFunc(p.queue, func(s *sound) bool { return s.utt == utt })
	if i < 0 {
		return nil
	}
	return p.queue[i]
}

// say queues an utterance, before another one without sound when ahead is not zero. It
// reports false when that one has sound already, or is gone.
func (p *player) say(utt, ahead uint64) bool {
	i := len(p.queue)
	if ahead != 0 {
		i = slices.IndexFunc(p.queue, func(s *sound) bool { return s.utt == ahead })
		if i < 0 || p.queue[i].total > 0 {
			return false
		}
	}
	p.queue = slices.Insert(p.queue, i, &sound{utt: utt})
	return true
}

func (p *player) drop(utt uint64) {
	p.queue = slices.DeleteFunc(p.queue, func(s *sound) bool { return s.utt == utt })
}

// take notes an input about sound: what a voice delivered, or what next has announced.
func (p *player) take(now time.Duration, in conversation.Input) {
	switch in := in.(type) {
	case conversation.Voiced:
		if s := p.find(in.Utt); s != nil {
			s.more(now, in, p.paused)
		}
	case conversation.Audible:
		if s := p.find(in.Utt); s != nil {
			s.audible, s.since = true, now
		}
	case conversation.Played:
		p.free = now
		p.drop(in.Utt)
	case conversation.Stopped:
		if s := p.find(in.Utt); s != nil && p.paused {
			s.at = in.At
		}
	case conversation.VoiceFailed:
		if s := p.find(in.Utt); s != nil && s.total == 0 {
			p.drop(in.Utt)
		}
	}
}

// more notes more sound. What comes when all before was sent is sent at once.
func (s *sound) more(now time.Duration, in conversation.Voiced, paused bool) {
	if s.total == 0 {
		s.ready = now
	}
	if s.audible && !paused && in.Total > s.total && s.since+s.total-s.at < now {
		s.at, s.since = s.total, now
	}
	s.total, s.done = max(s.total, in.Total), s.done || in.Done
}

// position is how much was sent.
func (s *sound) position(now time.Duration, paused bool) time.Duration {
	switch {
	case !s.audible:
		return 0
	case paused:
		return s.at
	default:
		return min(s.at+now-s.since, s.total)
	}
}

// stopped tells what was heard of what is under way.
func (p *player) stopped(now time.Duration) conversation.Stopped {
	if len(p.queue) == 0 || !p.queue[0].audible {
		return conversation.Stopped{}
	}
	return conversation.Stopped{Utt: p.queue[0].utt, At: p.queue[0].position(now, p.paused)}
}

func (p *player) pause(now time.Duration) conversation.Stopped {
	out := p.stopped(now)
	if len(p.queue) > 0 && p.queue[0].audible {
		p.queue[0].at, p.queue[0].since = out.At, now
	}
	p.paused = true
	return out
}

func (p *player) resume(now time.Duration, out conversation.ResumePlayout) {
	p.paused, p.free = false, now
	if s := p.find(out.Utt); s != nil && s.audible {
		s.at, s.since = min(out.At, s.total), now
	}
}

func (p *player) stop(now time.Duration) conversation.Stopped {
	out := p.stopped(now)
	p.queue, p.paused, p.free = nil, false, now
	return out
}

// next returns what happens next, unless something else does before.
func (p *player) next() (at time.Duration, in conversation.Input, ok bool) {
	if p.paused || len(p.queue) == 0 {
		return 0, nil, false
	}
	switch s := p.queue[0]; {
	case !s.audible && s.total > 0 && s.ready > p.free:
		return s.ready + p.tick, conversation.Audible{Utt: s.utt}, true
	case !s.audible && s.total > 0:
		return p.free, conversation.Audible{Utt: s.utt}, true
	case s.audible && s.done:
		return s.since + s.total - s.at, conversation.Played{Utt: s.utt}, true
	default:
		return 0, nil, false
	}
}
