package sip

import (
	"net/netip"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// numberGap is by how much the numbers of a stream that is taken up lie above the
	// highest one that the process before can have used: what it sent faster than it
	// should have, or while the newest text was being stored.
	numberGap = 500
	// numberLag is by how much the numbers of a stream may fall behind those that time
	// allows before what is stored of it is another. With numberGap and an outage it stays
	// below 2^15, from which on a receiver of SRTP takes a number for one of another
	// rollover (https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1).
	numberLag = 10000
	// reportGap is numberGap for the index of encrypted reports, of which there is less
	// than one a second.
	reportGap = 100
	// timestampLag is by how much timestamps may move against the clock.
	timestampLag = slot
	// theirPackets is how many packets a second a far end may send: packets of 5 ms.
	theirPackets = 200
	// maxRollovers bounds how many rollovers of a far end's numbers are tried.
	maxRollovers = 64
)

// rollover is how often the numbers of the far end's stream began anew, as SRTP counts it;
// the zero one is not known.
type rollover struct {
	SSRC  uint32 `json:"ssrc"`
	Count uint32 `json:"count"`
}

// soundMark is what of a stored leg's sound tells whether it still serves.
type soundMark struct {
	at        time.Time // of the wall clock
	st        stream
	from      netip.AddrPort // of the owner
	ssrc      uint32
	theirs    rollover
	seq       uint64
	timestamp uint32
	due       time.Time // of the wall clock
}

// soundMark is that of the sound as it is; m.mu is held.
func (m *media) soundMark(now time.Time) *soundMark {
	k := &soundMark{at: now.Round(0), st: m.st, theirs: m.theirs, seq: m.out.seq, timestamp: m.out.timestamp, due: m.out.due.Round(0)}
	if m.owner.owned {
		k.from, k.ssrc = m.owner.from, m.owner.h.ssrc
	}
	return k
}

// serves says whether what is stored of the sound still does; m.mu is held.
func (m *media) serves(now time.Time) bool {
	was, is := m.kept, m.soundMark(now)
	if was.st != is.st || was.from != is.from || was.ssrc != is.ssrc || was.theirs != is.theirs || was.due.IsZero() != is.due.IsZero() {
		return false
	}
	allowed := was.seq + sentWithin(is.at.Sub(was.at), &m.st)
	if is.seq > allowed+numberGap/2 || is.seq+numberLag < allowed {
		return false
	}
	passed := is.due.Sub(was.due)
	moved := ticksSpan(float64(int32(is.timestamp - was.timestamp - uint32(passed*rtpClock/time.Second))))
	return moved >= -timestampLag && moved <= timestampLag
}

// sentWithin is how many packets of a stream of ours are sent within a time, at most.
func sentWithin(d time.Duration, st *stream) uint64 {
	return uint64(max(d, 0)/st.packetLength()) + 1
}

// packetLength is the length of the packets that we send.
func (s *stream) packetLength() time.Duration {
	if s.maxptime > 0 && s.maxptime < 20 {
		return 10 * time.Millisecond
	}
	return slot
}

// stale tells the application that what it has stored of the leg does not serve any more.
// It is not told again before it has asked for the new one; m.mu is held.
func (m *media) stale() {
	m.kept = nil
	if m.told {
		return
	}
	m.told = true
	m.post(telephony.Event{Kind: telephony.KindDialogChanged})
}

// keep looks whether what is stored of the sound still serves. It is the receive loop's.
func (m *media) keep(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.cipher.rollover(m.owner.h.ssrc); ok && m.owner.owned {
		m.theirs = r
	}
	m.keepSound(now)
}

// keepSound is keep with what is known; m.mu is held.
func (m *media) keepSound(now time.Time) {
	if m.kept != nil && m.active && !m.over && !m.serves(now) {
		m.stale()
	}
}

// rollover is that of a stream of the far end's; false when it is not known.
func (c *cipher) rollover(ssrc uint32) (rollover, bool) {
	if c == nil || c.in == nil || c.probe != nil && !c.probe.over {
		return rollover{}, false
	}
	count, ok := c.in.ROC(ssrc)
	return rollover{ssrc, count}, ok
}

// probe is how a stream goes on whose numbers have perhaps begun anew since they were
// stored: how often is tried with each packet, until one authenticates.
type probe struct {
	was  rollover
	most uint32 // how many of them there may have been since
	over bool   // one has; the receive loop's
}

// open decrypts a packet of the stream; false leaves it to whoever decrypts the others.
func (p *probe) open(c *cipher, raw []byte) (plain []byte, ok bool) {
	h, _, valid := parseRTP(raw)
	if p.over || !valid || isRTCP(raw) || h.ssrc != p.was.SSRC {
		return nil, false
	}
	for n := range p.most + 1 {
		c.in.SetROC(p.was.SSRC, p.was.Count+n)
		if plain, err := c.decrypt(c.in, raw); err == nil {
			p.over = true
			return plain, true
		}
	}
	return nil, false
}

// takeUp lets the streams of both ends go on: ours with the rollovers in the number of its
// next packet, and later reports than index; theirs from where it was or later, within the
// time that has passed.
func (c *cipher) takeUp(out *sender, index uint32, theirs rollover, passed time.Duration) {
	if c.out != nil {
		c.out.SetROC(out.ssrc, uint32(out.seq>>16))
		c.out.SetIndex(out.ssrc, index)
	}
	if c.in != nil && theirs != (rollover{}) {
		most := uint64(passed/time.Second)*theirPackets>>16 + 1
		c.probe = &probe{was: theirs, most: uint32(min(most, maxRollovers))}
	}
}
