// Package rime speaks with the voices of Rime over its WebSocket /ws3, with the
// times of words, see https://docs.rime.ai/api-reference/arcana/websockets-json.
//
// No client of the vendor's covers it: it is written from the documentation as it
// was on 2026-11-28. Not verified: the codes of errors, and that each flush is
// answered by "done" on a socket that stays open.
package rime

import (
	"cmp"
	"context"
	"encoding/base64"
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
	// the scheme Bearer.
	Client *provider.Client
	// Base is the address of the interface; "" means wss://users-ws.rime.ai.
	Base string
	// Voice is the speaker for requests that name none; "" means astra.
	Voice string
	// Model is the id of the model; "" means coda. The older names mist and v1 mean
	// mistv2.
	Model string
	// SpeedAlpha is the vendor's factor of speed for its mist models; nil means 1.
	SpeedAlpha *float64
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const (
	defaultBase  = "wss://users-ws.rime.ai"
	defaultVoice = "astra"
	defaultModel = "coda"
)

// Driver is a synthesizer.Driver. A socket serves one utterance after the other,
// each of them with a context id; one that is left is cleared, and what still comes
// of it is dropped. Close must be called. Its methods may be called concurrently.
type Driver struct {
	o       Options
	sockets *stream.Sockets
}

// New returns a driver; it connects with the first utterance.
func New(o Options) *Driver {
	o.Base = stream.WebSocketBase(cmp.Or(o.Base, defaultBase))
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	switch o.Model {
	case "":
		o.Model = defaultModel
	case "mist", "v1":
		o.Model = "mistv2"
	}
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	return &Driver{o: o, sockets: stream.NewSockets(o.Client, stream.Rules{})}
}

// Close ends the connections.
func (d *Driver) Close() error { return d.sockets.Close() }

// message is what either side says.
type message struct {
	Text      string `json:"text,omitempty"`
	Context   string `json:"contextId,omitempty"`
	Operation string `json:"operation,omitempty"`
}

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(_ context.Context, r synthesizer.Request) {
	d.sockets.Warm(d.address(cmp.Or(r.Voice, d.o.Voice), r))
}

// Speak implements synthesizer.Driver.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	voice := cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: "rime " + d.o.Model + " " + voice, Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		line, err := d.sockets.Take(ctx, d.address(voice, r))
		if err != nil {
			return err
		}
		id := stream.NewID()
		out.Request(cmp.Or(line.RequestID(), id))
		if err := out.Format(stream.OfLine(r.Rate)); err != nil {
			line.Drop()
			return err
		}
		err = d.utter(ctx, line, id, text, out)
		line.End(err, message{Operation: "clear"}, nil)
		return err
	})
}

// address is where a socket is opened.
func (d *Driver) address(voice string, r synthesizer.Request) string {
	format := "mulaw"
	if r.Rate != 8000 {
		format = "pcm"
	}
	q := url.Values{"speaker": {voice}, "modelId": {d.o.Model}, "audioFormat": {format}, "samplingRate": {fmt.Sprint(r.Rate)}, "segment": {"bySentence"}}
	if code := language(r.Language); code != "" {
		q.Set("lang", code)
	}
	if d.o.SpeedAlpha != nil && strings.HasPrefix(d.o.Model, "mist") {
		q.Set("speedAlpha", fmt.Sprint(*d.o.SpeedAlpha))
	}
	return d.o.Base + "/ws3?" + q.Encode()
}

// language is the vendor's three-letter code; "" for one that is not known.
func language(tag string) string {
	return map[string]string{"en": "eng", "es": "spa", "de": "ger", "fr": "fra", "hi": "hin", "pt": "por", "ja": "jpn"}[stream.Language(tag)]
}

// Languages are those that a model speaks, as two-letter codes; "" is the default
// model. See https://docs.rime.ai/docs/voices.
func Languages(model string) []string {
	switch {
	case model == "mistv3":
		return []string{"en", "es", "fr", "de", "hi"}
	case strings.HasPrefix(model, "mist"), model == "v1":
		return []string{"en", "es", "fr", "de"}
	case strings.HasPrefix(model, "arcana"):
		return []string{"en", "es", "fr", "de", "pt", "ja", "hi"}
	}
	return []string{"en", "es", "fr", "de", "pt", "ja"}
}

// reply is what the vendor sends.
type reply struct {
	Type    string        `json:"type"`
	Context string        `json:"contextId"`
	Data    string        `json:"data"`
	Words   *stream.Times `json:"word_timestamps"`
}

// utter asks for the sound and takes it, up to the end of the utterance.
func (d *Driver) utter(ctx context.Context, line *stream.Line, id, text string, out *stream.Out) error {
	for _, m := range []message{{Text: text, Context: id}, {Operation: "flush", Context: id}} {
		if err := line.Send(ctx, m); err != nil {
			return stream.Judge(err)
		}
	}
	times := times{}
	return line.Each(ctx, func(data []byte) (bool, error) { return d.take(data, id, &times, out) })
}

// take reads one message; done says that the utterance is over. What is left of an
// earlier one is dropped.
func (d *Driver) take(data []byte, id string, t *times, out *stream.Out) (done bool, err error) {
	var r reply
	if json.Unmarshal(data, &r) != nil {
		return false, d.o.Client.Fail(provider.Broken, "a message is no JSON of the protocol")
	}
	if r.Context != id && r.Context != "" {
		return false, nil
	}
	switch r.Type {
	case "chunk":
		sound, err := base64.StdEncoding.DecodeString(r.Data)
		if err != nil {
			return false, d.o.Client.Fail(provider.Broken, "the sound is not in base64")
		}
		return false, out.Sound(sound)
	case "timestamps":
		r.Words.Each(func(word string, start, end float64) {
			from, to := t.place(start, end)
			out.Word(word, from, to)
		})
	case "done":
		return true, out.Done()
	case "error":
		return false, stream.Refusal(d.o.Client, 0, data)
	}
	return false, nil
}

// times puts the times of an utterance's segments one after the other: those of
// the next segment may begin again.
type times struct{ base, last float64 }

// slack is by how many seconds the words of one segment may overlap.
const slack = 0.05

func (t *times) place(start, end float64) (from, to time.Duration) {
	if t.base+start < t.last-slack {
		t.base = t.last
	}
	t.last = max(t.last, t.base+end)
	return stream.Seconds(t.base + start), stream.Seconds(t.base + end)
}
