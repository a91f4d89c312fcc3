package audio

// edgeBlocksKept is how many 1 ms energies an edgeFinder remembers: enough for
// the hops a burst's start is decided from and their windows.
const edgeBlocksKept = 128

// edgeBlocksHop is the number of 1 ms blocks in a hop of the detector.
const edgeBlocksHop = 10

// edgeLookBack is how many blocks before the last voiced window are searched
// for its end when the window itself was a false alarm.
const edgeLookBack = 40

// edgeFinder places the edges of a burst to the millisecond. The detector says
// which 20 ms windows are voiced; the finder looks inside the outermost one for
// the first or last millisecond that stands clear of the background.
type edgeFinder struct {
	size   int // samples in a block
	ring   [edgeBlocksKept]float32
	total  int64 // blocks finished
	sum    int64
	count  int
	floor  bandFloor
	peak   float32 // loudest hop of the burst, decaying
	hopEnd int64   // blocks finished when the hop ended
}

// newEdgeFinder returns a finder for sound at rate.
func newEdgeFinder(rate int) edgeFinder {
	return edgeFinder{size: rate / 1000, floor: newBandFloor()}
}

// add takes samples of the original sound.
func (f *edgeFinder) add(pcm []int16) {
	for len(pcm) > 0 {
		n := min(len(pcm), f.size-f.count)
		sum := f.sum
		for _, sample := range pcm[:n] {
			sum += int64(sample) * int64(sample)
		}
		f.sum = sum
		f.pass(n)
		pcm = pcm[n:]
	}
}

// pass lets n samples go by that add nothing.
func (f *edgeFinder) pass(n int) {
	for f.count += n; f.count >= f.size; f.count -= f.size {
		f.ring[f.total%edgeBlocksKept] = float32(f.sum) / float32(f.size)
		f.total++
		f.sum = 0
	}
}

// endHop notes the level of the hop that just ended.
func (f *edgeFinder) endHop(voiced bool) {
	f.hopEnd = f.total
	var energy float32
	for i := max(0, f.total-edgeBlocksHop); i < f.total; i++ {
		energy += f.ring[i%edgeBlocksKept] / edgeBlocksHop
	}
	f.floor.update(levelStep(energy))
	f.peak *= 0.99
	if voiced {
		f.peak = max(f.peak, energy)
	}
}

// threshold is the energy above which a block belongs to speech: clear of the
// floor by 9 dB, not more than 25 dB below the burst, never below the gate.
func (f *edgeFinder) threshold() float32 {
	const clear, deep = 8, 0.003
	gate := stepEnergy(vadGateStep)
	return max(float32(gate), clear*float32(stepEnergy(f.floor.level)), deep*f.peak)
}

// window returns the blocks [from, to) that the decision age hops ago saw.
func (f *edgeFinder) window(age int) (from, to int64) {
	to = f.hopEnd - int64(age)*edgeBlocksHop
	return max(0, to-2*edgeBlocksHop), max(0, to)
}

// pair returns the smaller energy of two neighbouring blocks: a lone peak of
// the noise is no edge.
func (f *edgeFinder) pair(i, j int64) float32 {
	return min(f.ring[i%edgeBlocksKept], f.ring[j%edgeBlocksKept])
}

// first returns the position, in samples, of the first voiced sample, given
// the detector's recent decisions (newest in the lowest bit).
func (f *edgeFinder) first(recent uint) int64 {
	age := 0
	for i := range vadStartOf {
		if recent>>i&1 == 1 {
			age = i
		}
	}
	from, to := f.window(age)
	limit := f.threshold()
	for i := from; i < f.hopEnd-1; i++ {
		if f.pair(i, i+1) > limit {
			return i * int64(f.size)
		}
	}
	return (from + to) / 2 * int64(f.size)
}

// last returns the position one past the last voiced sample.
func (f *edgeFinder) last(recent uint) int64 {
	age := 0
	for recent != 0 && recent>>age&1 == 0 {
		age++
	}
	from, to := f.window(age)
	limit := f.threshold()
	for i := to - 1; i >= max(1, from-edgeLookBack); i-- {
		if f.pair(i, i-1) > limit {
			return (i + 1) * int64(f.size)
		}
	}
	return (from + to) / 2 * int64(f.size)
}
