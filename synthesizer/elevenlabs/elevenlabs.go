// Package elevenlabs speaks with the voices of ElevenLabs, over the WebSocket
// "stream-input", with the times of words.
//
// Its shapes are those of the types of the vendor's client (elevenlabs-js 2.73.0), which has
// no code for this interface, and of the AsyncAPI file of 2025-08-25,
// https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-stream-input.
// Not verified: the codes of errors inside the stream, and whether an open socket without text counts as a request at the
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
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	return &Driver{o: o, sockets: stream.NewSockets(o.Client, stream.Rules{Once: true})}
}

// Close ends the connections.
func (d *Driver) Close() error { return d.sockets.Close() }

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(_ context.Context, r synthesizer.Request) {
	d.sockets.Warm(d.address(cmp.Or(r.Voice, d.o.Voice), r))
}

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

// Languages are those that a model speaks, of the two-letter codes that agents
// have; "" is the default model. See
// https://elevenlabs.io/docs/overview/models.
func Languages(model string) []string {
	switch model {
	case "eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1":
		return []string{"en"}
	case "eleven_multilingual_v1":
		return []string{"en", "es", "de", "hi", "pt", "fr", "it"}
	}
	return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"}
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
	spell := speller{out: out}
	return line.Each(ctx, func(data []byte) (bool, error) { return d.take(data, &spell, out) })
}

// take reads one message; done says that the utterance is over.
func (d *Driver) take(data []byte, spell *speller, out *stream.Out) (done bool, err error) {
	var r reply
	if json.Unmarshal(data, &r) != nil {
		return false, d.o.Client.Fail(provider.Broken, "a message is no JSON of the protocol")
	}
	if r.Error != nil {
		return false, stream.Refusal(d.o.Client, 0, data)
	}
	spell.take(r.Alignment)
	if r.Audio != nil && *r.Audio != "" {
		sound, err := base64.StdEncoding.DecodeString(*r.Audio)
		if err != nil {
			return false, d.o.Client.Fail(provider.Broken, "the sound is not in base64")
		}
		if err := out.Sound(sound); err != nil {
			return false, err
		}
	}
	if r.Final == nil || !*r.Final {
		return false, nil
	}
	spell.end()
	return true, out.Done()
}

// speller makes words of the characters of alignments, which may end inside a word.
type speller struct {
	out  *stream.Out
	base time.Duration // where the next alignment begins
	word strings.Builder
	from time.Duration // where the word begins
	to   time.Duration // where it ends so far
}

// take reads an alignment; nil is none. Lists of different lengths tell what all of
// them do.
func (s *speller) take(a *alignment) {
	if a == nil {
		return
	}
	starts, durations := a.Starts, a.Durations
	if starts == nil {
		starts = a.Starts2
	}
	if durations == nil {
		durations = a.Durations2
	}
	end := s.base
	for i := range min(len(a.Chars), len(starts), len(durations)) {
		from := s.base + stream.Seconds(starts[i]/1000)
		to := from + stream.Seconds(durations[i]/1000)
		end = max(end, to)
		if strings.TrimSpace(a.Chars[i]) == "" {
			s.end()
			continue
		}
		if s.word.Len() == 0 {
			s.from = from
		}
		s.word.WriteString(a.Chars[i])
		s.to = to
	}
	s.base = end
}

// end hands the word on.
func (s *speller) end() {
	if s.word.Len() > 0 {
		s.out.Word(s.word.String(), s.from, s.to)
		s.word.Reset()
	}
}
