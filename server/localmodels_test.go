package server

import (
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
		asked.Add(1)
		if r.URL.Path == "/v1/models" {
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"qwen3:8b"},{"id":"other"}]}`)
		}
	}))
	defer box.Close()
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
	auto := Defaults()
	auto.Defaults.Model = "auto"
	nobody := []string{`the agent has nothing to think with: provider "ollama" is not configured here, and the prompt has no playbook (unavailable)`}
	for name, c := range map[string]struct {
		got, want []string
	}{
		"the agent says so":            {plan(Defaults(), sidetone.Agent{Model: "auto"}, other.URL+"/v1", box.URL+"/v1"), []string{"thinks ollama/server"}},
		"the agent names the provider": {plan(Defaults(), sidetone.Agent{Provider: "ollama", Model: "m"}, box.URL+"/v1"), []string{"thinks ollama/server/m"}},
		"the server says so":           {plan(auto, sidetone.Agent{}, box.URL+"/v1"), []string{"thinks ollama/server"}},
		"there is none":                {plan(auto, sidetone.Agent{}, other.URL+"/v1"), nobody},
		"nobody says so":               {plan(Defaults(), sidetone.Agent{}, box.URL+"/v1"), []string{"the agent has nothing to think with: it names no provider, and its prompt has no playbook (unavailable)"}},
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
