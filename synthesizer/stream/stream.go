package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
)

// Voice is who speaks.
type Voice struct {
	// Client names the vendor in failures.
	Client *provider.Client
	// Levels remembers how loud the voice is.
	Levels *Levels
	// Name tells the voice from others in Levels.
	Name string
	// Patience is how far the vendor's sound may come behind its playing, and how
	// long the first may take; 0 means 5 s.
	Patience time.Duration
}

// Source asks a vendor for an utterance, hands what comes to out and returns what
// Done returns when the vendor said that it was all. It works in the goroutine of the iterator; when
// a method of out fails it must stop the vendor and return that error.
type Source func(ctx context.Context, text string, out *Out) error

const (
	defaultPatience = 5 * time.Second
	// An utterance that is longer than so many seconds, and so many for each word,
	// has no end.
	endlessSeconds, wordSeconds = 10, 3

	// errLeft says that the iterator's reader left the loop.
	errLeft synthesizer.Error = "the listener left"
	// errLate ends the context of an utterance whose sound does not come.
	errLate synthesizer.Error = "no sound in time"
)

// Speak yields what source delivers in the way that synthesizer.Driver promises.
// Errors are a *provider.Failure, the cause of ctx's end, or about the request.
func (v Voice) Speak(ctx context.Context, r synthesizer.Request, source Source) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		if err := v.speak(ctx, r, source, yield); err != nil {
			yield(synthesizer.Chunk{}, err)
		}
	}
}

// speak yields the chunks; it returns the error still to be yielded.
func (v Voice) speak(outer context.Context, r synthesizer.Request, source Source, yield func(synthesizer.Chunk, error) bool) error {
	switch {
	case r.Rate != 8000 && r.Rate != 16000:
		return fmt.Errorf("speak with %s: rate %d Hz is neither 8000 nor 16000", v.Client.Vendor, r.Rate)
	case outer.Err() != nil:
		return context.Cause(outer)
	case synthesizer.SplitWords(r.Text) == nil:
		return nil
	}
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	text := sayable(r.Text)
	out := newOut(v, r, yield)
	out.meter, out.characters = provider.MeterOf(ctx), utf8.RuneCountInString(text)
	defer func() { out.meter.Used(provider.AudioSeconds, audio.Span(out.received, r.Rate).Seconds()) }()
	out.watch = newWatch(cmp.Or(v.Patience, defaultPatience), func() { cancel(errLate) })
	defer out.watch.stop()
	err := source(ctx, text, out)
	if err == nil {
		err = out.end()
	}
	switch {
	case err == nil, errors.Is(err, errLeft):
		return nil
	case outer.Err() != nil:
		return context.Cause(outer)
	case errors.Is(context.Cause(ctx), errLate):
		f := v.Client.Fail(provider.Late, "%s", errLate)
		f.RequestID = v.Client.Name(out.request)
		return f
	}
	return v.failure(err, v.Client.Name(out.request))
}

// failure is err as a failure with the vendor's name of the request.
func (v Voice) failure(err error, request string) error {
	f := (*provider.Failure)(nil)
	if !errors.As(err, &f) {
		f = v.Client.Fail(provider.Broken, "%v", err)
		f.Err = err
	}
	if f.RequestID == "" && request != "" {
		named := *f
		named.RequestID = request
		f = &named
	}
	return f
}

// sayable is text without what vendors read as markup and what is no text.
func sayable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '<' || r == '>' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}

// Out takes what a vendor delivers of one utterance. It must not be used
// concurrently.
type Out struct {
	voice   Voice
	rate    int
	yield   func(synthesizer.Chunk, error) bool
	watch   *watch
	decoder *decoder
	shaper  *shaper
	aligner *aligner
	request string

	meter      *provider.Meter // of who asked
	characters int             // of the text, until the meter knows of them

	received int64 // samples at rate
	given    int64 // samples
	words    int   // given
	lastEnd  int64 // where the last given word ends
	scratch  []int16
}

func newOut(v Voice, r synthesizer.Request, yield func(synthesizer.Chunk, error) bool) *Out {
	levels := v.Levels
	if levels == nil {
		levels = &Levels{}
	}
	return &Out{voice: v, rate: r.Rate, yield: yield, shaper: newShaper(r.Rate, levels.of(v.Name)), aligner: newAligner(r.Text)}
}

// Request says that the vendor takes the text, and keeps its own name of the request,
// "" for none. A name may be told later, or again.
func (o *Out) Request(id string) {
	o.meter.Used(provider.Characters, float64(o.characters))
	o.voice.Client.Named(o.meter, id)
	o.characters = 0
	if id != "" {
		o.request = id
	}
}

// Format says how the sound comes; it is called before the first Sound.
func (o *Out) Format(f Format) error {
	d, err := newDecoder(f, o.rate)
	if err != nil {
		return o.voice.Client.Fail(provider.Broken, "%v", err)
	}
	o.decoder = d
	return nil
}

// Sound takes sound as it comes; it may be cut anywhere, between the bytes of a
// sample too.
func (o *Out) Sound(data []byte) error {
	o.watch.pause()
	var sent int
	o.scratch, sent = o.decoder.decode(o.scratch[:0], data)
	o.received += int64(len(o.scratch))
	if o.received > int64(o.rate)*int64(endlessSeconds+wordSeconds*len(o.aligner.words)) {
		return o.voice.Client.Fail(provider.Broken, "the sound does not end")
	}
	err := o.give(o.shaper.push(o.scratch), false)
	o.watch.resume(audio.Span(int64(sent), o.decoder.format.Rate))
	return err
}

// Word takes a word, or a part of one, that sounds from and to so far into the
// vendor's sound. Words come in order; their sound may have come before.
func (o *Out) Word(said string, from, to time.Duration) { o.aligner.spoken(said, from, to) }

// Copy takes a body as sound, up to its end.
func (o *Out) Copy(body io.Reader) error {
	buffer := make([]byte, 4096)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if err := o.Sound(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			f := o.voice.Client.Fail(provider.Unreachable, "the sound broke off")
			f.Err = err
			return f
		}
	}
}

// Done is the end of what the vendor delivers: an error when there was no sound.
func (o *Out) Done() error {
	if o.received == 0 {
		return o.silent()
	}
	return nil
}

// silent is the failure of a success without sound.
func (o *Out) silent() error {
	f := o.voice.Client.Fail(provider.Empty, "%s", synthesizer.ErrSilent)
	f.Err = synthesizer.ErrSilent
	return f
}

// end gives what is left.
func (o *Out) end() error {
	o.watch.pause()
	if o.decoder != nil && o.received > 0 {
		o.scratch = o.decoder.flush(o.scratch[:0])
		o.received += int64(len(o.scratch))
		o.shaper.ready = o.shaper.push(o.scratch)
	}
	rest := o.shaper.end()
	if o.given+int64(len(rest)) == 0 {
		return o.silent()
	}
	o.aligner.end(audio.Span(o.received, o.rate))
	return o.give(rest, true)
}

// give yields sound with the words that end in it; at the end all words that are
// left.
func (o *Out) give(pcm []int16, last bool) error {
	if len(pcm) == 0 && !last {
		return nil
	}
	o.given += int64(len(pcm))
	chunk := synthesizer.Chunk{PCM: pcm, Words: o.ended(last)}
	if len(pcm) == 0 && len(chunk.Words) == 0 {
		return nil
	}
	if !o.yield(chunk, nil) {
		return errLeft
	}
	return nil
}

// ended returns the words that end in what was given so far.
func (o *Out) ended(last bool) []synthesizer.Word {
	var out []synthesizer.Word
	for ; o.words < o.aligner.next; o.words++ {
		w := o.aligner.words[o.words]
		s := o.aligner.spans[o.words]
		w.FromSample = max(audio.Samples(s.from, o.rate)-o.shaper.cut, o.lastEnd)
		w.ToSample = max(audio.Samples(s.to, o.rate)-o.shaper.cut, w.FromSample+1)
		if last { // each word that follows needs a sample
			w.ToSample = min(w.ToSample, o.given-int64(o.aligner.next-1-o.words))
			w.FromSample = max(min(w.FromSample, w.ToSample-1), o.lastEnd)
			w.ToSample = max(w.ToSample, w.FromSample+1)
		}
		if w.ToSample > o.given {
			break
		}
		o.lastEnd = w.ToSample
		out = append(out, w)
	}
	return out
}
