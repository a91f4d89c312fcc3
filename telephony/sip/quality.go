package sip

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// received is what one end received of what the other sent.
type received struct {
	packets, lost uint64
	jitter        float64 // sum of estimates, in ticks of 8 kHz
	jitterMax     float64
	estimates     uint64
}

// estimate adds one estimate of the jitter, in ticks of 8 kHz.
func (r *received) estimate(ticks float64) {
	r.jitter += ticks
	r.estimates++
	r.jitterMax = max(r.jitterMax, ticks)
}

// meanJitter is the mean of the estimates.
func (r *received) meanJitter() time.Duration {
	if r.estimates == 0 {
		return 0
	}
	return ticksSpan(r.jitter / float64(r.estimates))
}

// ticksSpan is how long ticks of 8 kHz last.
func ticksSpan(n float64) time.Duration { return time.Duration(n * float64(time.Second) / rtpClock) }

// reception tells of it; the zero one when nothing is known.
func (r *received) reception(roundTrip time.Duration) telephony.Reception {
	if r.packets == 0 {
		return telephony.Reception{}
	}
	out := telephony.Reception{Packets: r.packets, Lost: r.lost, Jitter: r.meanJitter(), JitterMax: ticksSpan(r.jitterMax)}
	out.MOS = mos(out.Loss(), delay(roundTrip, out.Jitter))
	return out
}

// quality is what is known of the line of a leg.
type quality struct {
	near, far received
	trips     uint64
	tripping  time.Duration // sum of the round trips
	takenUp   bool          // the leg was taken up, and no report came since
	before    received      // of what we sent until the first report since
}

// roundTrip is the mean round trip, 0 when it is not known.
func (q *quality) roundTrip() time.Duration {
	if q.trips == 0 {
		return 0
	}
	return q.tripping / time.Duration(q.trips)
}

// Quality implements telephony.Measured.
func (l *leg) Quality() telephony.Quality {
	m := l.media
	m.mu.Lock()
	defer m.mu.Unlock()
	trip := m.quality.roundTrip()
	return telephony.Quality{Near: m.quality.near.reception(trip), Far: m.quality.far.reception(trip), RoundTrip: trip}
}

// heard takes the receive loop's own figures, so far.
func (m *media) heard(near received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quality.near = near
}

// longestTrip bounds the round trips that are believed.
const longestTrip = 10 * time.Second

// farHeard takes a report about what we sent.
func (m *media) farHeard(now time.Time, raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := blockAbout(raw, m.out.ssrc)
	if !ok || m.out.packets == 0 {
		return
	}
	far := &m.quality.far
	if m.quality.takenUp { // what went before, and the gap in our numbers, is not the line's
		m.quality.takenUp, m.quality.before = false, received{packets: uint64(m.out.packets), lost: uint64(b.lost)}
	}
	before := m.quality.before
	far.packets = uint64(m.out.packets) - before.packets
	far.lost = min(max(far.lost, uint64(b.lost)-min(before.lost, uint64(b.lost))), far.packets)
	far.estimate(float64(b.jitter))
	if trip, ok := tripOf(ntp(now), b); ok {
		m.quality.trips++
		m.quality.tripping += trip
	}
}

// tripOf is the round trip that a report block tells: from our report to theirs but
// for the time that they took (https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1).
func tripOf(now uint64, b receptionBlock) (time.Duration, bool) {
	took := uint32(now>>16) - b.lastSR - b.delay
	trip := time.Duration(took) * time.Second / 65536
	return trip, b.lastSR != 0 && trip <= longestTrip
}

// blockAbout finds the report block about a stream in a compound packet that was
// checked. Packets that came more often than they were sent count as none lost.
func blockAbout(raw []byte, ssrc uint32) (b receptionBlock, found bool) {
	const blockSize = 24
	for len(raw) >= 4 {
		size := min(4+4*int(binary.BigEndian.Uint16(raw[2:])), len(raw))
		at := 8
		if raw[1] == rtcpSR {
			at = 28
		}
		for range raw[0] & 0x1f {
			if raw[1] != rtcpSR && raw[1] != rtcpRR || at+blockSize > size {
				break
			}
			if k := raw[at : at+blockSize]; binary.BigEndian.Uint32(k) == ssrc {
				lost := int32(binary.BigEndian.Uint32(k[4:])<<8) >> 8
				b = receptionBlock{ssrc: ssrc, fraction: k[4], lost: uint32(max(lost, 0)), highest: binary.BigEndian.Uint32(k[8:]),
					jitter: binary.BigEndian.Uint32(k[12:]), lastSR: binary.BigEndian.Uint32(k[16:]), delay: binary.BigEndian.Uint32(k[20:])}
				found = true
			}
			at += blockSize
		}
		raw = raw[size:]
	}
	return b, found
}

// tally adds what the reorder buffer counted to the figures, before another one takes
// its place or when somebody asks.
func (r *receiver) tally() {
	s := r.order.Stats()
	r.line.packets += toCome(s) - toCome(r.tallied)
	r.line.lost += s.Lost - r.tallied.Lost
	r.tallied = s
}

// toCome is how many packets the numbers of a stream speak of: one that is late counts as
// lost, too.
func toCome(s audio.ReorderStats) uint64 { return s.Received + s.Lost - s.Late - s.Duplicate }

// publish makes the figures known.
func (r *receiver) publish() {
	r.tally()
	r.m.heard(r.line)
}

// buffered is how much later than it came sound is heard at least: a packet's length.
const buffered = slot

// delay is how long sound takes from mouth to ear: half a round trip, a packet, and a
// buffer for twice the jitter.
func delay(roundTrip, jitter time.Duration) time.Duration { return roundTrip/2 + buffered + 2*jitter }

// mos estimates what listeners would say of a line on a scale from 1 to 5, as the
// E-model does with its default values and what is not measured here left out
// (https://www.itu.int/rec/T-REC-G.107): the rating is
//
//	R = 93.2 - Id - Ie,eff
//
// Id is for the delay, after R. Cole and J. Rosenbluth, Voice over IP Performance
// Monitoring (2001). Ie,eff is for the loss; with Ie = 0 and Bpl = 25.1 it is that of
// G.711 whose losses are concealed and come at random
// (https://www.itu.int/rec/T-REC-G.113, Appendix I). G.722 counts as G.711 does, so that
// the figures of calls compare; that it sounds better is not in them.
func mos(loss float64, delay time.Duration) float64 {
	const (
		best, robustness = 93.2, 25.1
		knee             = 177.3 // ms, from which on a conversation suffers
	)
	d := float64(delay) / float64(time.Millisecond)
	percent := 100 * loss
	r := best - 0.024*d - 0.11*max(d-knee, 0) - 95*percent/(percent+robustness)
	r = min(max(r, 0), 100)
	score := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return math.Round(100*max(score, 1)) / 100
}

// measure updates the figures of the reception report
// (https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8). A clock that was set anew is no
// jitter.
func (r *receiver) measure(now time.Time, h rtpHeader) {
	if ahead := h.seq - uint16(r.highest); ahead < 0x8000 {
		r.highest += uint32(ahead)
	}
	transit := int64(now.Sub(r.origin)*8/time.Millisecond) - int64(h.timestamp)
	if r.transit != 0 {
		d := int32(transit - r.transit)
		if d = max(d, -d); int64(d) < audio.Samples(clockSet, rtpClock) {
			r.jitter += (float64(d) - r.jitter) / 16
		}
	}
	r.line.estimate(r.jitter)
	r.transit = transit
}

// clockSet is from which difference on a timestamp comes from a clock that was set.
const clockSet = 2 * time.Second
