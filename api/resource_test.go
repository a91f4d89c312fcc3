package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// plainTest says how one plain noun is created and changed.
type plainTest struct {
	path, noun, create string
	// fields are the properties that can be changed: a value other than the
	// created one, and what null makes of it ("" for a 400).
	fields []struct{ name, value, cleared string }
	// required are what a creation cannot do without, with the message.
	required map[string]string
	// relation is the agent's property that names one, "" for none.
	relation string
	// secret is the path of a secret and what it is at first; "" for none.
	secret, value string
}

func plainTests() []plainTest {
	type field = struct{ name, value, cleared string }
	return []plainTest{
		{
			path: "prompts", noun: "prompt", create: `{"content":"Be kind.","label":"L","prompt_template":null}`, relation: "prompt",
			fields: []field{
				{"content", `"q"`, `""`}, {"label", `"M"`, `null`}, {"description", `"D"`, `null`}, {"tags", `["t"]`, `[]`},
				{"context_endpoint", `"https://x.example"`, `null`}, {"collect_fields", `["email",{"name":"x"}]`, `[]`},
			},
		},
		{
			path: "actions", noun: "action", relation: "actions", secret: "config.signature_secret",
			create: `{"type":"action_external","label":"look up","config":{"name":"look_up","description":"when asked","url":"https://a.example/x",
				"input_schema":{"type":"object"},"speak_on_send":true,"Name":"dropped"}}`,
			fields:   []field{{"label", `"M"`, `null`}, {"description", `"D"`, `null`}},
			required: map[string]string{`{}`: "type is required", `{"type":"action_transfer_call"}`: "config.phone_number is required"},
		},
		{
			path: "voices", noun: "voice", relation: "voice", secret: "api_key", value: "vendor-key-0123456789",
			create:   `{"type":"voice_eleven_labs","label":"calm","voice_id":"v","api_key":"vendor-key-0123456789","unknown":1}`,
			fields:   []field{{"label", `"M"`, `null`}, {"description", `"D"`, `null`}, {"voice_id", `"w"`, ""}, {"stability", `0.5`, `null`}, {"experimental_input_streaming", `true`, `false`}},
			required: map[string]string{`{}`: "type is required", `{"type":"voice_azure"}`: "voice_name is required"},
		},
		{
			path: "webhooks", noun: "webhook", relation: "webhook", secret: "signature_secret",
			create: `{"url":"https://hook.example/in","subscriptions":["event_message"]}`,
			fields: []field{
				{"url", `"http://b.example"`, ""}, {"method", `"GET"`, `"POST"`}, {"label", `"M"`, `null`}, {"description", `"D"`, `null`},
				{"subscriptions", `["event_action","event_error"]`, `[]`}, {"active", `false`, `true`}, {"shape", `"vapi"`, `"contract"`},
			},
			required: map[string]string{`{}`: "subscriptions is required; url is required"},
		},
		{
			path: "account_connections", noun: "account connection", relation: "openai_account_connection",
			secret: "credentials.openai_api_key", value: "sk-abcdefghijklmnop",
			create: `{"type":"account_connection_openai","credentials":{"openai_api_key":"sk-abcdefghijklmnop","organisation":"org-123456789"}}`,
			fields: []field{
				{"label", `"M"`, `null`}, {"description", `"D"`, `null`}, {"config", `{"voicemail_detection":{}}`, `{}`},
				{"steering_pool", `["+12025550150"]`, `[]`}, {"account_supports_any_caller_id", `true`, `false`},
			},
			required: map[string]string{
				`{}`: "type is required; credentials is required", `{"type":"twilio","credentials":{}}`: "type must start with account_connection_",
				`{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC1"}}`: "credentials.twilio_auth_token is required",
			},
		},
		{
			path: "vector_databases", noun: "vector database", relation: "vector_database", secret: "api_key", value: "pinecone-key-123",
			create:   `{"index":"i","api_key":"pinecone-key-123","api_environment":"us-east1-gcp"}`,
			fields:   []field{{"index", `"j"`, ""}}, // api_environment changes with the key only: TestSecretsStayWhereTheyAre
			required: map[string]string{`{}`: "index is required; api_key is required; api_environment is required"},
		},
	}
}

// furnish creates one of each plain noun and returns their ids by path.
func (b *bench) furnish() map[string]string {
	b.t.Helper()
	ids := map[string]string{}
	for _, p := range plainTests() {
		ids[p.path] = b.do("POST /v1/"+p.path+"/create", p.create).made().text("id")
	}
	return ids
}

// TestPromptTemplates: a template is made, changed, kept and removed with its
// prompt, and is no other prompt's.
func TestPromptTemplates(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/prompts/create", `{"content":"Dear ${name}","prompt_template":{"required_context_keys":["name"]}}`).want(201)
		target, id := "POST /v1/prompts/update?id="+made.text("id"), made.text("prompt_template.id")
		template := func(a answer) string { return string(encode(b.t, a.want(201).at("prompt_template"))) }
		user := made.text("user_id")
		row := `{"id":"` + id + `",%s"required_context_keys":["name"],"user_id":"` + user + `"}`
		for _, step := range []struct{ body, want string }{
			{`{"label":"L"}`, fmt.Sprintf(row, "")},
			{`{"prompt_template":"` + id + `"}`, fmt.Sprintf(row, "")},
			{`{"prompt_template":` + fmt.Sprintf(row, `"label":"T",`) + `}`, fmt.Sprintf(row, `"label":"T",`)},
			{`{"prompt_template":{"label":null}}`, fmt.Sprintf(row, "")},
			{`{"prompt_template":null}`, "null"},
		} {
			if got := template(b.do(target, step.body)); got != step.want {
				b.t.Errorf("%s: got %s, want %s", step.body, got, step.want)
			}
		}
		for _, absent := range []string{id, "", "nothing"} {
			b.do(target, `{"prompt_template":"`+absent+`"}`).fails(404, "prompt_template names no prompt template in this environment")
			b.do(target, `{"prompt_template":{"id":"`+absent+`"}}`).fails(404, "prompt_template.id names no prompt template in this environment")
		}
		again := b.do(target, `{"prompt_template":{"label":"new"}}`).want(201)
		if got := again.text("prompt_template.id"); got == id || got == "" {
			b.t.Errorf("a new template has the id %q", got)
		}
		agent := b.agent(`{"prompt":"` + made.text("id") + `"}`)
		shown := b.sdk("Python", "GET /v1/agents?id="+agent, "").want(200)
		if shown.text("prompt.prompt_template.label") != "new" {
			b.t.Errorf("got %s", shown.raw)
		}
		listed := firstItem(b.sdk("Python", "GET /v1/prompts/list", "").want(200).json)
		if listed["prompt_template"] != again.text("prompt_template.id") {
			b.t.Errorf("got %v", listed)
		}
		b.sdk("Python", target, string(encode(b.t, listed))).want(201)
		b.sdk("Python", "POST /v1/agents/update?id="+agent, string(shown.raw)).want(201)
		if got := b.do("GET /v1/prompts?id="+made.text("id"), "").text("prompt_template.label"); got != "new" {
			b.t.Errorf("after an echo it is %q", got)
		}
	})
}

// TestPlainNouns takes each noun through its life.
func TestPlainNouns(t *testing.T) {
	both(t, func(b *bench) {
		for _, p := range plainTests() {
			b.t.Run(p.path, func(t *testing.T) {
				own := *b
				own.t = t
				own.life(p)
			})
		}
	})
}

func (b *bench) life(p plainTest) {
	base, made := "/v1/"+p.path, b.do("POST /v1/"+p.path+"/create", p.create).made()
	target, want := "?id="+made.text("id"), made.json
	if p.secret != "" {
		hide(want, p.secret)
	}
	delete(want, "test") // of a webhook: the answer to its making alone has it
	same := func(what string, got any) {
		b.t.Helper()
		if diff := cmp.Diff(any(want), got); diff != "" {
			b.t.Errorf("%s: (-want +got)\n%s", what, diff)
		}
	}
	same("get", any(b.do("GET "+base+target, "").want(200).json))
	same("list", b.do("GET "+base+"/list?size=1", "").want(200).at("items").([]any)[0])
	same("nothing", any(b.do("POST "+base+"/update"+target, ``).made().json))
	same("whole", any(b.do("POST "+base+"/update"+target, string(encode(b.t, want))).made().json))
	for _, f := range p.fields {
		set(b.t, want, f.name, f.value, f.cleared)
		same("set "+f.name, any(b.do("POST "+base+"/update"+target, `{"`+f.name+`":`+f.value+`}`).made().json))
	}
	for _, f := range p.fields {
		got := b.do("POST "+base+"/update"+target, `{"`+f.name+`":null}`)
		if f.cleared == "" {
			got.want(400)
			continue
		}
		set(b.t, want, f.name, "null", f.cleared)
		same("clear "+f.name, any(got.made().json))
	}
	for body, message := range p.required {
		b.do("POST "+base+"/create", body).fails(400, message)
	}
	_, rival := b.newEnvironment("rival")
	for _, request := range []string{"GET " + base + target, "POST " + base + "/update" + target, "DELETE " + base + "/delete" + target} {
		b.send(request, "", http.Header{"Authorization": {"Bearer " + rival}}).fails(404, "id names no "+p.noun+" in this environment")
	}
	if got := b.do("DELETE "+base+"/delete"+target, "").want(200); got.text("id") != made.text("id") || got.at("deleted") != true {
		b.t.Errorf("got %s", got.raw)
	}
	for _, request := range []string{"GET " + base + target, "POST " + base + "/update" + target, "DELETE " + base + "/delete" + target} {
		b.do(request, "").fails(404, "id names no "+p.noun+" in this environment")
	}
	if strings.Contains(string(b.do("GET "+base+"/list?size=100", "").want(200).raw), made.text("id")) {
		b.t.Error("a deleted row is listed")
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// hide replaces each secret beside the one at path by its mask.
func hide(o map[string]any, path string) {
	member, name, nested := strings.Cut(path, ".")
	if !nested {
		o[member] = masked(sidetone.Secret(o[member].(string)))
		return
	}
	inner := maps.Clone(o[member].(map[string]any))
	for n, v := range inner {
		if text, ok := v.(string); ok && (n == name || member == "credentials") {
			inner[n] = masked(sidetone.Secret(text))
		}
	}
	o[member] = inner
}

// TestSecretsOfPlainNouns shows a secret once, keeps it when its mask comes
// back, and shows a new one once.
func TestSecretsOfPlainNouns(t *testing.T) {
	both(t, func(b *bench) {
		for _, p := range plainTests() {
			if p.secret == "" {
				continue
			}
			base, made := "/v1/"+p.path, b.do("POST /v1/"+p.path+"/create", p.create).made()
			target, first := "?id="+made.text("id"), made.text(p.secret)
			if p.value != "" && first != p.value || len(first) < 12 {
				b.t.Errorf("%s: the answer to the creation shows %q", p.path, first)
			}
			shown := b.do("GET "+base+target, "").want(200).text(p.secret)
			if shown != "********"+first[len(first)-4:] {
				b.t.Errorf("%s: a read shows %q", p.path, shown)
			}
			body := func(value string) string {
				if member, name, nested := strings.Cut(p.secret, "."); nested {
					return `{"` + member + `":{"` + name + `":"` + value + `"}}`
				}
				return `{"` + p.secret + `":"` + value + `"}`
			}
			if got := b.do("POST "+base+"/update"+target, body(shown)).made().text(p.secret); got != shown {
				b.t.Errorf("%s: the mask made it %q", p.path, got)
			}
			b.do("POST "+base+"/update"+target, body("****other")).want(400)
			fresh := "eHhhIG5ldyBzZWNyZXQgZm9yIHRoaXMgdGVzISE="
			if got := b.do("POST "+base+"/update"+target, body(fresh)).made().text(p.secret); got != fresh {
				b.t.Errorf("%s: the answer to the change shows %q", p.path, got)
			}
			if got := b.do("GET "+base+target, "").want(200).text(p.secret); got != "********ISE=" {
				b.t.Errorf("%s: a read shows %q", p.path, got)
			}
		}
	})
}

// TestCredentialsChangeOneByOne: the answer shows what the request set and no
// other member.
func TestCredentialsChangeOneByOne(t *testing.T) {
	both(t, func(b *bench) {
		id := b.furnish()["account_connections"]
		got := b.do("POST /v1/account_connections/update?id="+id, `{"credentials":{"organisation":"org-987654321"}}`).want(201)
		want := map[string]any{"openai_api_key": "********mnop", "organisation": "org-987654321"}
		if diff := cmp.Diff(any(want), got.at("credentials")); diff != "" {
			b.t.Error(diff)
		}
		got = b.do("POST /v1/account_connections/update?id="+id, `{"credentials":{"organisation":null}}`).want(201)
		if diff := cmp.Diff(any(map[string]any{"openai_api_key": "********mnop"}), got.at("credentials")); diff != "" {
			b.t.Error(diff)
		}
		b.do("POST /v1/account_connections/update?id="+id, `{"credentials":null}`).fails(400, "credentials.openai_api_key is required")
		b.do("POST /v1/account_connections/update?id="+id, `{"credentials":{"openai_api_key":7}}`).
			fails(400, "credentials.openai_api_key must be a string")
	})
}

// TestAgentsNamePlainNouns goes through what an agent's relation can be: an id,
// an object with one, an object alone, null and nothing.
func TestAgentsNamePlainNouns(t *testing.T) {
	both(t, func(b *bench) {
		ids := b.furnish()
		for _, p := range plainTests() {
			if p.relation == "prompt" || p.relation == "actions" {
				continue
			}
			agent := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"`+p.relation+`":`+p.create+`}`).want(201)
			target, made := "POST /v1/agents/update?id="+agent.text("id"), agent.text(p.relation+".id")
			if p.value != "" && agent.text(p.relation+"."+p.secret) != p.value {
				b.t.Errorf("%s: a new secret is not shown: %s", p.relation, agent.raw)
			}
			for _, step := range []struct{ value, id string }{
				{`{}`, made}, {`{"id":"` + made + `"}`, made}, {`"` + ids[p.path] + `"`, ids[p.path]},
				{string(encode(b.t, map[string]any{"id": made, p.fields[0].name: json.RawMessage(p.fields[0].value)})), made},
			} {
				got := b.do(target, `{"`+p.relation+`":`+step.value+`}`).want(201)
				if got.text(p.relation+".id") != step.id {
					b.t.Errorf("%s: %s leads to %s", p.relation, step.value, got.raw)
				}
			}
			got := b.do("GET /v1/"+p.path+"?id="+made, "").want(200)
			if want := strings.Trim(p.fields[0].value, `"`); got.text(p.fields[0].name) != want {
				b.t.Errorf("%s: the change is not stored: %s", p.relation, got.raw)
			}
			b.do("DELETE /v1/"+p.path+"/delete?id="+made, "").
				fails(409, "the "+p.noun+" is used by agent "+agent.text("id"))
			b.do(target, `{"`+p.relation+`":"x"}`).fails(404, p.relation+" names no "+p.noun+" in this environment")
			b.do(target, `{"`+p.relation+`":{"id":"x"}}`).fails(404, p.relation+".id names no "+p.noun+" in this environment")
			b.do(target, `{"`+p.relation+`":null}`).want(201)
			b.do("DELETE /v1/"+p.path+"/delete?id="+made, "").want(200)
		}
	})
}

func TestAgentActions(t *testing.T) {
	both(t, func(b *bench) {
		id := b.furnish()["actions"]
		agent := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"actions":["`+id+`",{"type":"action_end_conversation"},{"id":"`+id+`","label":"again"}]}`).want(201)
		target := "POST /v1/agents/update?id=" + agent.text("id")
		list := agent.at("actions").([]any)
		if len(list) != 2 || list[0].(map[string]any)["id"] != id || list[1].(map[string]any)["type"] != "action_end_conversation" {
			b.t.Fatalf("got %s", agent.raw)
		}
		if got := b.do("GET /v1/actions?id="+id, "").text("label"); got != "again" {
			b.t.Errorf("got label %q", got)
		}
		b.do("DELETE /v1/actions/delete?id="+id, "").fails(409, "the action is used by agent "+agent.text("id"))
		if got := b.do(target, `{"label":"x"}`).want(201).at("actions").([]any); len(got) != 2 {
			b.t.Errorf("an absent list leaves %d actions", len(got))
		}
		for body, message := range map[string]string{
			`{"actions":[{"type":"action_dtmf"},{}]}`:                                     "actions[1].type is required",
			`{"actions":[{"type":"action_transfer_call","config":{"phone_number":"x"}}]}`: "actions[0].config.phone_number must be a phone number with country code",
			`{"actions":[7]}`:              "actions[0] must be a string or an object",
			`{"actions":[{"type":"fly"}]}`: "actions[0].type must be one of " + strings.Join(sidetone.ActionTypes(), ", "),
		} {
			b.do(target, body).fails(400, message)
		}
		if got := b.do(target, `{"actions":null}`).want(201).at("actions").([]any); len(got) != 0 {
			b.t.Errorf("null leaves %v", got)
		}
		b.do("DELETE /v1/actions/delete?id="+id, "").want(200)
	})
}

// TestAgentsCannotChangeBuiltInVoices: an object without an id makes another voice.
func TestAgentsCannotChangeBuiltInVoices(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201)
		voice, target := agent.text("voice.id"), "POST /v1/agents/update?id="+agent.text("id")
		b.do(target, `{"voice":{"label":"mine"}}`).fails(400, "voice.type is required")
		made := b.do(target, `{"voice":{"type":"voice_flite","voice":"awb"}}`).want(201)
		if made.text("voice.id") == voice || made.text("voice.voice") != "awb" {
			b.t.Errorf("got %s", made.raw)
		}
		b.do("POST /v1/voices/update?id="+voice, `{"label":"mine"}`).fails(409, "the voice is built in and does not change")
		b.do("DELETE /v1/voices/delete?id="+voice, "").fails(409, "the voice is built in and stays")
		if got := b.do(target, `{"voice":null}`).want(201).text("voice.id"); got != voice {
			b.t.Errorf("null leads to %s", got)
		}
	})
}

// TestNamesOfOwnVoices: what the server's own voices do not know is refused, alone and
// inside an agent; the names of vendors' voices are theirs.
func TestNamesOfOwnVoices(t *testing.T) {
	both(t, func(b *bench) {
		const flite, tty = "voice must be one of rms, slt, kal16, awb: no other is known", "voice must not be given: voice_tty has one voice"
		for body, message := range map[string]string{
			`{"type":"voice_flite","voice":"banana"}`:                  flite,
			`{"type":"voice_flite","voice":"slt","voice_id":"banana"}`: "voice_id" + flite[len("voice"):],
			`{"type":"voice_tty","voice":"banana"}`:                    tty,
			`{"type":"voice_tty","voice_id":"slt"}`:                    "voice_id" + tty[len("voice"):],
		} {
			b.do("POST /v1/voices/create", body).fails(400, message)
			b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"voice":`+body+`}`).fails(400, "voice."+message)
		}
		for _, body := range []string{
			`{"type":"voice_flite"}`, `{"type":"voice_flite","voice":"kal16"}`, `{"type":"voice_flite","voice_id":"awb","voice":null}`, `{"type":"voice_tty"}`,
			`{"type":"voice_eleven_labs","voice_id":"banana"}`, `{"type":"voice_vocode","voice_id":"banana"}`,
		} {
			b.do("POST /v1/voices/create", body).want(201)
		}
		id := b.do("POST /v1/voices/create", `{"type":"voice_flite","voice":"rms"}`).want(201).text("id")
		b.do("POST /v1/voices/update?id="+id, `{"voice":"banana"}`).fails(400, flite)
		err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
			voice, err := tx.Voice(id)
			voice.Config = []byte(`{"voice":"banana"}`)
			return firstOf(err, tx.UpdateVoice(voice))
		})
		if err != nil {
			b.t.Fatal(err)
		}
		stored := b.do("GET /v1/voices?id="+id, "").want(200)
		b.do("POST /v1/voices/update?id="+id, string(stored.raw)).want(201)
	})
}

func TestWebhookConnection(t *testing.T) {
	both(t, func(b *bench) {
		ids := b.furnish()
		target := "POST /v1/webhooks/update?id=" + ids["webhooks"]
		b.do(target, `{"account_connection_id":"`+b.carrierAccount()+`"}`).fails(400, "account_connection_id must be of a type that authenticates requests, "+
			"such as account_connection_external_api_key, not account_connection_twilio")
		b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"webhook":{"url":"https://x.example","subscriptions":[],"account_connection_id":"`+b.carrierAccount()+`"}}`).
			fails(400, "webhook.account_connection_id must be of a type that authenticates requests, such as account_connection_external_api_key, "+
				"not account_connection_twilio")
		ids["account_connections"] = b.do("POST /v1/account_connections/create",
			`{"type":"account_connection_external_api_key","credentials":{"key":"k-0123456789"}}`).want(201).text("id")
		b.do(target, `{"account_connection_id":"x"}`).fails(404, "account_connection_id names no account connection in this environment")
		if got := b.do(target, `{"account_connection_id":"`+ids["account_connections"]+`"}`).want(201).text("account_connection_id"); got != ids["account_connections"] {
			b.t.Errorf("got %q", got)
		}
		b.do("DELETE /v1/account_connections/delete?id="+ids["account_connections"], "").
			fails(409, "the account connection is used by webhook "+ids["webhooks"])
		b.do(target, `{"account_connection_id":null}`).want(201)
		b.do("DELETE /v1/account_connections/delete?id="+ids["account_connections"], "").want(200)
		b.do("POST /v1/prompts/create", `{"prompt_template":"t"}`).fails(404, "prompt_template names no prompt template in this environment")
	})
}

func TestSteeringPool(t *testing.T) {
	both(t, func(b *bench) {
		target := "_steering_pool?id=" + b.furnish()["account_connections"]
		pool := func(request, body string, want ...any) {
			b.t.Helper()
			if diff := cmp.Diff(any(append([]any{}, want...)), b.do("POST /v1/account_connections/"+request+target, body).want(200).at("steering_pool")); diff != "" {
				b.t.Errorf("%s: %s", request, diff)
			}
		}
		pool("add_to", `{"phone_number":"12025550150"}`, "+12025550150")
		pool("add_to", `{"phone_number":"+1 (202) 555-0150"}`, "+12025550150")
		pool("add_to", `{"phone_number":"+12025550151"}`, "+12025550150", "+12025550151")
		pool("remove_from", `{"phone_number":"1-202-555-0150"}`, "+12025550151")
		b.do("POST /v1/account_connections/remove_from"+target, `{"phone_number":"+12025550150"}`).
			fails(404, "phone_number names no number in the steering pool")
		b.do("POST /v1/account_connections/remove_from"+target, ``).fails(400, "phone_number is required")
		b.do("POST /v1/account_connections/add_to"+target, ``).
			fails(400, "phone_number is required: numbers for the pool cannot be bought here")
		b.do("POST /v1/account_connections/add_to"+target, `{"phone_number":"x"}`).
			fails(400, "phone_number must be a phone number with country code")
	})
}

// TestDeletedResourcesStayInCalls deletes everything that a call ran with and
// reads the call.
func TestDeletedResourcesStayInCalls(t *testing.T) {
	both(t, func(b *bench) {
		ids := b.furnish()
		body := `{"prompt":"` + ids["prompts"] + `","actions":["` + ids["actions"] + `"],"voice":"` + ids["voices"] + `","webhook":"` +
			ids["webhooks"] + `","vector_database":"` + ids["vector_databases"] + `","openai_account_connection":"` + ids["account_connections"] + `"}`
		agent := b.agent(body)
		number := b.number()
		b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{},"inbound_agent":"`+agent+`"}`).want(201)
		call := b.do("POST /v1/calls/create", `{"from_number":"`+number+`","to_number":"+12025550199","agent":"`+agent+`"}`).want(201)
		b.do("DELETE /v1/agents/delete?id="+agent, "").fails(409, "the agent is used by number "+number)
		b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{},"inbound_agent":null}`).want(201)
		b.do("DELETE /v1/agents/delete?id="+agent, "").want(200)
		for _, path := range slices.Sorted(maps.Keys(ids)) {
			b.do("DELETE /v1/"+path+"/delete?id="+ids[path], "").want(200)
		}
		got := b.do("GET /v1/calls?id="+call.text("id"), "").want(200)
		for path, id := range map[string]string{"agent": agent, "agent.prompt": ids["prompts"], "agent.voice": ids["voices"],
			"agent.webhook": ids["webhooks"], "agent.vector_database": ids["vector_databases"],
			"agent.openai_account_connection": ids["account_connections"]} {
			if got.text(path+".id") != id {
				b.t.Errorf("%s of the call is %q, want %q", path, got.text(path+".id"), id)
			}
		}
		actions, _ := got.at("agent.actions").([]any)
		if len(actions) != 1 || actions[0].(map[string]any)["id"] != ids["actions"] {
			b.t.Errorf("got actions %v", actions)
		}
		for _, secret := range []string{"vendor-key", "pinecone-key", "sk-abc"} {
			if strings.Contains(string(got.raw), secret) {
				b.t.Errorf("the call shows %s", secret)
			}
		}
		item := b.do("GET /v1/calls/list", "").want(200).at("items").([]any)[0].(map[string]any)
		if item["agent"] != agent {
			b.t.Errorf("the listed call has agent %v", item["agent"])
		}
		b.do("GET /v1/agents?id="+agent, "").fails(404, "id names no agent in this environment")
	})
}

// TestChangesForOneCallAreNotStored gives an agent's relations other values in
// calls/create.
func TestChangesForOneCallAreNotStored(t *testing.T) {
	both(t, func(b *bench) {
		ids := b.furnish()
		agent, number := b.agent(`{"prompt":"`+ids["prompts"]+`","webhook":"`+ids["webhooks"]+`"}`), b.number()
		made := b.do("POST /v1/calls/create", `{"from_number":"`+number+`","to_number":"+12025550199","agent":{"id":"`+agent+`",
			"webhook":{"label":"once"},"actions":[{"type":"action_dtmf"}],"prompt":{"content":"once"}}}`).want(201)
		if made.text("agent.webhook.label") != "once" || made.text("agent.prompt.content") != "once" || len(made.at("agent.actions").([]any)) != 1 {
			b.t.Errorf("got %s", made.raw)
		}
		stored := b.do("GET /v1/agents?id="+agent, "").want(200)
		if stored.text("webhook.label") != "" || stored.text("prompt.content") != "Be kind." || len(stored.at("actions").([]any)) != 0 {
			b.t.Errorf("the stored agent is %s", stored.raw)
		}
	})
}

// TestMemoryFollowsTheAPI: what a call starts with is what the agent shows.
func TestMemoryFollowsTheAPI(t *testing.T) {
	both(t, func(b *bench) {
		id := b.furnish()["actions"]
		agent := b.agent(`{"prompt":{"content":"p"},"actions":["` + id + `"]}`)
		b.do("POST /v1/actions/update?id="+id, `{"label":"changed"}`).want(201)
		number := sidetone.NewNumber("n", "", "+12125550177", "simulated", sidetone.Agent{}.Created)
		number.InboundAgentID = agent
		if err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error { return tx.InsertNumber(number) }); err != nil {
			b.t.Fatal(err)
		}
		route, err := b.store.Route(b.t.Context(), "+12125550177")
		snapshot := route.Snapshot
		if err != nil || len(snapshot.Actions) != 1 || snapshot.Actions[0].Label != "changed" {
			b.t.Fatalf("got %+v, %v", snapshot.Actions, err)
		}
		if got := b.do("GET /v1/actions?id="+id, "").text("config.signature_secret"); !strings.HasSuffix(snapshot.Actions[0].SignatureSecret.Reveal(), got[8:]) {
			b.t.Error("memory has another secret")
		}
		err = b.store.Read(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
			a, err := tx.Action(id)
			if a.SignatureSecret != snapshot.Actions[0].SignatureSecret {
				b.t.Error("the row has another secret")
			}
			return err
		})
		if err != nil {
			b.t.Error(err)
		}
	})
}

// A built-in voice that is sent back as it was read changes nothing. One with other
// members is refused, or kept with a warning where the client sees substitutes.
func TestBuiltInVoicesSentBack(t *testing.T) {
	both(t, func(b *bench) {
		agent, number := b.agent(`{"prompt":{"content":"p"}}`), b.number()
		for _, f := range clientFamilies() {
			for _, listed := range b.by(f, "GET /v1/voices/list", "").want(200).at("items").([]any) {
				shown := listed.(map[string]any)
				for property, value := range map[string]any{"": nil, "user_id": "x", "label": "Other", "voice": "banana", "type": "voice_rime", "description": nil} {
					sent := maps.Clone(shown)
					if property != "" {
						sent[property] = value
					}
					differs := property != "user_id" && sent[property] != shown[property]
					in := map[string]any{"prompt": map[string]any{"content": "p"}, "voice": sent}
					for target, body := range map[string]any{
						"agents/create ": in, "agents/update?id=" + agent + " ": in,
						"numbers/update?phone_number=" + number[1:] + " inbound_agent.": map[string]any{"example_context": map[string]any{}, "inbound_agent": in},
						"calls/create agent.": map[string]any{"to_number": "+12025550199", "from_number": number, "agent": in},
					} {
						target, at, _ := strings.Cut(target, " ")
						got := b.by(f, "POST /v1/"+target, encoded(b.t, body))
						if at += "voice." + property; differs && f.name == "fluents" {
							got.fails(409, at+" must stay as it is: the voice is built in and does not change")
							continue
						}
						warned := slices.Contains(got.want(201).header.Values("Sidetone-Warning"), at+"; ignored; The voice is built in and was not changed.")
						if warned != differs || !differs && strings.Contains(strings.Join(warningsOf(got), " "), "voice") {
							b.t.Errorf("%s: %s with %s: warnings %q", f.name, target, property, warningsOf(got))
						}
						if after := b.by(f, "GET /v1/voices?id="+shown["id"].(string), "").json; !reflect.DeepEqual(after, shown) {
							b.t.Errorf("%s: %s with %s: got %v", f.name, target, property, after)
						}
					}
				}
			}
		}
	})
}
