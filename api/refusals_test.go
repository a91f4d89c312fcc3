package api

import (
	"slices"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
)

// refused stores a refused call of an environment, or of nobody, and returns its id.
func (b *bench) refusal(env string) string {
	b.t.Helper()
	id := sidetone.NewIDs(time.Now).New()
	err := b.store.StoreRefusedCall(b.t.Context(), sidetone.RefusedCall{ID: id, EnvironmentID: env, Trunk: "carrier", Source: "192.0.2.1:5060", FromNumber: "+12025550199",
		ToNumber: "4155550100", Tried: []string{"+4155550100"}, Cause: "unknown_number", Reason: "no environment has the number", Count: 1, Created: time.Now(), Last: time.Now(),
		Exchange: sampleLadder().Messages[:1]})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// TestRefusalsAreShownToWhomTheyBelong: an environment's to its keys, nobody's only to
// who runs the server.
func TestRefusalsAreShownToWhomTheyBelong(t *testing.T) {
	both(t, func(b *bench) {
		other, foreign := b.newEnvironment("other")
		mine, theirs, nobodys := b.refusal(b.env.ID), b.refusal(other.ID), b.refusal("")
		key := func(body string) string { return b.do("POST /v1/api_keys/create", body).want(201).text("key") }
		wide := key(`{"label":"wide","scopes":["read","admin"],"account_wide":true}`)
		for name, test := range map[string]struct {
			key  string
			want []string
		}{
			"reader":                {key(`{"label":"reader","scopes":["read"]}`), []string{mine}},
			"administrator":         {key(`{"label":"admin","scopes":["read","admin","metrics"]}`), []string{mine}},
			"reader of the account": {key(`{"label":"r","scopes":["read"],"account_wide":true}`), []string{mine}},
			"of the account":        {wide, []string{nobodys, mine}},
			"other environment":     {foreign, []string{theirs}},
		} {
			got := b.as(test.key, "GET /v1/refusals", "").want(200)
			var ids []string
			for _, item := range got.at("items").([]any) {
				ids = append(ids, item.(map[string]any)["id"].(string))
			}
			slices.Sort(ids) // two may be of the same millisecond
			slices.Sort(test.want)
			if !slices.Equal(ids, test.want) {
				t.Errorf("%s: got %v, want %v", name, ids, test.want)
			}
		}
		first := b.as(wide, "GET /v1/refusals", "").want(200).at("items").([]any)[0].(map[string]any)
		for name, want := range map[string]any{"trunk": "carrier", "to_number": "4155550100", "count": 1.0, "cause": "unknown_number"} {
			if first[name] != want {
				t.Errorf("%s: got %v", name, first[name])
			}
		}
		if messages, _ := first["messages"].([]any); len(messages) != 1 || messages[0].(map[string]any)["direction"] != "sent" {
			t.Errorf("messages: got %v", first["messages"])
		}
		b.as(key(`{"label":"writer","scopes":["write"]}`), "GET /v1/refusals", "").want(403)
	})
}

// anyCallerID lets one number show every other.
type anyCallerID struct{ line string }

func (a anyCallerID) CallerID(ours sidetone.Number, from string) error {
	if ours.Number == a.line || ours.Number == from {
		return nil
	}
	return sidetone.Errorf(sidetone.Invalid, "must be a number of the trunk")
}

// TestCallsShowANumberOfTheirTrunk, or any where the trunk of agent_phone_number
// allows it.
func TestCallsShowANumberOfTheirTrunk(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		line, unlisted := b.number(), b.number()
		b.callerIDs = refusing{anyCallerID{line}, unlisted}
		b.url = b.node()
		call := func(from, ours string) answer {
			return b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+from+`","agent_phone_number":`+ours+`,"agent":"`+c.agent+`"}`)
		}
		made := call("(212) 555-0177", `"`+line+`"`)
		made.fails(404, "from_number names no number in this environment") // no plus, no country
		made = call("+1 212 555 0177", `"`+line+`"`).want(201)
		if made.at("from_number") != "+12125550177" || made.at("agent_phone_number") != line {
			t.Errorf("got %v", made.json)
		}
		call("+12125550177", `"`+c.number+`"`).fails(404, "from_number names no number in this environment")
		call("+12125550177", "null").fails(404, "from_number names no number in this environment")
		call(unlisted, "null").fails(400, "from_number must be a number of the trunk")
		call(c.number, "null").want(201)
	})
}

// refusing refuses one number.
type refusing struct {
	CallerIDs
	number string
}

func (r refusing) CallerID(ours sidetone.Number, from string) error {
	if ours.Number == r.number {
		return sidetone.Errorf(sidetone.Invalid, "must be a number of the trunk")
	}
	return r.CallerIDs.CallerID(ours, from)
}

// TestHeadersOfACall are kept as they were given; others are refused by name.
func TestHeadersOfACall(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		made := c.create(`"`+c.agent+`"`, `,"headers_out":{"X-Campaign":"42","User-to-User":"56a3;encoding=hex"}`).want(201)
		if made.at("headers_out.X-Campaign") != "42" || made.at("headers_out.User-to-User") != "56a3;encoding=hex" {
			t.Errorf("got %v", made.json["headers_out"])
		}
		for headers, want := range map[string]string{
			`{"Route":"x"}`:           `headers_out["Route"] must be X- and a name, User-to-User, Diversion or History-Info`,
			`{"X-A":"a\r\nRoute: x"}`: `headers_out["X-A"] must have no line ends and no other control characters`,
			`{"X-A":"\u007f"}`:        `headers_out["X-A"] must have no line ends`,
			`{"X-A":""}`:              `headers_out["X-A"] must have 1 to 1024 bytes`,
			`{"X-A":1}`:               `headers_out`,
			`["X-A"]`:                 `headers_out must be`,
		} {
			got := c.create(`"`+c.agent+`"`, `,"headers_out":`+headers)
			got.want(400)
			if message := got.text("message"); len(message) < len(want) || message[:len(want)] != want {
				t.Errorf("%s: got %q, want %q", headers, message, want)
			}
		}
		if len(b.jobs.jobs) != 1 {
			t.Errorf("%d calls wait to be placed", len(b.jobs.jobs))
		}
	})
}
