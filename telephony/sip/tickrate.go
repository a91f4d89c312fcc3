package sip

// tickRate finds out how fast a G.722 stream counts. Its RTP clock is 8 kHz by
// definition, although it carries 16 kHz of sound
// (https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2); some count 16. The zero
// tickRate is ready.
type tickRate struct {
	begun, double bool
	last          rtpHeader
	size          int // of the last packet's sound in bytes, 0 for something else
	fast          int // packets in a row that count twice as fast
	at            uint32
}

// fastPackets is how many packets must count twice as fast.
const fastPackets = 2

// settle returns the timestamp of a packet on a clock of 8 kHz. size is the length of
// its sound, 0 for something else.
func (t *tickRate) settle(h rtpHeader, size int) uint32 {
	if !t.begun {
		*t = tickRate{begun: true, last: h, size: size, at: h.timestamp}
		return t.at
	}
	step := int32(h.timestamp - t.last.timestamp)
	if h.seq == t.last.seq+1 && size > 0 && t.size > 0 {
		t.judge(int(step))
	}
	if t.double {
		step /= 2
	}
	at := t.at + uint32(step)
	if h.newer(t.last) {
		t.last, t.size, t.at = h, size, at
	}
	return at
}

// clock is how fast the stream counts, in Hz.
func (t *tickRate) clock() int {
	if t.double {
		return 2 * rtpClock
	}
	return rtpClock
}

// judge takes the step of a timestamp over the last packet's sound.
func (t *tickRate) judge(step int) {
	switch step {
	case t.size:
		t.fast, t.double = 0, false
	case 2 * t.size:
		if t.fast++; t.fast >= fastPackets {
			t.double = true
		}
	default:
		t.fast = 0
	}
}
