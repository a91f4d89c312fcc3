package hearing

import (
	"context"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
)

// The rates at which a driver of Speech listens: to a narrow line as it is, because
// sound that was brought to the wide rate still lacks its upper half.
const (
	narrowRate = 8000
	wideRate   = 16000
)

// Speech returns ears that understand real speech by a driver, such as
// pocketsphinx. Its words have no times of their own: each is taken to end where
// the sound was when its text came.
func Speech(d transcriber.Driver) Ears {
	return func(rate int) (Ear, error) {
		to := wideRate
		if rate == narrowRate {
			to = narrowRate
		}
		convert, err := audio.NewResampler(rate, to)
		if err != nil {
			return nil, err
		}
		s, err := d.Open(context.Background(), transcriber.Config{Rate: to})
		if err != nil {
			return nil, err
		}
		e := &speechEar{stream: s, convert: convert, rate: rate, to: to, flushed: make(chan struct{}, 64)}
		e.owned.Go(e.read)
		return e, nil
	}
}

type speechEar struct {
	stream   transcriber.Stream
	convert  *audio.Resampler
	rate, to int
	pcm      []int16
	position int64
	flushed  chan struct{} // a Finalize was answered, or the stream is over
	owned    sync.WaitGroup

	mu    sync.Mutex
	texts []string
	over  bool
}

// read collects texts until the stream ends.
func (e *speechEar) read() {
	for ev, err := range e.stream.Events() {
		if err != nil {
			break
		}
		e.mu.Lock()
		if ev.Kind == transcriber.Final && ev.Text != "" {
			e.texts = append(e.texts, ev.Text)
		}
		e.mu.Unlock()
		if ev.Flushed {
			e.flushed <- struct{}{}
		}
	}
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	close(e.flushed)
}

// Write implements Ear.
func (e *speechEar) Write(pcm []int16) []Word {
	e.pcm = e.convert.Process(e.pcm[:0], pcm)
	_ = e.stream.Write(audio.Frame{PCM: e.pcm, Rate: e.to}) // a stream that failed hears nothing
	e.position += int64(len(pcm))
	return e.take()
}

// Finish implements Ear.
func (e *speechEar) Finish() []Word {
	e.mu.Lock()
	over := e.over
	e.mu.Unlock()
	if !over {
		e.stream.Finalize()
		<-e.flushed
	}
	return e.take()
}

// take returns the words of the texts that came.
func (e *speechEar) take() []Word {
	e.mu.Lock()
	defer e.mu.Unlock()
	var words []Word
	at := audio.Span(e.position, e.rate)
	for _, text := range e.texts {
		for _, word := range strings.Fields(text) {
			words = append(words, Word{Text: word, From: at, To: at})
		}
	}
	e.texts = nil
	return words
}

// Close implements Ear.
func (e *speechEar) Close() {
	_ = e.stream.Close() // there is nobody to tell
	e.owned.Wait()
}
