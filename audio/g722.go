package audio

// This file implements ITU-T G.722 at 64 kbit/s
// (https://www.itu.int/rec/T-REC-G.722): 16 kHz sound is split into two bands
// of 8 kHz by a pair of mirror filters; each band is coded by adaptive
// differential quantisation, 6 bits below 4 kHz and 2 bits above. One byte
// carries two samples: the high band's code in its two top bits.

const (
	// g722Block is how many sample pairs a filter line takes before its
	// remaining history is moved to the front: one frame of 20 ms.
	g722Block = 160
	// g722History is how many earlier sample pairs the mirror filters need.
	g722History = 11
)

// G722Encoder turns 16 kHz samples into G.722 at 64 kbit/s. Make one with
// NewG722Encoder for every stream; it must not be used concurrently.
type G722Encoder struct {
	low, high g722Band
	tables    g722Tables
	even, odd [g722History + g722Block]int32
	fill      int
}

// NewG722Encoder returns an encoder at the start of a stream.
func NewG722Encoder() *G722Encoder {
	return &G722Encoder{
		low:    newG722Band(g722LowScale),
		high:   newG722Band(g722HighScale),
		tables: newG722Tables(),
		fill:   g722History,
	}
}

// Encode appends one byte for every two samples of pcm to dst and returns the
// extended slice. A last odd sample is left out, so pass an even number; a
// 20 ms frame is 320 samples and 160 bytes. It allocates only when dst lacks
// capacity. Sound decoded again is 22 samples late.
func (e *G722Encoder) Encode(dst []byte, pcm []int16) []byte {
	for ; len(pcm) >= 2; pcm = pcm[2:] {
		if e.fill == len(e.even) {
			copy(e.even[:], e.even[e.fill-g722History:])
			copy(e.odd[:], e.odd[e.fill-g722History:])
			e.fill = g722History
		}
		e.even[e.fill], e.odd[e.fill] = int32(pcm[0]), int32(pcm[1])
		e.fill++
		dst = append(dst, e.code())
	}
	return dst
}

// code splits the newest pair of samples into the bands and codes both.
func (e *G722Encoder) code() byte {
	even := mirrorFilter((*[12]int32)(e.even[e.fill-12:]))
	odd := mirrorFilterReversed((*[12]int32)(e.odd[e.fill-12:]))

	low := e.quantiseLow((odd + even) >> 14)
	high := e.quantiseHigh((odd - even) >> 14)
	e.low.adaptLow(&e.tables, low>>2)
	e.high.adaptHigh(&e.tables, high)
	return byte(high<<6 | low)
}

// quantiseLow returns the 6-bit code of the low band's sample.
func (e *G722Encoder) quantiseLow(x int32) int32 {
	diff := limit16(x - e.low.prediction)
	sign := diff >> 31
	magnitude := (diff ^ sign + 1) << 10
	// The number of decision levels passed: no two lie within 32 of each other.
	ratio := uint32(magnitude-1) / uint32(e.low.scale)
	step := int32(e.tables.lowPassed[min(ratio/32, uint32(len(e.tables.lowPassed)-1))])
	if ratio >= uint32(e.tables.lowLevels[step]) {
		step++
	}
	switch {
	case sign == 0:
		return 61 - step
	case step < 2:
		return 63 - step
	default:
		return 33 - step
	}
}

// quantiseHigh returns the 2-bit code of the high band's sample.
func (e *G722Encoder) quantiseHigh(x int32) int32 {
	diff := limit16(x - e.high.prediction)
	sign := diff >> 31
	code := 2 &^ (sign & 2)
	if diff^sign < 141*e.high.scale>>8 {
		code++
	}
	return code
}

// G722Decoder turns G.722 at 64 kbit/s into 16 kHz samples. Make one with
// NewG722Decoder for every stream; it must not be used concurrently.
type G722Decoder struct {
	low, high g722Band
	tables    g722Tables
	sum, diff [g722History + g722Block]int32
	fill      int
}

// NewG722Decoder returns a decoder at the start of a stream.
func NewG722Decoder() *G722Decoder {
	return &G722Decoder{
		low:    newG722Band(g722LowScale),
		high:   newG722Band(g722HighScale),
		tables: newG722Tables(),
		fill:   g722History,
	}
}

// Decode appends two samples for every byte of src to dst and returns the
// extended slice. Every byte is a valid code. It allocates only when dst lacks
// capacity.
func (d *G722Decoder) Decode(dst []int16, src []byte) []int16 {
	for _, c := range src {
		if d.fill == len(d.sum) {
			copy(d.sum[:], d.sum[d.fill-g722History:])
			copy(d.diff[:], d.diff[d.fill-g722History:])
			d.fill = g722History
		}
		low, high := d.bands(int32(c))
		d.sum[d.fill], d.diff[d.fill] = low+high, low-high
		d.fill++
		first := mirrorFilterReversed((*[12]int32)(d.diff[d.fill-12:]))
		second := mirrorFilter((*[12]int32)(d.sum[d.fill-12:]))
		dst = append(dst, int16(limit16(first>>11)), int16(limit16(second>>11)))
	}
	return dst
}

// bands returns the two bands' samples of one byte and adapts to it.
func (d *G722Decoder) bands(code int32) (low, high int32) {
	lowCode, highCode := code&0x3F, code>>6
	low = limit15(d.low.scale*d.tables.lowFine[lowCode]>>10 + d.low.prediction)
	high = limit15(d.high.scale*d.tables.high[highCode]>>10 + d.high.prediction)
	d.low.adaptLow(&d.tables, lowCode>>2)
	d.high.adaptHigh(&d.tables, highCode)
	return low, high
}

// mirrorFilter returns one of the two branches of the band-splitting filter
// over the twelve newest values of a line, oldest first.
func mirrorFilter(x *[12]int32) int32 {
	return 3*x[0] - 11*x[1] + 12*x[2] + 32*x[3] - 210*x[4] + 951*x[5] +
		3876*x[6] - 805*x[7] + 362*x[8] - 156*x[9] + 53*x[10] - 11*x[11]
}

// mirrorFilterReversed is the other branch: the same weights backwards.
func mirrorFilterReversed(x *[12]int32) int32 {
	return 3*x[11] - 11*x[10] + 12*x[9] + 32*x[8] - 210*x[7] + 951*x[6] +
		3876*x[5] - 805*x[4] + 362*x[3] - 156*x[2] + 53*x[1] - 11*x[0]
}
