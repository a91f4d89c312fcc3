package call

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// measured notes how the line of a call was that is over, and tells whoever counts it.
func (x *Exchange) measured(s *Session) {
	leg, ok := s.caller().leg.(telephony.Measured)
	if !ok {
		return
	}
	if s.line = lineQuality(leg.Quality()); s.line == nil {
		return
	}
	text, data := describeLine(*s.line)
	s.event(sidetone.EventLine, text, data)
	if x.c.Measured != nil {
		x.c.Measured(*s.line)
	}
}

// lineQuality is what is known of a line; nil when that is nothing.
func lineQuality(q telephony.Quality) *sidetone.LineQuality {
	out := &sidetone.LineQuality{Near: reception(q.Near), Far: reception(q.Far), RoundTrip: q.RoundTrip}
	if out.Near == nil && out.Far == nil {
		return nil
	}
	return out
}

func reception(r telephony.Reception) *sidetone.Reception {
	if r.Packets == 0 {
		return nil
	}
	return new(sidetone.Reception(r))
}

// describeLine is a line's event: what it says and its figures.
func describeLine(q sidetone.LineQuality) (string, map[string]any) {
	var says []string
	data := map[string]any{}
	for _, end := range []struct {
		name, text string
		r          *sidetone.Reception
	}{{"near", "received", q.Near}, {"far", "sent", q.Far}} {
		if r := end.r; r != nil {
			says = append(says, fmt.Sprintf("%s: loss %.1f %%, jitter %.1f ms, MOS %.1f", end.text, r.Loss(), milliseconds(r.Jitter), r.MOS))
			data[end.name] = map[string]any{"packets": r.Packets, "lost": r.Lost, "loss_percent": math.Round(r.Loss()*100) / 100,
				"jitter_ms": milliseconds(r.Jitter), "jitter_max_ms": milliseconds(r.JitterMax), "mos": r.MOS}
		}
	}
	if q.RoundTrip > 0 {
		says = append(says, fmt.Sprintf("round trip %.0f ms", milliseconds(q.RoundTrip)))
		data["round_trip_ms"] = milliseconds(q.RoundTrip)
	}
	return strings.Join(says, "; "), data
}

// milliseconds is a duration in milliseconds, to a tenth.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e5) / 10 }
