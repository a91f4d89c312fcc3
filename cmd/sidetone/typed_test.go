package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What --set is given becomes what the property can have: texts keep what is written, also
// where that is JSON, and lists need no quotes.
func TestSetReadsByTheType(t *testing.T) {
	t.Parallel()
	a := &app{}
	for _, test := range []struct {
		path, pair string
		want       object
	}{
		{"/v1/trunks/create", "username=1000", object{"username": "1000"}},
		{"/v1/trunks/create", "password=0123456", object{"password": "0123456"}},
		{"/v1/trunks/create", "password=12345678901234567890", object{"password": "12345678901234567890"}},
		{"/v1/trunks/create", "password=true", object{"password": "true"}},
		{"/v1/trunks/create", `password={"a":1}`, object{"password": `{"a":1}`}},
		{"/v1/trunks/create", `username="1000"`, object{"username": "1000"}},
		{"/v1/trunks/update", "username=null", object{"username": nil}},
		{"/v1/trunks/update", "username=", object{"username": ""}},
		{"/v1/trunks/update", "addresses=[203.0.113.4]", object{"addresses": []any{"203.0.113.4"}}},
		{"/v1/trunks/update", "addresses=203.0.113.4, 198.51.100.0/24", object{"addresses": []any{"203.0.113.4", "198.51.100.0/24"}}},
		{"/v1/trunks/update", `addresses=["203.0.113.4"]`, object{"addresses": []any{"203.0.113.4"}}},
		{"/v1/trunks/update", "numbers=[+14155550123,+14155550124]", object{"numbers": []any{"+14155550123", "+14155550124"}}},
		{"/v1/trunks/update", "numbers=[14155550123]", object{"numbers": []any{"14155550123"}}},
		{"/v1/trunks/update", "numbers=14155550123", object{"numbers": []any{"14155550123"}}},
		{"/v1/trunks/update", "numbers=[]", object{"numbers": []any{}}},
		{"/v1/trunks/update", "numbers=null", object{"numbers": nil}},
		{"/v1/trunks/update", "register=true", object{"register": true}},
		{"/v1/trunks/update", "register=1", object{"register": 1.0}},
		{"/v1/trunks/update", "called.in.strip=00", object{"called": object{"in": object{"strip": "00"}}}},
		{"/v1/trunks/update", "called.in.strip=9", object{"called": object{"in": object{"strip": "9"}}}},
		{"/v1/trunks/update", "called.in.plus=false", object{"called": object{"in": object{"plus": false}}}},
		{"/v1/trunks/update", "headers_in.X-A=1", object{"headers_in": object{"X-A": "1"}}},
		{"/v1/trunks/update", "setting_of_a_later_version=4", object{"setting_of_a_later_version": 4.0}},
		{"/v1/agents/create", "prompt=7", object{"prompt": "7"}},
		{"/v1/agents/create", `prompt={"content":"x"}`, object{"prompt": object{"content": "x"}}},
		{"/v1/agents/create", "idle_time_seconds=5", object{"idle_time_seconds": 5.0}},
		{"/v1/agents/create", "actions=a1,a2", object{"actions": []any{"a1", "a2"}}},
		{"/v1/calls/create", "to_number=14155550123", object{"to_number": "14155550123"}},
		{"/v1/calls/create", "context.n=5", object{"context": object{"n": 5.0}}},
		{"/v1/account_connections/create", "credentials.twilio_auth_token=123", object{"credentials": object{"twilio_auth_token": "123"}}},
		{"/v1/account_connections/create", "credentials.acme_key=123", object{"credentials": object{"acme_key": "123"}}},
		{"", "n=1.5", object{"n": 1.5}},
	} {
		got, err := body{Set: []string{test.pair}}.read(a, test.path)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s %s: %v (-want +got)\n%s", test.path, test.pair, err, diff)
		}
	}
}
