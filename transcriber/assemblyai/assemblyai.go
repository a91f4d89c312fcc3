// Package assemblyai recognises speech with AssemblyAI's Universal-Streaming, see
// https://www.assemblyai.com/docs/api-reference/streaming-api/universal-streaming.
//
// Not verified with the vendor: how soon a ForceEndpoint is answered, and how much
// faster than real time sound may be sent before the vendor closes with 3007.
package assemblyai

import (
	"cmp"
	"context"
	"encoding/json"
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

// Base is the address of the vendor's interface; that in the European Union is
// wss://streaming.eu.assemblyai.com.
const Base = "wss://streaming.assemblyai.com"

// The models that are chosen by language when an agent names none.
const (
	english      = "universal-streaming-english"
	multilingual = "universal-streaming-multilingual"
	whisper      = "whisper-rt"
)

const (
	// chunk is more than the 50 ms that a message must carry.
	chunk = 60 * time.Millisecond
	// greeting is how long Begin may take; the vendor sometimes never sends it.
	greeting = 3 * time.Second
	// flushWait bounds the wait for the end of a turn that was forced: without a
	// turn there is no answer.
	flushWait = 700 * time.Millisecond
	// lifetime is less than the 3 h that a session may last.
	lifetime = 2*time.Hour + 50*time.Minute
)

// The vendor's close codes, see
// https://www.assemblyai.com/docs/speech-to-text/universal-streaming#error-handling.
const (
	closePolicy   = 1008
	closeMessage  = 3006
	closeSound    = 3007
	closeExpired  = 3008
	closeSessions = 3009
)

// Options configures a Driver. The zero values of all but Client are the vendor's
// defaults.
type Options struct {
	// Client reaches the vendor and holds the credential.
	Client *provider.Client
	// Base is another address of the interface; "" means Base.
	Base string
	// Model is the vendor's name of a model; "" means one that understands the
	// stream's language.
	Model string
	// KeyTerms are expected in every stream, besides those of its Config.
	KeyTerms []string
	// EndThreshold is how sure the vendor must be that a turn is over, 0 to 1.
	EndThreshold float64
	// MinSilence and MaxSilence are after how many milliseconds of silence a turn
	// ends when the vendor is sure, and in any case.
	MinSilence, MaxSilence int

	lifetime time.Duration
}

// Driver is a transcriber.Driver. Its methods may be called concurrently.
type Driver struct{ options Options }

// New returns a driver.
func New(o Options) *Driver {
	o.Base, o.lifetime = cmp.Or(o.Base, Base), cmp.Or(o.lifetime, lifetime)
	return &Driver{options: o}
}

// Languages returns which of the contract's languages a model understands, see
// the package's page (read 2026-11-28). "" stands for all models together.
func Languages(model string) []string {
	switch model {
	case english:
		return []string{"en"}
	case whisper, "":
		return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"}
	}
	return []string{"en", "es", "de", "pt", "fr", "it"}
}

// modelOf chooses the model of a language.
func modelOf(language string) string {
	switch {
	case language == "en":
		return english
	case slices.Contains(Languages(multilingual), language):
		return multilingual
	}
	return whisper
}

// Open connects to the vendor. c.Rate is 8000 or 16000; a language that the model
// does not understand is an error.
func (d *Driver) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != 8000 && c.Rate != 16000 {
		return nil, fmt.Errorf("open a recogniser: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	o := d.options
	language, _, _ := strings.Cut(strings.ToLower(cmp.Or(c.Language, "en")), "-")
	if known := Languages(o.Model); !slices.Contains(known, language) {
		return nil, o.Client.Fail(provider.Rejected, "model %s does not understand language %q", o.Model, language)
	}
	model := cmp.Or(o.Model, modelOf(language))
	address := socket.URL(o.Base, "/v3/ws", d.query(c, model))
	s, err := socket.Open(ctx, c.Rate, socket.Dialect{
		Client: o.Client,
		Dial: func(ctx context.Context) (*provider.Socket, error) {
			return o.Client.Dial(ctx, address, http.Header{})
		},
		Begin: func(f *socket.Feed) socket.Session {
			return &session{Encoder: socket.NewEncoder(c.Rate), feed: f, client: o.Client, model: model, last: -1}
		},
		Chunk: chunk, Goodbye: []byte(`{"type":"Terminate"}`), Greeting: greeting,
		FlushWait: flushWait, Lifetime: o.lifetime, Ended: ended,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// query is the configuration of a session.
func (d *Driver) query(c transcriber.Config, model string) url.Values {
	o := d.options
	query := url.Values{"speech_model": {model}, "sample_rate": {strconv.Itoa(c.Rate)}, "encoding": {"pcm_s16le"}}
	if c.Rate == 8000 {
		query.Set("encoding", "pcm_mulaw")
	}
	if o.EndThreshold > 0 {
		query.Set("end_of_turn_confidence_threshold", strconv.FormatFloat(o.EndThreshold, 'f', -1, 64))
	}
	if o.MinSilence > 0 {
		query.Set("min_turn_silence", strconv.Itoa(o.MinSilence))
	}
	if o.MaxSilence > 0 {
		query.Set("max_turn_silence", strconv.Itoa(o.MaxSilence))
	}
	if terms := append(slices.Clone(o.KeyTerms), c.KeyTerms...); len(terms) > 0 {
		list, _ := json.Marshal(terms) // texts are always valid
		query.Set("keyterms_prompt", string(list))
	}
	return query
}

// ended gives the vendor's close codes their meaning.
func ended(f *provider.Failure) {
	reason := strings.ToLower(f.Message)
	switch f.Status {
	case closePolicy:
		f.Kind = provider.Unauthorised
		switch {
		case strings.Contains(reason, "concurrent"), strings.Contains(reason, "too many"):
			f.Kind = provider.Limited
		case strings.Contains(reason, "fund"), strings.Contains(reason, "balance"):
			f.Kind = provider.Exhausted
		}
	case closeMessage, closeSound:
		f.Kind = provider.Rejected
	case closeExpired:
		f.Kind = provider.Unreachable
	case closeSessions:
		f.Kind = provider.Limited
	}
}
