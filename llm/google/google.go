// Package google is the driver of Google's Gemini API, see
// https://ai.google.dev/api/generate-content.
//
// Not verified with the vendor's service: that the signature for calls of another
// vendor's model is accepted by models older than Gemini 3, and whether an answer
// with a call may end with another reason than STOP.
package google

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

const (
	officialBase = "https://generativelanguage.googleapis.com/v1beta"
	defaultModel = "gemini-flash-latest"
)

// Options say how a Driver works.
type Options struct {
	// Client sends the requests. Its Authorise adds "x-goog-api-key: KEY".
	Client *provider.Client
	// Base is the address of the interface up to "/v1beta"; "" is Google's own.
	Base string
	// Model serves requests that name none; "" is gemini-flash-latest.
	Model string
}

// Driver is an llm.Driver for one phone call: it remembers the calls of tools that
// the model made in it, under ids of its own. It is safe for concurrent use.
//
// An answer that became too long (MAX_TOKENS) is an answer: what was said stands.
// One that a filter ended (SAFETY, RECITATION and others) is a failure of the kind
// Rejected, whatever was said before it.
type Driver struct {
	o Options

	mu   sync.Mutex
	made map[string]origin
}

// origin is how Google wants to see a call again.
type origin struct {
	// id is Google's own; "" when it gave none.
	id string
	// signature stands for the thoughts behind the call, see
	// https://ai.google.dev/gemini-api/docs/thought-signatures. Gemini 3 refuses a
	// conversation in which it is missing.
	signature string
}

// New returns a Driver.
func New(o Options) *Driver {
	o.Base = strings.TrimRight(o.Base, "/")
	if o.Base == "" {
		o.Base = officialBase
	}
	if o.Model == "" {
		o.Model = defaultModel
	}
	return &Driver{o: o, made: map[string]origin{}}
}

// Warm implements llm.Warmer.
func (d *Driver) Warm(ctx context.Context) { d.o.Client.Warm(ctx, d.o.Base) }

// Generate streams one answer, see llm.Driver.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	if r.Model == "" {
		r.Model = d.o.Model
	}
	address := d.o.Base + "/models/" + url.PathEscape(strings.TrimPrefix(r.Model, "models/")) + ":streamGenerateContent?alt=sse"
	return answer.Stream(ctx, answer.Request{Client: d.o.Client, URL: address, Body: d.body(r), Refine: refine,
		Parser: func(out *answer.Out) answer.Parser {
			return &parser{client: d.o.Client, out: out, remember: d.remember}
		}})
}

// remember keeps the origin of a call under the id that the call has here.
func (d *Driver) remember(id string, o origin) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made[id] = o
}

// originOf returns the origin of a call; ok is false for another model's.
func (d *Driver) originOf(id string) (o origin, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok = d.made[id]
	return o, ok
}

// refine tells a key that is wrong from a request that is wrong: both are a 400.
func refine(f *provider.Failure) {
	if f.Status == http.StatusBadRequest && strings.Contains(strings.ToLower(f.Message), "api key") {
		f.Kind = provider.Unauthorised
	}
}
