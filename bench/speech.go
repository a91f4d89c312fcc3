package bench

import (
	"context"
	"fmt"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
)

// interruptions are what callers say into an agent's answer. None has a pause
// long enough to end the turn.
func interruptions() []string {
	return []string{
		"Excuse me please I have another question.",
		"No that is not what I meant at all.",
		"Wait a moment I need to find my glasses.",
		"Stop I would like to speak with somebody else.",
		"Hello can you hear me over there?",
		"Sorry my name is not Robert Johnson.",
	}
}

// speech returns the interruptions in every voice of flite, at rate samples a
// second.
func speech(ctx context.Context, rate int) ([][]int16, error) {
	driver := flite.New(flite.Options{})
	var all [][]int16
	for _, voice := range driver.Voices() {
		for _, text := range interruptions() {
			var pcm []int16
			for chunk, err := range driver.Speak(ctx, synthesizer.Request{Text: text, Voice: voice, Rate: rate}) {
				if err != nil {
					return nil, fmt.Errorf("render %q in voice %s (scripts/setup installs the program): %w", text, voice, err)
				}
				pcm = append(pcm, chunk.PCM...)
			}
			all = append(all, pcm)
		}
	}
	return all, nil
}
