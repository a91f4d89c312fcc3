package server

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
)

// TestWhatCallsLack: what nobody serves, what whoever serves does not take, and what must
// not get the call, before there is one.
func TestWhatCallsLack(t *testing.T) {
	t.Parallel()
	account := func(kind, credentials string) *sidetone.Connection {
		return &sidetone.Connection{ID: "own", Type: "account_connection_" + kind, Credentials: sidetone.Secret(credentials), Config: []byte("{}")}
	}
	keys := map[string]ProviderConfig{"openai": {APIKey: "k", HIPAA: true}, "elevenlabs": {APIKey: "k"}, "harness": {BaseURL: "http://127.0.0.1:1"}}
	anthropicKey := account("anthropic", `{"api_key":"k"}`)
	for name, c := range map[string]struct {
		agent   sidetone.Agent
		voice   sidetone.Voice
		account *sidetone.Connection
		prompt  string
		hipaa   bool
		want    []string
	}{
		"nothing":                      {agent: sidetone.Agent{Provider: "openai", Model: "gpt-4.1-mini", Temperature: 0.5}},
		"a model that reasons":         {agent: sidetone.Agent{Provider: "openai", Model: "gpt-5-mini", Temperature: 0.5}, want: []string{"llm_temperature not_taken"}},
		"one with the usual 0":         {agent: sidetone.Agent{Provider: "openai", Model: "openai/gpt-5-mini"}, want: []string{"llm_temperature not_taken"}},
		"Anthropic's newest version":   {agent: sidetone.Agent{Provider: "anthropic", Temperature: 0.5}, account: anthropicKey, want: []string{"llm_temperature not_taken"}},
		"its older one":                {agent: sidetone.Agent{Provider: "anthropic", Temperature: 0.5}, account: account("anthropic", `{"api_key":"k","anthropic_version":"2023-06-01"}`)},
		"a program of the customer's":  {agent: sidetone.Agent{Provider: "harness", Model: "m", Temperature: 0.5}, want: []string{"llm_temperature not_taken", "model not_taken"}},
		"a deployment":                 {agent: sidetone.Agent{Provider: "azure_llm", Model: "m"}, account: account("azure_llm", `{"api_key":"k","base_url":"https://x.example","deployment":"d"}`), want: []string{"model not_taken"}},
		"a playbook's fallback":        {agent: sidetone.Agent{Extra: []byte(`{"llm_fallback":{"provider":"anthropic"}}`)}, prompt: "playbook: x\notherwise:\n  say: Hello.", want: []string{"llm_fallback offline_model"}},
		"words for an offline ear":     {agent: sidetone.Agent{Provider: "openai", Extra: []byte(`{"deepgram_keywords":["a"],"transcriber":{"type":"pocketsphinx"}}`)}, want: []string{"deepgram_keywords not_taken"}},
		"members of a default ear":     {agent: sidetone.Agent{Provider: "openai", Extra: []byte(`{"transcriber":{"eot_threshold":0.7}}`)}, want: []string{"transcriber.eot_threshold not_taken"}},
		"a voice that is not marked":   {agent: sidetone.Agent{Provider: "openai"}, voice: sidetone.Voice{Type: "voice_eleven_labs"}, hipaa: true, want: []string{"voice.type no_driver"}},
		"a default that is not marked": {agent: sidetone.Agent{Provider: "openai"}, hipaa: true, want: []string{"voice no_driver"}},
		"a model that is not marked":   {agent: sidetone.Agent{Provider: "harness"}, voice: sidetone.Voice{Type: "voice_flite"}, hipaa: true, want: []string{"prompt no_model", "provider no_driver"}},
		"insights of a playbook": {agent: sidetone.Agent{RunDoNotCall: true, Extra: []byte(`{"post_call_insights":[{"type":"summary"}]}`)}, prompt: "playbook: x\notherwise:\n  say: Hello.",
			want: []string{"post_call_insights offline_model", "run_do_not_call_detection offline_model"}},
		"insights of a model":              {agent: sidetone.Agent{Provider: "openai", RunDoNotCall: true, Extra: []byte(`{"post_call_insights":[{"type":"summary"}]}`)}},
		"insights of a customer's program": {agent: sidetone.Agent{Provider: "harness", Extra: []byte(`{"post_call_insights":[{"type":"summary"}]}`)}, want: []string{"llm_temperature not_taken", "post_call_insights offline_model"}},
		"the server's own speech in German": {agent: sidetone.Agent{Provider: "openai", Language: "de", Extra: []byte(`{"transcriber":{"type":"pocketsphinx"}}`)}, voice: sidetone.Voice{Type: "voice_flite"},
			want: []string{"language no_driver", "transcriber.type no_driver", "voice.type no_driver"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Defaults()
			config.Providers = keys
			p := newProviders(config, newVendors(), testKeyring(config), slog.New(slog.DiscardHandler), func() {})
			snapshot := sidetone.Snapshot{Agent: c.agent, Voice: c.voice, ModelAccount: c.account, Prompt: sidetone.Prompt{Content: "Be kind."}}
			if c.prompt != "" {
				snapshot.Prompt.Content = c.prompt
			}
			snapshot.Agent.VoiceID = c.voice.Type
			found, err := p.lacking(t.Context(), sidetone.Call{EnvironmentID: "e", Snapshot: snapshot, HIPAA: c.hipaa})
			var got []string
			for _, w := range found {
				got = append(got, w.Property+" "+string(w.Reason))
			}
			slices.Sort(got)
			if got = slices.Compact(got); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// TestFluxHasAWaitOfItsOwn: it has no Finalize.
func TestFluxHasAWaitOfItsOwn(t *testing.T) {
	t.Parallel()
	config := Defaults()
	config.Providers = map[string]ProviderConfig{"deepgram": {APIKey: "k"}}
	waits := map[string]bool{}
	for _, model := range []string{"nova-3", "flux", "flux-general-multi"} {
		p := newProviders(config, newVendors(), testKeyring(config), slog.New(slog.DiscardHandler), func() {})
		plan, err := p.Plan(t.Context(), planned(sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram","model":"` + model + `"}}`)}, sidetone.Voice{}), 8000)
		if err != nil {
			t.Fatal(err)
		}
		waits[strings.Split(model, "-")[0]+" "+listens(plan).FinalWait.String()] = true
	}
	if !waits["nova 1s"] || !waits["flux 1.5s"] || len(waits) != 2 {
		t.Errorf("got %v", waits)
	}
}

// TestAutoThatFindsNobody claims nobody.
func TestAutoThatFindsNobody(t *testing.T) {
	t.Parallel()
	if got := (settings{model: "auto", voice: "voice_openai"}).told(); strings.Contains(got, "think with") || !strings.Contains(got, "speak with voice_openai") {
		t.Errorf("got %q", got)
	}
}
