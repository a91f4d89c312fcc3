// Package cartesia speaks with the voices of Cartesia over its WebSocket
// /tts/websocket, with the times of words, see
// https://docs.cartesia.ai/api-reference/tts/websocket.
//
// It speaks version 2026-08-14 of the interface, as the vendor's client 4.2.0
// does, and understands the errors of older ones too. Not verified: the names of
// the default voice and model with a real account.
package cartesia

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
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
	// Base is the address of the interface; "" means https://api.cartesia.ai.
	Base string
	// Voice is the id of the voice for requests that name none; "" means one of the
	// vendor's own.
	Voice string
	// Model is the id of the model; "" means sonic-3.
	Model string
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const (
	defaultBase  = "https://api.cartesia.ai"
	defaultVoice = "694f9389-aac1-45b6-b726-9d9369183238"
	defaultModel = "sonic-3"
	version      = "2026-08-14"
)

// Driver is a synthesizer.Driver. A socket serves one utterance after the other,
// each of them a context of its own; one that is left is cancelled, and what still
// comes of it is dropped. Close must be called. Its methods may be called
// concurrently.
type Driver struct {
	o       Options
	sockets *stream.Sockets
}

// New returns a driver; it connects with the first utterance.
func New(o Options) *Driver {
	o.Base = stream.WebSocketBase(cmp.Or(o.Base, defaultBase))
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	o.Model = cmp.Or(o.Model, defaultModel)
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	header := http.Header{"Cartesia-Version": {version}}
	return &Driver{o: o, sockets: stream.NewSockets(o.Client, stream.Rules{Header: header})}
}

// Close ends the connections.
func (d *Driver) Close() error { return d.sockets.Close() }

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(context.Context, synthesizer.Request) {
	d.sockets.Warm(d.o.Base + "/tts/websocket")
}

// Speak implements synthesizer.Driver.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	r.Voice = cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: "cartesia " + d.o.Model + " " + r.Voice, Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		line, err := d.sockets.Take(ctx, d.o.Base+"/tts/websocket")
		if err != nil {
			return err
		}
		ask := d.request(r, text)
		out.Request(cmp.Or(line.RequestID(), ask.Context))
		if err := out.Format(stream.OfLine(r.Rate)); err != nil {
			line.Drop()
			return err
		}
		if err = line.Send(ctx, ask); err == nil {
			err = line.Each(ctx, func(data []byte) (bool, error) { return d.take(data, ask.Context, out) })
		}
		line.End(err, cancel{Context: ask.Context, Cancel: true}, nil)
		return err
	})
}

// request is what the vendor is asked.
type request struct {
	Model      string `json:"model_id"`
	Transcript string `json:"transcript"`
	Voice      voice  `json:"voice"`
	Language   string `json:"language,omitempty"`
	Output     output `json:"output_format"`
	Context    string `json:"context_id"`
	Continue   bool   `json:"continue"`
	Times      bool   `json:"add_timestamps"`
}

type voice struct {
	Mode string `json:"mode"`
	ID   string `json:"id"`
}

type output struct {
	Container string `json:"container"`
	Encoding  string `json:"encoding"`
	Rate      int    `json:"sample_rate"`
}

// cancel ends a context.
type cancel struct {
	Context string `json:"context_id"`
	Cancel  bool   `json:"cancel"`
}

func (d *Driver) request(r synthesizer.Request, text string) request {
	encoding := "pcm_mulaw"
	if r.Rate != 8000 {
		encoding = "pcm_s16le"
	}
	return request{Model: d.o.Model, Transcript: text, Voice: voice{Mode: "id", ID: r.Voice}, Language: stream.Language(r.Language),
		Output: output{Container: "raw", Encoding: encoding, Rate: r.Rate}, Context: stream.NewID(), Times: true}
}

// reply is what the vendor sends.
type reply struct {
	Type    string        `json:"type"`
	Context string        `json:"context_id"`
	Data    string        `json:"data"`
	Status  int           `json:"status_code"`
	Words   *stream.Times `json:"word_timestamps"`
}

// take reads one message; done says that the context is over. What is left of an
// earlier context is dropped.
func (d *Driver) take(data []byte, id string, out *stream.Out) (done bool, err error) {
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
		r.Words.Each(func(word string, start, end float64) { out.Word(word, stream.Seconds(start), stream.Seconds(end)) })
	case "done":
		return true, out.Done()
	case "error":
		return false, stream.Refusal(d.o.Client, r.Status, data)
	}
	return false, nil
}
