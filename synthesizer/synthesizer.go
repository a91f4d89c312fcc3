// Package synthesizer is the contract for speech synthesis (and for anything
// else that turns an agent's words into sound, such as a TTY modem).
package synthesizer

import (
	"context"
	"iter"
)

// Driver speaks. Speak may be called concurrently.
type Driver interface {
	// Speak turns one sentence or a few into sound. Chunks arrive in order; the
	// words of a chunk lie inside the sound delivered up to and including it.
	// An error comes as the last pair. Leaving the loop or ending ctx stops the
	// synthesis; no goroutine or process outlives the iterator. Leading silence
	// is at most 20 ms, trailing at most 100 ms; speech is levelled to -20 dBFS
	// with peaks of at most -3 dBFS. Text without anything to say yields
	// nothing and no error.
	Speak(ctx context.Context, r Request) iter.Seq2[Chunk, error]
}

// Warmer is an optional interface of drivers that can connect before they are asked.
type Warmer interface {
	// Warm opens what a Speak with the same voice, language and rate needs, sends no
	// text and costs nothing. It returns when that is done, is under way or has failed,
	// which does not matter, at the latest when ctx ends. It may be called concurrently
	// with Speak.
	Warm(ctx context.Context, r Request)
}

// Request asks for one utterance.
type Request struct {
	// Text is plain text, no markup.
	Text string
	// Voice is the driver's own name of a voice; "" means its default.
	Voice string
	// Language is a BCP 47 tag; "" means the voice's own.
	Language string
	// Rate is the sample rate wanted: 8000 or 16000.
	Rate int
}

// Chunk is a run of sound and the words that end in it.
type Chunk struct {
	// PCM is mono at Request.Rate. The receiver owns it.
	PCM []int16
	// Words are the words whose sound ends in this chunk, in order. Drivers
	// without word times leave it empty.
	Words []Word
}

// Word is a spoken word.
type Word struct {
	// Start and End are byte offsets into Request.Text, including punctuation
	// that follows the word.
	Start, End int
	// FromSample and ToSample are positions in the sound of this Speak.
	FromSample, ToSample int64
}

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ErrSilent says that a text that should be said made no sound.
const ErrSilent Error = "synthesiser made no sound"
