// Package elevenlabs speaks with the voices of ElevenLabs, over the WebSocket
// "stream-input", with the times of words.
//
// Its shapes are those of the vendor's AsyncAPI file of 2025-08-25,
// https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-stream-input.
// Not verified: changes of the interface since then, the codes of errors inside
// the stream, and whether an open socket without text counts as a request at the
// same time.
package elevenlabs

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
)

// Options configures a Driver.
type Options struct {
	// Client sends the requests; its Authorise sets the header xi-api-key.
	Client *provider.Client
	// Base is the address of the interface; "" means https://api.elevenlabs.io.
	Base string
	// Voice is the id of the voice for requests that name none; "" means one of the
	// vendor's own.
	Voice string
	// Model is the id of the model; "" means eleven_flash_v2_5.
	Model string
	// Stability and SimilarityBoost are settings of the voice, 0 to 1; nil means
	// those that are stored with it.
	Stability, SimilarityBoost *float64
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const (
	defaultBase  = "https://api.elevenlabs.io"
	defaultVoice = "JBFqnCBsd6RMkjVDRZzb"
	defaultModel = "eleven_flash_v2_5"
)

// Driver is a synthesizer.Driver. A socket serves one utterance, because it ends
// with its text; the next one is opened ahead. Close must be called. Its methods
// may be called concurrently.
type Driver struct {
	o       Options
	sockets *stream.Sockets
}

// New returns a driver; it connects with the first utterance.
func New(o Options) *Driver {
	o.Base = stream.WebSocketBase(cmp.Or(o.Base, defaultBase))
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	o.Model = cmp.Or(o.Model, defaultModel)
	if o.Levels == nil {
		o.Levels = &stream.Levels{}
	}
	return &Driver{o: o, sockets: stream.NewSockets(o.Client, stream.Rules{Once: true})}
}

// Close ends the connections.
func (d *Driver) Close() error { return d.sockets.Close() }

// Speak implements synthesizer.Driver. An utterance that is left is cancelled by
// closing its socket.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	voice := cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: "elevenlabs " + d.o.Model + " " + voice, Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		line, err := d.sockets.Take(ctx, d.address(voice, r))
		if err != nil {
			return err
		}
		defer line.Drop()
		out.Request(line.RequestID())
		if err := out.Format(stream.OfLine(r.Rate)); err != nil {
			return err
		}
		if err := d.ask(ctx, line, text); err != nil {
			return err
		}
		return d.listen(ctx, line, out)
	})
}

// address is where a request's socket is opened.
func (d *Driver) address(voice string, r synthesizer.Request) string {
	format := "ulaw_8000"
	if r.Rate != 8000 {
		format = fmt.Sprintf("pcm_%d", r.Rate)
	}
	// The socket that is opened ahead waits for longer than the usual 20 s.
	q := url.Values{"model_id": {d.o.Model}, "output_format": {format}, "inactivity_timeout": {"180"}, "sync_alignment": {"true"}, "auto_mode": {"true"}}
	if language := stream.Language(r.Language); language != "" && takesLanguage(d.o.Model) {
		q.Set("language_code", language)
	}
	return d.o.Base + "/v1/text-to-speech/" + url.PathEscape(voice) + "/stream-input?" + q.Encode()
}

// takesLanguage reports whether a model may be told the language; others refuse it.
func takesLanguage(model string) bool {
	return slices.Contains([]string{"eleven_flash_v2_5", "eleven_turbo_v2_5"}, model)
}

// settings are those of a voice.
type settings struct {
	Stability       *float64 `json:"stability,omitempty"`
	SimilarityBoost *float64 `json:"similarity_boost,omitempty"`
}

// ask sends the text and its end.
func (d *Driver) ask(ctx context.Context, line *stream.Line, text string) error {
	type message struct {
		Text     string    `json:"text"`
		Settings *settings `json:"voice_settings,omitempty"`
	}
	first := message{Text: " "}
	if d.o.Stability != nil || d.o.SimilarityBoost != nil {
		first.Settings = &settings{d.o.Stability, d.o.SimilarityBoost}
	}
	for _, m := range []message{first, {Text: strings.TrimSpace(text) + " "}, {Text: ""}} {
		if err := line.Send(ctx, m); err != nil {
			return stream.Judge(err)
		}
	}
	return nil
}

// reply is what the vendor sends. Names of times differ between its interfaces.
type reply struct {
	Audio     *string    `json:"audio"`
	Final     *bool      `json:"isFinal"`
	Alignment *alignment `json:"alignment"`
	Error     any        `json:"error"`
	Code      any        `json:"code"`
}

// alignment tells when the characters of a piece of text sound, in milliseconds
// since the end of the alignment before.
type alignment struct {
	Chars []string `json:"chars"`
	// Starts and Durations are called differently by different servers.
	Starts     []float64 `json:"charStartTimesMs"`
	Starts2    []float64 `json:"charsStartTimesMs"`
	Durations  []float64 `json:"charDurationsMs"`
	Durations2 []float64 `json:"charsDurationsMs"`
}

// listen takes what comes, up to the end of the utterance.
func (d *Driver) listen(ctx context.Context, line *stream.Line, out *stream.Out) error {
	var base time.Duration
	for {
		m, err := line.Next(ctx)
		if err != nil {
			return err
		}
		var r reply
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return d.o.Client.Fail(provider.Broken, "a message is no JSON of the protocol")
		}
		if r.Error != nil {
			return stream.Refusal(d.o.Client, 0, m.Data)
		}
		base = r.Alignment.tell(base, out)
		if r.Audio != nil && *r.Audio != "" {
			sound, err := base64.StdEncoding.DecodeString(*r.Audio)
			if err != nil {
				return d.o.Client.Fail(provider.Broken, "the sound is not in base64")
			}
			if err := out.Sound(sound); err != nil {
				return err
			}
		}
		if r.Final != nil && *r.Final {
			return nil
		}
	}
}

// tell hands on the runs of characters without white space, and returns where
// the next alignment begins. Lists of different lengths tell what all of them do.
func (a *alignment) tell(base time.Duration, out *stream.Out) time.Duration {
	if a == nil {
		return base
	}
	starts, durations := a.Starts, a.Durations
	if starts == nil {
		starts = a.Starts2
	}
	if durations == nil {
		durations = a.Durations2
	}
	n := min(len(a.Chars), len(starts), len(durations))
	end := base
	for i := 0; i < n; {
		first := i
		for i < n && strings.TrimSpace(a.Chars[i]) != "" {
			i++
		}
		if i > first {
			out.Word(strings.Join(a.Chars[first:i], ""), base+stream.Seconds(starts[first]/1000), base+stream.Seconds((starts[i-1]+durations[i-1])/1000))
		} else {
			i++
		}
		end = max(end, base+stream.Seconds((starts[i-1]+durations[i-1])/1000))
	}
	return end
}
