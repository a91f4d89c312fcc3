package server

import (
	"context"
	"iter"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// benchPlan is what agents of provider "bench" run with, so that the platform is
// measured and no vendor: a recogniser that answers Finalize at once, a model
// that gives one delta, a voice that sounds from its first sample. words is how
// many words an answer has.
func benchPlan(words string) call.Plan {
	return call.Plan{Recognisers: []call.Recogniser{{Driver: benchEars{}}}, Models: []call.Model{{Driver: benchModel{}, Name: words}},
		Voices: []call.Voice{{Driver: benchVoice{}}}}
}

type benchEars struct{}

// Open implements transcriber.Driver.
func (benchEars) Open(ctx context.Context, _ transcriber.Config) (transcriber.Stream, error) {
	s := &benchStream{events: make(chan transcriber.Event, 8), done: make(chan struct{})}
	s.stop = context.AfterFunc(ctx, s.end)
	return s, nil
}

type benchStream struct {
	events chan transcriber.Event
	done   chan struct{}
	once   sync.Once
	stop   func() bool
}

func (s *benchStream) Write(audio.Frame) error { return nil }

func (s *benchStream) Finalize() {
	select {
	case s.events <- transcriber.Event{Kind: transcriber.Final, Text: "please go on", Flushed: true}:
	default: // eight finals are unread: the call no longer reads them
	}
}

func (s *benchStream) Events() iter.Seq2[transcriber.Event, error] {
	return func(yield func(transcriber.Event, error) bool) {
		for {
			select {
			case <-s.done:
				return
			case e := <-s.events:
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (s *benchStream) end() { s.once.Do(func() { close(s.done) }) }

func (s *benchStream) Close() error {
	s.stop()
	s.end()
	return nil
}

type benchModel struct{}

// Generate implements llm.Driver; Request.Model is the number of words.
func (benchModel) Generate(_ context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		n, err := strconv.Atoi(r.Model)
		if err != nil || n < 1 {
			n = 3
		}
		text := strings.TrimSpace(strings.Repeat("tone ", n)) + "."
		if yield(llm.Delta{Text: text}, nil) {
			yield(llm.Delta{Done: &llm.Usage{Out: n}}, nil)
		}
	}
}

type benchVoice struct{}

// benchTone is the frequency, and benchWord the length in milliseconds, of a
// word of the bench's voice.
const (
	benchTone = 440
	benchWord = 200
)

// Speak implements synthesizer.Driver.
func (benchVoice) Speak(_ context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		at := int64(0)
		pos := 0
		for _, word := range strings.Fields(r.Text) {
			start := pos + strings.Index(r.Text[pos:], word)
			pos = start + len(word)
			pcm := make([]int16, r.Rate*benchWord/1000)
			for i := range pcm {
				pcm[i] = int16(8000 * math.Cos(2*math.Pi*benchTone*float64(at+int64(i))/float64(r.Rate)))
			}
			w := synthesizer.Word{Start: start, End: pos, FromSample: at, ToSample: at + int64(len(pcm))}
			at = w.ToSample
			if !yield(synthesizer.Chunk{PCM: pcm, Words: []synthesizer.Word{w}}, nil) {
				return
			}
		}
	}
}
