package call

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// tailLength is how much sound is kept for a recogniser that is not ready
	// or was lost. While one is at work and has no words pending, it is
	// quietTail, what it may not have made text of yet, besides what it has not
	// even taken.
	tailLength = transcriber.MaxBehind + quietTail
	quietTail  = 2 * time.Second
	// tailSlack is by how much a tail outgrows its length before it is cut, so
	// that not every frame moves it.
	tailSlack = 500 * time.Millisecond
	// reopenAfter is waited before a lost recogniser is opened again.
	reopenAfter = 300 * time.Millisecond
	// lossesAllowed within lossWindow; one more and the call goes deaf.
	lossesAllowed = 2
	lossWindow    = 5 * time.Second
)

// earLost says that the recogniser failed and is opened again.
type earLost struct{}

// ear keeps one call's recogniser alive: it buffers while none is ready,
// reopens a lost one and plays it what it had not finished. write and finalize
// belong to one goroutine each; run to another.
type ear struct {
	driver transcriber.Driver
	config transcriber.Config
	clock  Clock
	post   func(any)
	log    *slog.Logger // nil: nothing is logged

	mu       sync.Mutex
	stream   transcriber.Stream
	tail     []int16 // sound since the last final, at most tailLength
	pending  bool    // words were heard since the last final
	finalise bool    // a Finalize waits for a stream
	rate     int
}

// write gives the recogniser a received frame.
func (e *ear) write(f audio.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buffer(f.PCM)
	if e.stream != nil {
		_ = e.stream.Write(f) // a failed stream reports through its events
	}
}

func (e *ear) buffer(pcm []int16) {
	length := tailLength
	if e.stream != nil && !e.pending {
		length = min(quietTail+transcriber.Behind(e.stream), tailLength)
	}
	e.tail = append(e.tail, pcm...)
	limit := int(audio.Samples(length, e.rate))
	if len(e.tail) <= limit+int(audio.Samples(tailSlack, e.rate)) {
		return
	}
	rest := e.tail[len(e.tail)-limit:]
	if cap(e.tail) > 2*limit {
		e.tail = append(make([]int16, 0, limit+int(audio.Samples(tailSlack, e.rate))+len(pcm)), rest...)
		return
	}
	e.tail = e.tail[:copy(e.tail, rest)]
}

// finalize asks for the final of what was heard.
func (e *ear) finalize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stream == nil {
		e.finalise = true
		return
	}
	e.stream.Finalize()
}

// run opens and reopens the recogniser until ctx ends.
func (e *ear) run(ctx context.Context) {
	var losses []time.Time
	for ctx.Err() == nil {
		err := e.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		now := e.clock.Now()
		losses = append(losses, now)
		for len(losses) > 0 && now.Sub(losses[0]) > lossWindow {
			losses = losses[1:]
		}
		deaf := len(losses) > lossesAllowed
		if e.log != nil {
			e.log.Warn("recogniser failed", slog.Any("error", err), slog.Bool("again", !deaf))
		}
		if deaf {
			e.post(conversation.RecogniserLost{Reason: public(err)})
			return
		}
		e.post(earLost{})
		e.clock.Sleep(reopenAfter, ctx.Done())
	}
}

// listen serves one stream until it fails.
func (e *ear) listen(ctx context.Context) (err error) {
	defer caught(e.log, "recogniser", &err)
	stream, err := e.driver.Open(ctx, e.config)
	if err != nil {
		return err
	}
	e.attach(stream)
	defer func() {
		e.mu.Lock()
		e.stream = nil
		e.mu.Unlock()
		_ = stream.Close() // its error came through Events
	}()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	for ev, err := range stream.Events() {
		if err != nil {
			return err
		}
		e.heard(ev)
	}
	return transcriber.Error("recogniser ended")
}

// attach makes stream the current one and plays it what it missed.
func (e *ear) attach(stream transcriber.Stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if over := len(e.tail) - int(audio.Samples(tailLength, e.rate)); over > 0 {
		e.tail = e.tail[:copy(e.tail, e.tail[over:])]
	}
	if len(e.tail) > int(audio.Samples(quietTail, e.rate)) {
		e.pending = true // words may be in what is played again
	}
	if len(e.tail) > 0 {
		_ = stream.Write(audio.Frame{PCM: e.tail, Rate: e.rate})
	}
	if e.finalise {
		stream.Finalize()
		e.finalise = false
	}
	e.stream = stream
}

func (e *ear) heard(ev transcriber.Event) {
	switch ev.Kind {
	case transcriber.Partial:
		e.mu.Lock()
		e.pending = e.pending || ev.Text != ""
		e.mu.Unlock()
		e.post(conversation.Heard{Text: ev.Text})
	case transcriber.Final:
		e.mu.Lock()
		e.tail, e.pending = e.tail[:0], false
		e.mu.Unlock()
		e.post(conversation.Heard{Text: ev.Text, Final: true, Flushed: ev.Flushed})
	case transcriber.SpeechStarted:
		e.post(conversation.SpeechStarted{})
	case transcriber.SpeechEnded:
		e.post(conversation.SpeechEnded{})
	case transcriber.EndOfTurn:
		e.post(conversation.TurnYielded{})
	case transcriber.Goodbye:
		e.post(conversation.CallerLeaves{})
	}
}
