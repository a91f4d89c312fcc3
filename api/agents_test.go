package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func TestCreateAgent(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/agents/create", `{"name":"Reception","prompt":{"content":"Be kind.","label":"L","tags":["a"],"collect_fields":["email"]},
			"initial_message_delay":800,"idle_time_seconds":12.5,"deepgram_keywords":{"Sidetone":2},"transcriber":{"type":"tty"},"actions":[],"webhook":null}`).want(201)
		for path, want := range map[string]any{
			"name": "Reception", "prompt.content": "Be kind.", "language": "en", "interrupt_sensitivity": "low",
			"initial_message_delay": 800.0, "idle_time_seconds": 12.5, "deepgram_keywords.Sidetone": 2.0,
			"voice.type": "voice_flite", "user_id": b.env.AccountID, "enable_recording": true,
		} {
			if got := made.at(path); got != want {
				b.t.Errorf("%s: got %v, want %v", path, got, want)
			}
		}
		if diff := cmp.Diff(made.json, b.do("GET /v1/agents?id="+made.text("id"), "").want(200).json); diff != "" {
			b.t.Errorf("read back: (-made +read)\n%s", diff)
		}
		prompt := made.text("prompt.id")
		for _, body := range []string{`{"prompt":"` + prompt + `"}`, `{"prompt":{"id":"` + prompt + `"}}`} {
			if got := b.do("POST /v1/agents/create", body).want(201).text("prompt.id"); got != prompt {
				b.t.Errorf("%s: got prompt %s", body, got)
			}
		}
	})
}

func TestAgentRelations(t *testing.T) {
	both(t, func(b *bench) {
		tty := ""
		for _, voice := range b.do("GET /v1/voices/list", "").want(200).at("items").([]any) {
			if v := voice.(map[string]any); v["type"] == "voice_tty" {
				tty = v["id"].(string)
			}
		}
		for _, voice := range []string{`"` + tty + `"`, `{"id":"` + tty + `","type":"voice_tty"}`} {
			if got := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"voice":`+voice+`}`).want(201).text("voice.type"); got != "voice_tty" {
				b.t.Errorf("%s: got %s", voice, got)
			}
		}
		if got := b.do("GET /v1/voices?id="+tty, "").want(200).text("id"); got != tty {
			b.t.Errorf("got voice %s", got)
		}
		b.do("GET /v1/voices?id=x", "").fails(404, "id names no voice in this environment")
		for body, test := range map[string]struct {
			status  int
			message string
		}{
			`{"prompt":"x"}`:                                     {404, "prompt names no prompt in this environment"},
			`{"prompt":{"id":"x"}}`:                              {404, "prompt.id names no prompt in this environment"},
			`{"prompt":null}`:                                    {400, "prompt must not be null"},
			`{"prompt":7}`:                                       {400, "prompt must be a string or an object"},
			`{"prompt":{"content":"p"},"voice":""}`:              {404, "voice names no voice in this environment"},
			`{"prompt":{"content":"p"},"voice":{"id":"x"}}`:      {404, "voice.id names no voice in this environment"},
			`{"prompt":{"content":"p"},"voice":{}}`:              {400, "voice.type is required"},
			`{"prompt":{"content":"p"},"webhook":"x"}`:           {404, "webhook names no webhook in this environment"},
			`{"prompt":{"content":"p"},"actions":["a"]}`:         {404, "actions[0] names no action in this environment"},
			`{"prompt":{"content":"p"},"vector_database":"x"}`:   {404, "vector_database names no vector database in this environment"},
			`{"prompt":{"content":"p"},"llm_temperature":"hot"}`: {400, "llm_temperature must be a number"},
		} {
			b.do("POST /v1/agents/create", body).fails(test.status, test.message)
		}
		b.do("POST /v1/agents/update?id=x", `{}`).fails(404, "id names no agent in this environment")
		b.do("POST /v1/agents/update", `{}`).fails(400, "id is required")
	})
}

// TestAgentsWithoutVoiceShowTheDefault: what an agent that names no voice is shown with is
// what its calls speak with, and sending that back does not make it name one.
func TestAgentsWithoutVoiceShowTheDefault(t *testing.T) {
	both(t, func(b *bench) {
		old := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201)
		if got := old.text("voice.type"); got != "voice_flite" {
			b.t.Fatalf("without a default: %s", got)
		}
		flite := old.text("voice.id")
		usual := sidetone.Voice{Type: "voice_eleven_labs", Config: []byte(`{"voice_id":"rachel"}`)}
		b.speaks = func(context.Context, string) (sidetone.Voice, error) { return usual, nil }
		b.url = b.node()
		shows := func(what string, a answer, kind, name string) {
			b.t.Helper()
			if a.text("voice.type") != kind || kind != "voice_flite" && (a.at("voice.voice_id") != name || a.text("voice.id") != "default") {
				b.t.Errorf("%s: %s", what, a.raw)
			}
		}
		get := func(a answer) answer { return b.do("GET /v1/agents?id="+a.text("id"), "").want(200) }
		shows("read", get(old), "voice_eleven_labs", "rachel")
		made := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201)
		shows("made", made, "voice_eleven_labs", "rachel")
		copied := b.do("POST /v1/agents/create", string(made.raw)).want(201)
		sent := b.do("POST /v1/agents/update?id="+made.text("id"), string(made.raw)).want(201)
		python := http.Header{"Authorization": {"Bearer " + b.key}, "X-Fern-Sdk-Name": {"vocode-api"}, "X-Fern-Language": {"python"}}
		twin := withoutInnerIDs(b.send("GET /v1/agents?id="+made.text("id"), "", python).want(200).json, false)
		twinned := b.send("POST /v1/agents/create", encoded(b.t, twin), python).made()
		named := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"voice":"default"}`).want(201)
		usual = sidetone.Voice{Type: "voice_rime", Config: []byte(`{"speaker":"eva","voice_id":"eva"}`)}
		for what, a := range map[string]answer{"old": old, "made": made, "copied": copied, "sent back": sent, "named default": named, "copied by an older client": twinned} {
			shows(what, get(a), "voice_rime", "eva")
		}
		item := b.do("GET /v1/agents/list?size=1", "").want(200).at("items").([]any)[0].(map[string]any)
		if item["voice"].(map[string]any)["type"] != "voice_rime" {
			b.t.Errorf("in a list: %v", item["voice"])
		}
		if got := b.do("GET /v1/voices?id=default", "").want(200); got.text("type") != "voice_rime" || got.text("id") != "default" {
			b.t.Errorf("the voice itself: %s", got.raw)
		}
		pinned := b.do("POST /v1/agents/update?id="+old.text("id"), `{"voice":"`+flite+`"}`).want(201)
		shows("with flite by its id", pinned, "voice_flite", "")
		b.do("POST /v1/agents/update?id="+old.text("id"), `{"voice":{"id":"default","type":"voice_flite"}}`).want(409)
		shows("with null", b.do("POST /v1/agents/update?id="+old.text("id"), `{"voice":null}`).want(201), "voice_rime", "eva")
	})
}

// agentFields are the fields of an agent: a value other than the default, and
// what null makes of it (null for absent).
func agentFields() []struct{ name, value, cleared string } {
	return []struct{ name, value, cleared string }{
		{"key", `"k-1"`, `null`}, {"name", `"n"`, `null`}, {"label", `"l"`, `null`}, {"description", `"d"`, `null`},
		{"language", `"de"`, `"en"`}, {"initial_message", `"hi"`, `null`}, {"initial_message_delay", `250`, `0`},
		{"interrupt_sensitivity", `"high"`, `"low"`}, {"endpointing_sensitivity", `"relaxed"`, `"auto"`},
		{"ivr_navigation_mode", `"default"`, `"off"`}, {"conversation_speed", `1.5`, `1`},
		{"noise_suppression", `true`, `false`}, {"context_endpoint", `"http://x"`, `null`},
		{"ask_if_human_present_on_idle", `true`, `false`}, {"idle_time_seconds", `7`, `null`},
		{"max_idle_check_count", `4`, `2`}, {"call_duration_sec", `60`, `null`}, {"enable_recording", `false`, `true`},
		{"enable_dynamic_turns", `false`, `true`}, {"wait_for_greeting", `false`, `true`},
		{"run_do_not_call_detection", `true`, `false`}, {"provider", `"openai"`, `null`}, {"model", `"m"`, `null`},
		{"openai_model_name_override", `"o"`, `null`}, {"llm_temperature", `0.5`, `0`},
		{"llm_fallback", `{"provider":"azure"}`, `null`}, {"deepgram_keywords", `["k"]`, `null`},
		{"transcriber", `{"a":1}`, `null`}, {"post_call_actions", `[{"a":1}]`, `null`}, {"post_call_insights", `[]`, `null`},
		{"transfer_on_failure", `"+12025550123"`, `null`}, {"ai_disclosure", `{"mode":"never"}`, `null`},
		{"transfer", `"bridge"`, `null`},
	}
}

// TestKeywordsWithoutWeight: the Python SDK's type has null for a keyword's
// weight.
func TestKeywordsWithoutWeight(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"deepgram_keywords":{"Sidetone":2.5,"playout":null}}`).want(201)
		want := map[string]any{"Sidetone": 2.5, "playout": 1.0}
		if diff := cmp.Diff(want, made.at("deepgram_keywords")); diff != "" {
			b.t.Errorf("(-want +got)\n%s", diff)
		}
		got := b.do("POST /v1/agents/update?id="+made.text("id"), `{"deepgram_keywords":{"playout":null}}`).want(201)
		if diff := cmp.Diff(map[string]any{"playout": 1.0}, got.at("deepgram_keywords")); diff != "" {
			b.t.Errorf("(-want +got)\n%s", diff)
		}
		b.do("POST /v1/agents/update?id="+made.text("id"), `{"deepgram_keywords":{"playout":"much"}}`).
			fails(400, "deepgram_keywords.playout must be a number")
	})
}

// TestAgentFieldsChangeAlone updates each field of a fresh and of a full agent
// by itself, to a value and to null, and holds all others against before.
func TestAgentFieldsChangeAlone(t *testing.T) {
	both(t, func(b *bench) {
		fresh := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201)
		target := "?id=" + fresh.text("id")
		want := fresh.json
		fields := agentFields()
		for _, f := range fields {
			got := b.do("POST /v1/agents/update"+target, `{"`+f.name+`":`+f.value+`}`).want(201)
			set(b.t, want, f.name, f.value, f.cleared)
			if diff := cmp.Diff(want, got.json); diff != "" {
				b.t.Errorf("set %s: (-want +got)\n%s", f.name, diff)
			}
		}
		for _, f := range fields {
			got := b.do("POST /v1/agents/update"+target, `{"`+f.name+`":null}`).want(201)
			set(b.t, want, f.name, "null", f.cleared)
			if diff := cmp.Diff(want, got.json); diff != "" {
				b.t.Errorf("clear %s: (-want +got)\n%s", f.name, diff)
			}
		}
	})
}

// TestAgentFieldsAreAllTested compares the list above with the document.
func TestAgentFieldsAreAllTested(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{"id": true, "prompt": true, "voice": true, "actions": true, "webhook": true,
		"vector_database": true, "openai_account_connection": true}
	for _, f := range agentFields() {
		tested[f.name] = true
	}
	for name := range doc.Components.Schemas["AgentInput"].Value.Properties {
		if !tested[name] {
			t.Errorf("no test updates %s", name)
		}
	}
}

func TestPromptChangesAreAgentChanges(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/agents/create", `{"prompt":{"content":"p","label":"L"}}`).want(201)
		target := "?id=" + made.text("id")
		want := made.json
		prompt := want["prompt"].(map[string]any)
		for _, f := range []struct{ name, value, cleared string }{
			{"content", `"q"`, `""`}, {"label", `"M"`, `null`}, {"description", `"D"`, `null`},
			{"context_endpoint", `"http://x"`, `null`}, {"tags", `["t"]`, `[]`}, {"collect_fields", `[{"name":"x"}]`, `[]`},
		} {
			for _, value := range []string{f.value, "null"} {
				got := b.do("POST /v1/agents/update"+target, `{"prompt":{"`+f.name+`":`+value+`}}`).want(201)
				set(b.t, prompt, f.name, value, f.cleared)
				if diff := cmp.Diff(want, got.json); diff != "" {
					b.t.Errorf("%s to %s: (-want +got)\n%s", f.name, value, diff)
				}
			}
		}
		other := b.do("POST /v1/agents/create", `{"prompt":{"content":"other"}}`).want(201)
		got := b.do("POST /v1/agents/update"+target, `{"prompt":{"id":"`+other.text("prompt.id")+`","content":"changed"}}`).want(201)
		if got.text("prompt.id") != other.text("prompt.id") || got.text("prompt.content") != "changed" {
			b.t.Errorf("got %s", got.raw)
		}
		b.do("POST /v1/agents/update"+target, `{"prompt":null}`).fails(400, "prompt must not be null")
	})
}

func TestWholeAgentCanBeSentBack(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/agents/create", `{"name":"N","prompt":{"content":"p"},"idle_time_seconds":7,"llm_fallback":{"provider":"azure"}}`).want(201)
		got := b.do("POST /v1/agents/update?id="+made.text("id"), string(made.raw)).want(201)
		if diff := cmp.Diff(made.json, got.json); diff != "" {
			b.t.Errorf("(-sent +got)\n%s", diff)
		}
	})
}

func TestAgentList(t *testing.T) {
	both(t, func(b *bench) {
		b.agent(`{"name":"first","prompt":{"content":"p"}}`)
		b.agent(`{"name":"second","prompt":{"content":"q"}}`)
		page := b.do("GET /v1/agents/list", "").want(200)
		items := page.at("items").([]any)
		newest := items[0].(map[string]any)
		if len(items) != 2 || newest["name"] != "second" || newest["prompt"].(map[string]any)["content"] != "q" {
			b.t.Errorf("got %s", page.raw)
		}
		if got := b.do("GET /v1/voices/list", "").want(200).at("total"); got != 2.0 {
			b.t.Errorf("got %v voices", got)
		}
	})
}
