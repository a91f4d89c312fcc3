package server

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
)

// TestDefaultsThatNobodyServes: a start refuses what can never work, and tells what does
// not work as things are.
func TestDefaultsThatNobodyServes(t *testing.T) {
	t.Parallel()
	key := map[string]ProviderConfig{"openai": {APIKey: "k"}}
	for name, c := range map[string]struct {
		defaults     DefaultsConfig
		providers    map[string]ProviderConfig
		environments []string
		refused      string
		doubts       []string
	}{
		"nothing":          {},
		"auto":             {defaults: DefaultsConfig{Model: "auto"}},
		"all of one key":   {defaults: DefaultsConfig{"openai/gpt-4.1", "voice_openai", "transcriber_openai"}, providers: key, environments: []string{"e"}},
		"the server's own": {defaults: DefaultsConfig{"scripted", "voice_flite/slt", "pocketsphinx"}},
		"a wrong model":    {defaults: DefaultsConfig{Model: "opena/x"}, refused: `defaults.model: nobody serves "opena/x"`},
		"auto with a name": {defaults: DefaultsConfig{Model: "auto/x"}, refused: `defaults.model: nobody serves "auto/x"`},
		"no kind":          {defaults: DefaultsConfig{Model: "/x"}, refused: `defaults.model: nobody serves "/x"`},
		"a closed vendor":  {defaults: DefaultsConfig{Voice: "voice_play_ht/x"}, refused: `defaults.voice: nobody serves "voice_play_ht/x"`},
		"no driver":        {defaults: DefaultsConfig{Transcriber: "transcriber_azure"}, refused: `defaults.transcriber: nobody serves "transcriber_azure"`},
		"no key": {defaults: DefaultsConfig{Model: "openai/gpt-4.1"}, doubts: []string{
			"defaults.model is openai/gpt-4.1, for which the server has no key (providers.openai or OPENAI_API_KEY): it serves environments with an account connection of their own only"}},
		"an environment that is not there": {providers: map[string]ProviderConfig{"openai": {APIKey: "k", Environments: []string{"nope"}}}, environments: []string{"e"},
			doubts: []string{"providers.openai.environments lists nope, and there is no such environment"}},
		"several environments": {providers: key, environments: []string{"e", "f"},
			doubts: []string{"the server's key for openai serves nobody: there are 2 environments, and providers.openai.environments lists none"}},
	} {
		config := Defaults()
		config.Defaults, config.Providers = c.defaults, c.providers
		refused := ""
		if err := config.Validate(); err != nil {
			refused, _, _ = strings.Cut(err.Error(), ": docs")
		}
		if refused != c.refused {
			t.Errorf("%s: refused with %q", name, refused)
		}
		if got := config.doubts(c.environments); c.refused == "" && !slices.Equal(got, c.doubts) {
			t.Errorf("%s: doubts %q", name, got)
		}
	}
}

// TestLackingEnvironment: whoever makes an environment, or names somebody for it, hears
// that nobody has a key.
func TestLackingEnvironment(t *testing.T) {
	t.Parallel()
	guard, err := newGuard(Defaults().Outbound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	alone := true
	k := keyring{accounts: func(_ context.Context, _, kind string) (*sidetone.Connection, error) {
		if kind != "account_connection_deepgram" {
			return nil, nil //nolint:nilnil // it has none
		}
		return &sidetone.Connection{ID: "c", Type: kind, Credentials: `{"api_key":"k"}`, Config: []byte("{}")}, nil
	}, providers: map[string]ProviderConfig{"openai": {APIKey: "k"}, "rime": {}}, sole: func(context.Context) (bool, error) { return alone, nil }, guard: guard}
	p := &providers{vendors: newVendors(), keys: k}
	e := sidetone.Environment{ID: "e", DefaultModel: "openai", DefaultVoice: "voice_rime/x", DefaultTranscriber: "transcriber_deepgram", FallbackVoice: "voice_flite"}
	for _, c := range []struct {
		alone, made bool
		want        string
	}{
		{true, false, "default_voice"}, {true, true, "default_voice"}, {false, false, "default_model default_voice"}, {false, true, "default_model default_voice id"},
	} {
		alone = c.alone
		found, err := p.lackingEnvironment(t.Context(), e, c.made)
		var got []string
		for _, w := range found {
			got = append(got, w.Property)
			if w.Property == "id" && !strings.Contains(w.Sentence, "providers.NAME.environments does not list it: openai.") {
				t.Errorf("says %q", w.Sentence)
			}
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
