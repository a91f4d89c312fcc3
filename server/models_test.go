package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/harness"
	"github.com/sidetone/sidetone/provider"
)

// refuser is a transport that keeps the last request and answers none.
type refuser struct{ last *http.Request }

// RoundTrip fails.
func (r *refuser) RoundTrip(req *http.Request) (*http.Response, error) {
	r.last = req
	return nil, errors.New("refused")
}

// Every model asks at its vendor's address and shows the key as the vendor wants it.
func TestModelsReachTheirVendors(t *testing.T) {
	t.Parallel()
	const azure = "https://n.openai.azure.com"
	bearer := [2]string{"Authorization", "Bearer k-123"}
	for name, c := range map[string]struct {
		provider, base string
		settings       map[string]string
		url            string
		header         [2]string
	}{
		"openai":                {"openai", "", nil, "https://api.openai.com/v1/chat/completions", bearer},
		"a local server":        {"openai", "http://127.0.0.1:9/v1/", nil, "http://127.0.0.1:9/v1/chat/completions", bearer},
		"deepseek":              {"deepseek", "", nil, "https://api.deepseek.com/v1/chat/completions", bearer},
		"togetherai":            {"togetherai", "", nil, "https://api.together.xyz/v1/chat/completions", bearer},
		"openrouter":            {"openrouter", "", nil, "https://openrouter.ai/api/v1/chat/completions", bearer},
		"azure":                 {"azure", azure, nil, azure + "/openai/deployments/m/chat/completions?api-version=2024-10-21", [2]string{"Api-Key", "k-123"}},
		"azure by setting":      {"azure_llm", "", map[string]string{"endpoint": azure, "deployment": "d", "api_version": "v"}, azure + "/openai/deployments/d/chat/completions?api-version=v", [2]string{"Api-Key", "k-123"}},
		"azure v1":              {"azure_llm", azure + "/openai/v1", nil, azure + "/openai/v1/chat/completions", [2]string{"Api-Key", "k-123"}},
		"anthropic":             {"anthropic", "", nil, "https://api.anthropic.com/v1/messages", bearer},
		"anthropic before":      {"anthropic", "", map[string]string{"anthropic_version": "2023-06-01"}, "https://api.anthropic.com/v1/messages", [2]string{"X-Api-Key", "k-123"}},
		"a program":             {"harness", "ws://127.0.0.1:9/socket", nil, "http://127.0.0.1:9/socket", [2]string{"X-Twilio-Signature", harness.Sign("ws://127.0.0.1:9/socket", "k-123")}},
		"a program, configured": {"harness", "https://n.example/socket", nil, "https://n.example/socket", [2]string{"X-Twilio-Signature", harness.Sign("wss://n.example/socket", "k-123")}},
		"a program of Retell's": {"harness", "wss://n.example/socket", map[string]string{"protocol": "retell"}, "https://n.example/socket/c1", bearer},
		"google":                {"google", "", nil, "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse", [2]string{"X-Goog-Api-Key", "k-123"}},
	} {
		wire := &refuser{}
		d := models()[c.provider].open(access{HTTP: &http.Client{Transport: wire}, Key: "k-123", Base: c.base, Settings: c.settings}, choice{Call: sidetone.Call{ID: "c1"}})
		err := generateOnce(t.Context(), d)
		if wire.last == nil {
			t.Errorf("%s: no request: %v", name, err)
			continue
		}
		if got := wire.last.URL.String(); got != c.url || wire.last.Header.Get(c.header[0]) != c.header[1] {
			t.Errorf("%s: asked %s with %v, want %s with %v", name, got, wire.last.Header, c.url, c.header)
		}
		var f *provider.Failure
		if !errors.As(err, &f) || f.Kind != provider.Unreachable || f.Vendor != models()[c.provider].supplier || strings.Contains(err.Error(), "k-123") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// generateOnce asks a model and returns how it failed.
func generateOnce(ctx context.Context, d llm.Driver) (err error) {
	for _, err = range d.Generate(ctx, llm.Request{Model: "m", Seed: "c1", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}) {
		if err != nil {
			return err
		}
	}
	return nil
}
