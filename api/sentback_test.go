package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/store"
)

// family is a kind of client, by the headers it sends.
type family struct {
	name   string
	header http.Header
}

// clientFamilies are the kinds of client, fluents first.
func clientFamilies() []family {
	sdk := func(name, language string) http.Header {
		return http.Header{"X-Fern-Sdk-Name": {name}, "X-Fern-Language": {language}}
	}
	return []family{{"fluents", nil}, {"python", sdk("vocode-api", "Python")}, {"javascript", sdk("@vocode/vocode-api", "JavaScript")}, {"vocode", sdk("vocode-api", "")}}
}

// by sends a request as a client of the family does.
func (b *bench) by(f family, target, body string) answer {
	b.t.Helper()
	header := f.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+b.key)
	return b.send(target, body, header)
}

// withoutInnerIDs is value without the ids of the objects in it and, unless it is
// the outermost one, of itself. Free maps keep what they have.
func withoutInnerIDs(value any, outermost bool) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			switch {
			case !outermost && (name == "id" || name == "user_id"):
			case slices.Contains([]string{"input_schema", "example_context", "context"}, name):
				out[name] = member
			default:
				out[name] = withoutInnerIDs(member, false)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutInnerIDs(v[i], false)
		}
		return out
	default:
		return value
	}
}

// withoutNulls is value without the members that are null, at every depth.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if member != nil {
				out[name] = withoutNulls(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutNulls(v[i])
		}
		return out
	default:
		return value
	}
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// fiveActions are what an agent of the tests can do.
const fiveActions = `[
	{"type":"action_external","label":"first","config":{"name":"look_up","description":"d","url":"https://a.example/x","input_schema":{"type":"object"}}},
	{"type":"action_dtmf","label":"same"},{"type":"action_dtmf","label":"same"},
	{"type":"action_external","config":{"name":"book","description":"d","url":"https://b.example/x","input_schema":{"type":"object","properties":{"id":{"type":"string"}}},"speak_on_send":"one moment","speak_on_receive":"done"}},
	{"type":"action_transfer_call","config":{"phone_number":"+12025550177"}}]`

// actionsOf are the ids of an agent's actions, and their secrets in clear.
func (b *bench) actionsOf(agent string) (ids, secrets []string) {
	b.t.Helper()
	err := b.store.Read(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
		row, err := tx.Agent(agent)
		ids, secrets = row.ActionIDs, nil
		for _, id := range row.ActionIDs {
			action, err := tx.Action(id)
			if err != nil {
				return err
			}
			secrets = append(secrets, action.SignatureSecret.Reveal())
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return ids, secrets
}

// TestActionsSentBackWithoutIDs: removing, adding, reordering or editing one of
// five actions keeps the ids and the secrets of the others.
func TestActionsSentBackWithoutIDs(t *testing.T) {
	added := map[string]any{"type": "action_external", "config": map[string]any{
		"name": "new", "description": "d", "url": "https://c.example/x", "input_schema": map[string]any{"type": "object"},
	}}
	edited := func(list []any, i int, name string, value any) []any {
		list[i].(map[string]any)[name] = value
		return list
	}
	// Each change returns the list to send, and which of the five stand in it now;
	// -1 is a new one.
	changes := map[string]func([]any) ([]any, []int){
		"nothing":      func(l []any) ([]any, []int) { return l, []int{0, 1, 2, 3, 4} },
		"removed":      func(l []any) ([]any, []int) { return l[1:], []int{1, 2, 3, 4} },
		"added":        func(l []any) ([]any, []int) { return append([]any{added}, l...), []int{-1, 0, 1, 2, 3, 4} },
		"reordered":    func(l []any) ([]any, []int) { return []any{l[4], l[3], l[0], l[1], l[2]}, []int{4, 3, 0, 1, 2} },
		"label edited": func(l []any) ([]any, []int) { return edited(l, 3, "label", "edited"), []int{0, 1, 2, 3, 4} },
		"only of its type edited": func(l []any) ([]any, []int) {
			return edited(l, 4, "config", map[string]any{"phone_number": "+12025550178"}), []int{0, 1, 2, 3, 4}
		},
		"one of a type edited": func(l []any) ([]any, []int) { return edited(l, 2, "label", "edited"), []int{0, 1, -1, 3, 4} },
		"replaced":             func(l []any) ([]any, []int) { return []any{l[0], l[1], l[2], added, l[4]}, []int{0, 1, 2, -1, 4} },
	}
	both(t, func(b *bench) {
		for _, f := range clientFamilies() {
			for name, change := range changes {
				agent := b.agent(`{"prompt":{"content":"p"},"actions":` + fiveActions + `}`)
				ids, secrets := b.actionsOf(agent)
				shown := b.by(f, "GET /v1/agents?id="+agent, "").want(200).json
				sent, stay := change(withoutInnerIDs(shown["actions"], false).([]any))
				b.by(f, "POST /v1/agents/update?id="+agent, encoded(b.t, map[string]any{"actions": sent})).want(201)
				gotIDs, gotSecrets := b.actionsOf(agent)
				if len(gotIDs) != len(stay) {
					b.t.Fatalf("%s, %s: got %d actions, want %d", f.name, name, len(gotIDs), len(stay))
				}
				for i, was := range stay {
					switch {
					case was < 0 && (slices.Contains(ids, gotIDs[i]) || gotSecrets[i] != "" && slices.Contains(secrets, gotSecrets[i])):
						b.t.Errorf("%s, %s: actions[%d] is not new", f.name, name, i)
					case was >= 0 && (gotIDs[i] != ids[was] || gotSecrets[i] != secrets[was]):
						b.t.Errorf("%s, %s: actions[%d] is not what it was: %s", f.name, name, i, cmp.Diff(fmt.Sprint(ids), fmt.Sprint(gotIDs)))
					}
				}
			}
		}
	})
}

// TestSentencesStay: the sentences of an action, which older clients see as false, stay
// when such a client changes something else of it, names it in another agent or call, or
// reads secrets in clear.
func TestSentencesStay(t *testing.T) {
	both(t, func(b *bench) {
		masked, number := b.key, b.number()
		_, clear := b.keyOf(`{"label":"L","scopes":["read","write","calls","secrets:read"]}`)
		for _, f := range clientFamilies()[1:] {
			agent := b.agent(`{"prompt":{"content":"p"},"actions":` + fiveActions + `}`)
			ids, _ := b.actionsOf(agent)
			for _, b.key = range []string{masked, clear} {
				action := b.by(f, "GET /v1/actions?id="+ids[3], "").want(200).json
				action["label"], action["config"].(map[string]any)["description"] = f.name, b.key[len(b.key)-4:]
				named := map[string]any{"prompt": map[string]any{"content": "p"}, "actions": []any{action}}
				for target, body := range map[string]any{
					"actions/update?id=" + ids[3]: action, "agents/update?id=" + agent: named, "agents/create": named,
					"calls/create": map[string]any{"to_number": "+12025550199", "from_number": number, "agent": named},
				} {
					b.by(f, "POST /v1/"+target, encoded(b.t, body)).made()
					got := b.do("GET /v1/actions?id="+ids[3], "").want(200)
					if got.text("config.speak_on_send") != "one moment" || got.text("label") != f.name || got.at("config.description") != action["config"].(map[string]any)["description"] {
						b.t.Errorf("%s, %s: got %s", f.name, target, got.raw)
					}
				}
				b.do("POST /v1/agents/update?id="+agent, `{"actions":["`+ids[3]+`"]}`).want(201)
				action["label"] = "without ids"
				b.by(f, "POST /v1/agents/update?id="+agent, encoded(b.t, map[string]any{"actions": withoutInnerIDs([]any{action}, false)})).want(201)
				if got := b.do("GET /v1/actions?id="+ids[3], ""); got.text("config.speak_on_send") != "one moment" || got.text("label") != "without ids" {
					b.t.Errorf("%s: got %s", f.name, got.raw)
				}
			}
			b.key = masked
			b.by(f, "POST /v1/actions/update?id="+ids[3], `{"config":{"speak_on_send":true}}`).want(201)
			if got := b.do("GET /v1/actions?id="+ids[3], ""); got.at("config.speak_on_send") != true || got.text("config.speak_on_receive") != "done" {
				b.t.Errorf("%s: got %s", f.name, got.raw)
			}
		}
	})
}

// TestTypesThatStandForOthers: an inline voice or connection of the type that the
// client was shown for another is a new one of that type.
func TestTypesThatStandForOthers(t *testing.T) {
	both(t, func(b *bench) {
		model := b.do("POST /v1/account_connections/create", `{"type":"account_connection_google","credentials":{"google_api_key":"AIza-0123456789"}}`).made().text("id")
		for _, f := range clientFamilies()[1:] {
			agent := b.agent(`{"prompt":{"content":"p"},"openai_account_connection":"` + model + `"}`)
			shown := b.by(f, "GET /v1/agents?id="+agent, "").want(200)
			voice, account := shown.text("voice.type"), shown.text("openai_account_connection.type")
			b.by(f, "POST /v1/agents/update?id="+agent, `{"voice":{"type":"`+voice+`","voice_name":"`+shown.text("voice.voice_name")+`","pitch":3}}`).want(201)
			b.by(f, "POST /v1/agents/update?id="+agent, `{"openai_account_connection":{"type":"`+account+`","credentials":{"openai_api_key":"sk-abcdefghijklmnop"}}}`).want(201)
			now := b.do("GET /v1/agents?id="+agent, "").want(200)
			if now.at("voice.pitch") != 3.0 || now.text("voice.type") != voice || now.text("openai_account_connection.type") != account || now.text("openai_account_connection.id") == model {
				b.t.Errorf("%s: got %s", f.name, now.raw)
			}
		}
	})
}

// TestNumbersWithoutAgentSentBack: a number without agent has none afterwards, with
// and without the ids of the agent that was shown for none.
func TestNumbersWithoutAgentSentBack(t *testing.T) {
	both(t, func(b *bench) {
		query := "?phone_number=" + b.number()[1:]
		for _, f := range clientFamilies()[1:] {
			shown := b.by(f, "GET /v1/numbers"+query, "").want(200).json
			for _, body := range []any{shown, withoutInnerIDs(shown, true)} {
				b.by(f, "POST /v1/numbers/update"+query, encoded(b.t, body)).want(201)
				if got := b.do("GET /v1/numbers"+query, "").want(200); got.at("inbound_agent") != nil {
					b.t.Errorf("%s: got %s", f.name, got.raw)
				}
			}
		}
		if got := b.do("GET /v1/agents/list", "").want(200).at("total"); got != 0.0 {
			b.t.Errorf("%v agents were made", got)
		}
	})
}

// TestContextOfNull: null for example_context keeps what is stored for the
// ancestor's clients, whose published schema allows it.
func TestContextOfNull(t *testing.T) {
	both(t, func(b *bench) {
		target := "/v1/numbers/update?phone_number=" + b.number()[1:]
		b.do("POST "+target, `{"example_context":{"a":"b"}}`).want(201)
		for _, f := range clientFamilies()[1:] {
			got := b.by(f, "POST "+target, `{"example_context":null,"label":"`+f.name+`"}`).want(201)
			if got.text("example_context.a") != "b" || got.text("label") != f.name {
				b.t.Errorf("%s: got %s", f.name, got.raw)
			}
		}
		b.do("POST "+target, `{"example_context":null}`).fails(400, "example_context must not be null")
	})
}

// richAgent is the body of an agent that names something of everything.
func (b *bench) richAgent() string {
	b.t.Helper()
	return `{"name":"N","label":"L","prompt":{"content":"p","collect_fields":["email",{"name":"zip","label":"Zip","description":null}],"prompt_template":{"label":"T","required_context_keys":["name"]}},
		"actions":` + fiveActions + `,"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"vendor-key-0123456789"},
		"webhook":{"url":"https://hook.example/in","subscriptions":["event_message"]},
		"vector_database":{"index":"i","api_key":"vector-key-0123456789","api_environment":"e"},
		"openai_account_connection":{"type":"account_connection_openai","credentials":{"openai_api_key":"sk-abcdefghijklmnop"}},
		"deepgram_keywords":["k"],"idle_time_seconds":12.5,"initial_message_delay":850,"llm_fallback":{"provider":"azure"},"context_endpoint":"https://crm.example/c"}`
}

// everything is what the environment holds, by path: how many of each resource
// there are and what the last ones look like.
func (b *bench) everything() map[string]any {
	b.t.Helper()
	out := map[string]any{}
	for _, noun := range []string{"agents", "prompts", "actions", "voices", "webhooks", "account_connections", "vector_databases", "trunks", "numbers", "members", "api_keys"} {
		page := b.do("GET /v1/"+noun+"/list?size=100", "").want(200)
		for _, item := range page.at("items").([]any) {
			members := item.(map[string]any)
			delete(members, "updated_at")
			delete(members, "last_used_at")
			out[noun+" "+fmt.Sprint(members["id"])] = members
		}
	}
	return out
}

// TestSentBackWholeChangesNothing reads each resource that can be updated with each
// kind of client and sends it back whole, with and without the ids inside.
func TestSentBackWholeChangesNothing(t *testing.T) {
	both(t, func(b *bench) {
		b.shop.stock(30)
		targets := map[string][]string{}
		for pattern, s := range b.samples() {
			if path, isUpdate := strings.CutSuffix(strings.TrimPrefix(pattern, "POST "), "/update"); isUpdate {
				targets[path] = []string{s.query}
			}
		}
		rich := b.agent(b.richAgent())
		foreign := b.agent(`{"prompt":{"content":"p"},"actions":[{"type":"action_warm_transfer","config":{"to":"desk"}}],"voice":{"type":"voice_tty"},
			"openai_account_connection":{"type":"account_connection_google","credentials":{"google_api_key":"AIza-0123456789"}}}`)
		plain := b.agent(`{"prompt":{"content":"p"}}`)
		targets["/v1/agents"] = append(targets["/v1/agents"], "?id="+rich, "?id="+foreign, "?id="+plain)
		answering := "?phone_number=" + b.number()[1:]
		b.do("POST /v1/numbers/update"+answering, `{"example_context":{"n":{"m":1}},"inbound_agent":"`+rich+`"}`).want(201)
		targets["/v1/numbers"] = append(targets["/v1/numbers"], answering, "?phone_number="+b.number()[1:])
		if len(targets) < 10 {
			b.t.Errorf("only %d resources can be updated", len(targets))
		}
		before := b.everything()
		for path, queries := range targets {
			for _, query := range queries {
				for _, f := range clientFamilies() {
					shown := b.by(f, "GET "+path+query, "").want(200).json
					kinds := map[string]any{"as it is": shown, "without ids": withoutInnerIDs(shown, true)}
					if f.name != "fluents" { // whose answers have no nulls but those inside of free values
						kinds["without nulls"] = withoutNulls(shown)
					}
					for kind, body := range kinds {
						b.by(f, "POST "+path+"/update"+query, encoded(b.t, body)).made()
						after := b.everything()
						if diff := cmp.Diff(before, after); diff != "" {
							b.t.Errorf("%s%s by %s %s: (-before +after)\n%s", path, query, f.name, kind, diff)
							before = after
						}
					}
				}
			}
		}
	})
}

// TestCallsWithAnAgentAsRead: the masks of an agent without ids stand for the secrets
// of the only agent that reads like it, and never for those of another host.
func TestCallsWithAnAgentAsRead(t *testing.T) {
	both(t, func(b *bench) {
		number := b.number()
		agent := b.agent(b.richAgent())
		_, secrets := b.actionsOf(agent)
		for _, f := range clientFamilies() {
			before := len(b.everything())
			shown := withoutInnerIDs(b.by(f, "GET /v1/agents?id="+agent, "").want(200).json, false).(map[string]any)
			shown["initial_message"] = "Only for this call"
			call := func() answer {
				return b.by(f, "POST /v1/calls/create", encoded(b.t, map[string]any{
					"to_number": "+12025550199", "from_number": number, "agent": shown, "context": map[string]any{"name": "Ada"},
				}))
			}
			made := call().want(201)
			err := b.store.Read(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
				stored, err := tx.Call(made.text("id"))
				if s := stored.Snapshot; stored.AgentID != agent || s.Agent.InitialMessage != "Only for this call" || len(s.Actions) != len(secrets) {
					b.t.Errorf("%s: got %+v", f.name, s)
				}
				return err
			})
			if err != nil || len(b.everything()) != before {
				b.t.Errorf("%s: the call made something, %v", f.name, err)
			}
			shown["vector_database"].(map[string]any)["api_environment"] = "elsewhere"
			call().refuses(f, "agent.")
			shown["vector_database"].(map[string]any)["api_environment"] = "e"
		}
		const body = `{"prompt":{"content":"p"},"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"vendor-key-0123456789"}}`
		twin := withoutInnerIDs(b.do("GET /v1/agents?id="+b.agent(body), "").json, false)
		for _, status := range []int{201, 400} {
			b.do("POST /v1/calls/create", encoded(b.t, map[string]any{"to_number": "+12025550199", "from_number": number, "agent": twin})).want(status)
			b.agent(body) // and the second one makes it unclear whose secret is meant
		}
		plain := withoutInnerIDs(b.do("GET /v1/agents?id="+b.agent(`{"prompt":{"content":"p"}}`), "").json, false)
		voices := b.do("GET /v1/voices/list", "").want(200).at("total")
		b.do("POST /v1/calls/create", encoded(b.t, map[string]any{"to_number": "+12025550199", "from_number": number, "agent": plain})).want(201)
		if got := b.do("GET /v1/voices/list", "").want(200).at("total"); got != voices {
			b.t.Errorf("got %v voices, want %v: the built-in one does not stay", got, voices)
		}
	})
}

// refuses checks that a request was refused for a value at the path.
func (a answer) refuses(f family, path string) {
	a.t.Helper()
	want := map[bool]int{true: 400, false: 422}[f.name == "fluents"]
	if a.status != want || !strings.Contains(a.text("message"), path) {
		a.t.Errorf("%s: got %d %s, want %d about %s", f.name, a.status, a.raw, want, path)
	}
}

// TestMasksStayWhereTheyAre: a mask is not carried to another host.
func TestMasksStayWhereTheyAre(t *testing.T) {
	both(t, func(b *bench) {
		for _, test := range []struct{ path, create, update, at string }{
			{"vector_databases", `{"index":"i","api_key":"vector-key-0123456789","api_environment":"e"}`, `{"api_key":"********6789","api_environment":"f"}`, "api_key"},
			{"trunks", `{"name":"t","host":"a.example","password":"trunk-password-0123456789"}`, `{"host":"b.example","password":"********6789"}`, "password"},
			{"voices", `{"type":"voice_eleven_labs","voice_id":"v","api_key":"vendor-key-0123456789"}`, `{"type":"voice_play_ht","voice_id":"v","api_key":"********6789"}`, "api_key"},
			{"account_connections", `{"type":"account_connection_azure_llm","config":{"base_url":"https://a.example"},"credentials":{"key":"azure-key-0123456789"}}`,
				`{"config":{"base_url":"https://b.example"},"credentials":{"key":"********6789"}}`, "credentials.key"},
			{"account_connections", `{"type":"account_connection_azure_llm","credentials":{"endpoint":"https://a.example","key":"azure-key-0123456789"}}`,
				`{"credentials":{"endpoint":"https://b.example","key":"********6789"}}`, "credentials.key"},
		} {
			id := b.do("POST /v1/"+test.path+"/create", test.create).made().text("id")
			b.do("POST /v1/"+test.path+"/update?id="+id, test.update).refuses(clientFamilies()[0], test.at)
		}
	})
}

// TestSecretsStayWhereTheyAre: a stored secret that a request does not send again is
// not carried to another host, whether its mask is sent or nothing.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	both(t, func(b *bench) {
		create := func(path, body string) string { return b.do("POST /v1/"+path+"/create", body).made().text("id") }
		account := create("account_connections", `{"type":"account_connection_azure_llm","credentials":{"api_key":"AZSECRET12345678","url":"https://x"}}`)
		bare := create("account_connections", `{"type":"account_connection_azure_llm","credentials":{"api_key":"AZSECRET12345678","x":"https://x"},"config":{"base_url":"https://a"}}`)
		voice := create("voices", `{"type":"voice_eleven_labs","voice_id":"v","api_key":"vendor-key-0123456789"}`)
		vectors := create("vector_databases", `{"index":"i","api_key":"vector-key-0123456789","api_environment":"e"}`)
		action := create("actions", `{"type":"action_external","config":{"name":"n","description":"d","url":"https://a.example/x","input_schema":{"type":"object"}}}`)
		mask := b.do("GET /v1/actions?id="+action, "").text("config.signature_secret")
		agent := b.agent(`{"prompt":{"content":"p"},"voice":"` + voice + `","vector_database":"` + vectors + `","openai_account_connection":"` + account + `","actions":["` + action + `"]}`)
		number := b.number()
		const rule = " must be sent again, or as null: what is stored is not carried to another URL, host, region or type"
		for _, test := range []struct{ path, id, change, at string }{
			{"account_connections", account, `{"credentials":{"url":"https://evil"}}`, "credentials.api_key"},
			{"account_connections", account, `{"credentials":{"url":null}}`, "credentials.api_key"},
			{"account_connections", account, `{"credentials":{"url":"https://evil","api_key":"********5678"}}`, "credentials.api_key"},
			{"account_connections", account, `{"credentials":{"host":"evil","url":"********"}}`, "credentials.api_key" + rule + "; credentials.url"},
			{"account_connections", account, `{"credentials":{"api_key":"new-key-0123456789","region":"evil"}}`, "credentials.url"},
			{"account_connections", bare, `{"credentials":{"x":"evil.example"}}`, "credentials.api_key"},
			{"account_connections", bare, `{"config":{"base_url":"https://evil"},"credentials":{"x":"https://x"}}`, "credentials.api_key"},
			{"account_connections", bare, `{"config":null,"credentials":{"x":"https://x"}}`, "credentials.api_key"},
			{"voices", voice, `{"type":"voice_play_ht","voice_id":"v","api_user_id":"u"}`, "api_key"},
			{"vector_databases", vectors, `{"api_environment":"f"}`, "api_key"},
			{"actions", action, `{"config":{"url":"https://evil.example/","signature_secret":"` + mask + `"}}`, "config.signature_secret"},
			{"agents", agent, `{"voice":{"type":"voice_play_ht","voice_id":"v","api_user_id":"u"}}`, "voice.api_key"},
		} {
			target := "/v1/" + test.path + "?id=" + test.id
			before := b.do("GET "+target, "").want(200).raw
			b.do("POST /v1/"+test.path+"/update?id="+test.id, test.change).fails(400, test.at+rule)
			if after := b.do("GET "+target, "").want(200).raw; string(after) != string(before) {
				b.t.Errorf("%s: got %s", test.change, after)
			}
		}
		b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+number+`","agent":{"id":"`+agent+`","openai_account_connection":{"id":"`+account+`","credentials":{"url":"https://evil"}}}}`).
			fails(400, "agent.openai_account_connection.credentials.api_key"+rule)
		for _, test := range []struct{ path, id, change string }{
			{"account_connections", account, `{"credentials":{"url":"https://y","api_key":"AZSECRET12345678"}}`},
			{"account_connections", account, `{"credentials":{"url":"https://z","api_key":null}}`},
			{"account_connections", bare, `{"credentials":{"x":"********","api_key":"new-key-0123456789"}}`},
			{"voices", voice, `{"type":"voice_play_ht","voice_id":"v","api_user_id":"u","api_key":null}`},
			{"vector_databases", vectors, `{"api_environment":"f","api_key":"vector-key-0123456789"}`},
			{"actions", action, `{"config":{"url":"https://other.example/"}}`}, // which never sees the signing secret
			{"agents", agent, `{"actions":[{"id":"` + action + `","config":{"url":"https://third.example/"}}]}`},
			{"actions", action, `{"config":{"url":"https://b.example/","signature_secret":null}}`},
		} {
			b.do("POST /v1/"+test.path+"/update?id="+test.id, test.change).made()
		}
		if got := b.do("GET /v1/vector_databases?id="+vectors, "").text("api_environment"); got != "f" {
			b.t.Errorf("got %s", got)
		}
	})
}

// TestOtherActionInstead: an external action with another name and URL is no edited
// one, although it is the only one of its type before and after.
func TestOtherActionInstead(t *testing.T) {
	both(t, func(b *bench) {
		external := func(name string) string {
			return `{"prompt":{"content":"p"},"actions":[{"type":"action_external","config":{"name":"` + name + `","description":"d","url":"https://` + name + `.example/","input_schema":{"type":"object"}}}]}`
		}
		agent := b.agent(external("book"))
		ids, secrets := b.actionsOf(agent)
		b.do("POST /v1/agents/update?id="+agent, external("cancel")).want(201)
		newIDs, newSecrets := b.actionsOf(agent)
		if len(newIDs) != 1 || newIDs[0] == ids[0] || newSecrets[0] == secrets[0] || newSecrets[0] == "" {
			b.t.Errorf("got %v, was %v", newIDs, ids)
		}
	})
}

// TestTypesFitUsers: an account connection does not become one of a type that its
// users cannot have.
func TestTypesFitUsers(t *testing.T) {
	both(t, func(b *bench) {
		const twilio = `"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"}`
		made := func(kind string) string {
			return b.do("POST /v1/account_connections/create", `{"type":"account_connection_`+kind+`","credentials":{"openai_api_key":"k-0123456789"}}`).want(201).text("id")
		}
		change := func(id, to string) answer { return b.do("POST /v1/account_connections/update?id="+id, "{"+to+"}") }
		model, key, carrier := made("openai"), made("external_api_key"), b.carrierAccount()
		agent := b.agent(`{"prompt":{"content":"p"},"openai_account_connection":"` + model + `"}`)
		hook := b.do("POST /v1/webhooks/create", `{"url":"https://x.example","subscriptions":[],"account_connection_id":"`+key+`"}`).want(201).text("id")
		number := b.do("POST /v1/numbers/link", `{"phone_number":"+12025550162","telephony_account_connection":"`+carrier+`"}`).want(201).text("number")
		const rule = "type must fit what uses the account connection: "
		change(model, twilio).fails(409, rule+"agent "+agent)
		change(key, twilio).fails(409, rule+"webhook "+hook)
		change(carrier, `"type":"account_connection_telnyx"`).fails(409, rule+"number "+number)
		change(model, `"type":"account_connection_azure_llm"`).want(201)
		change(key, `"type":"account_connection_un_pw_oauth"`).want(201)
		change(carrier, twilio).want(201)
		change(made("openai"), twilio).want(201)
	})
}

// TestWhatFitsAnAgent: a context endpoint is a URL, and a carrier is no model.
func TestWhatFitsAnAgent(t *testing.T) {
	both(t, func(b *bench) {
		const address = "context_endpoint must be an address such as https://example.com/path, without a user"
		b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"context_endpoint":"nowhere"}`).fails(400, address)
		b.do("POST /v1/prompts/create", `{"content":"p","context_endpoint":"ftp://x"}`).fails(400, address)
		b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"openai_account_connection":"`+b.carrierAccount()+`"}`).fails(400,
			"openai_account_connection must be of a type that serves a language model, such as account_connection_openai, not account_connection_twilio")
	})
}
