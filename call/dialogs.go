package call

import (
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// moved says that what hanging up a leg takes has changed.
type moved struct{}

// dialogs are what hanging up legs takes when this node is gone.
func dialogs(legs ...telephony.Leg) []string {
	var out []string
	for _, leg := range legs {
		h, ok := leg.(telephony.DialogHolder)
		if !ok {
			continue
		}
		if d := h.Dialog(); d != "" {
			out = append(out, d)
		}
	}
	return out
}

// dialogs are those of the call's legs.
func (s *Session) dialogs() []string {
	return dialogs(*s.legs.Load()...)
}

// keepDialogs stores what hanging up the legs takes; the call does not wait for it.
func (x *Exchange) keepDialogs(s *Session) {
	s.spawn("record", func() {
		for {
			ctx, cancel := withTimeout(x.c.Clock, storeTimeout)
			_, err := x.c.Ledger.MarkCall(ctx, s.call.EnvironmentID, s.call.ID, func(c *sidetone.Call) { c.Dialogs = s.dialogs() })
			cancel()
			if err == nil || sidetone.CodeOf(err) == sidetone.Conflict || sidetone.CodeOf(err) == sidetone.NotFound {
				return // it is stored, or the call is over
			}
			s.log.Warn("store how to hang up the call", slog.Any("error", err))
			s.clock.Sleep(scribeRetry, s.caller().ended)
			select {
			case <-s.caller().ended:
				return
			default:
			}
		}
	})
}

// end asks the call to end politely, which is said to the far end with e.HeadersOut.
func (s *Session) end(e sidetone.Ending) {
	for _, leg := range *s.legs.Load() {
		if l, ok := leg.(telephony.HeaderSetter); ok && len(e.HeadersOut) > 0 {
			if err := l.SetHeaders(e.HeadersOut); err != nil {
				s.log.Warn("headers of a hang-up", slog.Any("error", err))
			}
		}
	}
	s.inbox.postUrgent(endCommand())
}

// unconfirmed notes that a far end did not confirm that the call is over.
func (s *Session) unconfirmed(err error) {
	text := Public(err)
	s.left.Store(&text)
}

// noteLeft puts legs that could not be proved closed into the record.
func (s *Session) noteLeft() {
	if text := s.left.Load(); text != nil {
		s.failed("hang up: " + *text)
	}
}
