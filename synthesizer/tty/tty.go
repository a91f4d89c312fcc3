// Package tty speaks to text telephones: it sends the agent's words as Baudot
// tones (TIA/EIA-825-A, 45.45 baud), 176 ms a character.
package tty

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
)

// Options configures a Driver.
type Options struct {
	// Yield is a word sent after every text, such as "GA" (go ahead), which
	// tells the reader that it is their turn. It is no word of the text and is
	// not reported. "" sends none, for agents whose turns have several texts.
	Yield string
	// Characters makes the driver report every character as a word of its own,
	// so that an interruption is known to the character.
	Characters bool
}

// Driver is a synthesizer.Driver. Its methods may be called concurrently.
type Driver struct{ options Options }

// New returns a driver.
func New(o Options) *Driver { return &Driver{o} }

// Speak sends the text, a chunk for each word. Voice and Language mean nothing
// to a modem. Word times are exact to the sample: a word lasts from its first
// start bit, or the shift before it, to its last stop bit.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		if r.Rate != 8000 && r.Rate != 16000 {
			yield(synthesizer.Chunk{}, fmt.Errorf("send as TTY: rate %d Hz is neither 8000 nor 16000", r.Rate))
			return
		}
		text, marks := d.spell(r.Text)
		pcm, characters := audio.NewBaudotModulator(r.Rate).Modulate(text)
		sent := d.place(marks, characters)
		at := int64(0)
		for i, word := range sent {
			if ctx.Err() != nil {
				yield(synthesizer.Chunk{}, context.Cause(ctx))
				return
			}
			end := word.ToSample
			if i == len(sent)-1 {
				end = int64(len(pcm))
			}
			if !yield(synthesizer.Chunk{PCM: pcm[at:end:end], Words: []synthesizer.Word{word}}, nil) {
				return
			}
			at = end
		}
	}
}

// mark ties characters that are sent to bytes of the request's text.
type mark struct {
	// start and end are bytes of the request's text.
	start, end int
	// from and to bound the characters of the text sent.
	from, to int
}

// spell returns the text as it is sent, and what of it stands for which word of
// the request. Words that a TTY cannot send belong to the word before them.
func (d *Driver) spell(text string) (sent string, marks []mark) {
	var b strings.Builder
	for _, w := range synthesizer.SplitWords(text) {
		spelt := audio.BaudotText(text[w.Start:w.End])
		if spelt == "" {
			if len(marks) > 0 {
				marks[len(marks)-1].end = w.End
			}
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		from := b.Len()
		b.WriteString(spelt)
		marks = append(marks, mark{start: w.Start, end: w.End, from: from, to: b.Len()})
	}
	if d.options.Characters {
		marks = split(text, marks)
	}
	if yield := audio.BaudotText(d.options.Yield); yield != "" && len(marks) > 0 {
		b.WriteString(" " + yield)
	} else if b.Len() > 0 {
		b.WriteByte(' ') // the next text of the turn begins a word of its own
	}
	return b.String(), marks
}

// split breaks the marks of words into one for each character of the text. Where
// one character is sent as several, or as none, it takes its share of them.
func split(text string, marks []mark) []mark {
	var all []mark
	for _, m := range marks {
		from := m.from
		for i, r := range text[m.start:m.end] {
			one := mark{start: m.start + i, end: m.start + i + len(string(r)), from: from}
			one.to = min(m.from+len(audio.BaudotText(text[m.start:one.end])), m.to)
			if one.end >= m.end {
				one.end, one.to = m.end, m.to
			}
			if one.to <= from {
				if len(all) > 0 && all[len(all)-1].end == one.start {
					all[len(all)-1].end = one.end
				}
				continue
			}
			all, from = append(all, one), one.to
		}
	}
	return all
}

// place gives the marks their samples.
func (d *Driver) place(marks []mark, characters []audio.BaudotCharacter) []synthesizer.Word {
	words := make([]synthesizer.Word, 0, len(marks))
	for _, m := range marks {
		if m.to > len(characters) || m.from >= m.to {
			continue // the modem sent something else; better no time than a wrong one
		}
		words = append(words, synthesizer.Word{
			Start: m.start, End: m.end,
			FromSample: characters[m.from].Start, ToSample: characters[m.to-1].End,
		})
	}
	return words
}
