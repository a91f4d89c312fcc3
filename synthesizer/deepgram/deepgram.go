// Package deepgram speaks with the Aura voices of Deepgram over its WebSocket
// /v1/speak, see https://developers.deepgram.com/docs/tts-websocket. The vendor
// tells no times of words.
//
// Its shapes are those of the vendor's AsyncAPI file of 2026-07-22. Not verified:
// the codes of warnings.
package deepgram

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
)

// Options configures a Driver.
type Options struct {
	// Client sends the requests; its Authorise sets the header Authorization with
	// the scheme Token.
	Client *provider.Client
	// Base is the address of the interface; "" means https://api.deepgram.com.
	Base string
	// Voice is the model that speaks for requests that name none; "" means
	// aura-2-thalia-en.
	Voice string
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const (
	defaultBase  = "https://api.deepgram.com"
	defaultVoice = "aura-2-thalia-en"
	// perMinute is how many utterances, each with its Flush, one socket may have,
	// https://developers.deepgram.com/docs/tts-ws-flush.
	perMinute = 20
	// maxText is how many bytes go into one message; the vendor takes 2000
	// characters.
	maxText = 1900
)

// Driver is a synthesizer.Driver. A socket serves one utterance after the other;
// one that is left is cancelled by Clear. Close must be called. Its methods may be
// called concurrently.
type Driver struct {
	o       Options
	sockets *stream.Sockets
}

// New returns a driver; it connects with the first utterance.
func New(o Options) *Driver {
	o.Base = stream.WebSocketBase(cmp.Or(o.Base, defaultBase))
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	return &Driver{o: o, sockets: stream.NewSockets(o.Client, stream.Rules{PerMinute: perMinute})}
}

// Close ends the connections.
func (d *Driver) Close() error { return d.sockets.Close() }

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(_ context.Context, r synthesizer.Request) {
	d.sockets.Warm(d.address(cmp.Or(r.Voice, d.o.Voice), r.Rate))
}

// Speak implements synthesizer.Driver.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	voice := cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: "deepgram " + voice, Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		line, err := d.sockets.Take(ctx, d.address(voice, r.Rate))
		if err != nil {
			return err
		}
		out.Request(line.RequestID())
		if err := out.Format(stream.OfLine(r.Rate)); err != nil {
			line.Drop()
			return err
		}
		err = d.utter(ctx, line, text, out)
		line.End(err, message{Type: "Clear"}, cleared)
		return err
	})
}

// address is where a socket is opened.
func (d *Driver) address(voice string, rate int) string {
	encoding := "mulaw"
	if rate != 8000 {
		encoding = "linear16"
	}
	q := url.Values{"model": {voice}, "encoding": {encoding}, "sample_rate": {fmt.Sprint(rate)}}
	return d.o.Base + "/v1/speak?" + q.Encode()
}

// message is what either side says in text.
type message struct {
	Type        string `json:"type"`
	Text        string `json:"text,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
	Code        string `json:"code,omitempty"`
	Description string `json:"description,omitempty"`
}

// utter asks for the sound and takes it, up to the end of the utterance.
func (d *Driver) utter(ctx context.Context, line *stream.Line, text string, out *stream.Out) error {
	for _, part := range parts(text) {
		if err := line.Send(ctx, message{Type: "Speak", Text: part}); err != nil {
			return stream.Judge(err)
		}
	}
	if err := line.Send(ctx, message{Type: "Flush"}); err != nil {
		return stream.Judge(err)
	}
	for {
		m, err := line.Next(ctx)
		if err != nil {
			return err
		}
		if m.Binary {
			if err := out.Sound(m.Data); err != nil {
				return err
			}
			continue
		}
		if done, err := d.said(m.Data, out); done || err != nil {
			return err
		}
	}
}

// said reads what is not sound; done says that the utterance is over.
func (d *Driver) said(data []byte, out *stream.Out) (done bool, err error) {
	var m message
	if json.Unmarshal(data, &m) != nil {
		return false, d.o.Client.Fail(provider.Broken, "a message is no JSON of the protocol")
	}
	switch m.Type {
	case "Flushed":
		return true, out.Done()
	case "Metadata":
		out.Request(m.RequestID)
	case "Error":
		return false, stream.Refusal(d.o.Client, 0, data)
	case "Warning":
		// Nothing comes of a text beyond the vendor's limits; other warnings do no
		// harm.
		if f := stream.Refusal(d.o.Client, 0, data); f.Kind != provider.Broken {
			return false, f
		}
	}
	return false, nil
}

// cleared reports whether a message says that nothing of a cancelled utterance
// comes any more.
func cleared(m stream.Message) bool {
	var said message
	return !m.Binary && json.Unmarshal(m.Data, &said) == nil && said.Type == "Cleared"
}

// Languages are those of a voice, whose name ends with its own, as two-letter
// codes; "" is the voice that VoiceFor finds. See
// https://developers.deepgram.com/docs/tts-models.
func Languages(voice string) []string {
	if i := strings.LastIndexByte(voice, '-'); i >= 0 {
		return []string{voice[i+1:]}
	}
	return []string{"en", "es", "de", "fr", "nl", "it", "ja"}
}

// VoiceFor is a voice for a language; "" when the vendor has none. The names of
// those other than English and Spanish are not verified.
func VoiceFor(language string) string {
	return map[string]string{"en": defaultVoice, "es": "aura-2-celeste-es", "de": "aura-2-viktoria-de", "fr": "aura-2-agathe-fr",
		"nl": "aura-2-rhea-nl", "it": "aura-2-livia-it", "ja": "aura-2-izanami-ja"}[stream.Language(language)]
}

// parts cuts a text where a message must end, between words if it can.
func parts(text string) []string {
	var all []string
	for len(text) > maxText {
		cut := strings.LastIndexByte(text[:maxText], ' ') + 1
		if cut == 0 {
			cut = len(strings.ToValidUTF8(text[:maxText], ""))
		}
		all = append(all, text[:cut])
		text = text[cut:]
	}
	return append(all, text)
}
