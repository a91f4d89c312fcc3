package synthesizertest

import (
	"math"
	"strings"
)

// The stub voice spells a word as one two-tone symbol a character, ends it with
// a mark of one tone and leaves a gap. Characters at even and odd places use
// low tones of different banks, so that a doubled letter is two symbols.
const (
	symbolMS  = 40
	markMS    = 20
	gapMS     = 20
	lowTones  = 7
	highTones = 6
	markHz    = 3000
	amplitude = 0.07 // each of two tones; together about -20 dBFS
)

// alphabet lists the characters that survive; others decode as '?'.
func alphabet() string { return "abcdefghijklmnopqrstuvwxyz0123456789'?" }

func lowHz(bank, tone int) float64 { return float64(500 + 75*(bank*lowTones+tone)) }

func highHz(tone int) float64 { return float64(1900 + 100*tone) }

// Spell returns the word as DecodeWords reads it back: lower case, without
// punctuation other than apostrophes inside it, and '?' for any character that
// has no tone of its own.
func Spell(word string) string {
	var b strings.Builder
	known := alphabet()
	for _, r := range strings.ToLower(word) {
		switch {
		case strings.ContainsRune(known, r) && r != '?':
			b.WriteRune(r)
		case r > 127 && r != '’' && r != '—' && r != '–' && r != '…':
			b.WriteByte('?')
		}
	}
	spelt := strings.Trim(b.String(), "'")
	if spelt == "" {
		return "?"
	}
	return spelt
}

// Duration returns how many samples the stub voice speaks word for, the gap
// after it not included.
func Duration(word string, rate int) int64 {
	return int64(len(Spell(word))*symbolMS+markMS) * int64(rate) / 1000
}

// speak appends the sound of the word to pcm.
func speak(pcm []int16, word string, rate int) []int16 {
	known := alphabet()
	for i, c := range []byte(Spell(word)) {
		symbol := strings.IndexByte(known, c)
		pcm = tone(pcm, rate, symbolMS, lowHz(i%2, symbol/highTones), highHz(symbol%highTones))
	}
	return tone(pcm, rate, markMS, markHz, markHz)
}

func tone(pcm []int16, rate, ms int, f1, f2 float64) []int16 {
	w1, w2 := 2*math.Pi*f1/float64(rate), 2*math.Pi*f2/float64(rate)
	for n := range rate * ms / 1000 {
		// Cosines: the very first sample is audible.
		x := amplitude * (math.Cos(w1*float64(n)) + math.Cos(w2*float64(n)))
		pcm = append(pcm, int16(x*32767))
	}
	return pcm
}

// Heard is a word that DecodeWords found.
type Heard struct {
	// Text is the word as Spell writes it.
	Text string
	// From and To bound the word in samples of what was decoded; they are exact
	// to 2 ms.
	From, To int64
}

// DecodeWords finds the words that a stub voice spoke in a recording at rate (a
// multiple of 1000, at least 8000), for example after codecs, resampling and
// loss of whatever came before or after. A word counts when it was there from
// its first sample to its last, give or take 3 ms; what is left of a word cut
// short is not reported.
func DecodeWords(pcm []int16, rate int) []Heard {
	d := decoder{pcm: pcm, rate: rate, block: rate / 1000}
	return d.words()
}

// decoder classifies blocks of 1 ms.
type decoder struct {
	pcm   []int16
	rate  int
	block int
}

// words finds the runs of sound and reads each.
func (d *decoder) words() []Heard {
	var found []Heard
	blocks := len(d.pcm) / d.block
	for i := 0; i < blocks; {
		if !d.loud(i) {
			i++
			continue
		}
		from := i
		for i < blocks && (d.loud(i) || (i+1 < blocks && d.loud(i+1))) {
			i++
		}
		found = append(found, d.run(from, i)...)
	}
	return found
}

// loud reports whether block i has sound above -45 dBFS.
func (d *decoder) loud(i int) bool {
	sum := 0.0
	for _, s := range d.pcm[i*d.block : (i+1)*d.block] {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum/float64(d.block)) > 184
}

// run reads the words in blocks [from,to), which the sender may have put
// together without a gap.
func (d *decoder) run(from, to int) []Heard {
	var found []Heard
	start := from
	for at := from; at < to; {
		end := d.markAt(at, to)
		if end < 0 {
			at++
			continue
		}
		if text := d.spell(start, end-markMS); text != "" {
			found = append(found, Heard{Text: text, From: int64(start * d.block), To: int64(end * d.block)})
		}
		at, start = end, end
	}
	return found
}

// markAt returns the block at which a whole mark that begins at block at ends,
// or -1.
func (d *decoder) markAt(at, to int) int {
	const slack = 3
	if at+markMS-slack > to || !d.isMark(at) || d.isMark(at-4) {
		return -1
	}
	for i := at; i < at+markMS-slack-3; i++ {
		if !d.isMark(i) {
			return -1
		}
	}
	return min(at+markMS, to)
}

// isMark reports whether the 4 ms from block i on are the mark's tone.
func (d *decoder) isMark(i int) bool {
	if i < 0 || (i+4)*d.block > len(d.pcm) {
		return false
	}
	part := d.pcm[i*d.block : (i+4)*d.block]
	energy := 0.0
	for _, s := range part {
		energy += float64(s) * float64(s)
	}
	// A pure tone has twice its power over n in the Goertzel sum.
	return 2*goertzel(part, markHz, d.rate)/float64(len(part)) > 0.8*energy
}

// spell reads the symbols between two blocks, or returns "" when they are not
// whole symbols.
func (d *decoder) spell(from, to int) string {
	const slack = 4
	length := to - from
	n := (length + symbolMS/2) / symbolMS
	if n < 1 || length < n*symbolMS-slack || length > n*symbolMS+slack {
		return ""
	}
	text := make([]byte, 0, n)
	for i := range n {
		end := to - (n-1-i)*symbolMS
		c := d.symbol(i%2, end-symbolMS+6, end-6)
		if c == 0 {
			return ""
		}
		text = append(text, c)
	}
	return string(text)
}

// symbol returns the character between two blocks, 0 when there is none.
func (d *decoder) symbol(bank, from, to int) byte {
	from, to = max(from, 0)*d.block, min(to*d.block, len(d.pcm))
	if from >= to {
		return 0
	}
	part := d.pcm[from:to]
	low := strongest(2*lowTones, func(i int) float64 { return goertzel(part, lowHz(0, i), d.rate) }) - bank*lowTones
	high := strongest(highTones, func(i int) float64 { return goertzel(part, highHz(i), d.rate) })
	symbol := low*highTones + high
	if low < 0 || low >= lowTones || symbol >= len(alphabet()) {
		return 0
	}
	return alphabet()[symbol]
}

func strongest(n int, power func(int) float64) int {
	best, at := -1.0, -1
	for i := range n {
		if p := power(i); p > best {
			best, at = p, i
		}
	}
	return at
}

// goertzel returns the power of one frequency in part.
func goertzel(part []int16, hz float64, rate int) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	s1, s2 := 0.0, 0.0
	for _, x := range part {
		s1, s2 = float64(x)+c*s1-s2, s1
	}
	return s1*s1 + s2*s2 - c*s1*s2
}
