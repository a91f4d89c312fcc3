// Package transcriber is the contract for speech recognition (and for anything
// else that turns a caller's sound into words, such as a TTY modem).
package transcriber

import (
	"context"
	"iter"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ErrBusy is returned by Open when the driver's limit of streams is reached.
const ErrBusy Error = "no free recogniser"

// ErrClosed is returned by Write on a stream that was closed.
const ErrClosed Error = "recogniser stream is closed"

// MaxBehind is how far a recogniser may be behind what was written, besides the
// first Write, which may hold what was said before the stream was open.
const MaxBehind = 10 * time.Second

// ErrBehind is returned by Write, and ends the stream, when the recogniser is
// more than MaxBehind behind.
const ErrBehind Error = "recogniser is more than 10 s behind"

// Lagger is an optional interface of streams that know how much of what was
// written the recogniser has not taken yet.
type Lagger interface {
	// Behind returns that length of sound. It may be called concurrently.
	Behind() time.Duration
}

// Behind returns how far s is behind; 0 when it does not know.
func Behind(s Stream) time.Duration {
	if l, ok := s.(Lagger); ok {
		return l.Behind()
	}
	return 0
}

// Driver opens streams. Open may be called concurrently.
type Driver interface {
	// Open starts one call's stream. The stream outlives no ctx: when ctx ends
	// the stream closes. An Open that cannot serve c (rate, language) returns
	// an error that says so; one over the driver's limit returns ErrBusy.
	Open(ctx context.Context, c Config) (Stream, error)
}

// Warmer is an optional interface of drivers whose streams connect only when there is
// something to recognise.
type Warmer interface {
	// Warm opens what the first sound needs, sends none and costs nothing. It returns
	// when that is done or has failed, which does not matter, at the latest when ctx
	// ends. It may be called concurrently with Open.
	Warm(ctx context.Context)
}

// Config describes the audio of a stream.
type Config struct {
	// Rate is the sample rate of the frames that will be written.
	Rate int
	// Language is a BCP 47 tag such as "en"; "" means the driver's default.
	Language string
	// KeyTerms are words the caller is likely to say.
	KeyTerms []string
}

// Stream recognises one caller. Write and Finalize are called by one
// goroutine, Events by another; Close may be called by any, more than once.
type Stream interface {
	// Write adds audio in media order. It copies the samples and never waits
	// for the recogniser: a stream that falls more than 10 s behind fails.
	Write(f audio.Frame) error
	// Finalize asks for the final of everything written so far, soon. Every
	// Finalize is answered by a Final event with Flushed set, even when
	// nothing was said (Text empty). It never waits.
	Finalize()
	// Events yields results until the stream closes; the error that ended it,
	// if any, comes last. Leaving the loop does not close the stream.
	Events() iter.Seq2[Event, error]
	// Close ends the stream, waits for its goroutines and child processes (at
	// most 5 s), and ends Events.
	Close() error
}

// Kind says what an Event reports.
type Kind uint8

// The kinds of events.
const (
	// Partial is an unstable text of the running utterance.
	Partial Kind = iota + 1
	// Final is a stable text; the next Partial or Final starts a new one.
	Final
	// SpeechStarted and SpeechEnded come from streams that know better than a
	// voice detector who talks (a TTY modem's carrier).
	SpeechStarted
	// SpeechEnded is the counterpart of SpeechStarted.
	SpeechEnded
	// EndOfTurn says that the caller yielded the turn: explicitly (TTY "GA"), or so
	// the recogniser judges. The turn's words came before it, in Finals.
	EndOfTurn
	// Goodbye says that the caller ends the call explicitly (TTY "SK").
	Goodbye
	// EagerEndOfTurn says that the turn is probably over; EndOfTurn or TurnResumed
	// follows. The words so far came before it, in Partials or Finals.
	EagerEndOfTurn
	// TurnResumed takes an EagerEndOfTurn back: the caller goes on.
	TurnResumed
)

// Event is one result.
type Event struct {
	Kind Kind
	// Text is trimmed, possibly empty on a flushed Final.
	Text string
	// Words carries times when the recogniser knows them.
	Words []Word
	// Flushed marks the answer to a Finalize.
	Flushed bool
}

// Word is a recognised word in the stream's media time.
type Word struct {
	Text     string
	From, To time.Duration
}

// CarrierDetecting is implemented by streams whose SpeechStarted and
// SpeechEnded replace the voice detector, and which hear characters rather
// than sound.
type CarrierDetecting interface {
	// DetectsCarrier reports whether the voice detector must be ignored.
	DetectsCarrier() bool
}
