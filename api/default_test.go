package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// TestDefaultConnection: the first account connection of a type is the environment's
// default, unless it says otherwise, and there is one at most.
func TestDefaultConnection(t *testing.T) {
	both(t, func(b *bench) {
		create := func(kind, more string) string {
			return b.do("POST /v1/account_connections/create", fmt.Sprintf(`{"type":"account_connection_%s","credentials":{"api_key":"k"}%s}`, kind, more)).want(201).text("id")
		}
		defaults := func() string {
			var out []string
			items, _ := b.do("GET /v1/account_connections/list?sort_column=created&sort_desc=false", "").want(200).at("items").([]any)
			for _, item := range items {
				o, _ := item.(map[string]any)
				if id, ok := o["id"].(string); ok && o["default"] == true {
					out = append(out, id)
				}
			}
			return strings.Join(out, " ")
		}
		want := func(when string, ids ...string) {
			b.t.Helper()
			if got := defaults(); got != strings.Join(ids, " ") {
				b.t.Errorf("%s: got %s, want %s", when, got, ids)
			}
		}
		create("deepgram", `,"default":false`)
		want("one that says no")
		first := create("deepgram", "")
		want("the first one that says nothing", first)
		other := create("rime", "")
		second := create("deepgram", "")
		want("one of another type, and a second one", first, other)
		third := create("deepgram", `,"default":true`)
		want("a third one that says yes", other, third)
		b.do("POST /v1/account_connections/update?id="+second, `{"default":true}`).want(201)
		want("the second one, changed", other, second)
		b.do("POST /v1/account_connections/update?id="+second, `{"label":"L"}`).want(201)
		want("the second one, changed in something else", other, second)
		b.do("POST /v1/account_connections/update?id="+second, `{"default":null}`).want(201)
		want("none", other)
	})
}

// TestDefaultVoiceStaysDefault: an agent that names no voice goes on naming none when it
// is sent back as it was read, and names the built-in one by its id.
func TestDefaultVoiceStaysDefault(t *testing.T) {
	both(t, func(b *bench) {
		voiceOf := func(id string) (out string) {
			err := b.store.Read(t.Context(), b.env.ID, func(tx *store.Tx) error {
				a, err := tx.Agent(id)
				out = a.VoiceID
				return err
			})
			if err != nil {
				b.t.Fatal(err)
			}
			return out
		}
		id := b.agent(`{"prompt":{"content":"p"}}`)
		whole := b.do("GET /v1/agents?id="+id, "").want(200)
		b.do("POST /v1/agents/update?id="+id, string(whole.raw)).want(201)
		if got := voiceOf(id); got != "" {
			b.t.Errorf("sent back whole: it names voice %s", got)
		}
		b.do("POST /v1/agents/update?id="+id, `{"voice":"`+whole.text("voice.id")+`"}`).want(201)
		if got := voiceOf(id); got != whole.text("voice.id") {
			b.t.Errorf("named by its id: got %q", got)
		}
		b.do("POST /v1/agents/update?id="+id, string(b.do("GET /v1/agents?id="+id, "").want(200).raw)).want(201)
		if got := voiceOf(id); got != whole.text("voice.id") {
			b.t.Errorf("named by its id and sent back whole: got %q", got)
		}
	})
}

// TestAddressesOfConnections: an address that nothing is sent to is refused when it is
// new; one that is stored already may be sent back.
func TestAddressesOfConnections(t *testing.T) {
	both(t, func(b *bench) {
		stored := b.do("POST /v1/account_connections/create", `{"type":"account_connection_ollama","credentials":{},"config":{"base_url":"http://10.0.0.1/v1"}}`).want(201)
		b.checkAddress = func(address string) error {
			if strings.Contains(address, "10.0.0.1") {
				return errors.New("10.0.0.1 must not be reached")
			}
			return nil
		}
		b.url = b.node()
		for _, body := range []string{`"credentials":{},"config":{"base_url":"http://10.0.0.1/v1"}`, `"credentials":{"base_url":"http://10.0.0.1/v1"}`} {
			got := b.do("POST /v1/account_connections/create", `{"type":"account_connection_ollama",`+body+`}`).want(400).text("message")
			if !strings.Contains(got, ".base_url: 10.0.0.1 must not be reached") {
				b.t.Errorf("%s: got %q", body, got)
			}
		}
		b.do("POST /v1/account_connections/update?id="+stored.text("id"), string(stored.raw)).want(201)
		b.do("POST /v1/account_connections/update?id="+stored.text("id"), `{"config":{"base_url":"https://box.example/v1"}}`).want(201)
	})
}

// TestTriedConnectionsKeepWhatTheVendorSaid: the answer of a test and the state of the
// connection agree, and a change of the credentials forgets it.
func TestTriedConnectionsKeepWhatTheVendorSaid(t *testing.T) {
	both(t, func(b *bench) {
		id := b.do("POST /v1/account_connections/create", `{"type":"account_connection_deepgram","credentials":{"api_key":"k"}}`).want(201).text("id")
		got := b.do("POST /v1/account_connections/test?id="+id, "").want(200)
		if got.at("ok") != true || got.at("checks").([]any)[0].(map[string]any)["latency_ms"] != 1.0 {
			b.t.Errorf("got %s", got.raw)
		}
		if state := b.do("GET /v1/account_connections?id="+id, "").want(200).text("state"); state != "verified" {
			b.t.Errorf("the state is %q", state)
		}
		said := "deepgram: no connection: dial ws://" + strings.Repeat("é", 200) + ": its address is not a public one; the operator can allow it with outbound.allow"
		b.try = func(context.Context, sidetone.Connection) ([]Trial, error) {
			return []Trial{{Part: "voice", Latency: time.Millisecond}, {Part: "recogniser", Err: errors.New(said)}}, nil
		}
		b.url = b.node()
		got = b.do("POST /v1/account_connections/test?id="+id, "").want(200)
		if got.at("ok") != false || got.at("checks").([]any)[1].(map[string]any)["error"] != said {
			b.t.Errorf("got %s", got.raw)
		}
		c := b.do("GET /v1/account_connections?id="+id, "").want(200)
		if c.text("state") != "failed" || c.text("state_cause") != said || c.text("state_since") == "" {
			b.t.Errorf("got %s", c.raw)
		}
		b.do("POST /v1/account_connections/update?id="+id, `{"label":"L"}`).want(201)
		if state := b.do("GET /v1/account_connections?id="+id, "").want(200).text("state"); state != "failed" {
			b.t.Errorf("after another label the state is %q", state)
		}
		b.do("POST /v1/account_connections/update?id="+id, `{"credentials":{"api_key":"other"}}`).want(201)
		if state := b.do("GET /v1/account_connections?id="+id, "").want(200).at("state"); state != nil {
			b.t.Errorf("after other credentials the state is %v", state)
		}
		b.try = func(context.Context, sidetone.Connection) ([]Trial, error) { return nil, nil }
		b.url = b.node()
		b.do("POST /v1/account_connections/test?id="+id, "").want(400)
		b.do("POST /v1/account_connections/test?id=none", "").want(404)
	})
}

// TestFallbacksAreChecked: who takes over is somebody that is known, and no key is stored
// beside it.
func TestFallbacksAreChecked(t *testing.T) {
	both(t, func(b *bench) {
		for body, want := range map[string]string{
			`{"prompt":{"content":"p"},"transcriber":{"type":"tty","fallback":{"type":"transcriber_banana"}}}`:                         "transcriber.fallback.type must be one of ",
			`{"prompt":{"content":"p"},"transcriber":{"type":"tty","fallback":{}}}`:                                                    "transcriber.fallback.type must be one of ",
			`{"prompt":{"content":"p"},"transcriber":{"type":"tty","fallback":{"type":"pocketsphinx","api_key":"k"}}}`:                 "transcriber.fallback.api_key must not be given",
			`{"prompt":{"content":"p"},"voice":{"type":"voice_azure","voice_name":"x","fallback":{"type":"voice_banana"}}}`:            "voice.fallback.type must be one of ",
			`{"prompt":{"content":"p"},"voice":{"type":"voice_azure","voice_name":"x","fallback":{"type":"voice_tty","api_key":"k"}}}`: "voice.fallback.api_key must not be given",
		} {
			if got := b.do("POST /v1/agents/create", body).want(400).text("message"); !strings.HasPrefix(got, want) {
				b.t.Errorf("%s: got %q", body, got)
			}
		}
		good := `{"prompt":{"content":"p"},"transcriber":{"type":"tty","fallback":{"type":"transcriber_deepgram","model":"m"}},"voice":{"type":"voice_azure","voice_name":"x","fallback":{"type":"voice_flite","voice":"slt"}}}`
		made := b.do("POST /v1/agents/create", good).want(201)
		if made.text("transcriber.fallback.model") != "m" || made.text("voice.fallback.voice") != "slt" {
			b.t.Errorf("got %s", made.raw)
		}
	})
}
