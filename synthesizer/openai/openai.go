// Package openai speaks with the voices of OpenAI, and of other servers with its
// interface, such as local ones of Kokoro and Piper: POST /v1/audio/speech, see
// https://platform.openai.com/docs/api-reference/audio/createSpeech. The vendor
// tells no times of words, and has no sound for telephones: it is resampled.
//
// Not verified: the rate of the vendor's raw PCM, which its reference does not
// state; 24000 Hz is assumed. A server that answers with a WAV file, or names the
// rate in the Content-Type, is believed.
package openai

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
)

// Options configures a Driver.
type Options struct {
	// Client sends the requests; its Authorise sets the header Authorization with
	// the scheme Bearer, where a key is needed.
	Client *provider.Client
	// Base is the address of the interface with its version; "" means
	// https://api.openai.com/v1.
	Base string
	// Voice speaks for requests that name none; "" means alloy.
	Voice string
	// Model is the name of the model; "" means gpt-4o-mini-tts.
	Model string
	// Instructions say how to speak; "" means none. The models tts-1 and tts-1-hd
	// take none.
	Instructions string
	// Speed is 0.25 to 4; 0 means 1.
	Speed float64
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const (
	defaultBase  = "https://api.openai.com/v1"
	defaultVoice = "alloy"
	defaultModel = "gpt-4o-mini-tts"
	rawRate      = 24000
)

// Driver is a synthesizer.Driver. It holds no connection of its own. Its methods
// may be called concurrently.
type Driver struct{ o Options }

// New returns a driver.
func New(o Options) *Driver {
	o.Base = strings.TrimRight(cmp.Or(o.Base, defaultBase), "/")
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	o.Model = cmp.Or(o.Model, defaultModel)
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	return &Driver{o: o}
}

// request is the body of a request.
type request struct {
	Model        string  `json:"model"`
	Input        string  `json:"input"`
	Voice        string  `json:"voice"`
	Instructions string  `json:"instructions,omitempty"`
	Format       string  `json:"response_format"`
	Speed        float64 `json:"speed,omitempty"`
}

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(ctx context.Context, _ synthesizer.Request) { d.o.Client.Warm(ctx, d.o.Base) }

// Speak implements synthesizer.Driver. An utterance that is left is cancelled by
// closing its connection.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	voice := cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: "openai " + d.o.Base + " " + d.o.Model + " " + voice, Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		body, err := json.Marshal(request{Model: d.o.Model, Input: text, Voice: voice, Instructions: d.o.Instructions, Format: "pcm", Speed: d.o.Speed})
		if err != nil {
			return err
		}
		response, err := d.o.Client.Post(ctx, d.o.Base+"/audio/speech", "application/json", nil, body)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		out.Request(d.o.Client.RequestID(response.Header))
		return d.take(response, out)
	})
}

// take hands on the sound of an answer.
func (d *Driver) take(response *http.Response, out *stream.Out) error {
	kind, parameters, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // a wrong one tells nothing
	body := bufio.NewReader(response.Body)
	if kind == "application/json" || strings.HasPrefix(kind, "text/") {
		text, _ := io.ReadAll(io.LimitReader(body, 16<<10)) // what came of it is enough
		f := stream.Refusal(d.o.Client, 0, text)
		if f.Message == "" {
			f.Message = "the answer is no sound"
		}
		return f
	}
	rate := rawRate
	if named, err := strconv.Atoi(parameters["rate"]); err == nil {
		rate = named
	}
	if start, _ := body.Peek(4); string(start) == "RIFF" {
		var err error
		if rate, err = header(body); err != nil {
			return d.o.Client.Fail(provider.Broken, "%v", err)
		}
	}
	if err := out.Format(stream.Format{Encoding: stream.PCM16, Rate: rate}); err != nil {
		return err
	}
	return out.Copy(body)
}

// maxChunk bounds the chunks of a WAV file before its sound.
const maxChunk = 1 << 20

// header reads a WAV file up to its samples, and returns their rate. Only mono
// PCM of 16 bits is understood.
func header(r io.Reader) (rate int, err error) {
	var start [12]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[8:]) != "WAVE" {
		return 0, errors.New("the sound is no WAV file")
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, errors.New("the WAV file ends before its sound")
		}
		size := binary.LittleEndian.Uint32(head[4:])
		if string(head[:4]) == "data" {
			if rate == 0 {
				return 0, errors.New("the WAV file does not tell its format")
			}
			return rate, nil
		}
		if size > maxChunk {
			return 0, errors.New("the WAV file has too long a header")
		}
		chunk := make([]byte, size+size&1)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return 0, errors.New("the WAV file ends before its sound")
		}
		if string(head[:4]) == "fmt " {
			if len(chunk) < 16 || binary.LittleEndian.Uint16(chunk[2:]) != 1 || binary.LittleEndian.Uint16(chunk[14:]) != 16 {
				return 0, errors.New("the WAV file is not mono with 16 bits")
			}
			rate = int(binary.LittleEndian.Uint32(chunk[4:]))
		}
	}
}
