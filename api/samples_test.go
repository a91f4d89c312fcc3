package api

import (
	"slices"
	"strings"
	"testing"
)

// sample is a valid request to one POST route.
type sample struct{ query, body string }

// samples returns a valid request to every POST route, each of which can be
// sent once, and makes what they name.
func (b *bench) samples() map[string]sample {
	b.t.Helper()
	const agent = `{"prompt":{"content":"Be kind."},"initial_message":"Hello","label":"L"}`
	id := func(pattern, body string) string {
		b.t.Helper()
		return "?id=" + b.do(pattern, body).made().text("id")
	}
	made := map[string]sample{
		"/v1/agents/create":              {"", agent},
		"/v1/prompts/create":             {"", `{"content":"Be kind.","label":"L"}`},
		"/v1/actions/create":             {"", `{"type":"action_external","config":{"name":"look_up","description":"when asked","url":"https://a.example/x","input_schema":{"type":"object"},"speak_on_send":true,"speak_on_receive":true,"speak_on_wait":["still looking"],"wait_seconds":2,"speak_on_failure":"it did not work","timeout_seconds":5,"repeatable":false,"after_speech":true,"claims":{"en":["found"]},"otherwise":{"en":"nothing was found"},"wire":"contract","method":"POST","headers":{"X-Team":"7"},"signature_secret":"c2VjcmV0LXNlY3JldC1zZWNyZXQ="}}`},
		"/v1/voices/create":              {"", `{"type":"voice_eleven_labs","label":"calm","voice_id":"v","api_key":"vendor-key-0123456789"}`},
		"/v1/webhooks/create":            {"", `{"url":"https://hook.example/in","subscriptions":["event_message"]}`},
		"/v1/account_connections/create": {"", `{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"}}`},
		"/v1/vector_databases/create":    {"", `{"type":"vector_database_pinecone","index":"i","api_key":"vector-key-0123456789","api_environment":"e"}`},
		"/v1/trunks/create":              {"", `{"name":"carrier","host":"sip.carrier.example","username":"account","password":"trunk-password-0123456789","numbers":["+12025550170"]}`},
		"/v1/members/create":             {"", `{"subject":"someone","name":"N","role":"member"}`},
		"/v1/api_keys/create":            {"", `{"label":"L","scopes":["read"]}`},
		"/v1/api_keys/import":            {"", `{"key":"an-imported-key-0123456789","label":"L"}`},
		"/v1/environments/create":        {"", `{"name":"staging"}`},
	}
	out := map[string]sample{}
	for path, s := range made {
		out["POST "+path] = s
		noun := strings.TrimSuffix(strings.TrimSuffix(path, "/create"), "/import")
		update := "POST " + noun + "/update"
		switch {
		case strings.HasSuffix(path, "/import"), noun == "/v1/environments":
			continue
		case noun == "/v1/members":
			out[update] = sample{id("POST "+path, `{"subject":"another"}`), `{"name":"M"}`}
		case noun == "/v1/api_keys":
			out[update] = sample{id("POST "+path, s.body), `{"label":"M"}`}
			out["POST /v1/api_keys/revoke"] = sample{id("POST "+path, s.body), ``}
		case noun == "/v1/trunks":
			out[update] = sample{id("POST "+path, `{"name":"another","host":"sip.carrier.example","username":"account","password":"trunk-password-0123456789"}`), `{"numbers":["+12025550171"]}`}
			out["POST /v1/trunks/test"] = sample{out[update].query, ""}
		case noun == "/v1/webhooks":
			out[update] = sample{id("POST "+path, s.body), s.body}
			out["POST /v1/webhooks/rotate_secret"], out["POST /v1/webhooks/test"] = sample{out[update].query, "{}"}, sample{out[update].query, ""}
		default:
			out[update] = sample{id("POST "+path, s.body), s.body}
		}
	}
	out["POST /v1/environments/update"] = sample{"?id=" + b.env.ID, `{"name":"renamed"}`}
	connection := out["POST /v1/account_connections/update"].query
	out["POST /v1/account_connections/test"] = sample{connection, ""}
	out["POST /v1/account_connections/add_to_steering_pool"] = sample{connection, `{"phone_number":"+12025550144"}`}
	b.do("POST /v1/account_connections/add_to_steering_pool"+connection, `{"phone_number":"+12025550145"}`).want(200)
	out["POST /v1/account_connections/remove_from_steering_pool"] = sample{connection, `{"phone_number":"+12025550145"}`}
	b.shop.stock(20)
	ours, other := b.number(), b.number()
	out["POST /v1/numbers/buy"] = sample{"", `{"label":"L"}`}
	out["POST /v1/numbers/update"] = sample{"?phone_number=" + ours[1:], `{"example_context":{"a":"b"},"label":"L","inbound_agent":` + agent + `}`}
	out["POST /v1/numbers/cancel"] = sample{"?phone_number=" + other[1:], ``}
	third := b.number()
	b.do("POST /v1/numbers/detach?phone_number="+third[1:], "").want(201)
	out["POST /v1/numbers/link"] = sample{"", `{"phone_number":"` + third + `","label":"L"}`}
	fourth := b.do("POST /v1/numbers/link", `{"phone_number":"+12025550160","telephony_account_connection":"`+connection[4:]+`"}`).want(201).text("number")
	out["POST /v1/numbers/detach"] = sample{"?phone_number=" + fourth[1:], ``}
	out["POST /v1/dnc_numbers/create"] = sample{"", `{"phoneNumber":"+12025550170"}`}
	doubtful := b.send("POST /v1/dnc_numbers/create", `{"phoneNumber":"2025550173"}`, b.vocodeClient()).want(201)
	out["POST /v1/dnc_numbers/decide"] = sample{"?id=" + doubtful.text("id"), `{"phoneNumber":"+2025550173"}`}
	out["POST /v1/dnc_numbers/bulk"] = sample{"", `{"phoneNumbers":[{"phoneNumber":"+12025550171"},{"phoneNumber":"+12025550172"}]}`}
	out["POST /v1/webhook_deliveries/replay"] = sample{"", `{"id":"` + b.delivery(b.env.ID).ID + `"}`}
	out["POST /v1/secrets/rotate_environment"] = sample{"", ``}
	call := `{"to_number":"+12025550199","from_number":"` + ours + `","agent":` + agent + `,"context":{"name":"Ann"}}`
	out["POST /v1/calls/create"] = sample{"", call}
	live := id("POST /v1/calls/create", call)
	b.calls.run(live[len("?id="):])
	out["POST /v1/calls/recording"] = sample{live, `{"paused":true}`}
	out["POST /v1/calls/end"] = sample{id("POST /v1/calls/create", call), ``}
	return out
}

// posts are the patterns of all POST routes.
func posts() []string {
	var out []string
	for _, r := range (&server{}).routes() {
		// The operator alone rotates the master key.
		if strings.HasPrefix(r.pattern, "POST ") && r.pattern != "POST /v1/secrets/rotate_master" {
			out = append(out, r.pattern)
		}
	}
	slices.Sort(out)
	return out
}

// Every POST route has a valid sample, which the tests of bodies and of
// idempotency keys start from.
func TestSamples(t *testing.T) {
	both(t, func(b *bench) {
		samples := b.samples()
		for _, pattern := range posts() {
			s, ok := samples[pattern]
			if !ok {
				b.t.Errorf("%s has no sample", pattern)
				continue
			}
			if got := b.do(pattern+s.query, s.body); got.status >= 300 {
				b.t.Errorf("%s answers %d %s", pattern, got.status, got.raw)
			}
			delete(samples, pattern)
		}
		for pattern := range samples {
			b.t.Errorf("there is no %s", pattern)
		}
	})
}
