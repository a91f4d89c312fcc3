package hearing

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
)

// Listener hears the sound of one client and keeps the utterance that is running.
// It belongs to one goroutine.
type Listener struct {
	// Rate is the rate of the sound.
	Rate int
	// Words are those of the running utterance.
	Words []Word

	ear      Ear
	mulaw    bool
	odd      []byte
	pcm      []int16
	position int64
	voiced   int64 // where the sound last was no silence
	fault    standin.Kind
}

// loud is the level in dBFS above which a block of 10 ms is no silence.
const loud = -45

// NewListener returns a Listener of sound in a coding, "mulaw" or "linear16". With
// the faults EmptySuccess, Blank and Pictographs it hears nothing, white space, or marks.
func NewListener(ears Ears, coding string, rate int, fault standin.Kind) (*Listener, error) {
	if coding != "mulaw" && coding != "linear16" {
		return nil, fmt.Errorf("coding %q is not known here", coding)
	}
	ear, err := ears(rate)
	if err != nil {
		return nil, fmt.Errorf("open an ear: %w", err)
	}
	return &Listener{Rate: rate, ear: ear, mulaw: coding == "mulaw", fault: fault}, nil
}

// Close ends the ear.
func (l *Listener) Close() { l.ear.Close() }

// Hear takes sound as the client sent it and calls step after every 20 ms of it,
// however it was cut into messages; words says whether words came.
func (l *Listener) Hear(raw []byte, step func(words bool)) {
	l.pcm = l.pcm[:0]
	if l.mulaw {
		l.pcm = audio.DecodeULaw(l.pcm, raw)
	} else {
		raw = append(l.odd, raw...)
		for ; len(raw) >= 2; raw = raw[2:] {
			l.pcm = append(l.pcm, int16(binary.LittleEndian.Uint16(raw)))
		}
		l.odd = append(l.odd[:0:0], raw...)
	}
	for pcm := l.pcm; len(pcm) > 0; {
		n := min(l.Rate/50, len(pcm))
		step(l.HearSamples(pcm[:n]))
		pcm = pcm[n:]
	}
}

// HearSamples takes samples and reports whether words came.
func (l *Listener) HearSamples(pcm []int16) bool {
	block := l.Rate / 100
	for at := 0; at < len(pcm); at += block {
		part := pcm[at:min(at+block, len(pcm))]
		if audio.RMS(part) > loud {
			l.voiced = l.position + int64(at+len(part))
		}
	}
	l.position += int64(len(pcm))
	return l.add(l.ear.Write(pcm))
}

// Finish makes words of everything that was heard, and reports whether some came.
func (l *Listener) Finish() bool { return l.add(l.ear.Finish()) }

func (l *Listener) add(words []Word) bool {
	if l.fault == standin.EmptySuccess {
		return false
	}
	for i := range words {
		switch l.fault {
		case standin.Blank:
			words[i].Text = " "
		case standin.Pictographs:
			words[i].Text = "…"
		}
	}
	l.Words = append(l.Words, words...)
	return len(words) > 0
}

// Position is how much was heard.
func (l *Listener) Position() time.Duration { return audio.Span(l.position, l.Rate) }

// Silence is for how long there has been silence.
func (l *Listener) Silence() time.Duration { return audio.Span(l.position-l.voiced, l.Rate) }

// Text is the running utterance.
func (l *Listener) Text() string {
	var texts []string
	for _, w := range l.Words {
		texts = append(texts, w.Text)
	}
	return strings.Join(texts, " ")
}

// Take ends the running utterance and returns it.
func (l *Listener) Take() (text string, words []Word) {
	text, words = l.Text(), l.Words
	l.Words = nil
	return text, words
}
