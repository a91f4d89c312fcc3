package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/speech"
)

// TestDoctorAsksVendors: the server's keys and the default connections are tried, with
// how long the vendor took or what it said; beside a server, and when none runs.
func TestDoctorAsksVendors(t *testing.T) {
	t.Parallel()
	const key = "a-key-that-nobody-may-see"
	serve := func(h http.Handler) string {
		s, err := standin.Start("127.0.0.1:0", h, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s.URL
	}
	models := serve(openai.New(openai.Options{Control: &standin.Control{}, Key: key, Model: &llmtest.Stub{}})) + "/v1"
	voices := serve(elevenlabs.New(speech.Options{Control: &standin.Control{}, Key: key}))
	c := testConfig(t)
	c.Outbound.Allow = []string{"127.0.0.1"}
	c.Providers = map[string]ProviderConfig{"deepseek": {APIKey: key, BaseURL: models}, "anthropic": {APIKey: "wrong-" + key, BaseURL: voices}}
	r := run(t, c)
	api := r.client(r.ready.APIKey)
	connect := func(vendor, key, base string) (id string) {
		t.Helper()
		var made client.AccountConnection
		body := json.RawMessage(fmt.Sprintf(`{"type":"account_connection_%s","credentials":{"%s_api_key":%q},"config":{"base_url":%q},"default":true}`, vendor, vendor, key, base))
		if err := api.Do(t.Context(), http.MethodPost, "/v1/account_connections/create", nil, body, &made); err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	good, bad := connect("deepseek", key, models), connect("elevenlabs", "wrong-"+key, voices)
	check := func(when string) {
		t.Helper()
		found := checkVendors(t.Context(), c, Finding{})
		if text := fmt.Sprintf("%+v", found); strings.Contains(text, key) {
			t.Errorf("%s: a key is shown: %s", when, text)
		}
		for _, want := range []struct{ name, detail, fix string }{
			{"vendor anthropic", "the server's key: model failed: anthropic: ", "see providers.anthropic in the configuration, or ANTHROPIC_API_KEY"},
			{"vendor deepseek", "the server's key: model ok after ", ""},
			{"vendor deepseek", "connection " + good + " of environment default: model ok after ", ""},
			{"vendor elevenlabs", "connection " + bad + " of environment default: voice failed: elevenlabs: credential refused (401): ", "`sidetone connect elevenlabs` stores another key"},
		} {
			if !slices.ContainsFunc(found, func(f Finding) bool {
				return f.Name == want.name && strings.HasPrefix(f.Detail, want.detail) && f.Fix == want.fix && f.Optional
			}) {
				t.Errorf("%s: %+v is not among %+v", when, want, found)
			}
		}
		if len(found) != 4 {
			t.Errorf("%s: found %+v", when, found)
		}
	}
	check("beside the server")
	r.end()
	check("after it stopped")
}

// TestVendorsAreAskedForABoundedTime: whoever does not answer is told as such.
func TestVendorsAreAskedForABoundedTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	silent := vendorAccount{vendor: "acme", whose: "the server's key", try: func(ctx context.Context) ([]client.ConnectionCheck, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	found := tryAccounts(ctx, slices.Repeat([]vendorAccount{silent}, 3*vendorsAtOnce))
	for _, f := range found {
		if !strings.HasPrefix(f.Detail, "the server's key was not tried: ") || f.Fix == "" {
			t.Errorf("found %+v", f)
		}
	}
}

// TestDoctorSaysWhoHasTheLastWord: behind a proxy, names mean what it makes of them.
func TestDoctorSaysWhoHasTheLastWord(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"": "", "http://user:secret@proxy.example:3128": "through proxy.example:3128;", "http://a b": "no address"} {
		f := checkProxy(func(*http.Request) (*url.URL, error) {
			if address == "" {
				return nil, nil //nolint:nilnil // so net/http says that there is none
			}
			return url.Parse(address)
		})
		if want == "" && f.Detail != "" || !strings.Contains(f.Detail, want) || strings.Contains(f.Detail, "secret") {
			t.Errorf("%q: %+v", address, f)
		}
	}
}
