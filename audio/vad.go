package audio

import (
	"fmt"
	"math/bits"
)

// The rhythm of the detector, in samples of its 8 kHz view and in hops.
const (
	vadRate       = 8000
	vadHop        = 80  // 10 ms
	vadWindow     = 160 // 20 ms
	vadBands      = 4
	vadStartOf    = 7 // a burst starts when vadStartNeed of the last vadStartOf hops are voiced
	vadStartNeed  = 4
	vadVoicedNeed = 3 // a hop counts as voiced when this many of the last vadStartOf sound so
	vadStayOf     = 5 // a burst goes on while vadStayNeed of the last vadStayOf hops are voiced
	vadStayNeed   = 3
	vadEndHops    = 20 // and ends after this many hops that add nothing to it
)

// VADEvent is what a VAD knows after a Write. All lengths are in samples at
// the rate of the detector, counted back from the end of the data written.
type VADEvent struct {
	// Speech says that a burst of speech is under way. It stays true through
	// pauses shorter than 200 ms.
	Speech bool
	// Voiced says that at least three of the last seven hops of 10 ms, up to
	// the last complete one, sounded like speech. It follows speech more
	// closely than Speech, and has no part in bursts.
	Voiced bool
	// Started says that a burst was noticed during this Write.
	Started bool
	// Ended says that a burst was found to be over during this Write: its
	// last voiced sample lies about 200 ms back.
	Ended bool
	// Own says that the last complete hop holds our own sound that came back,
	// and nothing that would be louder than it.
	Own bool
	// SinceStart is how long ago the current or last burst began. It is -1
	// before the first burst.
	SinceStart int
	// SinceVoiced is how long ago the last voiced sample of the current or
	// last burst was heard; no hangover is included. Waits for the end of a
	// turn run from there. It is -1 before the first burst.
	SinceVoiced int
	// Burst is the length of the current or last burst so far, from its first
	// to its last voiced sample.
	Burst int
}

// VAD is a streaming voice activity detector for telephone sound. It looks at
// an 8 kHz view in hops of 10 ms, compares four bands with a noise floor that
// follows a low quantile of their past, and ignores everything below
// -50 dBFS as well as pure tones and DTMF.
//
// A VAD belongs to one goroutine. Write allocates nothing.
type VAD struct {
	rate     int
	halve    *halver // nil: the rate is 8000
	fft      *spectrum
	window   [vadWindow]float32
	history  [vadWindow]float32
	filled   int // samples of the current hop already in history
	re, im   [spectrumHalf]float32
	power    [spectrumHalf + 1]float32
	floors   [vadBands]bandFloor
	energies [vadBands]float32 // of the window looked at last
	before   [vadBands]float32 // energies of the last hop
	edges    edgeFinder
	recent   uint // one bit per hop, newest lowest: voiced or not
	state    VADEvent
	position int64 // samples written
	start    int64 // first voiced sample of the burst
	voiced   int64 // one past the last voiced sample
	idle     int   // hops since the burst was last extended
	heard    bool  // a burst has been seen
	echo     *echo // nil: nothing was sent yet
}

// NewVAD returns a detector for mono PCM at rate, which must be 8000 or 16000.
func NewVAD(rate int) (*VAD, error) {
	if rate != vadRate && rate != 2*vadRate {
		return nil, fmt.Errorf("make voice activity detector: rate %d is neither 8000 nor 16000", rate)
	}
	v := &VAD{rate: rate, fft: newSpectrum(), halve: newHalver(rate)}
	v.edges = newEdgeFinder(rate)
	hann(v.window[:])
	for b := range v.floors {
		v.floors[b] = newBandFloor()
	}
	v.state.SinceStart, v.state.SinceVoiced = -1, -1
	return v, nil
}

// Renewed returns a detector that has heard nothing yet but knows what v knows
// of our own sound coming back. v must not be used any more.
func (v *VAD) Renewed() *VAD {
	fresh, err := NewVAD(v.rate)
	if err != nil {
		return v // cannot be: v has this rate
	}
	fresh.echo = v.echo
	return fresh
}

// Write listens to pcm, which may have any length, and returns what is known
// at its end. When one Write holds several edges of a kind, the lengths are
// those of the last; with writes of up to 200 ms that cannot happen.
func (v *VAD) Write(pcm []int16) VADEvent { return v.WriteDenoised(pcm, nil) }

// WriteDenoised is Write for sound that a Denoiser treated: late, of the same
// length, is the same sound as it came, by which our own is recognised.
func (v *VAD) WriteDenoised(pcm, late []int16) VADEvent {
	v.state.Started, v.state.Ended = false, false
	for len(pcm) > 0 {
		n := min(len(pcm), v.wanting(v.filled, v.halve))
		v.position += int64(n)
		v.edges.add(pcm[:n])
		if late != nil {
			v.takeLate(late[:n])
			late = late[n:]
		}
		v.filled += v.take(v.history[vadWindow-vadHop+v.filled:], pcm[:n], v.halve)
		pcm = pcm[n:]
		if v.filled == vadHop {
			v.hop(v.position > int64(v.edges.size)*edgeBlocksHop && v.judge())
			v.turn()
		}
	}
	return v.event()
}

// wanting returns how many samples a hop of which filled are there still lacks.
func (v *VAD) wanting(filled int, halve *halver) int {
	lacking := vadHop - filled
	if halve == nil {
		return lacking
	}
	return 2*lacking - int(bit(halve.odd))
}

// take puts samples into a hop and returns how many it is longer by.
func (v *VAD) take(hop []float32, pcm []int16, halve *halver) int {
	if halve != nil {
		return halve.write(hop, pcm)
	}
	for i, sample := range pcm {
		hop[i] = float32(sample)
	}
	return len(pcm)
}

// takeLate puts undenoised samples where take will put the denoised ones.
func (v *VAD) takeLate(pcm []int16) {
	if e := v.echo; e != nil {
		if e.hasLate = true; e.lateHalve != nil {
			e.lateHalve.odd = v.halve.odd
		}
		v.take(e.late[vadWindow-vadHop+v.filled:], pcm, e.lateHalve)
	}
}

// turn makes room for the next hop.
func (v *VAD) turn() {
	copy(v.history[:vadWindow-vadHop], v.history[vadHop:])
	if v.echo != nil {
		copy(v.echo.late[:vadWindow-vadHop], v.echo.late[vadHop:])
	}
	v.filled = 0
}

// Skip lets n samples pass that carry no sound of the peer's (loss, silence
// suppression): they count as not voiced and leave the noise floor alone.
func (v *VAD) Skip(n int) VADEvent {
	v.state.Started, v.state.Ended = false, false
	hop := vadHop * v.rate / vadRate
	for n > 0 {
		step := min(n, hop-v.filled*v.rate/vadRate)
		v.edges.pass(step)
		v.position += int64(step)
		n -= step
		v.filled += step * vadRate / v.rate
		if v.filled >= vadHop {
			v.hop(false)
			v.filled = 0
		}
	}
	clear(v.history[:])
	v.state.Own = false
	return v.event()
}

// event completes the state with the lengths that grow with every sample.
func (v *VAD) event() VADEvent {
	e := v.state
	if v.heard {
		e.SinceStart = int(v.position - v.start)
		e.SinceVoiced = int(v.position - v.voiced)
		e.Burst = int(v.voiced - v.start)
	}
	return e
}

// hop moves the burst on by one decision.
func (v *VAD) hop(voiced bool) {
	if v.echo != nil {
		v.echo.next()
	}
	v.recent = v.recent<<1 | bit(voiced)
	v.state.Voiced = ones(v.recent, vadStartOf) >= vadVoicedNeed
	v.edges.endHop(voiced)
	switch {
	case !v.state.Speech && ones(v.recent, vadStartOf) >= vadStartNeed:
		v.state.Speech, v.state.Started, v.heard, v.idle = true, true, true, 0
		v.start, v.voiced = v.edges.first(v.recent), v.edges.last(v.recent)
	case v.state.Speech && ones(v.recent, vadStayOf) >= vadStayNeed:
		v.voiced = max(v.voiced, v.edges.last(v.recent))
		v.idle = 0
	case v.state.Speech:
		if v.idle++; v.idle >= vadEndHops {
			v.state.Speech, v.state.Ended = false, true
		}
	}
}

// bit turns a decision into the lowest bit of a word.
func bit(set bool) uint {
	if set {
		return 1
	}
	return 0
}

// ones counts the bits among the lowest n of word.
func ones(word uint, n int) int { return bits.OnesCount(word & (1<<n - 1)) }
