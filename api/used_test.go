package api

import (
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/support"
)

// notShown are properties that act and that no answer shows, by operation. What they
// do is shown by tests of their own, which the support table names.
func notShown() map[string]string {
	return map[string]string{
		"POST /v1/numbers/buy area_code":         "the number that is bought has it",
		"POST /v1/numbers/buy phone_number":      "it is the number",
		"POST /v1/numbers/link phone_number":     "it is the number",
		"POST /v1/api_keys/import key":           "a secret that is shown never",
		"POST /v1/dnc_numbers/bulk phoneNumbers": "the answer is the list itself",
		"POST /v1/calls/create hipaa_compliant":  "it decides what is stored of the call",

		"POST /v1/webhook_deliveries/replay id": "it selects what is sent again", "POST /v1/webhook_deliveries/replay webhook": "likewise",
		"POST /v1/webhook_deliveries/replay call_id": "likewise", "POST /v1/webhook_deliveries/replay state": "likewise",
		"POST /v1/webhook_deliveries/replay type": "likewise", "POST /v1/webhook_deliveries/replay since": "likewise",
		"POST /v1/webhook_deliveries/replay until": "likewise",
	}
}

// refusedThere are properties for which no value fits.
func refusedThere() map[string]bool {
	return map[string]bool{
		"POST /v1/numbers/buy telephony_account_connection":                   true, // no carrier sells through one
		"POST /v1/account_connections/update type":                            true, // a number uses the sample
		"POST /v1/trunks/update host":                                         true, // the sample's password goes to no other host
		"POST /v1/trunks/update outbound_proxy":                               true, // as above
		"POST /v1/voices/create type":                                         true, // another type does not have the sample's members
		"POST /v1/voices/update type":                                         true, // as above
		"POST /v1/dnc_numbers/decide phoneNumber":                             true, // the sample's is the only other one
		"POST /v1/account_connections/remove_from_steering_pool phone_number": true, // as above
	}
}

// others are values, other than those of the samples, of properties that the
// document leaves open.
func others(b *bench) map[string]any {
	account := b.carrierAccount()
	number := b.number()
	connection := b.do("POST /v1/account_connections/create", `{"type":"account_connection_external_api_key","credentials":{"key":"key-0123456789"}}`).want(201).text("id")
	external := map[string]any{"name": "other", "description": "d", "url": "https://b.example", "input_schema": map[string]any{"type": "object"},
		"speak_on_send": true, "speak_on_receive": true}
	return map[string]any{
		"/voices voice": "slt", "/voices type": "voice_tty", "/webhooks account_connection_id": connection, "/webhooks subscriptions": []any{"event_error"}, "/webhooks signature_secret": "whsec_" + "b3duLXNlY3JldC1vd24tc2VjcmV0LW93bi1zZWNyZXQ=",
		"/prompts prompt_template": map[string]any{"label": "T"}, "/members subject": "somebody else", "/dnc_numbers phoneNumbers": []any{map[string]any{"phoneNumber": "+12025550151"}},
		"/trunks target_timeout": "3s", "/trunks called": map[string]any{"in": map[string]any{"strip": "9"}}, "/trunks calling": map[string]any{"in": map[string]any{"strip": "9"}}, "/trunks headers_in": map[string]any{"X-A": "a"}, "/trunks headers_out": map[string]any{"X-A": "a"}, "/trunks tls": map[string]any{"server_name": "x"}, "/trunks media": map[string]any{"sources": "strict"}, "/trunks addresses": []any{"198.51.100.7"}, "/trunks numbers": []any{"+12025550172"},
		"/vector_databases type":    "vector_database_pinecone", // the only one
		"/agents deepgram_keywords": map[string]any{"word": 2.0}, "/agents provider": "echo", "/actions type": "action_end_conversation", "/actions config": external,
		"/account_connections type": "account_connection_external_api_key", "/account_connections credentials": map[string]any{"twilio_account_sid": "AC9876543210", "twilio_auth_token": "token-9876543210"},
		"prompt": map[string]any{"content": "Be quick."}, "agent": map[string]any{"prompt": map[string]any{"content": "Be quick."}},
		"inbound_agent": map[string]any{"prompt": map[string]any{"content": "Be quick."}},
		"voice":         map[string]any{"type": "voice_flite", "voice": "slt"}, "webhook": map[string]any{"url": "https://a.example", "subscriptions": []any{}},
		"vector_database":           map[string]any{"index": "j", "api_key": "key-0123456789", "api_environment": "e"},
		"openai_account_connection": map[string]any{"type": "account_connection_openai", "credentials": map[string]any{"openai_api_key": "sk-0123456789abc"}},
		"actions":                   []any{map[string]any{"type": "action_end_conversation"}}, "telephony_account_connection": account,
		"context_endpoint": "https://context.example", "url": "https://other.example", "default_country": "DE", "dial_countries": []any{"DE", "US"}, "transfer_on_failure": "+12025550145",
		"fallback": map[string]any{"type": "voice_flite"}, "default_model": "openai/m", "default_voice": "voice_azure", "default_transcriber": "tty", "fallback_model": "openai", "fallback_voice": "voice_flite", "fallback_transcriber": "pocketsphinx", "phone_number": "+12025550148", "phoneNumber": "+12025550149",
		"member": b.do("POST /v1/members/create", `{"subject":"generated"}`).want(201).text("id"), "default_agent": b.agent(`{"prompt":{"content":"p"}}`),
		"to_number": "+12025550147", "from_number": number, "agent_phone_number": number,
		"headers_out": map[string]any{"X-Other": "7"}, "telephony_provider": "simulated", "steering_pool": []any{"+12025550146"}, "area_code": "212",
	}
}

// other is a value of a property that fits and that is not the default, the sample's
// or the one that is stored.
func other(s *openapi3.Schema, known map[string]any, noun, name string, present any) any {
	for _, key := range []string{noun + " " + name, name} {
		if value, ok := known[key]; ok {
			return value
		}
	}
	if s == nil { // the operation does not declare it
		return "generated"
	}
	if len(s.Enum) > 0 {
		for _, value := range s.Enum {
			if value != nil && value != present && value != s.Default {
				return value
			}
		}
	}
	switch takes := jsonTypes(s); {
	case slices.Contains(takes, "boolean"):
		return present != true && s.Default != true
	case slices.Contains(takes, "integer"), slices.Contains(takes, "number"):
		if s.Max != nil && *s.Max < 7 {
			return *s.Max
		}
		return 7.0
	case slices.Contains(takes, "string"):
		return "generated"
	case slices.Contains(takes, "array"):
		if s.Items != nil && slices.Contains(jsonTypes(s.Items.Value), "string") {
			if enum := s.Items.Value.Enum; len(enum) > 0 {
				return []any{enum[len(enum)-1]}
			}
			return []any{"generated"}
		}
		return []any{map[string]any{"generated": true}}
	default:
		return map[string]any{"generated": 1.0}
	}
}

// says reports whether an answer's value is what was sent: the same, a text in other
// case or form, or an object with at least what was sent.
func says(shown, sent any) bool {
	switch s := sent.(type) {
	case map[string]any:
		inner, ok := shown.(map[string]any)
		for name, value := range s {
			ok = ok && (says(inner[name], value) || strings.Contains(name, "key") || strings.Contains(name, "secret"))
		}
		return ok
	case []any:
		list, _ := shown.([]any)
		return len(list) == len(s) && (len(s) == 0 || says(list[0], s[0]))
	case string:
		if inner, ok := shown.(map[string]any); ok {
			return inner["id"] == sent
		}
	}
	return reflect.DeepEqual(shown, sent)
}

// TestNothingIsAcceptedAndIgnored sends each property of each operation: the answer
// shows it or has a warning that names it, or the request is refused. With the race
// detector one property of each operation does: `make test` has all of them without.
func TestNothingIsAcceptedAndIgnored(t *testing.T) {
	t.Parallel()
	for _, pattern := range posts() {
		t.Run(strings.ReplaceAll(strings.TrimPrefix(pattern, "POST /v1/"), "/", "_"), func(t *testing.T) {
			t.Parallel()
			nothingIsIgnored(t, pattern)
		})
	}
}

// nothingIsIgnored gives each property a store of its own: what a sample does can be
// done once.
func nothingIsIgnored(t *testing.T, pattern string) {
	t.Helper()
	operation := strictDocument(t).Paths.Value(strings.TrimPrefix(pattern, "POST ")).Post
	if operation.RequestBody == nil {
		return
	}
	schemas := map[string]*openapi3.Schema{}
	for _, l := range leaves(operation.RequestBody.Value.Content.Get("application/json").Schema.Value, nil, 0) {
		if len(l.path) == 1 {
			schemas[l.path[0]] = l.schema
		}
	}
	for _, e := range support.NewTable().Entries() {
		if e.Resource == support.Root(pattern) && e.Value == "" && !strings.Contains(e.Property, ".") && schemas[e.Property] == nil {
			schemas[e.Property] = nil // another operation of the resource has it
		}
	}
	names := slices.Sorted(maps.Keys(schemas))
	if raceDetector {
		names = names[:min(1, len(names))] // the requests come one after the other
	}
	for _, name := range names {
		if notShown()[pattern+" "+name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			own := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
			sample, body := own.samples()[pattern], map[string]any{}
			if sample.body != "" {
				body = cloned(t, sample.body)
			}
			noun := path.Dir(strings.TrimPrefix(pattern, "POST /v1"))
			sent := other(schemas[name], others(own), noun, name, body[name])
			body[name] = sent
			got := own.do(pattern+sample.query, string(encode(t, body)))
			warned := slices.ContainsFunc(got.header.Values("Sidetone-Warning"), func(text string) bool {
				property, _, _ := strings.Cut(text, ";")
				return property == name || strings.HasPrefix(property, name+".") || strings.HasPrefix(property, name+"[]")
			})
			switch {
			case refusedThere()[pattern+" "+name]:
				if got.status/100 != 4 {
					t.Errorf("%v: got %d %s", sent, got.status, got.raw)
				}
			case got.status/100 != 2:
				t.Errorf("%v: got %d %s", sent, got.status, got.raw)
			case !warned && !says(got.at(name), sent):
				t.Errorf("%v is accepted, not shown and not warned about: %s", sent, got.raw)
			}
		})
	}
}
