package audio

import (
	"fmt"
	"math"
	"time"
	"unicode"
)

// dtmfKey is a digit and its place on the keypad, whose row and column each
// have a tone (ITU-T Q.23).
type dtmfKey struct {
	digit       byte
	row, column int
}

// dtmfKeys returns the keys in the order of their event codes in RFC 4733, 0 to
// 15: https://www.rfc-editor.org/rfc/rfc4733#section-3.2
func dtmfKeys() [16]dtmfKey {
	return [...]dtmfKey{
		{'0', 3, 1}, {'1', 0, 0}, {'2', 0, 1}, {'3', 0, 2}, {'4', 1, 0}, {'5', 1, 1}, {'6', 1, 2}, {'7', 2, 0},
		{'8', 2, 1}, {'9', 2, 2}, {'*', 3, 0}, {'#', 3, 2}, {'A', 0, 3}, {'B', 1, 3}, {'C', 2, 3}, {'D', 3, 3},
	}
}

// keyOf returns the event code and the key of a digit; letters may be of either
// case.
func keyOf(digit rune) (code uint8, key dtmfKey, ok bool) {
	for i, k := range dtmfKeys() {
		if unicode.ToUpper(digit) == rune(k.digit) {
			return uint8(i), k, true
		}
	}
	return 0, dtmfKey{}, false
}

// keyAt returns the digit in a row and a column.
func keyAt(row, column int) byte {
	for _, k := range dtmfKeys() {
		if k.row == row && k.column == column {
			return k.digit
		}
	}
	return 0
}

// dtmfFrequency returns the frequency in hertz of row 0-3, or of column 4-7.
func dtmfFrequency(i int) float64 {
	return [...]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}[i]
}

// DTMF returns the tones of digits at rate, each held for on and followed by
// off of silence, every tone with a root mean square of level dBFS. The error
// wraps ErrNotADigit.
func DTMF(digits string, rate int, on, off time.Duration, level float64) ([]int16, error) {
	var pcm []int16
	for _, digit := range digits {
		_, key, ok := keyOf(digit)
		if !ok {
			return nil, fmt.Errorf("generate DTMF for %q: %w", digit, ErrNotADigit)
		}
		n := int(Samples(on, rate))
		pcm = append(pcm, DualTone(rate, n, dtmfFrequency(key.row), dtmfFrequency(4+key.column), level)...)
		pcm = append(pcm, make([]int16, Samples(off, rate))...)
	}
	return pcm, nil
}

// The rules of the detector. A block is 12.75 ms: long enough to tell the
// tones apart, short enough for three of them in the shortest digit.
const (
	dtmfBlockMicros = 12750
	dtmfOnBlocks    = 3    // equal blocks that make a digit
	dtmfOffBlocks   = 2    // other blocks that end it
	dtmfShare       = 0.82 // of the sound that lies in the two tones
	dtmfTwist       = 6.3  // 8 dB between the tones, either way
	dtmfRival       = 6.3  // 8 dB over the next tone of the same group
	dtmfGateStep    = 120  // -40 dBFS
)

// DTMFDetector finds DTMF digits in the sound itself, for peers that send no
// telephone events. Speech does not pass for a digit: nearly all of the sound
// must lie in one tone of each group, of similar strength, for three blocks in
// a row. It belongs to one goroutine; Write allocates nothing.
type DTMFDetector struct {
	size    int
	coeff   [8]float64
	s1, s2  [8]float64
	energy  float64
	count   int
	last    byte // what the last block held
	run     int  // blocks in a row that held it
	current byte // digit under way
	gone    int  // blocks in a row without it
	// recent are the newest blocks, the newest first; full is one that the digit under
	// way fills, length how many it has filled, and lasted how many the one did that
	// ended last.
	recent         [dtmfOnBlocks + 1]dtmfBlock
	full           dtmfBlock
	length, lasted float64
}

// dtmfBlock is the energy of a block and the powers of the tones in it.
type dtmfBlock struct {
	energy float64
	power  [8]float64
}

// NewDTMFDetector returns a detector for PCM at rate hertz.
func NewDTMFDetector(rate int) *DTMFDetector {
	d := &DTMFDetector{size: max(1, rate*dtmfBlockMicros/1_000_000)}
	for i := range d.coeff {
		d.coeff[i] = 2 * math.Cos(2*math.Pi*dtmfFrequency(i)/float64(max(1, rate)))
	}
	return d
}

// Write listens to pcm, at most 50 ms of it, and returns the digit that began
// in it (once, about 40 ms after its beginning) and true.
func (d *DTMFDetector) Write(pcm []int16) (digit rune, found bool) {
	for _, sample := range pcm {
		x := float64(sample)
		d.energy += x * x
		for i := range d.coeff {
			s := x + d.coeff[i]*d.s1[i] - d.s2[i]
			d.s2[i], d.s1[i] = d.s1[i], s
		}
		if d.count++; d.count == d.size {
			if c := d.block(); c != 0 {
				digit, found = rune(c), true
			}
		}
	}
	return digit, found
}

// Length returns how long the tone that ended last was, to within 5 ms, or 15 ms amid
// other sound.
func (d *DTMFDetector) Length() time.Duration {
	return time.Duration(d.lasted * dtmfBlockMicros * float64(time.Microsecond))
}

// Down returns the digit whose tone is under way and true.
func (d *DTMFDetector) Down() (rune, bool) { return rune(d.current), d.current != 0 }

// block closes a block and returns the digit that it confirms, or 0.
func (d *DTMFDetector) block() byte {
	copy(d.recent[1:], d.recent[:])
	d.recent[0].energy = d.energy
	for i, c := range d.coeff {
		d.recent[0].power[i] = d.s1[i]*d.s1[i] + d.s2[i]*d.s2[i] - c*d.s1[i]*d.s2[i]
	}
	key := d.classify()
	d.s1, d.s2, d.energy, d.count = [8]float64{}, [8]float64{}, 0, 0
	if key == d.last {
		d.run++
	} else {
		d.last, d.run = key, 1
	}
	switch {
	case d.current == 0:
	case key == d.current:
		d.gone = 0
		d.length++
	default:
		d.gone++
		d.length += d.part(0)
		if d.gone >= dtmfOffBlocks {
			d.current, d.lasted = 0, d.length
		}
	}
	if key == 0 || key == d.current || d.run < dtmfOnBlocks {
		return 0
	}
	d.begin(key)
	return key
}

// begin notes a digit that was confirmed. It has filled the newest blocks, and part of
// the one before.
func (d *DTMFDetector) begin(key byte) {
	d.current, d.gone, d.full = key, 0, d.recent[1]
	d.length = dtmfOnBlocks + d.part(dtmfOnBlocks)
}

// part is how much of a recent block the digit under way has filled: no more than its
// energy says, to which other sound adds, and its tones do, whose power is the square of
// what they fill. A part of a block tells tones apart less well: they may seem weaker.
func (d *DTMFDetector) part(block int) float64 {
	const seem = 1.2
	_, key, _ := keyOf(rune(d.current))
	b := &d.recent[block]
	tones := (b.power[key.row] + b.power[4+key.column]) / (d.full.power[key.row] + d.full.power[4+key.column])
	return min(1, b.energy/d.full.energy, seem*math.Sqrt(tones))
}

// classify returns the digit whose two tones make up the block, or 0.
func (d *DTMFDetector) classify() byte {
	n := float64(d.size)
	if levelStep(float32(d.energy/n)) < dtmfGateStep {
		return 0
	}
	row, low, lowRival := d.strongest(0)
	column, high, highRival := d.strongest(4)
	switch {
	case (low+high)*2/n < dtmfShare*d.energy:
		return 0
	case low > dtmfTwist*high || high > dtmfTwist*low:
		return 0
	case low < dtmfRival*lowRival || high < dtmfRival*highRival:
		return 0
	}
	return keyAt(row, column)
}

// strongest returns which of four tones is the strongest, its power, and the
// power of the next.
func (d *DTMFDetector) strongest(group int) (index int, best, second float64) {
	for i, power := range d.recent[0].power[group : group+4] {
		if power > best {
			index, best, second = i, power, best
		} else if power > second {
			second = power
		}
	}
	return index, best, second
}
