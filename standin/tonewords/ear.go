package tonewords

import "math"

const (
	// slackMS is by how much the length of a word may differ from what its
	// characters take.
	slackMS = 4
	// toneMS is how long a window a tone is looked for in.
	toneMS = 4
	// quietLevel is the root mean square below which a block is silence: -45 dBFS.
	quietLevel = 184
	// longestMS bounds a word.
	longestMS = 5000
)

// Word is a word that an Ear heard.
type Word struct {
	// Text is the word as Spell writes it.
	Text string
	// From and To bound it in samples since the first Write, exact to 2 ms
	// where nothing was resampled.
	From, To int64
}

// Ear finds the words of Speak in a stream of sound, each as soon as its last
// sample came. A word counts when all of it was there, give or take 3 ms; what
// is left of a word that was cut short is not reported. It must not be used
// concurrently.
type Ear struct {
	rate, block int
	pcm         []int16
	first       int64 // position of pcm[0]
	at          int   // next block of pcm to look at
	from        int   // block in which the word begins, -1 outside sound
	silent      int64 // samples since the newest block that is not silent
	heard       bool
}

// NewEar returns an Ear for mono PCM at rate, a multiple of 1000 and at least
// 8000.
func NewEar(rate int) *Ear { return &Ear{rate: rate, block: rate / 1000, from: -1} }

// Write listens to pcm, of any length, and returns the words that ended in it.
func (e *Ear) Write(pcm []int16) []Word {
	known := len(e.pcm) / e.block
	e.pcm = append(e.pcm, pcm...)
	for ; known < len(e.pcm)/e.block; known++ {
		if e.silent += int64(e.block); e.loud(known) {
			e.silent, e.heard = 0, true
		}
	}
	var words []Word
	for e.at+markMS <= len(e.pcm)/e.block {
		if w, ok := e.step(); ok {
			words = append(words, w)
		}
	}
	e.forget()
	return words
}

// Silent is for how many samples, to a millisecond, nothing has been heard up to
// the end of what was written; ok is false before the first sound.
func (e *Ear) Silent() (samples int64, ok bool) { return e.silent, e.heard }

// Position is how many samples were written.
func (e *Ear) Position() int64 { return e.first + int64(len(e.pcm)) }

// step looks at one block; ok says that it ends a word.
func (e *Ear) step() (w Word, ok bool) {
	loud := e.loud(e.at)
	switch {
	case e.from < 0 && !loud:
		e.at++
		return w, false
	case e.from < 0:
		e.from = e.at
	case !loud && !e.loud(e.at+1), e.at-e.from > longestMS:
		e.from = -1
		e.at++
		return w, false
	}
	if !e.markAt(e.at) {
		e.at++
		return w, false
	}
	end := e.at + markMS
	text := e.spell(e.from, e.at)
	w = Word{Text: text, From: e.first + int64(e.from*e.block), To: e.first + int64(end*e.block)}
	e.at, e.from = end, -1
	return w, text != ""
}

// forget drops what no word can need any more.
func (e *Ear) forget() {
	keep := e.at
	if e.from >= 0 {
		keep = e.from
	}
	keep = max(0, keep-toneMS) // markAt looks back
	if keep*e.block < e.rate/4 {
		return // moving it each time costs more than keeping it
	}
	e.pcm = e.pcm[:copy(e.pcm, e.pcm[keep*e.block:])]
	e.first += int64(keep * e.block)
	e.at -= keep
	if e.from >= 0 {
		e.from -= keep
	}
}

// loud reports whether a block is no silence.
func (e *Ear) loud(block int) bool {
	if (block+1)*e.block > len(e.pcm) {
		return false
	}
	return energy(e.pcm[block*e.block:(block+1)*e.block]) > quietLevel*quietLevel*float64(e.block)
}

// markAt reports whether a mark begins at a block.
func (e *Ear) markAt(block int) bool {
	if !e.mark(block) || e.mark(block-toneMS) {
		return false
	}
	for i := block; i < block+markMS-2*toneMS; i++ {
		if !e.mark(i) {
			return false
		}
	}
	return e.loud(block + markMS - 3)
}

// mark reports whether the window that begins at a block holds the mark's tone.
func (e *Ear) mark(block int) bool {
	if block < 0 || (block+toneMS)*e.block > len(e.pcm) {
		return false
	}
	part := e.pcm[block*e.block : (block+toneMS)*e.block]
	// A tone alone would have half of the sum's length times its power.
	return 2*power(part, markHz, e.rate)/float64(len(part)) > 0.6*energy(part)
}

// spell reads the symbols between two blocks; "" when they are no word.
func (e *Ear) spell(from, to int) string {
	length := to - from
	n := (length + symbolMS/2) / symbolMS
	if n < 1 || length < n*symbolMS-slackMS || length > n*symbolMS+slackMS {
		return ""
	}
	text := make([]byte, n)
	for i := range text {
		end := to - (n-1-i)*symbolMS
		if text[i] = e.symbol(i%2, end-symbolMS+6, end-6); text[i] == 0 {
			return ""
		}
	}
	return string(text)
}

// symbol returns the character between two blocks; 0 for none.
func (e *Ear) symbol(bank, from, to int) byte {
	part := e.pcm[max(from, 0)*e.block : to*e.block]
	low := strongest(2*lowTones, func(i int) float64 { return power(part, lowHz(0, i), e.rate) }) - bank*lowTones
	high := strongest(highTones, func(i int) float64 { return power(part, highHz(i), e.rate) })
	symbol := low*highTones + high
	if low < 0 || low >= lowTones || symbol >= len(alphabet) {
		return 0
	}
	return alphabet[symbol]
}

// strongest returns which of n powers is the greatest.
func strongest(n int, power func(int) float64) int {
	best, at := -1.0, 0
	for i := range n {
		if p := power(i); p > best {
			best, at = p, i
		}
	}
	return at
}

func energy(part []int16) float64 {
	sum := 0.0
	for _, s := range part {
		sum += float64(s) * float64(s)
	}
	return sum
}

// power is Goertzel's sum of one frequency over part.
func power(part []int16, hz float64, rate int) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	s1, s2 := 0.0, 0.0
	for _, x := range part {
		s1, s2 = float64(x)+c*s1-s2, s1
	}
	return s1*s1 + s2*s2 - c*s1*s2
}
