// Package flite speaks with the voices of the flite program, one short-lived
// child process (two while word times are wanted) for each sentence. It needs
// no network and always gives the same sound for the same text.
package flite

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
)

// Options configures a Driver.
type Options struct {
	// Program is the flite program; "" means "flite" on the PATH.
	Program string
	// Voice speaks when a request names none; "" means "slt".
	Voice string
	// MaxSentences is how many sentences are rendered at the same time over all
	// calls, others wait; 0 means 4.
	MaxSentences int
}

// Driver is a synthesizer.Driver. Its methods may be called concurrently.
type Driver struct {
	program, voice string
	slots          chan struct{}
}

// New returns a driver. It does not look for the program; a missing one is an
// error of Speak.
func New(o Options) *Driver {
	d := &Driver{program: o.Program, voice: o.Voice, slots: make(chan struct{}, max(o.MaxSentences, 0))}
	if d.program == "" {
		d.program = "flite"
	}
	if d.voice == "" {
		d.voice = "slt"
	}
	if o.MaxSentences <= 0 {
		d.slots = make(chan struct{}, 4)
	}
	return d
}

// Voices returns the names of the voices that may be asked for.
func (d *Driver) Voices() []string { return []string{"rms", "slt", "kal16", "awb"} }

// Speak renders the text sentence by sentence, a chunk each, so that the first
// sound of a long text comes after its first sentence.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		if err := d.speak(ctx, r, yield); err != nil {
			yield(synthesizer.Chunk{}, fmt.Errorf("speak with flite: %w", err))
		}
	}
}

// speak yields the chunks; it returns the error still to be yielded.
func (d *Driver) speak(ctx context.Context, r synthesizer.Request, yield func(synthesizer.Chunk, error) bool) error {
	voice, err := d.check(r)
	if err != nil {
		return err
	}
	at := int64(0)
	for i, s := range sentences(r.Text) {
		rendered, err := d.render(ctx, voice, s)
		if err != nil {
			return err
		}
		chunk, err := rendered.chunk(r.Rate, i > 0)
		if err != nil {
			return err
		}
		for j := range chunk.Words {
			chunk.Words[j].FromSample += at
			chunk.Words[j].ToSample += at
		}
		at += int64(len(chunk.PCM))
		if len(chunk.PCM) > 0 && !yield(chunk, nil) {
			return nil
		}
	}
	return ctx.Err()
}

// check returns the voice to use, or what is wrong with the request.
func (d *Driver) check(r synthesizer.Request) (voice string, err error) {
	voice = r.Voice
	if voice == "" {
		voice = d.voice
	}
	if r.Rate != 8000 && r.Rate != 16000 {
		return "", fmt.Errorf("rate %d Hz is neither 8000 nor 16000", r.Rate)
	}
	if language, _, _ := strings.Cut(strings.ToLower(r.Language), "-"); language != "" && language != "en" {
		return "", fmt.Errorf("language %q is not English", r.Language)
	}
	if known := d.Voices(); !slices.Contains(known, voice) {
		return "", fmt.Errorf("voice %q is none of %s", voice, strings.Join(known, ", "))
	}
	return voice, nil
}

// render speaks one sentence when a slot is free.
func (d *Driver) render(ctx context.Context, voice string, s sentence) (rendering, error) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return rendering{}, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return rendering{}, context.Cause(ctx)
	}
	out, err := d.run(ctx, voice, s)
	if err != nil {
		return rendering{}, err
	}
	pcm, rate, err := parseWAV(out.wav)
	if err != nil {
		return rendering{}, err
	}
	if pcm, err = resample(pcm, rate, native); err != nil {
		return rendering{}, err
	}
	audio.Normalize(pcm, native)
	return trim(pcm, align(s.words, out.spoken, out.apart)), nil
}

// native is the rate of the voices and of everything before the last step.
const native = 16000

// resample converts a whole utterance, without the filter's delay.
func resample(pcm []int16, from, to int) ([]int16, error) {
	if from == to {
		return pcm, nil
	}
	r, err := audio.NewResampler(from, to)
	if err != nil {
		return nil, err
	}
	late := int(audio.Samples(r.Delay(), to))
	out := r.Process(nil, pcm)
	out = r.Process(out, make([]int16, audio.Samples(r.Delay(), from)+1))
	want := len(pcm) * to / from
	out = out[min(late, len(out)):]
	return out[:min(want, len(out))], nil
}

// chunk converts a rendering to the rate of the request. A sentence that
// follows another begins with a pause.
func (r rendering) chunk(rate int, follows bool) (synthesizer.Chunk, error) {
	if len(r.pcm) == 0 {
		return synthesizer.Chunk{}, nil
	}
	const pause = native * 150 / 1000
	pcm := r.pcm
	shift := int64(0)
	if follows {
		pcm = append(make([]int16, pause), pcm...)
		shift = pause
	}
	pcm, err := resample(pcm, native, rate)
	if err != nil {
		return synthesizer.Chunk{}, err
	}
	c := synthesizer.Chunk{PCM: pcm, Words: r.words}
	for i := range c.Words {
		w := &c.Words[i]
		w.FromSample = (w.FromSample + shift) * int64(rate) / native
		w.ToSample = min((w.ToSample+shift)*int64(rate)/native, int64(len(pcm)))
	}
	return c, nil
}
