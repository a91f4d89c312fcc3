package server

import (
	"context"
	"iter"
	"strings"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/synthesizer"
)

// understudy is an English voice that says the fixed phrases of agents of a language in
// English. It is comparable, so that all calls share the sounds.
type understudy struct {
	synthesizer.Driver
	language string
}

// Speak says the English phrase, without times of words: those are not of the text.
func (u understudy) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	r.Text = inEnglish(u.language, r.Text)
	return func(yield func(synthesizer.Chunk, error) bool) {
		for c, err := range u.Driver.Speak(ctx, r) {
			c.Words = nil
			if !yield(c, err) {
				return
			}
		}
	}
}

// inEnglish is the English phrase for one of a language, or for the rest of one that
// another voice has begun.
func inEnglish(language, text string) string {
	own, english := conversation.PhrasesOf(language), conversation.PhrasesOf("en")
	for _, p := range [][2]string{{own.Filler, english.Filler}, {own.Apology, english.Apology}, {own.Goodbye, english.Goodbye}, {own.Lost, english.Lost}} {
		if text != "" && strings.HasSuffix(p[0], text) {
			return p[1]
		}
	}
	return text
}
