package audio

import "math"

// floorSteps is the number of levels a quantile distinguishes: 0.5 dB each.
const floorSteps = 256

// quantile follows low and high quantiles of the last values it was given: a
// ring of half-decibel steps, their histogram, and markers in it that each new
// value moves a little, so that it costs a few operations.
type quantile struct {
	ring  [300]uint8
	count [floorSteps]uint16
	marks [2]quantileMark
	size  int // capacity in use
	next  int
	held  int
}

// quantileMark is a place in a histogram: a step and how many values lie below
// it.
type quantileMark struct {
	step  uint8
	below int16
}

// newQuantile returns an empty quantile over the last size values (at most
// 300).
func newQuantile(size int) quantile {
	return quantile{size: min(size, 300)}
}

// push adds a level in half decibels and forgets the oldest when full.
func (q *quantile) push(step uint8) {
	if q.held == q.size {
		q.change(q.ring[q.next], -1)
	} else {
		q.held++
	}
	q.ring[q.next] = step
	q.change(step, 1)
	if q.next++; q.next == q.size {
		q.next = 0
	}
}

// change counts a step once more (1) or less (-1).
func (q *quantile) change(step uint8, by int16) {
	q.count[step] += uint16(by)
	for i := range q.marks {
		if step < q.marks[i].step {
			q.marks[i].below += by
		}
	}
}

// at returns the level in half decibels below which the given share (per cent,
// less than 100) of the held values lies, found from where marker mark was left.
func (q *quantile) at(mark, percent int) uint8 {
	m := &q.marks[mark]
	want := int16(q.held*percent/100 + 1)
	for m.below >= want {
		m.step--
		m.below -= int16(q.count[m.step])
	}
	for m.step < floorSteps-1 && m.below+int16(q.count[m.step]) < want {
		m.below += int16(q.count[m.step])
		m.step++
	}
	return m.step
}

// full says that the quantile has as many values as it was made for.
func (q *quantile) full() bool { return q.held == q.size }

// bandFloor estimates the noise level of one band in half decibels. A long
// window keeps the floor down while somebody talks without a pause; a short
// one notices a sound that has become steady (hum, a tone, a fan) and lifts
// the floor to it within its own length.
type bandFloor struct {
	long, short quantile
	level       uint8
}

// The windows of a bandFloor, in hops of 10 ms, the quantiles it reads, and
// the spread in half decibels under which a sound counts as steady.
const (
	floorLongHops     = 300
	floorShortHops    = 110
	floorPercent      = 15
	floorTopPercent   = 90
	floorSteadySteps  = 15
	floorStartPercent = 60  // few values: the lowest says little
	floorStartHops    = 40  // for so long a call's first sound may be a voice,
	floorStartMost    = 128 // so the floor is not believed above -36 dBFS
	floorQuietest     = 70  // -65 dBFS: no band is ever taken to be quieter
)

// newBandFloor returns a floor that assumes quiet until it has heard better.
func newBandFloor() bandFloor {
	return bandFloor{long: newQuantile(floorLongHops), short: newQuantile(floorShortHops), level: floorQuietest}
}

// update adds one hop's level and returns the floor.
func (f *bandFloor) update(step uint8) uint8 {
	step = max(step, floorQuietest)
	f.long.push(step)
	f.short.push(step)
	f.level = f.long.at(0, floorPercent)
	if f.long.held < floorStartHops {
		f.level = min(f.long.at(0, floorStartPercent), floorStartMost)
	}
	if f.short.full() {
		low := f.short.at(0, floorPercent)
		if low > f.level && f.short.at(1, floorTopPercent)-low <= floorSteadySteps {
			f.level = low
		}
	}
	return f.level
}

// levelStep turns a mean square (of samples up to 32767) into half decibels
// above -100 dBFS.
func levelStep(meanSquare float32) uint8 {
	const fullScale = 32768 * 32768
	level := 10*math.Log10(float64(meanSquare)/fullScale+1e-10) + 100
	return uint8(min(max(2*level, 0), floorSteps-1))
}

// stepEnergy is the inverse of levelStep.
func stepEnergy(step uint8) float64 {
	return 32768 * 32768 * math.Pow(10, (float64(step)/2-100)/10)
}
