package audio

// The rules of an echo, in hops of 10 ms and half decibels.
const (
	echoHops   = 60  // delays that are looked at: 0 to 590 ms
	echoRing   = 128 // hops of sent sound that are remembered; a power of two
	echoMost   = -22 // coupling: our own sound is taken to come back 11 dB weaker at most,
	echoLeast  = -72 // and 36 dB weaker at least, which is below the gate
	echoMargin = 4   // what is added to the echo that is expected
	echoLeak   = 5   // hops of loud sound after which a bound is raised by a step
	echoLoud   = 110 // -45 dBFS: sound that says something about the coupling
	echoSettle = 100 // hops over which the earliest arrival is looked for
	echoDrift  = 3   // hops by which it must have moved to be followed
)

// echo knows how much of what was sent may be in what is heard. Of every
// delay d it keeps an upper bound of the coupling: at no time can less have
// been heard than came back, so the coupling is at most the smallest ratio of
// what was heard to what had been sent d earlier. At the delay of a real echo
// that ratio is the coupling again and again; at all others pauses soon push
// it down. The echo to expect is the largest that any bound allows.
//
// Window positions never match exactly, so a ratio is taken to the smaller of
// two neighbouring hops and an expectation from the larger one.
type echo struct {
	halve   *halver // nil: the rate is 8000
	history [vadWindow]float32
	filled  int
	last    [vadBands]uint8           // levels of the last hop
	low     [vadBands][echoRing]uint8 // the smaller of a hop's and its predecessor's level
	high    [vadBands][echoRing]uint8 // the larger one
	bounds  [vadBands][echoHops]int16

	late      [vadWindow]float32 // what is heard, before it was denoised
	lateHalve *halver            // nil as halve
	hasLate   bool

	sent, heard int64 // hops
	audible     int64 // one past the last hop that was not silent
	lead        int64 // hop heard+lead was being sent when hop heard came, at the earliest
	earliest    int64 // smallest lead of late
	settle      int   // hops until earliest is believed
	anchored    bool
}

// newEcho returns an echo of sound at rate that expects the worst.
func newEcho(rate int) *echo {
	e := &echo{halve: newHalver(rate), lateHalve: newHalver(rate)}
	e.forget()
	return e
}

// forget expects the worst again.
func (e *echo) forget() {
	for b := range e.bounds {
		for d := range e.bounds[b] {
			e.bounds[b][d] = echoMost
		}
	}
}

// Sent tells the detector what was sent to the peer since the last call, and
// SentSilence that it was nothing: sound that comes back up to half a second
// later and at least 12 dB weaker is then not taken for speech, while a peer
// who is louder than that is heard. Both are to be told without a gap from the
// first sound on. The first call of Sent allocates what that takes.
func (v *VAD) Sent(pcm []int16) {
	if v.echo == nil {
		v.echo = newEcho(v.rate)
	}
	v.sent(pcm, true)
}

// SentSilence is Sent for n samples of silence; before the first sound it does
// nothing.
func (v *VAD) SentSilence(n int) {
	e := v.echo
	if e == nil {
		return
	}
	var silence [2 * vadHop]int16
	for n > 0 {
		if hop := vadHop * v.rate / vadRate; n >= hop && e.filled == 0 && e.sent-e.audible > 1 {
			e.add([vadBands]uint8{}) // the window holds nothing else any more
			n -= hop
			continue
		}
		k := min(n, v.wanting(e.filled, e.halve))
		v.sent(silence[:k], false)
		n -= k
	}
}

// sent takes samples that were sent; audible says that they are no silence.
func (v *VAD) sent(pcm []int16, audible bool) {
	e := v.echo
	for len(pcm) > 0 {
		n := min(len(pcm), v.wanting(e.filled, e.halve))
		e.filled += v.take(e.history[vadWindow-vadHop+e.filled:], pcm[:n], e.halve)
		pcm = pcm[n:]
		if audible {
			e.audible = e.sent + 1
		}
		if e.filled == vadHop {
			e.add(v.levels(&e.history))
			copy(e.history[:vadWindow-vadHop], e.history[vadHop:])
			e.filled = 0
		}
	}
}

// add takes the levels of the next hop that was sent.
func (e *echo) add(levels [vadBands]uint8) {
	i := e.sent % echoRing
	for b, level := range levels {
		e.low[b][i], e.high[b][i] = min(level, e.last[b]), max(level, e.last[b])
	}
	e.last = levels
	e.sent++
}

// next notes that a hop was heard.
func (e *echo) next() {
	e.heard++
	lead := e.sent - e.heard
	if !e.anchored {
		e.anchored, e.lead, e.earliest, e.settle = true, lead, lead, echoSettle
	}
	e.earliest = min(e.earliest, lead)
	if e.settle--; e.settle > 0 {
		return
	}
	if moved := e.earliest - e.lead; moved >= echoDrift || moved <= -echoDrift {
		e.shift(int(moved))
		e.lead = e.earliest
	}
	e.earliest, e.settle = lead, echoSettle
}

// shift moves the bounds to delays that are by so many hops longer.
func (e *echo) shift(by int) {
	for b := range e.bounds {
		was := e.bounds[b]
		for d := range was {
			e.bounds[b][d] = echoMost
			if from := d - by; from >= 0 && from < echoHops {
				e.bounds[b][d] = was[from]
			}
		}
	}
}

// possible says that the hop being heard may hold some of our own sound.
func (e *echo) possible() bool { return e.heard+e.lead-e.audible <= echoHops }

// expected takes the levels of the hop being heard and returns up to which they
// may be our own sound.
func (e *echo) expected(levels [vadBands]uint8) (mask [vadBands]uint8) {
	newest := e.heard + e.lead
	raise := int16(0)
	if e.heard%echoLeak == 0 {
		raise = 1
	}
	for b, level := range levels {
		mask[b] = e.expect(b, int16(level), newest, raise)
	}
	return mask
}

// expect follows the bounds of a band by the level that is heard and returns
// the one to expect.
func (e *echo) expect(band int, level int16, newest int64, raise int16) uint8 {
	low, high, bounds := &e.low[band], &e.high[band], &e.bounds[band]
	most := int16(0)
	for d := int(max(0, newest-e.sent+1)); d < echoHops; d++ {
		i := uint64(newest-int64(d)) % echoRing
		sent, bound := int16(low[i]), bounds[d]
		switch {
		case level-sent < bound:
			bound = max(bound-1, echoLeast)
		case sent >= echoLoud:
			bound = min(bound+raise, echoMost)
		}
		bounds[d] = bound
		most = max(most, bound+int16(high[i]))
	}
	return uint8(min(most+echoMargin, floorSteps-1))
}
