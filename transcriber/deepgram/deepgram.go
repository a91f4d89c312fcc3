// Package deepgram recognises speech with Deepgram: nova-3 and its kin on
// /v1/listen, see https://developers.deepgram.com/reference/speech-to-text/listen-streaming,
// and Flux, which also finds the ends of turns, on /v2/listen, see
// https://developers.deepgram.com/reference/speech-to-text/listen-flux.
//
// Not verified with the vendor: which close codes Flux uses besides none, and how
// soon nova answers a Finalize.
package deepgram

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/socket"
)

// Base is the address of the vendor's interface.
const Base = "wss://api.deepgram.com"

const (
	// defaultModel is the model of an agent that names none.
	defaultModel = "nova-3"
	// flux is the beginning of the names of the models on /v2/listen.
	flux = "flux-"
	// idleAfter is the vendor's advice: a message every 3 to 5 s, see
	// https://developers.deepgram.com/docs/audio-keep-alive.
	idleAfter = 4 * time.Second
	// flushWait bounds the wait for an answer: nova gives none when little is
	// buffered, and Flux ends turns by itself.
	flushWait = 500 * time.Millisecond
	// greeting bounds the wait for Flux's first message.
	greeting = 3 * time.Second
	// closeRejected is the close code of what the vendor cannot decode.
	closeRejected = 1008
)

// Options configures a Driver. The zero values of all but Client are the vendor's
// defaults.
type Options struct {
	// Client reaches the vendor and holds the credential.
	Client *provider.Client
	// Base is another address of the interface; "" means Base.
	Base string
	// Model is the vendor's name of a model; "" means nova-3, and "flux" means the
	// Flux model of the language.
	Model string
	// KeyTerms are expected in every stream, besides those of its Config. A weight
	// behind a colon is for old models only.
	KeyTerms []string
	// Endpointing is for how many milliseconds nova waits in silence before it
	// gives out a final; 0 means the vendor's default, less than 0 never.
	Endpointing int
	// EndThreshold is how sure Flux must be that a turn is over, 0.5 to 1.
	EndThreshold float64
	// EagerThreshold makes Flux report probable ends of turns, 0.3 to 0.9; 0 means
	// that it does not.
	EagerThreshold float64
	// EndTimeout is after how many milliseconds of silence Flux ends a turn in any
	// case, 500 to 60000.
	EndTimeout int
	// ForceEnd sends ForceEndTurn to Flux for a Finalize. Only deployments that
	// have it understand it; others close the connection. See
	// https://developers.deepgram.com/docs/flux/force-end-turn.
	ForceEnd bool

	idleAfter time.Duration
}

// Driver is a transcriber.Driver. Its methods may be called concurrently.
type Driver struct{ options Options }

// New returns a driver.
func New(o Options) *Driver {
	o.Base, o.Model, o.idleAfter = cmp.Or(o.Base, Base), cmp.Or(o.Model, defaultModel), cmp.Or(o.idleAfter, idleAfter)
	return &Driver{options: o}
}

// Languages returns which of the contract's languages a model understands, see
// https://developers.deepgram.com/docs/models-languages-overview and
// https://developers.deepgram.com/docs/flux/language-prompting (read 2026-11-28).
// "" stands for the default model. A model that is not known may understand all of
// them: the vendor refuses what it does not.
func Languages(model string) []string {
	model = cmp.Or(model, defaultModel)
	switch {
	case model == "flux", model == "flux-general-multi":
		return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "it", "ja"}
	case strings.HasPrefix(model, flux):
		return []string{"en"}
	case strings.HasPrefix(model, "nova-3-medical"), strings.HasPrefix(model, "nova-2-phonecall"):
		return []string{"en"}
	}
	return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"}
}

// Open connects to the vendor. c.Rate is 8000 or 16000; a language that the model
// does not understand is an error.
func (d *Driver) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != 8000 && c.Rate != 16000 {
		return nil, fmt.Errorf("open a recogniser: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	language, _, _ := strings.Cut(strings.ToLower(cmp.Or(c.Language, "en")), "-")
	if known := Languages(d.options.Model); !slices.Contains(known, language) {
		return nil, d.options.Client.Fail(provider.Rejected, "model %s does not understand language %q", d.options.Model, language)
	}
	model := d.options.Model
	if model == "flux" {
		model = "flux-general-multi"
		if language == "en" {
			model = "flux-general-en"
		}
	}
	if strings.HasPrefix(model, flux) {
		return d.openFlux(ctx, c, model, language)
	}
	return d.openNova(ctx, c, model)
}

// openNova opens a stream on /v1/listen.
func (d *Driver) openNova(ctx context.Context, c transcriber.Config, model string) (transcriber.Stream, error) {
	query := sound(c)
	query.Set("model", model)
	query.Set("language", cmp.Or(c.Language, "en"))
	query.Set("interim_results", "true")
	query.Set("punctuate", "true")
	switch e := d.options.Endpointing; {
	case e > 0:
		query.Set("endpointing", strconv.Itoa(e))
	case e < 0:
		query.Set("endpointing", "false")
	}
	if terms := d.terms(c); strings.HasPrefix(model, "nova-3") {
		query["keyterm"] = plain(terms)
	} else {
		query["keywords"] = terms // https://developers.deepgram.com/docs/keywords
	}
	url := socket.URL(d.options.Base, "/v1/listen", query)
	return d.open(ctx, c.Rate, url, socket.Dialect{
		Begin: func(f *socket.Feed) socket.Session {
			return &nova{Encoder: socket.NewEncoder(c.Rate), feed: f, client: d.options.Client}
		},
		IdleAfter: d.options.idleAfter, Idle: []byte(`{"type":"KeepAlive"}`),
	})
}

// openFlux opens a stream on /v2/listen.
func (d *Driver) openFlux(ctx context.Context, c transcriber.Config, model, language string) (transcriber.Stream, error) {
	o, query := d.options, sound(c)
	query.Set("model", model)
	if model == "flux-general-multi" {
		query.Set("language_hint", language)
	}
	if o.EndThreshold > 0 {
		query.Set("eot_threshold", strconv.FormatFloat(o.EndThreshold, 'f', -1, 64))
	}
	if o.EagerThreshold > 0 {
		query.Set("eager_eot_threshold", strconv.FormatFloat(o.EagerThreshold, 'f', -1, 64))
	}
	if o.EndTimeout > 0 {
		query.Set("eot_timeout_ms", strconv.Itoa(o.EndTimeout))
	}
	query["keyterm"] = plain(d.terms(c))
	url := socket.URL(o.Base, "/v2/listen", query)
	return d.open(ctx, c.Rate, url, socket.Dialect{
		Begin: func(f *socket.Feed) socket.Session {
			return &turns{Encoder: socket.NewEncoder(c.Rate), feed: f, client: o.Client, force: o.ForceEnd}
		},
		// Flux knows no KeepAlive: silence is sent.
		IdleAfter: o.idleAfter, Greeting: greeting,
	})
}

// open completes a dialect with what both interfaces share.
func (d *Driver) open(ctx context.Context, rate int, url string, dialect socket.Dialect) (transcriber.Stream, error) {
	dialect.Client = d.options.Client
	dialect.Dial = func(ctx context.Context) (*provider.Socket, error) {
		return d.options.Client.Dial(ctx, url, http.Header{})
	}
	dialect.Goodbye = []byte(`{"type":"CloseStream"}`)
	dialect.FlushWait = flushWait
	dialect.Ended = func(f *provider.Failure) {
		if f.Status == closeRejected {
			f.Kind = provider.Rejected
		}
	}
	s, err := socket.Open(ctx, rate, dialect)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// terms are the terms of all streams and of this one.
func (d *Driver) terms(c transcriber.Config) []string {
	return append(slices.Clone(d.options.KeyTerms), c.KeyTerms...)
}

// plain takes the weights from terms: key terms have none, see
// https://developers.deepgram.com/docs/keyterm.
func plain(terms []string) []string {
	for i, term := range terms {
		if at := strings.LastIndexByte(term, ':'); at > 0 {
			if _, err := strconv.ParseFloat(term[at+1:], 64); err == nil {
				terms[i] = term[:at]
			}
		}
	}
	return terms
}

// sound is what a query says of the sound: the leg's own coding at 8 kHz.
func sound(c transcriber.Config) url.Values {
	encoding := "linear16"
	if c.Rate == 8000 {
		encoding = "mulaw"
	}
	return url.Values{"encoding": {encoding}, "sample_rate": {strconv.Itoa(c.Rate)}}
}

// seconds is a time as the vendor writes it.
type seconds float64

func (s seconds) duration() time.Duration {
	const longest = 1 << 20 // far beyond any session; a greater number has no meaning
	return time.Duration(min(max(float64(s), 0), longest) * float64(time.Second))
}
