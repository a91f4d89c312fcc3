package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// hostsAsked is a transport that notes which hosts are asked, and answers none.
type hostsAsked struct {
	mu   sync.Mutex
	seen map[string]bool
}

// RoundTrip fails.
func (h *hostsAsked) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[r.URL.Hostname()] = true
	return nil, trialError("refused")
}

// TestKeysGoToTheirVendorsOnly: with a key and nothing else each driver asks a host of
// its own vendor's, or none.
func TestKeysGoToTheirVendorsOnly(t *testing.T) {
	t.Parallel()
	own := map[string]string{
		"openai": "api.openai.com", "anthropic": "api.anthropic.com", "google": "generativelanguage.googleapis.com", "deepseek": "api.deepseek.com",
		"togetherai": "api.together.xyz", "openrouter": "openrouter.ai", "ollama": "127.0.0.1", "deepgram": "api.deepgram.com", "assemblyai": "streaming.assemblyai.com",
		"elevenlabs": "api.elevenlabs.io", "cartesia": "api.cartesia.ai", "rime": "users-ws.rime.ai",
	}
	all, asked := newVendors(), map[string]*hostsAsked{}
	opened := func(supplier string) (access, bool) {
		a := access{Key: "k", Settings: map[string]string{}}
		if supplierOf(supplier).addressed(a, "config") != nil {
			return a, false
		}
		if asked[supplier] == nil {
			asked[supplier] = &hostsAsked{seen: map[string]bool{}}
		}
		a.HTTP = &http.Client{Transport: asked[supplier]}
		return a, true
	}
	for _, v := range all.models {
		if a, ok := opened(v.supplier); ok {
			trial(t.Context(), "model", v.open(a, choice{}), tryModel)
		}
	}
	for _, v := range all.voices {
		if a, ok := opened(v.supplier); ok {
			trial(t.Context(), "voice", v.open(a, choice{Rate: 8000}), tryVoice)
		}
	}
	for _, v := range all.recognisers {
		if a, ok := opened(v.supplier); ok {
			trial(t.Context(), "recogniser", v.open(a, choice{Rate: 8000}), tryRecogniser)
		}
	}
	for _, s := range suppliers() {
		if asked[s.name] == nil {
			if own[s.name] != "" {
				t.Errorf("%s: nobody was asked", s.name)
			}
			continue
		}
		for host := range asked[s.name].seen {
			if host != own[s.name] {
				t.Errorf("%s: the key went to %s", s.name, host)
			}
		}
	}
}

// TestAzureWithoutAddress: the driver itself asks nobody.
func TestAzureWithoutAddress(t *testing.T) {
	t.Parallel()
	wire := &refuser{}
	if err := generateOnce(t.Context(), models()["azure_llm"].open(access{HTTP: &http.Client{Transport: wire}, Key: "k"}, choice{})); err == nil || wire.last != nil && wire.last.URL.Host != "" {
		t.Errorf("error %v, asked %v", err, wire.last)
	}
}

// TestAccountsLeadSomewhere: a connection without an address names the setting that it lacks.
func TestAccountsLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, credentials, config, want string }{
		{"azure_llm", `{"api_key":"k"}`, `{}`, "config.base_url is required: the address of your resource, such as https://NAME.openai.azure.com"},
		{"azure_llm", `{"api_key":"k"}`, `{"base_url":"https://n.openai.azure.com"}`, ""},
		{"azure_llm", `{"api_key":"k"}`, `{"endpoint":"https://n.openai.azure.com"}`, ""},
		{"azure_llm", `{"api_key":"k","base_url":"https://n.openai.azure.com"}`, `{}`, ""},
		{"azure_speech", `{"api_key":"k"}`, `{}`, "config.region is required: that of your resource, such as westeurope"},
		{"azure_speech", `{"api_key":"k"}`, `{"region":"westeurope"}`, ""},
		{"kokoro", `{}`, `{}`, "config.base_url is required: the address of your server, such as http://127.0.0.1:8880/v1"},
		{"whisper", `{"api_key":"k"}`, `{}`, "config.base_url is required: the address of your server, such as http://127.0.0.1:8000/v1"},
		{"harness", `{}`, `{}`, "config.base_url is required: the WebSocket of your program, such as wss://NAME/agent"},
		{"openai", `{"api_key":"k"}`, `{}`, ""},
		{"openai", `{"api_key":"k"}`, `{"Base_URL":"https://box.example"}`, "config.base_url must be written like this"},
		{"openai", `{"api_key":"k"}`, `{"baseUrl":"https://box.example"}`, "config.base_url must be written like this"},
		{"openai", `{"api_key":"k"}`, `{"base_url":5}`, "config.base_url must be a text"},
		{"openai", `{"api_key":"k"}`, `{"base_url":null,"team":5}`, ""},
		{"anthropic", `{"api_key":"k"}`, `{"anthropic_version":"1999"}`, "config.anthropic_version must be 2023-06-01 or 2026-10-21"},
		{"anthropic", `{"api_key":"k"}`, `{"anthropic_version":"2023-06-01"}`, ""},
		{"harness", `{}`, `{"base_url":"wss://box.example","protocol":"vapi"}`, "config.protocol must be conversation_relay or retell"},
		{"harness", `{}`, `{"base_url":"wss://box.example","protocol":"retell"}`, ""},
		{"azure_speech", `{"api_key":"k"}`, `{"region":"evil.example/x?"}`, "config.region must be letters, digits and hyphens, such as westeurope"},
		{"sip", `{"password":"k"}`, `{}`, ""},
	} {
		connection := sidetone.Connection{ID: "c", Type: "account_connection_" + c.kind, Credentials: sidetone.Secret(c.credentials), Config: []byte(c.config)}
		got := ""
		if err := checkAccount(connection); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.kind, c.config, got, c.want)
		}
		p := &providers{vendors: vendors{models: map[string]vendor[llm.Driver]{}, voices: map[string]vendor[synthesizer.Driver]{}, recognisers: map[string]vendor[transcriber.Driver]{}}, keys: testKeyring(Defaults())}
		if _, err := p.try(t.Context(), connection); (err == nil) != (c.want == "") {
			t.Errorf("%s %s is tried: %v", c.kind, c.config, err)
		}
	}
}

// TestKeysOfTheServersNeedAddresses: in the configuration they are refused without one;
// those that only lie in the environment are not used, and that is said.
func TestKeysOfTheServersNeedAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		providers map[string]ProviderConfig
		environ   []string
		refused   string
		unused    string
		want      ProviderConfig // of azure_llm, or azure_speech
	}{
		{map[string]ProviderConfig{"azure_llm": {APIKey: "k"}}, nil, "providers.azure_llm.base_url is required: the address of your resource, such as https://NAME.openai.azure.com", "", ProviderConfig{APIKey: "k"}},
		{map[string]ProviderConfig{"azure_speech": {APIKey: "k"}}, nil, "providers.azure_speech.region is required: that of your resource, such as westeurope", "", ProviderConfig{APIKey: "k"}},
		{nil, []string{"AZURE_OPENAI_API_KEY=k"}, "", "AZURE_OPENAI_API_KEY is not used: providers.azure_llm.base_url is required: the address of your resource, such as https://NAME.openai.azure.com; AZURE_OPENAI_ENDPOINT says it, too", ProviderConfig{APIKey: "k", Found: true}},
		{nil, []string{"AZURE_OPENAI_API_KEY=k", "AZURE_OPENAI_ENDPOINT=https://n.openai.azure.com"}, "", "", ProviderConfig{APIKey: "k", BaseURL: "https://n.openai.azure.com", Found: true}},
		{nil, []string{"AZURE_SPEECH_KEY=k"}, "", "AZURE_SPEECH_KEY is not used: providers.azure_speech.region is required: that of your resource, such as westeurope; AZURE_SPEECH_REGION says it, too", ProviderConfig{APIKey: "k", Found: true}},
		{nil, []string{"AZURE_SPEECH_KEY=k", "AZURE_SPEECH_REGION=westeurope"}, "", "", ProviderConfig{APIKey: "k", Region: "westeurope", Found: true}},
		{map[string]ProviderConfig{"azure_speech": {Region: "northeurope"}}, []string{"AZURE_SPEECH_KEY=k", "AZURE_SPEECH_REGION=westeurope"}, "", "", ProviderConfig{APIKey: "k", Region: "northeurope", Found: true}},
		{nil, []string{"AZURE_OPENAI_ENDPOINT=https://n.openai.azure.com"}, "", "", ProviderConfig{}},
	} {
		config := Defaults()
		config.Providers = c.providers
		config.usualKeys(c.environ)
		refused := ""
		if err := config.Validate(); err != nil {
			refused = err.Error()
		}
		got := config.Providers["azure_llm"]
		if !got.configured() {
			got = config.Providers["azure_speech"]
		}
		if unused := strings.Join(config.unusedKeys(), ", "); refused != c.refused || unused != c.unused && c.refused == "" || got.APIKey != c.want.APIKey || got.BaseURL != c.want.BaseURL || got.Region != c.want.Region || got.Found != c.want.Found {
			t.Errorf("%v %v: %q, %q, %+v", c.providers, c.environ, refused, unused, got)
		}
	}
}

// TestTokensInAddressesAreNotTold: a program that repeats the query of its address tells
// it to nobody.
func TestTokensInAddressesAreNotTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not for "+r.URL.String()+" of "+r.Header.Get("X-Twilio-Signature"), http.StatusUnauthorized)
	}))
	defer server.Close()
	base := server.URL + "/relay?token=hush-hush&v=1"
	d := models()["harness"].open(access{HTTP: server.Client(), Key: "k-123456", Base: base}, choice{})
	err := generateOnce(context.Background(), d)
	if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "not for /relay?token=********&v=1 of ********") {
		t.Error(err)
	}
}
