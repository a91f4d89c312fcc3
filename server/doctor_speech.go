package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
)

// speechTimeout bounds the trial of the speech programs.
const speechTimeout = 30 * time.Second

// checkSpeech lets the offline voice say a sentence to the offline recogniser, as
// over an ordinary telephone line.
func checkSpeech(ctx context.Context, c SpeechConfig) Finding {
	ctx, cancel := context.WithTimeout(ctx, speechTimeout)
	defer cancel()
	f := Finding{Name: "speech"}
	began := time.Now()
	said, err := say(ctx, c.Flite, "I would like to go home.")
	if err == nil {
		f.Detail, err = understand(ctx, c.Pocketsphinx, said)
	}
	if err != nil {
		return Finding{Name: f.Name, Detail: err.Error(), Optional: true,
			Fix: "let both programs run as this user, or use voice_tty, which needs no program"}
	}
	f.Detail = fmt.Sprintf("the recogniser heard %q from the voice through a line of 8 kHz, within %.1f s", f.Detail, time.Since(began).Seconds())
	return f
}

// speechRate is that of an ordinary telephone line, on which the recogniser has it
// hardest.
const speechRate = 8000

// say returns the sound of a text.
func say(ctx context.Context, program, text string) (pcm []int16, err error) {
	for chunk, err := range flite.New(flite.Options{Program: program, Voice: "rms"}).Speak(ctx, synthesizer.Request{Text: text, Rate: speechRate}) {
		if err != nil {
			return nil, err
		}
		pcm = append(pcm, chunk.PCM...)
	}
	if len(pcm) == 0 {
		return nil, errors.New("the voice said nothing")
	}
	return pcm, nil
}

// understand returns the words that the recogniser hears.
func understand(ctx context.Context, program string, pcm []int16) (string, error) {
	stream, err := pocketsphinx.New(pocketsphinx.Options{Program: program, FlushWait: speechTimeout * 3 / 4}).Open(ctx, transcriber.Config{Rate: speechRate})
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }() // its error comes through Events
	pause := make([]int16, speechRate/2)
	for _, part := range [][]int16{pause, pcm, pause} {
		if err := stream.Write(audio.Frame{PCM: part, Rate: speechRate}); err != nil {
			return "", err
		}
	}
	stream.Finalize()
	for ev, err := range stream.Events() {
		switch {
		case err != nil:
			return "", err
		case ev.Kind == transcriber.Final && ev.Text != "":
			return ev.Text, nil
		case ev.Kind == transcriber.Final && ev.Flushed:
			return "", errors.New("the recogniser heard no words in what the voice said")
		}
	}
	return "", errors.Join(ctx.Err(), errors.New("the recogniser ended without an answer"))
}
