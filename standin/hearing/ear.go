package hearing

import (
	"fmt"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin/tonewords"
)

// Word is a recognised word and its times from the first sample written.
type Word struct {
	Text     string
	From, To time.Duration
}

// Ear makes words of a stream of sound. It belongs to one goroutine.
type Ear interface {
	// Write listens and returns the words that ended.
	Write(pcm []int16) []Word
	// Finish returns the words of what was written that Write has not returned.
	Finish() []Word
	// Close ends the ear.
	Close()
}

// Ears makes an Ear for sound at rate.
type Ears func(rate int) (Ear, error)

// ToneWords are the ears that understand tone words, see package tonewords.
func ToneWords(rate int) (Ear, error) {
	if rate < 8000 || rate%1000 != 0 {
		return nil, fmt.Errorf("tone words at %d Hz", rate)
	}
	return &toneEar{ear: tonewords.NewEar(rate), rate: rate}, nil
}

type toneEar struct {
	ear  *tonewords.Ear
	rate int
}

// Write implements Ear.
func (e *toneEar) Write(pcm []int16) []Word {
	var words []Word
	for _, w := range e.ear.Write(pcm) {
		words = append(words, Word{Text: w.Text, From: audio.Span(w.From, e.rate), To: audio.Span(w.To, e.rate)})
	}
	return words
}

// Finish implements Ear: words are known as soon as they end.
func (e *toneEar) Finish() []Word { return nil }

// Close implements Ear.
func (e *toneEar) Close() {}
