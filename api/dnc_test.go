package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func TestNumbersThatAreNotCalled(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		c.create(`"`+c.agent+`"`, "").want(201)
		body := `{"from_number":"` + c.number + `","to_number":"1 202 555 0199","agent":"` + c.agent + `"}`
		listed := b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"+1 (202) 555-0199","userId":"whoever","reason":"asked"}`).want(201)
		if listed.text("phoneNumber") != "+12025550199" || listed.text("reason") != "asked" || listed.text("userId") != b.env.AccountID {
			b.t.Errorf("got %s", listed.raw)
		}
		before := len(b.jobs.jobs)
		b.do("POST /v1/calls/create", body).fails(400, "to_number is on the do-not-call list")
		if len(b.jobs.jobs) != before {
			b.t.Error("a call to a listed number is to be dialled")
		}
		again := b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"12025550199"}`).want(201)
		if diff := cmp.Diff(listed.json, again.json); diff != "" {
			b.t.Errorf("listed twice: %s", diff)
		}
		if got := b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"12025550199","reason":null}`).want(201).at("reason"); got != nil {
			b.t.Errorf("null leaves the reason %v", got)
		}
		_, rival := b.newEnvironment("rival")
		as := http.Header{"Authorization": {"Bearer " + rival}}
		b.send("DELETE /v1/dnc_numbers/delete?id="+listed.text("id"), "", as).fails(404, "id names no do-not-call number in this environment")
		if got := b.send("GET /v1/dnc_numbers/list", "", as).want(200).at("total"); got != 0.0 {
			b.t.Errorf("the rival sees %v numbers", got)
		}
		b.do("DELETE /v1/dnc_numbers/delete?id="+listed.text("id"), "").want(200)
		b.do("DELETE /v1/dnc_numbers/delete?id="+listed.text("id"), "").fails(404, "id names no do-not-call number in this environment")
		b.do("POST /v1/calls/create", body).want(201)
		b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"x"}`).fails(400, "phoneNumber must be a phone number with country code")
		b.do("POST /v1/dnc_numbers/create", ``).fails(400, "phoneNumber is required")
	})
}

func TestManyNumbersThatAreNotCalled(t *testing.T) {
	both(t, func(b *bench) {
		got := b.do("POST /v1/dnc_numbers/bulk", `{"phoneNumbers":[{"phoneNumber":"+12025550101","reason":"r"},{"phoneNumber":"12025550102"},
			{"phoneNumber":"+12025550101"}]}`).want(201)
		var list []map[string]any
		if err := json.Unmarshal(got.raw, &list); err != nil {
			b.t.Fatal(err)
		}
		if len(list) != 3 || list[0]["id"] != list[2]["id"] || list[2]["reason"] != "r" || list[1]["phoneNumber"] != "+12025550102" {
			b.t.Errorf("got %s", got.raw)
		}
		for body, message := range map[string]string{
			`{"phoneNumbers":[{"phoneNumber":"+12025550103"},{"phoneNumber":"y"}]}`: "phoneNumbers[1].phoneNumber must be a phone number with country code",
			`{"phoneNumbers":[{"phoneNumber":"+12025550103"},{}]}`:                  "phoneNumbers[1].phoneNumber is required",
			`{"phoneNumbers":["+12025550103"]}`:                                     "phoneNumbers[0] must be an object",
			`{}`:                                                                    "phoneNumbers is required",
			`{"phoneNumbers":[` + strings.Repeat(`{"phoneNumber":"+12025550103"},`, 1000) + `{"phoneNumber":"+12025550103"}]}`: "phoneNumbers must have at most 1000 items",
		} {
			b.do("POST /v1/dnc_numbers/bulk", body).fails(400, message)
		}
		if got := b.do("POST /v1/dnc_numbers/bulk", `{"phoneNumbers":[]}`).want(201); strings.TrimSpace(string(got.raw)) != "[]" {
			b.t.Errorf("got %s", got.raw)
		}
		page := b.do("GET /v1/dnc_numbers/list?type=global&page=1&size=1&sort_column=phoneNumber&sort_desc=True&filters=", "").want(200)
		if page.at("total") != 2.0 || page.at("items").([]any)[0].(map[string]any)["phoneNumber"] != "+12025550102" {
			b.t.Errorf("got %s", page.raw)
		}
		if got := b.do("GET /v1/dnc_numbers/list?filters=%7B%22phoneNumber%22:%221-202-555-0101%22%7D", "").want(200).at("total"); got != 1.0 {
			b.t.Errorf("%v numbers are found", got)
		}
	})
}

func TestUsage(t *testing.T) {
	both(t, func(b *bench) {
		want := func(minutes float64) {
			b.t.Helper()
			got := b.do("GET /v1/usage", "").want(200)
			diff := cmp.Diff(map[string]any{"user_id": b.env.AccountID, "plan_type": "plan_unlimited",
				"monthly_usage_limit_minutes": nil, "monthly_usage_minutes": minutes}, got.json)
			if diff != "" {
				b.t.Error(diff)
			}
		}
		want(0)
		now := time.Now().UTC()
		begun := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
		for i, c := range []struct{ started, ended time.Time }{
			{begun.Add(-time.Hour), begun.Add(time.Hour)}, // of the month before
			{begun, begun.Add(90 * time.Second)},
			{begun, begun.Add(31 * time.Second)},
			{time.Time{}, now}, // never answered
		} {
			err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
				return tx.InsertCall(sidetone.Call{ID: fmt.Sprint("c", i), Status: sidetone.CallEnded, Started: c.started, Ended: c.ended})
			})
			if err != nil {
				b.t.Fatal(err)
			}
		}
		want(3)
	})
}
