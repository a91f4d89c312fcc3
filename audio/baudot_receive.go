package audio

import "math"

// oscillator is a sine of changing frequency and steady phase.
type oscillator struct{ cycles, peak float64 }

// newOscillator returns an oscillator whose root mean square is level dBFS.
func newOscillator(level float64) oscillator {
	return oscillator{peak: amplitude(level) * math.Sqrt2}
}

// next returns a sample and moves on by so many cycles.
func (o *oscillator) next(cycles float64) int16 {
	sample := quantise(o.peak * math.Sin(2*math.Pi*o.cycles))
	_, o.cycles = math.Modf(o.cycles + cycles)
	return sample
}

// The receiver's steps: it decides on tones every half millisecond over the
// last 20 ms or less, and counts time in those steps.
const (
	baudotSteps      = 2000 // a second
	baudotWindow     = 32   // steps: 16 ms
	baudotBitSteps   = 44   // 22 ms
	baudotCarrierOn  = 120  // steps of tone before a carrier is believed: 60 ms
	baudotCarrierOff = 160  // steps without before it is given up: 80 ms
	baudotGateStep   = 100  // -50 dBFS
)

// BaudotEvent is what a BaudotDemodulator heard. Exactly one of the three is
// set.
type BaudotEvent struct {
	// CarrierOn says that a modem has begun to send.
	CarrierOn bool
	// CarrierOff says that it has stopped.
	CarrierOff bool
	// Character is the character received when its Char is not zero. Char is a
	// capital letter, digit, sign, space or line feed; anything else never
	// leaves the demodulator.
	Character BaudotCharacter
	// At is the position of the event in samples since the demodulator was
	// made: when the tone began or ended, or the end of the character.
	At int64
}

// BaudotDemodulator turns Baudot tones into characters. It needs no level
// setting, bears noise 20 dB below the tones, and leaves speech alone. It
// belongs to one goroutine.
type BaudotDemodulator struct {
	rate     int
	position int64 // samples heard
	steps    int64 // steps finished
	within   int   // samples of the current step
	mark     toneArm
	space    toneArm
	total    float64 // energy of the current step
	energies [baudotWindow]float64
	energy   float64 // of the window
	carrier  bool
	present  int // steps of tone in a row
	absent   int // steps without in a row
	bit      int64
	framing  bool
	code     int
	next     int // bit to be sampled: 0 start, 1-5 data, 6 stop
	start    int64
	last     bool // the last step was space
	figures  bool
	spaced   bool // a space ended figures, and nothing has come since
	keeps    bool // the peer says letters itself after a space in figures
	events   []BaudotEvent
}

// toneArm measures one tone over a sliding window of steps.
type toneArm struct {
	step, angle float64 // cycles a sample; where we are
	re, im      float64 // sums of the current step
	pastRe      [baudotWindow]float64
	pastIm      [baudotWindow]float64
	sumRe       float64
	sumIm       float64
}

// add correlates one sample.
func (a *toneArm) add(x float64) {
	sin, cos := math.Sincos(2 * math.Pi * a.angle)
	a.re += x * cos
	a.im += x * sin
	if a.angle += a.step; a.angle >= 1 {
		a.angle--
	}
}

// finish closes a step and returns the power of the tone in the window.
func (a *toneArm) finish(slot int) float64 {
	a.pastRe[slot], a.pastIm[slot] = a.re, a.im
	a.re, a.im, a.sumRe, a.sumIm = 0, 0, 0, 0
	for i := range a.pastRe {
		a.sumRe += a.pastRe[i]
		a.sumIm += a.pastIm[i]
	}
	return a.sumRe*a.sumRe + a.sumIm*a.sumIm
}

// NewBaudotDemodulator returns a demodulator for PCM at rate hertz, a multiple
// of 2000.
func NewBaudotDemodulator(rate int) *BaudotDemodulator {
	d := &BaudotDemodulator{rate: max(rate, baudotSteps)}
	d.mark.step = baudotMark / float64(d.rate)
	d.space.step = baudotSpace / float64(d.rate)
	return d
}

// Write listens to pcm and returns what it completed. The slice is valid until
// the next Write.
func (d *BaudotDemodulator) Write(pcm []int16) []BaudotEvent {
	d.events = d.events[:0]
	size := d.rate / baudotSteps
	for _, sample := range pcm {
		x := float64(sample)
		d.mark.add(x)
		d.space.add(x)
		d.total += x * x
		d.position++
		if d.within++; d.within == size {
			d.within = 0
			d.finishStep()
		}
	}
	return d.events
}

// Carrier says whether a modem is sending now.
func (d *BaudotDemodulator) Carrier() bool { return d.carrier }

// finishStep decides about half a millisecond.
func (d *BaudotDemodulator) finishStep() {
	slot := int(d.steps % baudotWindow)
	mark, space := d.mark.finish(slot), d.space.finish(slot)
	d.energies[slot], d.total = d.total, 0
	d.energy = 0
	for _, e := range d.energies {
		d.energy += e
	}
	d.steps++
	d.follow(mark, space)
	if d.carrier {
		d.frame(space > mark)
	}
}

// follow keeps the carrier: nearly all of the sound is in the two tones.
func (d *BaudotDemodulator) follow(mark, space float64) {
	samples := float64(baudotWindow * d.rate / baudotSteps)
	tones := 2 * (mark + space) / samples
	loud := levelStep(float32(d.energy/samples)) >= baudotGateStep
	share := 0.75
	if d.carrier { // the window is torn between the tones around an edge
		share = 0.35
	}
	if loud && tones > share*d.energy {
		d.present, d.absent = d.present+1, 0
	} else {
		d.present, d.absent = 0, d.absent+1
	}
	switch {
	case !d.carrier && d.present >= baudotCarrierOn:
		d.carrier, d.framing, d.last, d.figures = true, false, false, false
		d.emit(BaudotEvent{CarrierOn: true, At: d.sample(d.steps - baudotCarrierOn - baudotWindow/2)})
	case d.carrier && d.absent >= baudotCarrierOff:
		d.carrier = false
		d.emit(BaudotEvent{CarrierOff: true, At: d.sample(d.steps - baudotCarrierOff - baudotWindow/2)})
	}
}

// frame follows the bits: a change from mark to space begins a character.
func (d *BaudotDemodulator) frame(space bool) {
	begins := space && !d.last
	d.last = space
	if !d.framing {
		if begins && d.absent == 0 {
			d.framing, d.next, d.code = true, 0, 0
			d.start, d.bit = d.steps, d.steps+baudotBitSteps/2
		}
		return
	}
	if d.steps < d.bit {
		return
	}
	d.bit += baudotBitSteps
	switch {
	case d.next == 0 && !space:
		d.framing = false
	case d.next == 1+baudotDataBits:
		d.framing = false
		if !space && d.absent == 0 {
			d.character()
		}
	case d.next > 0 && !space:
		d.code |= 1 << (d.next - 1)
	}
	d.next++
}

// character reports the code that is complete, or shifts. A space returns to
// letters, as some modems expect, until the peer is seen to say letters after
// one.
func (d *BaudotDemodulator) character() {
	switch d.code {
	case baudotFigures:
		d.figures, d.spaced = true, false
		return
	case baudotLetters:
		d.keeps = d.keeps || d.spaced
		d.figures, d.spaced = false, false
		return
	}
	c := baudotLetterCase[d.code]
	if d.figures {
		c = baudotFigureCase[d.code]
	}
	if c == 0 || c == '\r' {
		return
	}
	d.spaced = c == ' ' && d.figures
	if d.spaced && !d.keeps {
		d.figures = false
	}
	end := d.sample(d.steps - baudotWindow/2 + baudotBitSteps)
	start := d.sample(d.start - baudotWindow/2)
	d.emit(BaudotEvent{Character: BaudotCharacter{Char: c, Start: start, End: end}, At: end})
}

// emit queues an event.
func (d *BaudotDemodulator) emit(e BaudotEvent) { d.events = append(d.events, e) }

// sample turns a step into a position in samples.
func (d *BaudotDemodulator) sample(step int64) int64 {
	return max(0, step) * int64(d.rate/baudotSteps)
}
