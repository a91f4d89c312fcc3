package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/socket"
)

const (
	// realtimeModel is the model of an agent that names none: its text comes as
	// the caller speaks, not only after a commit.
	realtimeModel = "gpt-live-transcribe"
	// realtimeRate is the only rate of PCM that sessions take.
	realtimeRate = 24000
	// greeting is how long session.created may take.
	greeting = 3 * time.Second
	// commitWait bounds the wait for the text of what was committed.
	commitWait = 2 * time.Second
	// lifetime is less than the 60 min that a session may last.
	lifetime = 55 * time.Minute
)

// Options configures a Realtime driver.
type Options struct {
	// Client reaches the vendor and holds the credential.
	Client *provider.Client
	// Base is another address of the interface, such as
	// "http://127.0.0.1:8000/v1"; "" means Base.
	Base string
	// Model is the vendor's name of a model; "" means gpt-live-transcribe.
	Model string
	// KeyTerms are expected in every stream, besides those of its Config.
	KeyTerms []string
	// LessNoise has the vendor take noise out of the sound before it listens, with its
	// setting for microphones near the mouth (noise_reduction near_field), see
	// https://platform.openai.com/docs/api-reference/realtime-client-events/session/update.
	LessNoise bool

	lifetime time.Duration
}

// Realtime is a transcriber.Driver on realtime transcription sessions. It gives no
// times of words and no ends of turns: it commits when it is told to finalize. Its
// methods may be called concurrently.
type Realtime struct{ options Options }

// NewRealtime returns a driver.
func NewRealtime(o Options) *Realtime {
	o.Base, o.Model, o.lifetime = cmp.Or(o.Base, Base), cmp.Or(o.Model, realtimeModel), cmp.Or(o.lifetime, lifetime)
	return &Realtime{options: o}
}

// Open connects to the vendor. c.Rate is 8000 or 16000; a language that the model
// does not understand is an error.
func (d *Realtime) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != 8000 && c.Rate != 16000 {
		return nil, fmt.Errorf("open a recogniser: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	o := d.options
	if language := tongue(c.Language); language != "" && !slices.Contains(Languages(o.Model), language) {
		return nil, o.Client.Fail(provider.Rejected, "model %s does not understand language %q", o.Model, language)
	}
	hello, err := d.hello(c)
	if err != nil {
		return nil, err
	}
	address := socket.URL(o.Base, "/realtime", url.Values{"intent": {"transcription"}})
	s, err := socket.Open(ctx, c.Rate, socket.Dialect{
		Client: o.Client,
		Dial: func(ctx context.Context) (*provider.Socket, error) {
			conn, err := o.Client.Dial(ctx, address, http.Header{})
			if err != nil {
				return nil, err
			}
			if err := conn.Text(ctx, hello); err != nil {
				conn.Close()
				return nil, err
			}
			return conn, nil
		},
		Begin:    func(f *socket.Feed) socket.Session { return newSession(c.Rate, f, o.Client) },
		Greeting: greeting, FlushWait: commitWait, Lifetime: o.lifetime, Ended: ended,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// closePolicy is the close code of what breaks a rule of the vendor's.
const closePolicy = 1008

// ended gives close codes their meaning.
func ended(f *provider.Failure) {
	if f.Status == closePolicy {
		f.Kind = provider.Rejected
	}
}

// hello is the configuration of a session.
func (d *Realtime) hello(c transcriber.Config) ([]byte, error) {
	model, terms := d.options.Model, append(slices.Clone(d.options.KeyTerms), c.KeyTerms...)
	transcription := map[string]any{"model": model}
	if language := tongue(c.Language); language != "" {
		if guidesByKeywords(model) {
			transcription["languages"] = []string{language}
		} else {
			transcription["language"] = language
		}
	}
	switch {
	case len(terms) == 0, strings.HasPrefix(model, "gpt-realtime-whisper"): // which takes no prompt
	case guidesByKeywords(model):
		transcription["keywords"] = terms
	default:
		transcription["prompt"] = strings.Join(terms, ", ")
	}
	format := map[string]any{"type": "audio/pcmu"}
	if c.Rate != 8000 {
		format = map[string]any{"type": "audio/pcm", "rate": realtimeRate}
	}
	input := map[string]any{"format": format, "transcription": transcription, "turn_detection": nil}
	if d.options.LessNoise {
		input["noise_reduction"] = map[string]any{"type": "near_field"}
	}
	message, err := json.Marshal(map[string]any{"type": "session.update", "session": map[string]any{
		"type": "transcription", "audio": map[string]any{"input": input},
	}})
	if err != nil {
		return nil, fmt.Errorf("open a recogniser: %w", err)
	}
	return message, nil
}

// feed is told what the vendor says: a *socket.Feed.
type feed interface {
	Partial(text string, words []transcriber.Word)
	Final(text string, words []transcriber.Word, answers int)
	Named(id string)
	Used(u provider.Unit, n float64)
}

// session is the protocol of a transcription session.
type session struct {
	encoder  *socket.Encoder
	resample *audio.Resampler // nil at 8 kHz
	pcm      []int16
	message  []byte
	feed     feed
	client   *provider.Client

	ready bool // the configuration was accepted
	text  strings.Builder
	item  string // whose text it is
	asked []item
}

// item is what was committed; the answers to commits are given out in order.
type item struct {
	id   string // "" when there was nothing to commit
	text string
	done bool
}

func newSession(rate int, f feed, c *provider.Client) *session {
	s := &session{encoder: socket.NewEncoder(rate), feed: f, client: c}
	if rate != 8000 {
		s.resample, _ = audio.NewResampler(rate, realtimeRate) // 16 to 24 kHz is possible
	}
	return s
}
