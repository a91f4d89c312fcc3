package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
)

// TestAutoFindsAModelOnThisMachine: an agent or a setting that says auto thinks with the
// first model of a server on loopback, which is asked once in a while.
func TestAutoFindsAModelOnThisMachine(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	box := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			asked.Add(1)
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"qwen3:8b"},{"id":"other"}]}`)
			return
		}
		http.NotFound(w, r)
	}))
	defer box.Close()
	serve := func(answers map[string]string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if answer, ok := answers[r.URL.Path+string(body)]; ok {
				_, _ = io.WriteString(w, answer)
				return
			}
			http.NotFound(w, r)
		}))
		t.Cleanup(s.Close)
		return s
	}
	mixed := serve(map[string]string{"/v1/models": `{"data":[{"id":"embeds-well"},{"id":"llama3"}]}`,
		`/api/show{"model":"embeds-well"}`: `{"capabilities":["embedding"]}`, `/api/show{"model":"llama3"}`: `{"capabilities":["completion","tools"]}`})
	plain := serve(map[string]string{"/v1/models": `{"data":[{"id":"nomic-embed-text"},{"id":"bge-reranker"},{"id":"other"}]}`})
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	guard, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan := func(config Config, a sidetone.Agent, bases ...string) []string {
		keys := testKeyring(config)
		keys.local = &localModels{bases: bases, http: guard.Operator("")}
		p := newProviders(config, newVendors(), keys, slog.New(slog.DiscardHandler), func() {})
		plan, err := p.Plan(t.Context(), sidetone.Call{EnvironmentID: "e", Snapshot: sidetone.Snapshot{Agent: a, Prompt: sidetone.Prompt{Content: "Be kind."}}}, 16000)
		if err != nil {
			return []string{err.Error()}
		}
		return serves(plan)[:1]
	}
	environment := func(model, fallback, base string) []string {
		keys := testKeyring(Defaults())
		keys.local = &localModels{bases: []string{base}, http: guard.Operator("")}
		keys.environment = func(context.Context, string) (sidetone.Environment, error) {
			return sidetone.Environment{DefaultModel: model, FallbackModel: fallback}, nil
		}
		p := newProviders(Defaults(), newVendors(), keys, slog.New(slog.DiscardHandler), func() {})
		plan, err := p.Plan(t.Context(), sidetone.Call{EnvironmentID: "e", Snapshot: sidetone.Snapshot{Prompt: sidetone.Prompt{Content: "Be kind."}}}, 16000)
		if err != nil {
			return []string{err.Error()}
		}
		return serves(plan)[:1]
	}
	auto := Defaults()
	auto.Defaults.Model = "auto"
	nobody := []string{`the agent has nothing to think with: provider "ollama" is not configured here, and the prompt has no playbook (unavailable)`}
	for name, c := range map[string]struct {
		got, want []string
	}{
		"the agent says so":             {plan(Defaults(), sidetone.Agent{Model: "auto"}, other.URL+"/v1", box.URL+"/v1"), []string{"thinks ollama/server/qwen3:8b"}},
		"the agent names the provider":  {plan(Defaults(), sidetone.Agent{Provider: "ollama", Model: "m"}, box.URL+"/v1"), []string{"thinks ollama/server/m"}},
		"the server says so":            {plan(auto, sidetone.Agent{}, box.URL+"/v1"), []string{"thinks ollama/server/qwen3:8b"}},
		"it takes one that can talk":    {plan(auto, sidetone.Agent{}, mixed.URL+"/v1"), []string{"thinks ollama/server/llama3"}},
		"so it does with other servers": {plan(auto, sidetone.Agent{}, plain.URL+"/v1"), []string{"thinks ollama/server/other"}},
		"the environment says so":       {environment("auto", "", box.URL+"/v1"), []string{"thinks ollama/server/qwen3:8b"}},
		"as a fallback":                 {environment("ollama/x", "auto", box.URL+"/v1"), []string{"thinks ollama/server/x, ollama/server/qwen3:8b"}},
		"there is none":                 {plan(auto, sidetone.Agent{}, other.URL+"/v1"), nobody},
		"nobody says so":                {plan(Defaults(), sidetone.Agent{}, box.URL+"/v1"), []string{"the agent has nothing to think with: it names no provider, and its prompt has no playbook (unavailable)"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	before := asked.Load()
	l := &localModels{bases: []string{box.URL + "/v1"}, http: guard.Operator("")}
	for range 3 {
		if base, model := l.find(t.Context()); base != box.URL+"/v1" || model != "qwen3:8b" {
			t.Errorf("got %s, %s", base, model)
		}
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
}
