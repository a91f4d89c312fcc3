package audio

import "math"

const (
	// g722LowScale and g722HighScale are the quantisers' first step sizes.
	g722LowScale  = 8
	g722HighScale = 2
)

// g722Band is the adaptive predictor and quantiser step of one band: blocks 3
// and 4 of the recommendation, the same in encoder and decoder.
type g722Band struct {
	prediction int32    // what the next sample is expected to be
	scale      int32    // linear step size of the quantiser
	logScale   int32    // its logarithm, which is what adapts
	zeros      [6]int32 // weights of the six last differences
	diffs      [6]int32 // those differences, newest first, doubled
	zeroPart   int32    // share of the prediction made by zeros
	poles      [2]int32 // weights of the two last reconstructed samples
	last       int32    // the reconstructed sample before this one, doubled
	signs      [2]int32 // signs (0 or -1) of the two last partial sums
}

// newG722Band returns a band in the recommendation's reset state.
func newG722Band(scale int32) g722Band {
	return g722Band{scale: scale}
}

// adaptLow takes the four top bits of a low band code into account.
func (b *g722Band) adaptLow(t *g722Tables, code int32) {
	b.predict(b.scale * t.lowCoarse[code&15] >> 10)
	b.logScale = min(max(b.logScale*127>>7+t.lowSteps[code&15], 0), 18432)
	b.scale = t.linear(b.logScale - 8<<11)
}

// adaptHigh takes a 2-bit high band code into account.
func (b *g722Band) adaptHigh(t *g722Tables, code int32) {
	b.predict(b.scale * t.high[code&3] >> 10)
	step := int32(798)
	if code&1 != 0 {
		step = -214
	}
	b.logScale = min(max(b.logScale*127>>7+step, 0), 22528)
	b.scale = t.linear(b.logScale - 10<<11)
}

// predict updates the predictor with the quantised difference of the sample
// that was just coded and computes the next prediction. It is one piece, and
// names every weight, because it runs 32,000 times a second in each direction
// of a call: calls between its parts and loops over arrays double its cost.
func (b *g722Band) predict(diff int32) {
	// The poles move by the signs of the partial sums: +1 where they are equal
	// and -1 where they differ.
	sign := (b.zeroPart + diff) >> 31
	same1, same2 := 1+2*(sign^b.signs[0]), 1+2*(sign^b.signs[1])
	b.signs[1], b.signs[0] = b.signs[0], sign
	first := min(max(b.poles[0], -8191), 8191)
	pole1 := min(max(-same1*first>>5+same2*128+b.poles[1]*127>>7, -12288), 12288)
	limit := 15360 - pole1
	pole0 := min(max(192*same1+b.poles[0]*255>>8, -limit), limit)
	b.poles[0], b.poles[1] = pole0, pole1

	// The zeros move by the signs of the differences.
	push := int32(128)
	if diff == 0 {
		push = 0
	}
	d, z := &b.diffs, &b.zeros
	d0, d1, d2, d3, d4 := d[0], d[1], d[2], d[3], d[4]
	z5 := towards(z[5], d[5]^diff, push)
	z4 := towards(z[4], d4^diff, push)
	z3 := towards(z[3], d3^diff, push)
	z2 := towards(z[2], d2^diff, push)
	z1 := towards(z[1], d1^diff, push)
	z0 := towards(z[0], d0^diff, push)
	z[0], z[1], z[2], z[3], z[4], z[5] = z0, z1, z2, z3, z4, z5
	d[0], d[1], d[2], d[3], d[4], d[5] = diff*2, d0, d1, d2, d3, d4
	zeros := diff*2*z0>>15 + d0*z1>>15 + d1*z2>>15 + d2*z3>>15 + d3*z4>>15 + d4*z5>>15
	b.zeroPart = zeros

	sample := limit16((b.prediction + diff) * 2)
	b.prediction = limit16(zeros + pole0*sample>>15 + pole1*b.last>>15)
	b.last = sample
}

// towards lets a weight leak and pushes it up, or down when signs is negative.
func towards(weight, signs, push int32) int32 {
	sign := signs >> 31
	return weight*255>>8 + (push ^ sign) - sign
}

// g722Tables holds the recommendation's constants. Every codec has its own
// copy, so that nothing is shared between calls.
type g722Tables struct {
	lowFine   [64]int32 // differences for 6-bit low band codes
	lowCoarse [16]int32 // differences for their four top bits
	high      [4]int32  // differences for high band codes
	lowLevels [30]int32 // decision levels of the low band, and one never reached
	lowPassed [93]uint8 // how many levels lie at or below each multiple of 32
	lowSteps  [16]int32 // change of the low band's logarithmic step
	mantissas [32]int32 // 2048 times 2 to the power of i/32
}

// linear returns the step size of a logarithm in units of 1/2048 octaves.
func (t *g722Tables) linear(log int32) int32 {
	mantissa := t.mantissas[log>>6&31]
	if shift := log >> 11; shift < 0 {
		return mantissa >> uint32(-shift)
	}
	return mantissa << uint32(log>>11)
}

// newG722Tables returns the recommendation's tables, scaled to this
// implementation's step size.
func newG722Tables() g722Tables {
	t := g722Tables{
		high: [4]int32{-926, -202, 926, 202},
		lowLevels: [30]int32{
			35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786,
			858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919, math.MaxInt32,
		},
		mantissas: [32]int32{
			2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
			2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
		},
	}
	fine := [30]int32{
		3101, 2738, 2376, 2088, 1873, 1689, 1535, 1399, 1279, 1170, 1072, 982, 899, 822, 750, 682,
		618, 558, 501, 447, 396, 347, 300, 254, 211, 170, 130, 91, 54, 17,
	}
	for i, v := range fine {
		t.lowFine[32+i] = v
		if i < 28 {
			t.lowFine[4+i] = -v
		}
	}
	t.lowFine[62], t.lowFine[63] = -54, -17
	for i := range 4 {
		// The four codes a 64 kbit/s encoder never sends.
		t.lowFine[i] = -17
	}
	coarse := [8]int32{0, 2557, 1612, 1121, 786, 530, 323, 150}
	steps := [8]int32{-60, 3042, 1198, 538, 334, 172, 58, -30}
	for i := range 7 {
		t.lowCoarse[1+i], t.lowCoarse[8+i] = -coarse[1+i], coarse[1+i]
		t.lowSteps[1+i], t.lowSteps[8+i] = steps[1+i], steps[1+i]
	}
	t.lowSteps[0], t.lowSteps[15] = steps[0], steps[0]
	for i := range t.lowPassed {
		for _, level := range t.lowLevels {
			if level <= int32(32*i) {
				t.lowPassed[i]++
			}
		}
	}
	return t
}

// limit16 limits x to 16 bits.
func limit16(x int32) int32 { return min(max(x, -32768), 32767) }

// limit15 limits x to 15 bits.
func limit15(x int32) int32 { return min(max(x, -16384), 16383) }
