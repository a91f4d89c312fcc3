package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// everybody are stub drivers of vendors under the names of real ones.
func everybody() vendors {
	v := vendors{models: map[string]vendor[llm.Driver]{}, voices: map[string]vendor[synthesizer.Driver]{}, recognisers: map[string]vendor[transcriber.Driver]{}}
	for kind, supplier := range map[string]string{"openai": "openai", "anthropic": "anthropic", "google": "google", "ollama": "ollama"} {
		v.models[kind] = vendor[llm.Driver]{supplier: supplier, open: func(access, choice) llm.Driver { return &llmtest.Stub{} }}
	}
	for kind, supplier := range map[string]string{"voice_eleven_labs": "elevenlabs", "voice_openai": "openai", "voice_azure": "azure_speech"} {
		v.voices[kind] = vendor[synthesizer.Driver]{supplier: supplier, open: func(access, choice) synthesizer.Driver { return &synthesizertest.Stub{} }}
	}
	for kind, supplier := range map[string]string{"transcriber_deepgram": "deepgram", "transcriber_openai": "openai"} {
		v.recognisers[kind] = vendor[transcriber.Driver]{supplier: supplier, open: func(access, choice) transcriber.Driver { return &transcribertest.Stub{} }}
	}
	deepgram := v.recognisers["transcriber_deepgram"]
	deepgram.languages = func(model string) []string {
		if model == "flux" {
			return []string{"en"}
		}
		return []string{"en", "es"}
	}
	v.recognisers["transcriber_deepgram"] = deepgram
	return v
}

// serves writes down who serves a plan, a line for each part: vendor/account/name.
func serves(p call.Plan) (out []string) {
	line := func(part string, sources []call.Source, names []string) {
		var all []string
		for i, s := range sources {
			all = append(all, strings.Trim(fmt.Sprintf("%s/%s/%s", s.Vendor, s.Account, names[i]), "/"))
		}
		out = append(out, part+" "+strings.Join(all, ", "))
	}
	var sources []call.Source
	var names []string
	for _, m := range p.Models {
		sources, names = append(sources, m.Source), append(names, m.Name)
	}
	line("thinks", sources, names)
	sources, names = nil, nil
	for _, v := range p.Voices {
		name := v.Name
		if v.PhrasesOnly {
			name = "phrases"
		}
		sources, names = append(sources, v.Source), append(names, name)
	}
	line("speaks", sources, names)
	sources, names = nil, nil
	for _, r := range p.Recognisers {
		sources, names = append(sources, r.Source), append(names, "")
	}
	line("listens", sources, names)
	return append(out, p.Notices...)
}

// TestWhoServes: who thinks, speaks and listens, on whose account, and who takes over.
func TestWhoServes(t *testing.T) {
	t.Parallel()
	openai := &sidetone.Connection{ID: "own", Type: "account_connection_openai", Credentials: `{"openai_api_key":"k"}`, Config: []byte("{}")}
	type world struct {
		server      map[string]ProviderConfig
		connections []string // default ones, by vendor
		environment sidetone.Environment
		more        bool // there are other environments
		agent       sidetone.Agent
		voice       sidetone.Voice
		account     *sidetone.Connection
		hipaa       bool
		rate        int
		strict      bool // speech.substitute is off
		full        bool // no place is free at the offline recogniser
		prompt      string
	}
	key := ProviderConfig{APIKey: "k"}
	kind := sidetone.Prompt{Content: "Be kind."}
	for name, c := range map[string]struct {
		world
		want []string
	}{
		"one key of the server's serves everything it can": {world{server: map[string]ProviderConfig{"openai": key}},
			[]string{"thinks openai/server", "speaks openai/server, ", "listens openai/server, "}},
		"on a line of 8 kHz": {world{server: map[string]ProviderConfig{"openai": key}, rate: 8000},
			[]string{"thinks openai/server", "speaks openai/server, ", "listens openai/server, "}},
		"the environment's account comes before the server's": {world{server: map[string]ProviderConfig{"openai": key}, connections: []string{"openai"}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"the agent's account comes first, for its vendor only": {world{connections: []string{"openai", "anthropic"}, account: openai, agent: sidetone.Agent{Provider: "openai", Model: "m",
			Extra: []byte(`{"llm_fallback":{"provider":"anthropic","model_name":"n"}}`)}},
			[]string{"thinks openai/own/m, anthropic/c-anthropic/n", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"an account tells the provider": {world{account: openai, connections: []string{"anthropic"}},
			[]string{"thinks openai/own", "speaks ", "listens "}},
		"a model tells the provider": {world{connections: []string{"openai", "anthropic"}, agent: sidetone.Agent{Model: "gpt-4o", ModelOverride: "claude-x"}},
			[]string{"thinks anthropic/c-anthropic/claude-x", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"a voice's own key pays": {world{server: map[string]ProviderConfig{"openai": key}, voice: sidetone.Voice{Type: "voice_eleven_labs", APIKey: "k", Config: []byte(`{"voice_id":"v","fallback":{"type":"voice_openai","voice_id":"alloy"}}`)}},
			[]string{"thinks openai/server", "speaks elevenlabs/agent/v, openai/server/alloy, ", "listens openai/server, "}},
		"and takes over from itself, not the environment's": {world{server: map[string]ProviderConfig{"openai": key, "elevenlabs": key}, connections: []string{"elevenlabs"}, environment: sidetone.Environment{FallbackVoice: "voice_eleven_labs/w"},
			voice: sidetone.Voice{Type: "voice_eleven_labs", APIKey: "k", Config: []byte(`{"voice_id":"v","fallback":{"type":"voice_eleven_labs","voice_id":"u"}}`)}},
			[]string{"thinks openai/server", "speaks elevenlabs/agent/v, elevenlabs/agent/u, elevenlabs/agent/w, ", "listens openai/server, "}},
		"an account of another vendor's": {world{server: map[string]ProviderConfig{"openai": key}, connections: []string{"openai", "anthropic"}, account: &sidetone.Connection{ID: "own", Type: "account_connection_anthropic", Credentials: `{"api_key":"k"}`, Config: []byte("{}")},
			agent: sidetone.Agent{Provider: "openai", Extra: []byte(`{"llm_fallback":{"provider":"anthropic"}}`)}},
			[]string{"thinks anthropic/own", "speaks openai/c-openai, ", "listens openai/c-openai, ", `provider "openai" does not serve: openai_account_connection must be of type account_connection_openai for provider openai, not account_connection_anthropic: anthropic answers instead`}},
		"which no other owner's account of the provider takes over from": {world{server: map[string]ProviderConfig{"openai": key}, connections: []string{"openai"}, environment: sidetone.Environment{FallbackModel: "openai/mini"},
			account: &sidetone.Connection{ID: "own", Type: "account_connection_anthropic", Credentials: `{"api_key":"k"}`, Config: []byte("{}")}, agent: sidetone.Agent{Provider: "openai"}},
			[]string{`the agent has nothing to think with: provider "openai" does not serve: openai_account_connection must be of type account_connection_openai for provider openai, not account_connection_anthropic, and the prompt has no playbook (unavailable)`}},
		"an account of nobody's that is known": {world{server: map[string]ProviderConfig{"openai": key}, account: &sidetone.Connection{ID: "own", Type: "account_connection_groq", Credentials: `{}`, Config: []byte("{}")}},
			[]string{`the agent has nothing to think with: provider "openai" does not serve: openai_account_connection must be of type account_connection_openai for provider openai, not account_connection_groq, and the prompt has no playbook (unavailable)`}},
		"a key without the address that it needs": {world{server: map[string]ProviderConfig{"openai": key, "azure_speech": key}, voice: sidetone.Voice{Type: "voice_azure"}},
			[]string{"thinks openai/server", "speaks ", "listens openai/server, ", `voice "voice_azure" does not serve: providers.azure_speech.region is required: that of your resource, such as westeurope: voice_flite speaks instead`}},
		"a voice's own key for a vendor that needs an address": {world{server: map[string]ProviderConfig{"openai": key, "azure_speech": {APIKey: "k", Region: "westeurope"}}, voice: sidetone.Voice{Type: "voice_azure", APIKey: "k"}},
			[]string{"thinks openai/server", "speaks ", "listens openai/server, ", `voice "voice_azure" does not serve: a key alone does not tell where to go: account_connection.config.region is required: that of your resource, such as westeurope: voice_flite speaks instead`}},
		"a server's key serves nobody once there are more environments": {world{server: map[string]ProviderConfig{"openai": key}, more: true, agent: sidetone.Agent{Provider: "openai"}},
			[]string{`the agent has nothing to think with: provider "openai" does not serve: there are several environments, and providers.openai.environments does not list e, and the prompt has no playbook (unavailable)`}},
		"unless it is listed": {world{server: map[string]ProviderConfig{"openai": {APIKey: "k", Environments: []string{"e"}}}, more: true},
			[]string{"thinks openai/server", "speaks openai/server, ", "listens openai/server, "}},
		"nor one that others are listed for": {world{server: map[string]ProviderConfig{"openai": {APIKey: "k", Environments: []string{"x"}}}, agent: sidetone.Agent{Provider: "openai"}},
			[]string{`the agent has nothing to think with: provider "openai" does not serve: providers.openai.environments does not list environment e, and the prompt has no playbook (unavailable)`}},
		"the environment's defaults and fallbacks": {world{connections: []string{"openai", "anthropic", "elevenlabs", "deepgram", "azure_speech"},
			environment: sidetone.Environment{DefaultModel: "anthropic/opus", DefaultVoice: "voice_azure/Ava", DefaultTranscriber: "transcriber_openai",
				FallbackModel: "openai/mini", FallbackVoice: "voice_openai", FallbackTranscriber: "transcriber_deepgram/flux"}},
			[]string{"thinks anthropic/c-anthropic/opus, openai/c-openai/mini", "speaks azure_speech/c-azure_speech/Ava, openai/c-openai, ", "listens openai/c-openai, deepgram/c-deepgram, "}},
		"an agent's model and the default provider": {world{connections: []string{"openai", "anthropic"}, environment: sidetone.Environment{DefaultModel: "anthropic/opus"}, agent: sidetone.Agent{Model: "haiku"}},
			[]string{"thinks anthropic/c-anthropic/haiku", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"nobody is used whom nobody named": {world{connections: []string{"openai"}, agent: sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram"}}`)}, voice: sidetone.Voice{Type: "voice_azure"}},
			[]string{"thinks openai/c-openai", "speaks ", "listens ", `voice "voice_azure" is not configured here: voice_flite speaks instead`, `recogniser "transcriber_deepgram" is not configured here: pocketsphinx listens instead`}},
		"a language that the recogniser's model lacks": {world{connections: []string{"openai", "deepgram"}, agent: sidetone.Agent{Language: "es", Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram","model":"flux","fallback":{"type":"transcriber_openai"}}}`)}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, phrases", "listens openai/c-openai", `recogniser "transcriber_deepgram" does not serve language "es": transcriber_openai listens instead`}},
		"a call that must comply with HIPAA": {world{server: map[string]ProviderConfig{"openai": {APIKey: "k", HIPAA: true}}, connections: []string{"elevenlabs", "deepgram"}, hipaa: true,
			agent: sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram"}}`)}, voice: sidetone.Voice{Type: "voice_eleven_labs"}},
			[]string{"thinks openai/server", "speaks ", "listens ", `voice "voice_eleven_labs" may not get a call that must comply with HIPAA: providers.elevenlabs.hipaa is not set: voice_flite speaks instead`,
				`recogniser "transcriber_deepgram" may not get a call that must comply with HIPAA: providers.deepgram.hipaa is not set: pocketsphinx listens instead`}},
		"the server's own as the fallback that the agent names": {world{connections: []string{"elevenlabs", "deepgram", "openai"}, agent: sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram","fallback":{"type":"pocketsphinx"}}}`)},
			voice: sidetone.Voice{Type: "voice_eleven_labs", Config: []byte(`{"fallback":{"type":"voice_flite"}}`)}},
			[]string{"thinks openai/c-openai", "speaks elevenlabs/c-elevenlabs, ", "listens deepgram/c-deepgram, "}},
		"they serve with speech.substitute off": {world{strict: true, connections: []string{"elevenlabs", "deepgram", "openai"}, agent: sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram","fallback":{"type":"pocketsphinx"}}}`)},
			voice: sidetone.Voice{Type: "voice_eleven_labs", Config: []byte(`{"fallback":{"type":"voice_flite","voice":"slt"}}`)}},
			[]string{"thinks openai/c-openai", "speaks elevenlabs/c-elevenlabs, slt", "listens deepgram/c-deepgram, "}},
		"so do those of the environment": {world{strict: true, connections: []string{"openai"}, environment: sidetone.Environment{FallbackVoice: "voice_flite/awb", FallbackTranscriber: "pocketsphinx"}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, awb", "listens openai/c-openai, "}},
		"nobody else does with it off": {world{strict: true, connections: []string{"openai"}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, phrases", "listens openai/c-openai"}},
		"vendors as fallbacks of the server's own": {world{strict: true, connections: []string{"elevenlabs", "deepgram", "openai"}, agent: sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"pocketsphinx","fallback":{"type":"transcriber_deepgram"}}}`)},
			voice: sidetone.Voice{Type: "voice_flite", Config: []byte(`{"fallback":{"type":"voice_eleven_labs"}}`)}},
			[]string{"thinks openai/c-openai", "speaks , elevenlabs/c-elevenlabs", "listens , deepgram/c-deepgram"}},
		"they serve when there is no place": {world{strict: true, full: true, connections: []string{"openai"}, environment: sidetone.Environment{DefaultTranscriber: "pocketsphinx", FallbackTranscriber: "transcriber_openai"}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, phrases", "listens openai/c-openai, ", `recogniser "pocketsphinx" has no free place: transcriber_openai listens instead`}},
		"and for other languages": {world{connections: []string{"elevenlabs", "deepgram", "openai"}, agent: sidetone.Agent{Language: "es", Extra: []byte(`{"transcriber":{"type":"pocketsphinx","fallback":{"type":"transcriber_deepgram"}}}`)},
			voice: sidetone.Voice{Type: "voice_flite", Config: []byte(`{"fallback":{"type":"voice_eleven_labs"}}`)}},
			[]string{"thinks openai/c-openai", "speaks elevenlabs/c-elevenlabs, phrases", "listens deepgram/c-deepgram",
				`voice "voice_flite" does not serve language "es": voice_eleven_labs speaks instead`, `recogniser "pocketsphinx" does not serve language "es": transcriber_deepgram listens instead`}},
		"a busy server with nobody else": {world{full: true, connections: []string{"openai"}, environment: sidetone.Environment{DefaultTranscriber: "pocketsphinx"}},
			[]string{transcriber.ErrBusy.Error()}},
		"a fallback that cannot serve": {world{connections: []string{"openai"}, agent: sidetone.Agent{Language: "es", Extra: []byte(`{"transcriber":{"type":"transcriber_openai","fallback":{"type":"pocketsphinx"}}}`)}},
			[]string{"thinks openai/c-openai", "speaks openai/c-openai, phrases", "listens openai/c-openai", `recogniser "pocketsphinx" does not serve language "es"`}},
		"a fallback of the agent's own vendor": {world{connections: []string{"openai"}, agent: sidetone.Agent{Provider: "openai", Extra: []byte(`{"llm_fallback":{"model_name":"mini"}}`)}},
			[]string{"thinks openai/c-openai, openai/c-openai/mini", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"a fallback that its name tells": {world{connections: []string{"openai", "anthropic"}, agent: sidetone.Agent{Provider: "openai", Extra: []byte(`{"llm_fallback":{"model_name":"claude-x"}}`)}},
			[]string{"thinks openai/c-openai, anthropic/c-anthropic/claude-x", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"a playbook takes over from the agent's vendor": {world{connections: []string{"openai"}, agent: sidetone.Agent{Provider: "openai"}, prompt: "playbook: x\notherwise:\n  say: Hello."},
			[]string{"thinks openai/c-openai, ", "speaks openai/c-openai, ", "listens openai/c-openai, "}},
		"a server of one's own needs no key": {world{server: map[string]ProviderConfig{"ollama": {BaseURL: "http://127.0.0.1:11434/v1"}}},
			[]string{"thinks ollama/server", "speaks ", "listens "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Defaults()
			config.Providers, config.Speech.Substitute = c.server, !c.strict
			if c.full {
				config.Calls.Offline = 0
			}
			keys := testKeyring(config)
			keys.sole = func(context.Context) (bool, error) { return !c.more, nil }
			keys.environment = func(context.Context, string) (sidetone.Environment, error) { return c.environment, nil }
			keys.accounts = func(_ context.Context, _, kind string) (*sidetone.Connection, error) {
				for _, vendor := range c.connections {
					if kind == "account_connection_"+vendor {
						return &sidetone.Connection{ID: "c-" + vendor, Type: kind, Credentials: `{"api_key":"k"}`, Config: []byte(`{"region":"westeurope"}`)}, nil
					}
				}
				return nil, nil
			}
			row := sidetone.Call{EnvironmentID: "e", HIPAA: c.hipaa, Snapshot: sidetone.Snapshot{Agent: c.agent, Voice: c.voice, Prompt: kind, ModelAccount: c.account}}
			row.Snapshot.Agent.VoiceID = c.voice.Type
			if c.prompt != "" {
				row.Snapshot.Prompt.Content = c.prompt
			}
			rate := 16000
			if c.rate != 0 {
				rate = c.rate
			}
			p := newProviders(config, everybody(), keys, slog.New(slog.DiscardHandler), func() {})
			plan, err := p.Plan(t.Context(), row, rate)
			got := serves(plan)
			if err != nil {
				got = []string{err.Error()}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestKeyTerms: the words that an agent expects, in both forms that clients send.
func TestKeyTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{}`: nil,
		`{"transcriber":{"key_terms":["Sidetone","invoice"]}}`:                                     {"Sidetone", "invoice"},
		`{"deepgram_keywords":{"Vocode":2,"invoice":1}}`:                                           {"Vocode", "invoice"},
		`{"transcriber":{"key_terms":["invoice"]},"deepgram_keywords":{"invoice":1,"Vocode":"2"}}`: {"Vocode", "invoice"},
		`{"transcriber":{"key_terms":"invoice"},"deepgram_keywords":7,"other":{"a":["b"]}}`:        nil,
		`{"deepgram_keywords":["invoice:2","Vocode"]}`:                                             {"Vocode", "invoice"},
	} {
		if diff := cmp.Diff(want, keyTerms(sidetone.Agent{Extra: []byte(text)})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// TestConnectionsReachVendors: what of a connection a driver gets.
func TestConnectionsReachVendors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind, credentials, config, want string
	}{
		"the contract's key":      {"openai", `{"openai_api_key":"k"}`, `{}`, "k  map[]"},
		"a plain key":             {"deepgram", `{"api_key":"k"}`, `{}`, "k  map[]"},
		"another address":         {"openai", `{"openai_api_key":"k"}`, `{"base_url":"https://x.example/v1"}`, "k https://x.example/v1 map[base_url:https://x.example/v1]"},
		"settings":                {"azure_speech", `{"azure_speech_api_key":"k","region":"a"}`, `{"region":"b","n":1}`, "k  map[region:a]"},
		"without its version":     {"anthropic", `{"api_key":"k","base_url":"https://x.example/"}`, `{}`, "k https://x.example/v1 map[base_url:https://x.example/]"},
		"of a server at a path":   {"openai", `{"api_key":"k","base_url":"https://x.example/openai"}`, `{}`, "k https://x.example/openai map[base_url:https://x.example/openai]"},
		"with one it adds itself": {"deepgram", `{"api_key":"k","base_url":"https://x.example/v1"}`, `{}`, "k https://x.example map[base_url:https://x.example/v1]"},
		"of a program":            {"harness", `{"base_url":"wss://x.example/v1"}`, `{}`, " wss://x.example/v1 map[base_url:wss://x.example/v1]"},
		"of another interface":    {"google", `{"api_key":"k","base_url":"https://x.example"}`, `{}`, "k https://x.example/v1beta map[base_url:https://x.example]"},
		"nothing but an address":  {"ollama", `{"base_url":"http://box:1/v1"}`, `{}`, " http://box:1/v1 map[base_url:http://box:1/v1]"},
		"credentials of no texts": {"openai", `[]`, `{}`, "error"},
	} {
		a, err := connected(sidetone.Connection{ID: "c", Type: "account_connection_" + c.kind, Credentials: sidetone.Secret(c.credentials), Config: []byte(c.config)})
		got := fmt.Sprintf("%s %s %v", a.Key.Reveal(), a.Base, a.Settings)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestEveryDriverIsInTheTable: what the server can open is what the interface says acts.
func TestEveryDriverIsInTheTable(t *testing.T) {
	t.Parallel()
	table, v := support.NewTable(), newVendors()
	acts := func(resource, property, kind, supplier string) {
		if e, ok := table.Find(resource, property, kind); !ok || e.Status != support.Acts {
			t.Errorf("%s.%s %s: the table has %+v", resource, property, kind, e)
		}
		account := supplierOf(supplier).account
		if e, ok := table.Find("account_connection", "type", account); !ok || e.Status != support.Acts {
			t.Errorf("%s of %s: the table has %+v", account, kind, e)
		}
	}
	for kind, of := range v.models {
		acts("agent", "provider", kind, of.supplier)
	}
	for kind, of := range v.voices {
		acts("voice", "type", kind, of.supplier)
	}
	for kind, of := range v.recognisers {
		acts("agent", "transcriber.type", kind, of.supplier)
	}
	for _, order := range [][]string{modelOrder(), voiceOrder(), recogniserOrder()} {
		for _, kind := range order {
			_, model := v.models[kind]
			_, voice := v.voices[kind]
			if _, recogniser := v.recognisers[kind]; !model && !voice && !recogniser {
				t.Errorf("%s has an order and no driver", kind)
			}
		}
	}
}

// TestVoiceOfAgentsWithoutOne: the API and the records of calls show what calls speak with.
func TestVoiceOfAgentsWithoutOne(t *testing.T) {
	t.Parallel()
	builtIn := sidetone.Voice{ID: "b", Type: "voice_flite", Config: []byte(`{"voice":"slt"}`), BuiltIn: true}
	for name, c := range map[string]struct {
		environment, server, speech string
		agent                       string // the id of its voice
		want                        string
	}{
		"the built-in one":      {"", "", "flite", "", `b voice_flite {"voice":"slt"}`},
		"for text telephones":   {"", "", "tty", "", `default voice_tty {}`},
		"the server's":          {"", "voice_rime/eva", "flite", "", `default voice_rime {"voice_id":"eva"}`},
		"the environment's":     {"voice_openai", "voice_rime/eva", "flite", "", `default voice_openai {}`},
		"another built-in name": {"voice_flite/awb", "", "flite", "", `default voice_flite {"voice_id":"awb"}`},
		"the agent's":           {"voice_openai", "", "flite", "b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Defaults()
			config.Defaults.Voice, config.Speech.Voice = c.server, c.speech
			keys := testKeyring(config)
			keys.environment = func(context.Context, string) (sidetone.Environment, error) {
				return sidetone.Environment{DefaultVoice: c.environment}, nil
			}
			p := newProviders(config, everybody(), keys, slog.New(slog.DiscardHandler), func() {})
			row := planned(sidetone.Agent{VoiceID: c.agent}, builtIn)
			row.Snapshot.Agent.VoiceID = c.agent
			plan, err := p.Plan(t.Context(), row, 8000)
			got := ""
			if v := plan.Voice; v != nil {
				got = fmt.Sprintf("%s %s %s", v.ID, v.Type, v.Config)
			}
			if got != c.want || err != nil {
				t.Errorf("the call's is %q, %v; want %q", got, err, c.want)
			}
			shown, err := p.speaks(t.Context(), "e")
			if shown = builtIn.OrDefault(shown.Type, shown.Config); c.want != "" && fmt.Sprintf("%s %s %s", shown.ID, shown.Type, shown.Config) != c.want || err != nil {
				t.Errorf("the API's is %+v, %v; want %q", shown, err, c.want)
			}
		})
	}
}
