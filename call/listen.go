package call

import (
	"context"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
)

// read runs the leg's receive loop on this goroutine: sound goes to the
// detector, the recorder and the recogniser, everything else to the inbox. A
// panic on the way ends the call.
func (s *Session) read(ctx context.Context) {
	defer close(s.ended)
	last := telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure}
	if err := s.safely("leg", func() { s.receive(ctx, &last) }); err != nil {
		s.inbox.postUrgent(broken{err: err})
	}
	s.inbox.postUrgent(legEnded{last})
}

// receive takes the leg's events until the last one.
func (s *Session) receive(ctx context.Context, last *telephony.Event) {
	flowing := false
	for ev := range s.leg.Events(ctx) {
		switch ev.Kind {
		case telephony.KindAudio:
			if !flowing {
				flowing = true
				s.inbox.post(conversation.MediaStarted{})
			}
			s.sound(ev)
		case telephony.KindFormatChanged:
			s.player.follow(s.leg.Info().Rate)
		case telephony.KindPlayed:
			s.player.played(ev.Mark)
		case telephony.KindDigit:
			s.inbox.postUrgent(conversation.Digit{Key: ev.Digit})
		case telephony.KindHeld:
			s.inbox.postUrgent(conversation.Held{})
		case telephony.KindResumed:
			s.inbox.postUrgent(conversation.Unheld{})
		case telephony.KindEnded:
			*last = ev
		}
	}
}

// sound handles one received frame; it allocates only when an edge is posted.
func (s *Session) sound(ev telephony.Event) {
	f := s.adapt.apply(ev.Audio, s.player.rate)
	if s.rec != nil {
		s.rec.Caller(f, s.arrival(ev))
	}
	if s.plan.Echo {
		s.detector.hear(f)
		s.player.echoBack(f.PCM)
		return
	}
	if !s.plan.Carrier {
		s.detector.hear(f)
	}
	if s.plan.Transcriber != nil {
		s.sieve.pass(f, s.detector.own && !f.Missing, s.detector.speech, s.ear.write)
	}
}

// arrival is when a frame came, in the recorder's time.
func (s *Session) arrival(ev telephony.Event) time.Duration {
	if ev.Arrived.IsZero() {
		return s.now()
	}
	return ev.Arrived.Sub(s.start)
}
