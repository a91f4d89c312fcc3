package audio

import "math"

// The decision of one hop. Bands are bins of 31.25 Hz; margins are in half
// decibels over the floor.
const (
	vadGateStep    = 100 // -50 dBFS
	vadBandMargin  = 6   // what a band must exceed its floor by to count
	vadTotalMargin = 8   // what the bands' surplus must come to together
	toneLobe       = 3   // bins on each side of a tone that its window smears into
	toneLowestBin  = 10  // 312 Hz: below it a lone peak may be a pitch
)

// bandEdges are the first bins of the four bands, and the end of the last:
// 125, 500, 1000, 2000 and 3700 Hz.
func bandEdges() [vadBands + 1]int { return [...]int{4, 16, 32, 64, 119} }

// judge decides whether the window that ends here is voiced.
func (v *VAD) judge() bool {
	var mask [vadBands]uint8
	echo := v.echo != nil && v.echo.possible()
	if echo && v.echo.hasLate {
		mask = v.echo.expected(v.levels(&v.echo.late))
	}
	levels := v.levels(&v.history)
	if echo && !v.echo.hasLate {
		mask = v.echo.expected(levels)
	}
	var total float32
	surplus, own := 0, 0
	for b, energy := range v.energies {
		total += energy
		floor := max(v.floors[b].level, mask[b])
		own += max(0, min(int(levels[b]), int(mask[b]))-int(v.floors[b].level)-vadBandMargin)
		// The floor hears two hops together: a hum's pulses may fall into every
		// other one.
		v.floors[b].update(levelStep((energy + v.before[b]) / 2))
		v.before[b] = energy
		surplus += max(0, int(levels[b])-int(floor)-vadBandMargin)
	}
	v.state.Own = own >= vadTotalMargin && surplus < vadTotalMargin
	if levelStep(total) < vadGateStep || surplus < vadTotalMargin {
		return false
	}
	return !v.tonal(total)
}

// levels fills energies with what the bands hold in a window and returns it in
// half decibels.
func (v *VAD) levels(history *[vadWindow]float32) (levels [vadBands]uint8) {
	v.transform(history)
	edges := bandEdges()
	for b := range vadBands {
		var energy float32
		for _, p := range v.power[edges[b]:edges[b+1]] {
			energy += p
		}
		v.energies[b] = energy
		levels[b] = levelStep(energy)
	}
	return levels
}

// transform fills power with the windowed spectrum, scaled so that its sum is
// the mean square of the samples.
func (v *VAD) transform(history *[vadWindow]float32) {
	var windowed [vadWindow]float32
	for i, w := range v.window {
		windowed[i] = history[i] * w
	}
	v.fft.powers(windowed[:], &v.re, &v.im, &v.power)
	const scale = 2.0 / (spectrumSize * 0.375 * vadWindow)
	for i := range v.power {
		v.power[i] *= scale
	}
}

// tonal says that one or two narrow peaks above any pitch hold nearly all of
// the sound: DTMF, call progress tones, beeps.
func (v *VAD) tonal(total float32) bool {
	first := v.peak(-1)
	energy := v.lobe(first, -1)
	if energy > 0.95*total {
		return first >= toneLowestBin
	}
	second := v.peak(first)
	energy += v.lobe(second, first)
	return energy > 0.95*total && min(first, second) >= toneLowestBin
}

// peak returns the strongest bin of the voice band that is not within the lobe
// of the bin other.
func (v *VAD) peak(other int) int {
	edges := bandEdges()
	best := edges[0]
	for i := edges[0]; i < edges[vadBands]; i++ {
		if other >= 0 && i >= other-toneLobe && i <= other+toneLobe {
			continue
		}
		if v.power[i] > v.power[best] || best == other {
			best = i
		}
	}
	return best
}

// lobe returns the energy around bin centre that is not already around other.
func (v *VAD) lobe(centre, other int) float32 {
	var sum float32
	for i := max(0, centre-toneLobe); i <= min(spectrumHalf, centre+toneLobe); i++ {
		if other < 0 || i < other-toneLobe || i > other+toneLobe {
			sum += v.power[i]
		}
	}
	return sum
}

// halverTaps is the length of the half-band filter of a halver.
const halverTaps = 23

// halver turns 16 kHz into 8 kHz. Its filter is the same from both ends.
type halver struct {
	taps [halverTaps/2 + 1]float32 // up to the middle
	line [halverTaps - 1 + 2*vadHop]float32
	odd  bool // a sample waits for its partner
}

// newHalver returns a halver for sound at rate, with its filter designed; nil for 8000,
// which is not halved.
func newHalver(rate int) *halver {
	if rate == vadRate {
		return nil
	}
	const middle = halverTaps / 2
	var taps [halverTaps]float32
	var sum float32
	for i := range taps {
		x := float64(i-middle) * 0.47
		sinc := 1.0
		if i != middle {
			sinc = math.Sin(math.Pi*x) / (math.Pi * x)
		}
		shape := 0.54 + 0.46*math.Cos(math.Pi*float64(i-middle)/float64(middle+1))
		taps[i] = float32(sinc * shape)
		sum += taps[i]
	}
	h := &halver{}
	for i := range h.taps {
		h.taps[i] = taps[i] / sum
	}
	return h
}

// write takes at most 2*vadHop samples at 16 kHz, puts one sample at 8 kHz for
// every second one into out and returns how many.
func (h *halver) write(out []float32, pcm []int16) int {
	const past = halverTaps - 1
	taps := &h.taps
	for i, sample := range pcm {
		h.line[past+i] = float32(sample)
	}
	n := 0
	for i := 1 - int(bit(h.odd)); i < len(pcm); i += 2 {
		line := (*[halverTaps]float32)(h.line[i:])
		// Spelt out: a loop takes twice as long.
		out[n] = taps[11]*line[11] +
			taps[0]*(line[0]+line[22]) + taps[1]*(line[1]+line[21]) + taps[2]*(line[2]+line[20]) +
			taps[3]*(line[3]+line[19]) + taps[4]*(line[4]+line[18]) + taps[5]*(line[5]+line[17]) +
			taps[6]*(line[6]+line[16]) + taps[7]*(line[7]+line[15]) + taps[8]*(line[8]+line[14]) +
			taps[9]*(line[9]+line[13]) + taps[10]*(line[10]+line[12])
		n++
	}
	h.odd = h.odd != (len(pcm)%2 == 1)
	copy(h.line[:past], h.line[len(pcm):])
	return n
}
