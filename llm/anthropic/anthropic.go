// Package anthropic is the driver of Anthropic's Messages API, see
// https://platform.claude.com/docs/en/api/messages, in both of its versions, see
// https://platform.claude.com/docs/en/api/versioning.
//
// Not verified with the vendor's service: that a conversation may still not begin
// with a message of the assistant (2023-06-01 refused it, so none does here), and
// that tools may be left out when the conversation has calls of them (they are
// declared here, and the model is told to call none).
package anthropic

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

const (
	// Version2023 takes the key as x-api-key, and a temperature.
	Version2023 = "2023-06-01"
	// Version2026 takes the key as "Authorization: Bearer", and no temperature.
	Version2026 = "2026-10-21"
)

const (
	officialBase = "https://api.anthropic.com/v1"
	defaultModel = "claude-haiku-4-5"
	// defaultMaxTokens bounds answers: the vendor wants a bound with each request.
	defaultMaxTokens = 1024
)

// Options say how a Driver works.
type Options struct {
	// Client sends the requests. Authorise makes its credential.
	Client *provider.Client
	// Base is the address of the interface up to "/v1"; "" is Anthropic's own.
	Base string
	// Model serves requests that name none; "" is claude-haiku-4-5.
	Model string
	// Version is the API version; "" is the newest, Version2026.
	Version string
}

// Authorise returns what adds a key to a request of an API version.
func Authorise(version string, key sidetone.Secret) func(http.Header) {
	return func(h http.Header) {
		if version == Version2023 {
			h.Set("X-Api-Key", key.Reveal())
			return
		}
		h.Set("Authorization", "Bearer "+key.Reveal())
	}
}

// Driver is an llm.Driver. It is safe for concurrent use.
//
// An answer that became too long (stop_reason max_tokens, or
// model_context_window_exceeded) is an answer: what was said stands, and so it does
// with pause_turn. A refusal is a failure of the kind Rejected, whatever was said
// before it.
type Driver struct{ o Options }

// New returns a Driver.
func New(o Options) *Driver {
	o.Base = strings.TrimRight(o.Base, "/")
	if o.Base == "" {
		o.Base = officialBase
	}
	if o.Model == "" {
		o.Model = defaultModel
	}
	if o.Version == "" {
		o.Version = Version2026
	}
	return &Driver{o}
}

// Warm implements llm.Warmer.
func (d *Driver) Warm(ctx context.Context) { d.o.Client.Warm(ctx, d.o.Base) }

// Generate streams one answer, see llm.Driver.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	if r.Model == "" {
		r.Model = d.o.Model
	}
	return answer.Stream(ctx, answer.Request{Client: d.o.Client, URL: d.o.Base + "/messages", Body: d.body(r), Refine: refine,
		Header: http.Header{"Anthropic-Version": {d.o.Version}},
		Parser: func(out *answer.Out) answer.Parser { return newParser(d.o.Client, out) }})
}

// TakesTemperature implements llm.Selective: with the newest version no model does, and
// with the older one none since Claude Opus 4.7 ("temperature is deprecated for this
// model"), see https://platform.claude.com/docs/en/about-claude/models/migration-guide.
func (d *Driver) TakesTemperature(model string) bool {
	model = cmp.Or(model, d.o.Model)
	older := []string{"claude-2", "claude-3", "claude-sonnet-4", "claude-haiku-4", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2025", "claude-opus-4-5", "claude-opus-4-6"}
	return d.o.Version == Version2023 && slices.ContainsFunc(older, func(p string) bool { return strings.HasPrefix(model, p) })
}

// TakesModel implements llm.Selective.
func (d *Driver) TakesModel() bool { return true }

// refine tells an account without money from a request that is wrong: both are a
// 400.
func refine(f *provider.Failure) {
	if f.Status == http.StatusBadRequest && strings.Contains(strings.ToLower(f.Message), "credit balance") {
		f.Kind = provider.Exhausted
	}
}
