// Package speech is what the stand-ins of voices share: an utterance as sound and
// words, its delivery in pieces, and the faults that are alike for all vendors.
package speech

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/synthesizer"
)

// Options are those of every stand-in of a voice.
type Options struct {
	// Control holds faults and ledger.
	Control *standin.Control
	// Key is the only key that is accepted; "" accepts any.
	Key string
	// Speak makes the sound of a text, mono at rate, and tells where its words lie;
	// nil means tone words.
	Speak func(text string, rate int) ([]int16, []synthesizer.Word)
	// Pace passes between two pieces of sound; 0 sends them at once.
	Pace time.Duration
}

// Sound is an utterance.
type Sound struct {
	// Text is what was asked for, and Words lie in it.
	Text  string
	Words []synthesizer.Word
	// Rate is that of the samples, in Hz.
	Rate int
	// Samples is how many there are.
	Samples int
	// Pieces are its bytes, cut without regard to samples.
	Pieces [][]byte
}

// pieceSize is odd, so that pieces end inside samples.
const pieceSize = 1201

// Utter speaks a text in the vendor's encoding.
func (o Options) Utter(text string, rate int, muLaw bool) Sound {
	speak := o.Speak
	if speak == nil {
		speak = tonewords.Speak
	}
	pcm, words := speak(text, rate)
	var data []byte
	if muLaw {
		data = audio.EncodeULaw(nil, pcm)
	} else {
		for _, s := range pcm {
			data = binary.LittleEndian.AppendUint16(data, uint16(s))
		}
	}
	s := Sound{Text: text, Words: words, Rate: rate, Samples: len(pcm)}
	for len(data) > 0 {
		n := min(pieceSize, len(data))
		s.Pieces, data = append(s.Pieces, data[:n]), data[n:]
	}
	return s
}

// Times are those of all words, in seconds, in the form that several vendors send.
func (s Sound) Times() map[string]any {
	words, start, end := []string{}, []float64{}, []float64{}
	for _, w := range s.Words {
		words = append(words, s.Text[w.Start:w.End])
		start = append(start, float64(w.FromSample)/float64(s.Rate))
		end = append(end, float64(w.ToSample)/float64(s.Rate))
	}
	return map[string]any{"words": words, "start": start, "end": end}
}

// Delivery is how a vendor sends an utterance. Functions that are nil are left out.
type Delivery struct {
	// Sound is what is delivered.
	Sound Sound
	// Piece sends one piece of sound, and what goes with the piece of that number.
	Piece func(number int, sound []byte) error
	// End sends what ends an utterance.
	End func() error
	// Error sends an error of the vendor inside the stream.
	Error func(reason string) error
	// Junk sends what does not follow the protocol.
	Junk func() error
	// Unknown sends an event that nobody documents.
	Unknown func() error
	// Close ends the connection; code 0 means without a word, as when it breaks.
	Close func(code int, reason string)
	// Expire is the code and the reason with which the vendor ends a session.
	ExpireCode   int
	ExpireReason string
	// Heard waits up to d for a message that ends the utterance, and reports
	// whether it came.
	Heard func(d time.Duration) bool
}

// lateLimit is how many pieces a stand-in sends after a cancel.
const lateLimit = 20

// Run delivers, and does what the fault says. ctx ends it.
func (d Delivery) Run(ctx context.Context, fault standin.Fault, pace time.Duration) error {
	switch fault.Kind {
	case standin.Mute:
		for ctx.Err() == nil && !d.heard(time.Second) {
		}
		return ctx.Err()
	case standin.EmptySuccess:
		return d.end()
	}
	pieces := d.Sound.Pieces
	if fault.Kind == standin.Slow {
		pieces, pace = [][]byte{}, fault.Delay
		for _, p := range d.Sound.Pieces {
			for i := range p {
				pieces = append(pieces, p[i:i+1])
			}
		}
	}
	cancelled := 0
	for i, p := range pieces {
		if i == min(fault.After, len(pieces)-1) {
			if over, err := d.fail(fault); over || err != nil {
				return err
			}
		}
		if cancelled == 0 && d.heard(pace) {
			if fault.Kind != standin.LateAudio {
				return nil
			}
			cancelled = i
		}
		if cancelled > 0 && i > cancelled+lateLimit {
			return nil
		}
		if err := errors.Join(d.Piece(i, p), ctx.Err()); err != nil {
			return err
		}
	}
	if cancelled > 0 {
		return nil
	}
	return d.end()
}

func (d Delivery) heard(wait time.Duration) bool { return d.Heard != nil && d.Heard(wait) }

func (d Delivery) end() error {
	if d.End == nil {
		return nil
	}
	return d.End()
}

// oversized is longer than what any client takes as one message.
const oversized = 5 << 20

// fail carries a fault out in the middle of the sound; over says that nothing
// follows.
func (d Delivery) fail(f standin.Fault) (over bool, err error) {
	do := func(act func() error) error {
		if act == nil {
			return nil
		}
		return act()
	}
	switch f.Kind {
	case standin.Reset:
		d.Close(0, "")
		return true, nil
	case standin.Close:
		d.Close(f.Status, f.Reason)
		return true, nil
	case standin.Expire:
		d.Close(d.ExpireCode, d.ExpireReason)
		return true, nil
	case standin.InBand:
		if d.Error == nil {
			return false, nil
		}
		return true, d.Error(f.Reason)
	case standin.Malformed:
		return false, do(d.Junk)
	case standin.Unknown:
		return false, do(d.Unknown)
	case standin.Oversized:
		return false, d.Piece(0, make([]byte, oversized))
	}
	return false, nil
}

// JSON answers a request with a value.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that has left needs none
}

// Strict reads a message and refuses members that nobody documents.
func Strict(data []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
