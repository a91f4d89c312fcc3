package sip

import (
	"context"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// sender makes the packets of one stream. Its timestamps follow the wall
// clock: where nothing was sent they jump, and the next packet is marked as the
// beginning of a talk spurt (https://www.rfc-editor.org/rfc/rfc3551#section-4.1).
type sender struct {
	ssrc      uint32
	seq       uint64    // of the next packet; above the 16 bits of RTP are the rollovers, as SRTP counts them
	timestamp uint32    // of the next packet
	due       time.Time // of the next packet, by the earliest one so far
	marker    bool
	digits    bool // a digit is being sent
	resync    bool // something else than sound was sent last
	packets   uint32
	octets    uint32
	g722      *audio.G722Encoder
	buf       [rtpHeaderSize + 480 + 16]byte
}

// firstNumbers is how many numbers a stream may begin with: half of them, so that no
// receiver of SRTP takes an early packet for one after a rollover
// (https://www.rfc-editor.org/rfc/rfc4568#section-6.4).
const firstNumbers = 1 << 15

// lateLimit is how late the next packet may be without being taken for the end of a
// pause. Who paces packets catches up on 80 ms at most; what was held up for longer
// leaves out its slots, of which there are then at least 100 ms.
const lateLimit = 90 * time.Millisecond

// format prepares for a codec.
func (s *sender) format(c codec) {
	s.g722 = nil
	if c == codecG722 {
		s.g722 = audio.NewG722Encoder()
	}
}

// advance moves the timestamp over the slots in which nothing was sent.
func (s *sender) advance(now time.Time) {
	if s.due.IsZero() {
		s.due, s.marker = now, true
		return
	}
	if now.Before(s.due) {
		s.due = now // an earlier packet was late
	}
	limit := lateLimit
	if s.resync {
		limit = slot
	}
	s.resync = false
	if late := now.Sub(s.due); late > limit {
		skipped := late / slot
		s.timestamp += uint32(skipped) * 160
		s.due = s.due.Add(skipped * slot)
		s.marker = true
	}
}

// packet encodes samples; the result is valid until the next call.
func (s *sender) packet(c codec, pt uint8, pcm []int16) []byte {
	raw := appendRTP(s.buf[:0], rtpHeader{pt: pt, marker: s.marker, seq: uint16(s.seq), timestamp: s.timestamp, ssrc: s.ssrc})
	switch c {
	case codecPCMU:
		raw = audio.EncodeULaw(raw, pcm)
	case codecPCMA:
		raw = audio.EncodeALaw(raw, pcm)
	case codecG722:
		raw = s.g722.Encode(raw, pcm)
	}
	ticks := len(raw) - rtpHeaderSize
	s.seq++
	s.timestamp += uint32(ticks)
	s.due = s.due.Add(time.Duration(ticks) * time.Second / 8000)
	s.marker = false
	s.packets++
	s.octets += uint32(ticks)
	return raw
}

const (
	// digitLength and digitGap time the digits that we send.
	digitLength = 100 * time.Millisecond
	digitGap    = 80 * time.Millisecond
)

// sendDigits plays digits as RFC 4733 events, or as tones when the far end did
// not offer these.
func (m *media) sendDigits(ctx context.Context, digits string) error {
	m.mu.Lock()
	m.out.digits = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.out.digits, m.out.resync = false, true
		m.mu.Unlock()
	}()
	tick := time.NewTicker(slot)
	defer tick.Stop()
	for _, d := range digits {
		var err error
		switch {
		case d == 'w' || d == 'W':
			err = waitTicks(ctx, tick, 25)
		case m.hasEvents():
			err = m.sendEvent(ctx, tick, d)
		default:
			err = m.sendTone(ctx, tick, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *media) hasEvents() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.st.agreed
}

func waitTicks(ctx context.Context, tick *time.Ticker, n int) error {
	for range n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (m *media) sendEvent(ctx context.Context, tick *time.Ticker, digit rune) error {
	m.mu.Lock()
	clock := m.st.eventClock
	m.mu.Unlock()
	events, err := audio.NewTelephoneEventSender(digit, digitLength, clock)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.out.advance(m.now())
	start := m.out.timestamp
	m.mu.Unlock()
	for {
		p, ok := events.Next()
		if !ok {
			break
		}
		if err := m.writeEvent(start, p); err != nil {
			return err
		}
		if err := waitTicks(ctx, tick, 1); err != nil {
			return err
		}
	}
	return waitTicks(ctx, tick, int(digitGap/slot))
}

func (m *media) writeEvent(start uint32, p audio.TelephoneEventPacket) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return telephony.ErrGone
	}
	s := &m.out
	raw := appendRTP(s.buf[:0], rtpHeader{pt: m.st.eventPT, marker: p.Marker, seq: uint16(s.seq), timestamp: start, ssrc: s.ssrc})
	raw = p.Event.AppendTo(raw)
	s.seq++
	s.timestamp += 160
	s.due = s.due.Add(slot)
	s.packets++
	s.octets += uint32(len(raw) - rtpHeaderSize)
	return m.write(raw)
}

// sendTone plays a digit in band.
func (m *media) sendTone(ctx context.Context, tick *time.Ticker, digit rune) error {
	m.mu.Lock()
	rate := m.st.codec.rate()
	m.mu.Unlock()
	tone, err := audio.DTMF(string(digit), rate, digitLength, 0, -9)
	if err != nil {
		return err
	}
	for n := rate / 50; len(tone) >= n; tone = tone[n:] {
		m.mu.Lock()
		m.out.digits = false
		m.mu.Unlock()
		err := m.send(audio.Frame{PCM: tone[:n], Rate: rate})
		m.mu.Lock()
		m.out.digits = true
		m.mu.Unlock()
		if err != nil {
			return err
		}
		if err := waitTicks(ctx, tick, 1); err != nil {
			return err
		}
	}
	return waitTicks(ctx, tick, int(digitGap/slot))
}
