// Package softphone is a caller: it dials or answers over a telephony driver,
// says lines, interrupts, presses keys, listens, measures how long the other
// side takes to answer, and keeps what it heard. `sidetone phone`, the demo and
// the end-to-end tests use it.
package softphone

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// Line is one thing the caller says.
type Line struct {
	// Text is spoken by the caller's voice. Empty with Sound or Keys set.
	Text string
	// Sound is played instead of Text: mono PCM at the leg's rate.
	Sound []int16
	// Keys are pressed instead.
	Keys string
	// After, when not zero, interrupts: the line is said this long after the
	// other side began to speak. Zero waits until it has finished.
	After time.Duration
	// Shift delays the line's first sample, to move its frame alignment.
	Shift time.Duration
}

// Phone is a caller's equipment. Zero fields mean what their comments say.
type Phone struct {
	// Driver carries the calls; required.
	Driver telephony.Driver
	// Voice speaks the lines; required when a line has text.
	Voice     synthesizer.Driver
	VoiceName string
	// Ears recognise what the other side says; nil means nobody does.
	Ears transcriber.Driver
	// Lines are said in order.
	Lines []Line
	// Patience is how long the other side must be silent to have finished;
	// zero means 1.2 s.
	Patience time.Duration
	// Wait bounds the wait for an answer before the next line; zero means 15 s.
	Wait time.Duration
	// Stay keeps the line open after the last line until the other side hangs
	// up or the call has lasted Length.
	Stay bool
	// Length bounds the call; zero means 10 min.
	Length time.Duration
	// Record, when set, is given what is heard as a mono WAV.
	Record io.WriterAt
	// Microphone and Speaker are raw signed 16-bit little-endian mono PCM at
	// the leg's rate; nil means none. A microphone replaces the lines; at its end
	// the line stays open as after a last line. One that can be closed is, at the
	// end of the only call, and that must end a Read under way.
	Microphone io.Reader
	Speaker    io.Writer
	// Notify is told what happens, one event at a time; nil means nobody.
	Notify func(Event)
	// Log receives technical detail; nil discards it.
	Log *slog.Logger

	once bool // there is one call only
}

// Event is something a caller would notice.
type Event struct {
	// Kind is ringing, answered, said, heard, gap, stopped, key or ended.
	Kind string
	// Text is what was said, heard or pressed, or why the call ended.
	Text string
	// Took is, on gap, the time from the last voiced sample sent to the first
	// audible one received; on stopped, from the first voiced sample sent to
	// the last audible one received.
	Took time.Duration
	// At is the time since the answer.
	At time.Duration
	// ID is, on answered, the carrier's id of the call (the SIP Call-ID).
	ID string
}

// Result is what a call amounted to.
type Result struct {
	// Heard lists what was recognised, in order.
	Heard []string
	// Said counts the lines said.
	Said int
	// Gaps are the answer times of the lines that waited for an answer.
	Gaps []time.Duration
	// Stops are the times the other side took to fall silent when interrupted.
	Stops []time.Duration
	// Frames and Audible count the 20 ms frames received and those with sound.
	Frames, Audible int
	// Cause is why the call ended; Remote that the other side ended it.
	Cause  telephony.Cause
	Remote bool
	// Length is the time from answer to end.
	Length time.Duration
}

// Call dials and converses until the call is over. An unanswered call is a
// *telephony.DialError.
func (p Phone) Call(ctx context.Context, req telephony.DialRequest) (Result, error) {
	leg, err := p.Driver.Dial(ctx, req, func() { p.notify(Event{Kind: "ringing"}) })
	if err != nil {
		return Result{}, err
	}
	p.once = true
	return p.converse(ctx, leg)
}

// Listen answers every call until ctx ends, or until it has answered count
// calls when count is positive. done, which may be nil, is given each result.
func (p Phone) Listen(ctx context.Context, count int, done func(Result, error)) error {
	p.once = count == 1
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	results := make(chan struct{}, 1)
	go func() {
		defer close(ended)
		for range results {
			if count--; count == 0 {
				cancel()
			}
		}
	}()
	err := p.Driver.Serve(ctx, func(ctx context.Context, leg telephony.Leg) {
		r, err := p.pickUp(ctx, leg)
		if done != nil {
			done(r, err)
		}
		results <- struct{}{}
	})
	close(results)
	<-ended
	return err
}

func (p Phone) pickUp(ctx context.Context, leg telephony.Leg) (Result, error) {
	if err := leg.Accept(ctx); err != nil {
		return Result{}, fmt.Errorf("answer: %w", err)
	}
	return p.converse(ctx, leg)
}

func (p Phone) notify(e Event) {
	if p.Notify != nil {
		p.Notify(e)
	}
}
