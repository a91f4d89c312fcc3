package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// sdk sends a request as the SDK for a language does.
func (b *bench) sdk(language, target, body string) answer {
	b.t.Helper()
	return b.send(target, body, http.Header{
		"Authorization": {"Bearer " + b.key}, "X-Fern-Sdk-Name": {"vocode-api"}, "X-Fern-Language": {language},
	})
}

// TestTheAgentUnassigned is read everywhere, listed nowhere, changed by nobody,
// and null in requests of every profile.
func TestTheAgentUnassigned(t *testing.T) {
	both(t, func(b *bench) {
		number := b.number()
		query := "?phone_number=" + number[1:]
		if got := b.do("GET /v1/numbers"+query, "").want(200); got.at("inbound_agent") != nil {
			b.t.Errorf("fluents clients see %s", got.raw)
		}
		shown := b.sdk("Python", "GET /v1/numbers"+query, "").want(200)
		if diff := cmp.Diff(shown.at("inbound_agent"), any(b.sdk("Python", "GET /v1/agents?id=unassigned", "").want(200).json)); diff != "" {
			b.t.Errorf("(-in the number +read)\n%s", diff)
		}
		b.do("GET /v1/agents?id=unassigned", "").want(200)
		b.do("GET /v1/prompts?id=unassigned", "").want(200)
		b.do("POST /v1/agents/update?id=unassigned", `{"name":"x"}`).fails(409, "id names the built-in agent, which cannot be changed")
		b.do("DELETE /v1/agents/delete?id=unassigned", "").fails(409, "id names the built-in agent, which cannot be changed")
		if got := b.do("GET /v1/agents/list", "").want(200).at("total"); got != 0.0 {
			b.t.Errorf("it is among %v listed agents", got)
		}
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		for _, value := range []string{`"unassigned"`, `{"id":"unassigned","name":"x","prompt":{"content":"y"}}`} {
			b.do("POST /v1/numbers/update"+query, `{"example_context":{},"inbound_agent":"`+agent+`"}`).want(201)
			if got := b.do("POST /v1/numbers/update"+query, `{"example_context":{},"inbound_agent":`+value+`}`).want(201); got.at("inbound_agent") != nil {
				b.t.Errorf("%s: got %s", value, got.raw)
			}
		}
		b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+number+`","agent":"unassigned"}`).
			fails(400, "agent must not be null")
	})
}

// TestWhatIsSentBackChangesNothing reads resources as an SDK that cannot see
// all of them, sends back what it was shown, and reads them as they are.
func TestWhatIsSentBackChangesNothing(t *testing.T) {
	both(t, func(b *bench) {
		warm := b.do("POST /v1/actions/create", `{"type":"action_warm_transfer","label":"W","config":{"to":"desk"}}`).want(201).text("id")
		model := b.do("POST /v1/account_connections/create", `{"type":"account_connection_google","credentials":{"google_api_key":"AIza-0123456789"}}`).want(201).text("id")
		agent := b.agent(`{"name":"N","prompt":{"content":"p","collect_fields":["email"]},"actions":["` + warm + `",{"type":"action_dtmf"}],"openai_account_connection":"` + model + `",
			"deepgram_keywords":["k"],"idle_time_seconds":12.5,"initial_message_delay":850,"llm_fallback":{"provider":"azure"}}`)
		number := b.number()
		query := "?phone_number=" + number[1:]
		b.do("POST /v1/numbers/update"+query, `{"example_context":{"n":{"m":1}},"inbound_agent":"`+agent+`"}`).want(201)
		for _, path := range []string{
			"/v1/agents?id=" + agent, "/v1/numbers" + query, "/v1/actions?id=" + warm, "/v1/account_connections?id=" + model,
		} {
			noun, rest, _ := strings.Cut(path, "?")
			want := b.do("GET "+path, "").want(200)
			for _, language := range []string{"Python", "JavaScript", "other"} {
				shown := b.sdk(language, "GET "+path, "").want(200)
				if cmp.Equal(shown.json, want.json) {
					b.t.Errorf("%s: a %s client sees what there is, the test shows nothing", path, language)
				}
				b.sdk(language, "POST "+noun+"/update?"+rest, string(shown.raw)).want(201)
				if diff := cmp.Diff(want.json, b.do("GET "+path, "").want(200).json); diff != "" {
					b.t.Errorf("%s after %s: (-before +after)\n%s", path, language, diff)
				}
			}
		}
		shown := b.sdk("Python", "GET /v1/agents?id="+agent, "")
		call := b.sdk("Python", "POST /v1/calls/create", `{"to_number":"12025550199","from_number":"`+number[1:]+`","agent":`+string(shown.raw)+`}`).want(201).text("id")
		if diff := cmp.Diff(b.do("GET /v1/agents?id="+agent, "").at("prompt"), b.do("GET /v1/calls?id="+call, "").at("agent.prompt")); diff != "" {
			b.t.Errorf("a call with the agent as it was read: (-agent +call)\n%s", diff)
		}
		changed := b.sdk("Python", "POST /v1/agents/update?id="+agent, `{"idle_time_seconds":13,"prompt":{"content":"q"},"initial_message_delay":1.5}`).want(201)
		if changed.at("idle_time_seconds") != 13.0 || b.do("GET /v1/agents?id="+agent, "").at("initial_message_delay") != 1500.0 {
			b.t.Errorf("got %s", changed.raw)
		}
	})
}

// TestConnectionsAsObjects: account connections of numbers and calls.
func TestConnectionsAsObjects(t *testing.T) {
	both(t, func(b *bench) {
		id := b.do("POST /v1/account_connections/create", `{"type":"account_connection_telnyx","credentials":{"api_key":"KEY-0123456789"}}`).want(201).text("id")
		b.do("POST /v1/numbers/link", `{"phone_number":"+12025550160","telephony_account_connection":"`+id+`"}`).want(201)
		single, list := "GET /v1/numbers?phone_number=12025550160", "GET /v1/numbers/list"
		for _, test := range []struct {
			got        any
			id, kindOf string
		}{
			{b.do(single, "").want(200).at("telephony_account_connection"), id, ""},
			{b.do(single+"&expand=telephony_account_connection", "").want(200).at("telephony_account_connection"), id, "account_connection_telnyx"},
			{b.do("POST /v1/numbers/update?phone_number=12025550160&expand=telephony_account_connection", `{"example_context":{}}`).want(201).at("telephony_account_connection"), id, ""},
			{b.sdk("Python", single, "").want(200).at("telephony_account_connection"), id, "account_connection_twilio"},
			{firstItem(b.do(list, "").want(200).json)["telephony_account_connection"], id, ""},
			{firstItem(b.sdk("Python", list, "").want(200).json)["telephony_account_connection"], id, ""},
			{firstItem(b.do(list+"?expand=telephony_account_connection", "").want(200).json)["telephony_account_connection"], id, "account_connection_telnyx"},
		} {
			members, whole := test.got.(map[string]any)
			if whole && (members["id"] != test.id || members["type"] != test.kindOf) || !whole && (test.got != any(test.id) || test.kindOf != "") {
				b.t.Errorf("got %v, want %+v", test.got, test)
			}
		}
	})
}

// TestAccountsOfNumbersAreComplete: the snapshot in memory has the number, not its account.
func TestAccountsOfNumbersAreComplete(t *testing.T) {
	both(t, func(b *bench) {
		id := b.carrierAccount()
		b.do("POST /v1/numbers/link", `{"phone_number":"+12025550160","telephony_account_connection":"`+id+`"}`).want(201)
		for _, language := range []string{"Python", "JavaScript", "other"} {
			want := b.sdk(language, "GET /v1/account_connections?id="+id, "").want(200).json
			if text, _ := want["credentials"].(map[string]any)["twilio_account_sid"].(string); !strings.HasPrefix(text, "****") {
				b.t.Errorf("%s sees the account %v", language, want)
			}
			for range 2 {
				got := b.sdk(language, "GET /v1/numbers?phone_number=12025550160", "").want(200)
				if diff := cmp.Diff(any(want), got.at("telephony_account_connection")); diff != "" {
					b.t.Errorf("%s: (-account +in the number) %s", language, diff)
				}
			}
		}
	})
}

// TestEveryOperationSaysWhatProfilesAnswer: where one answer with a schema has
// another one in x-profile, all have; and all errors have.
func TestEveryOperationSaysWhatProfilesAnswer(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	with, without := map[string]string{}, map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				media := response.Value.Content.Get("application/json")
				if media == nil {
					continue
				}
				dest := without
				if media.Extensions["x-profile"] != nil {
					dest = with
				}
				dest[media.Schema.Ref] = strings.Join([]string{method, path, status}, " ")
			}
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(with)) {
		if where := without[ref]; where != "" {
			t.Errorf("%s has no x-profile for %s, %s has", where, ref, with[ref])
		}
	}
	if len(with) < 15 {
		t.Errorf("only %d schemas differ by profile", len(with))
	}
	for _, name := range []string{"Error", "BadRequestError", "NotFoundError", "UnauthorizedError"} {
		if with["#/components/schemas/"+name] == "" {
			t.Errorf("%s has no x-profile", name)
		}
	}
}

// TestCarrierDataIsOfAKnownType: what is known at the carrier names its type.
func TestCarrierDataIsOfAKnownType(t *testing.T) {
	t.Parallel()
	call := sidetone.Call{CarrierID: "x", Provider: "twilio", Stage: sidetone.StagePickedUp}
	shown := renderCall(newView(dialect.Vocode(), sidetone.Principal{}, ""), call, "", nil)
	if got, _ := shown["telephony_metadata"].(object); got["type"] != "telephony_metadata_twilio" {
		t.Errorf("got %v", got)
	}
}

// TestVocodePropertiesAreAllFilled finds properties that a schema of the vocode
// family promises and that no golden rendering fills; what cannot be filled is
// listed with its reason.
func TestVocodePropertiesAreAllFilled(t *testing.T) {
	t.Parallel()
	doc := strictDocument(t)
	never := map[string]string{
		"prompt_template": "there are no prompt templates: null, as the family wants it",
	}
	for _, p := range dialect.Profiles()[1:] {
		seen := map[*openapi3.Schema]map[string]bool{}
		see := func(schema *openapi3.Schema, o object) {
			if seen[schema] == nil {
				seen[schema] = map[string]bool{}
			}
			for name, value := range o {
				seen[schema][name] = seen[schema][name] || value != nil
			}
		}
		for _, r := range renderings(p) {
			schema := answerSchema(t, doc, r.schema, p)
			see(schema, r.value)
			if items, isPage := r.value["items"].([]object); isPage {
				for _, item := range items {
					see(schema.Properties["items"].Value.Items.Value, item)
				}
			}
		}
		for schema, names := range seen {
			for name := range schema.Properties {
				if !names[name] && never[name] == "" {
					t.Errorf("%s: %s is declared beside %v and never filled", p.Name, name, slices.Sorted(maps.Keys(names)))
				}
			}
		}
	}
}

// TestLocationsOfProblems: a problem is where the client put the value.
func TestLocationsOfProblems(t *testing.T) {
	both(t, func(b *bench) {
		for _, c := range []struct {
			target, body string
			want         []any
		}{
			{"GET /v1/numbers/available?limit=0", "", []any{"query", "limit"}},
			{"GET /v1/numbers/available?telephony_provider=acme", "", []any{"query", "telephony_provider"}},
			{"GET /v1/numbers/available?filters=" + `{"colour":"red"}`, "", []any{"query", "filters", "colour"}},
			{"GET /v1/agents", "", []any{"query", "id"}},
			{"POST /v1/numbers/buy", `{"telephony_provider":"acme"}`, []any{"body", "telephony_provider"}},
			{"POST /v1/agents/update?id=" + b.agent(`{"prompt":{"content":"p"}}`), `{"voice":{"type":"voice_banana"}}`, []any{"body", "voice", "type"}},
		} {
			problems := b.sdk("Python", c.target, c.body).want(422).at("detail").([]any)
			if diff := cmp.Diff(any(c.want), problems[0].(map[string]any)["loc"]); diff != "" {
				b.t.Errorf("%s: (-want +got)\n%s", c.target, diff)
			}
		}
	})
}
