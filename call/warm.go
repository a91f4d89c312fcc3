package call

import (
	"context"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// warm lets those who serve the call first connect to their vendors, so that neither
// the greeting nor the first turn waits for handshakes. Sockets of recognisers open
// with the call: vendors bill the time, and end those without sound.
func (s *Session) warm(ctx context.Context) {
	if s.plan.Echo {
		return
	}
	ctx, s.stopWarming = context.WithCancel(ctx)
	if d, ok := s.plan.model().Driver.(llm.Warmer); ok {
		s.spawn("model", func() { d.Warm(ctx) })
	}
	if d, ok := s.plan.recogniser().Driver.(transcriber.Warmer); ok {
		s.spawn("recogniser", func() { d.Warm(ctx) })
	}
	if d, ok := s.plan.voice().Driver.(synthesizer.Warmer); ok {
		s.spawn("voice", func() { d.Warm(ctx, s.mouth.request(0, "")) })
	}
}
