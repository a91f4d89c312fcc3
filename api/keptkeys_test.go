package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// TestKeysAreRefusedWhereTheyWouldBeKept: what is stored as it is given takes no key, at
// any depth.
func TestKeysAreRefusedWhereTheyWouldBeKept(t *testing.T) {
	both(t, func(b *bench) {
		id := b.agent(`{"prompt":{"content":"p"}}`)
		for body, want := range map[string]string{
			`"llm_fallback":{"provider":"openai","api_key":"canary"}`:                                                                   "llm_fallback.api_key",
			`"llm_fallback":{"provider":"openai","credentials":{"openai_api_key":"canary"}}`:                                            "llm_fallback.credentials.openai_api_key",
			`"llm_fallback":{"provider":"openai","fallback":{"token":"canary"}}`:                                                        "llm_fallback.fallback.token",
			`"transcriber":{"type":"transcriber_deepgram","api_key":"canary"}`:                                                          "transcriber.api_key",
			`"transcriber":{"type":"transcriber_deepgram","apiKey":"canary"}`:                                                           "transcriber.apiKey",
			`"transcriber":{"type":"transcriber_deepgram","headers":[{"Authorization":"canary"}]}`:                                      "transcriber.headers[].Authorization",
			`"transcriber":{"type":"tty","fallback":{"type":"pocketsphinx","password":"canary"}}`:                                       "transcriber.fallback.password",
			`"voice":{"type":"voice_azure","voice_name":"x","fallback":{"type":"voice_tty","key":"canary"}}`:                            "voice.fallback.key",
			`"voice":{"type":"voice_azure","voice_name":"x","fallback":{"type":"voice_tty","fallback":{"x-api-key":"canary"}}}`:         "voice.fallback.fallback.x-api-key",
			`"openai_account_connection":{"type":"account_connection_ollama","credentials":{},"config":{"headers":{"token":"canary"}}}`: "openai_account_connection.config.headers.token",
		} {
			for _, path := range []string{"POST /v1/agents/create", "POST /v1/agents/update?id=" + id} {
				sent := "{" + body + "}"
				if strings.HasSuffix(path, "create") {
					sent = `{"prompt":{"content":"p"},` + body + "}"
				}
				got := b.do(path, sent).want(400)
				if message := got.text("message"); message != want+" must not be given: keys belong into the credentials of account connections" || strings.Contains(string(got.raw), "canary") {
					b.t.Errorf("%s: got %q", body, message)
				}
			}
		}
		b.do("POST /v1/agents/update?id="+id, `{"transcriber":{"type":"tty","key_terms":["token"],"tokens":7},"deepgram_keywords":{"token":1},"llm_fallback":{"provider":"openai","model_name":"secret"}}`).want(201)
	})
}

// TestKeysThatWereKeptAreMasked: what was stored before, or where members may be called
// anything, is shown with stars, and may be sent back.
func TestKeysThatWereKeptAreMasked(t *testing.T) {
	both(t, func(b *bench) {
		id := b.agent(`{"prompt":{"content":"p"},"post_call_actions":[{"url":"https://x.example","api_key":"canary-of-the-agent"}]}`)
		set := func(extra string) {
			if err := b.store.Write(t.Context(), b.env.ID, func(tx *store.Tx) error {
				a, err := tx.Agent(id)
				a.Extra = []byte(extra)
				return errors.Join(err, tx.UpdateAgent(a))
			}); err != nil {
				b.t.Fatal(err)
			}
		}
		stored := func() (out string) {
			if err := b.store.Read(t.Context(), b.env.ID, func(tx *store.Tx) error {
				a, err := tx.Agent(id)
				out = string(a.Extra)
				return err
			}); err != nil {
				b.t.Fatal(err)
			}
			return out
		}
		whole := b.do("GET /v1/agents?id="+id, "").want(200)
		if got := fmt.Sprint(whole.at("post_call_actions")); got != "[map[api_key:********gent url:https://x.example]]" {
			b.t.Errorf("shown as %s", got)
		}
		b.do("POST /v1/agents/update?id="+id, `{"post_call_actions":[{"url":"https://y.example","api_key":"********gent"}]}`).want(201)
		if got := stored(); !strings.Contains(got, "canary-of-the-agent") || !strings.Contains(got, "y.example") {
			b.t.Errorf("sent back with another address: %s", got)
		}
		b.do("POST /v1/agents/update?id="+id, `{"post_call_actions":[{"api_key":"********else"}]}`).want(400)
		before := `{"llm_fallback":{"provider":"openai","api_key":"canary-of-the-model"},"transcriber":{"type":"tty","fallback":{"type":"pocketsphinx","token":"canary-of-the-ears"}}}`
		set(before)
		for _, path := range []string{"GET /v1/agents?id=" + id, "GET /v1/agents/list", "GET /v1/agents?id=" + id} {
			if got := b.do(path, "").want(200); strings.Contains(string(got.raw), "canary") || !strings.Contains(string(got.raw), "********odel") {
				b.t.Errorf("%s: %s", path, got.raw)
			}
		}
		b.do("POST /v1/agents/update?id="+id, string(b.do("GET /v1/agents?id="+id, "").want(200).raw)).want(201)
		if got := stored(); !strings.Contains(got, "canary-of-the-model") || !strings.Contains(got, "canary-of-the-ears") {
			b.t.Errorf("sent back whole: %s", got)
		}
		made := b.do("POST /v1/calls/create", `{"from_number":"`+b.number()+`","to_number":"+12025550148","agent":"`+id+`"}`).want(201)
		if strings.Contains(string(made.raw), "canary") {
			b.t.Errorf("a call: %s", made.raw)
		}
		if got := b.do("GET /v1/calls?id="+made.text("id"), "").want(200); strings.Contains(string(got.raw), "canary") {
			b.t.Errorf("its record: %s", got.raw)
		}
	})
}

// TestAccountsFitTheirAgents: an agent takes no account that its provider does not serve,
// and an account that agents use gets no such type.
func TestAccountsFitTheirAgents(t *testing.T) {
	both(t, func(b *bench) {
		b.checkThinks = func(provider string, c sidetone.Connection) error {
			if provider != "" && c.Provider() != provider {
				return fmt.Errorf("openai_account_connection must be of type account_connection_%s", provider)
			}
			return nil
		}
		b.checkAccount = func(c sidetone.Connection) error {
			if c.Provider() == "azure_llm" && !strings.Contains(string(c.Config), "base_url") {
				return errors.New("config.base_url is required: the address")
			}
			return nil
		}
		b.url = b.node()
		account := func(vendor string) string {
			return b.do("POST /v1/account_connections/create", `{"type":"account_connection_`+vendor+`","credentials":{"openai_api_key":"k"},"config":{"base_url":"https://x.example"}}`).want(201).text("id")
		}
		openai, anthropic := account("openai"), account("anthropic")
		const wrong = "openai_account_connection must be of type account_connection_openai"
		body := func(account, provider string) string {
			return `{"prompt":{"content":"p"},"openai_account_connection":"` + account + `","provider":"` + provider + `"}`
		}
		if got := b.do("POST /v1/agents/create", body(anthropic, "openai")).want(400).text("message"); got != wrong {
			b.t.Errorf("create: %q", got)
		}
		id := b.do("POST /v1/agents/create", body(openai, "openai")).want(201).text("id")
		if got := b.do("POST /v1/agents/update?id="+id, `{"openai_account_connection":"`+anthropic+`"}`).want(400).text("message"); got != wrong {
			b.t.Errorf("another account: %q", got)
		}
		if got := b.do("POST /v1/agents/update?id="+id, `{"provider":"anthropic"}`).want(400).text("message"); got != "openai_account_connection must be of type account_connection_anthropic" {
			b.t.Errorf("another provider: %q", got)
		}
		b.do("POST /v1/agents/update?id="+id, `{"provider":"anthropic","openai_account_connection":"`+anthropic+`"}`).want(201)
		b.do("POST /v1/agents/update?id="+id, `{"name":"N"}`).want(201)
		if got := b.do("POST /v1/account_connections/update?id="+anthropic, `{"type":"account_connection_google","credentials":{"api_key":"k"}}`).want(409).text("message"); !strings.Contains(got, "agent "+id) || !strings.Contains(got, "account_connection_anthropic") {
			b.t.Errorf("another type: %q", got)
		}
		b.do("POST /v1/account_connections/update?id="+openai, `{"type":"account_connection_google","credentials":{"api_key":"k"}}`).want(201)
		if got := b.do("POST /v1/account_connections/create", `{"type":"account_connection_azure_llm","credentials":{"api_key":"k"},"config":{}}`).want(400).text("message"); got != "config.base_url is required: the address" {
			b.t.Errorf("no address: %q", got)
		}
	})
}
