package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestPlacement is decision 14 of the contract: what inbound_agent means.
func TestPlacement(t *testing.T) {
	both(t, func(b *bench) {
		for _, test := range []struct {
			name, inbound string
			// with and without say what becomes of a number that has agent A,
			// and of one that has none: "A", "B", "D" (the default), "" for
			// nobody, "new", or an error message.
			with, without string
			patched       bool
		}{
			{"absent", ``, "A", "", false},
			{"null", `null`, "", "", false},
			{"id", `"B"`, "B", "B", false},
			{"unknown id", `"nobody"`, "inbound_agent names no agent in this environment", "inbound_agent names no agent in this environment", false},
			{"empty id", `""`, "inbound_agent names no agent in this environment", "inbound_agent names no agent in this environment", false},
			{"default", `"default"`, "D", "D", false},
			{"object with id", `{"id":"B","label":"changed"}`, "B", "B", true},
			{"object with unknown id", `{"id":"nobody"}`, "inbound_agent.id names no agent in this environment", "inbound_agent.id names no agent in this environment", false},
			{"object without id", `{"label":"changed"}`, "A", "inbound_agent.prompt is required", true},
			{"object with prompt", `{"prompt":{"content":"new"},"label":"changed"}`, "A", "new", true},
			{"empty object", `{}`, "A", "inbound_agent.prompt is required", false},
			{"object with unknown prompt", `{"prompt":"nothing"}`, "inbound_agent.prompt names no prompt in this environment", "inbound_agent.prompt names no prompt in this environment", false},
			{"object with unknown voice", `{"prompt":{"content":"x"},"voice":"nothing"}`, "inbound_agent.voice names no voice in this environment", "inbound_agent.voice names no voice in this environment", false},
		} {
			p := newPlacementTest(b)
			b.t.Run(test.name+"/with", func(t *testing.T) { p.run(t, test.inbound, true, test.with, test.patched) })
			p = newPlacementTest(b)
			b.t.Run(test.name+"/without", func(t *testing.T) { p.run(t, test.inbound, false, test.without, test.patched) })
		}
	})
}

// placementTest has three agents and a number in a fresh environment.
type placementTest struct {
	*bench
	ids    map[string]string
	number string
}

func newPlacementTest(b *bench) *placementTest {
	own := *b
	own.env, own.key = b.newEnvironment("placement")
	p := &placementTest{bench: &own, ids: map[string]string{"": ""}}
	for _, name := range []string{"A", "B", "D"} {
		p.ids[name] = p.agent(`{"name":"` + name + `","prompt":{"content":"` + name + `"}}`)
	}
	p.number = p.bench.number()
	if err := p.setDefault(p.ids["D"]); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (p *placementTest) run(t *testing.T, inbound string, placed bool, want string, patched bool) {
	t.Helper()
	p.t = t
	defer p.do("POST /v1/numbers/cancel?phone_number="+p.number[1:], "")
	if placed {
		p.update(`{"example_context":{},"inbound_agent":"` + p.ids["A"] + `"}`).want(201)
	}
	body := `{"example_context":{"k":"v"}}`
	if inbound != "" {
		var value any
		if err := json.Unmarshal([]byte(inbound), &value); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(map[string]any{"example_context": map[string]any{"k": "v"}, "inbound_agent": p.named(value)})
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	got := p.update(body)
	after := p.do("GET /v1/numbers?phone_number="+p.number[1:], "").want(200)
	if got.status != 201 {
		if message := got.text("message"); message != want {
			t.Errorf("got %q, want %q", message, want)
		}
		if after.at("example_context.k") != nil {
			t.Error("the number was changed by a request that was refused")
		}
		return
	}
	id := after.text("inbound_agent.id")
	if want == "new" {
		if id == "" || id == p.ids["A"] || after.text("inbound_agent.prompt.content") != "new" {
			t.Errorf("got agent %s", after.raw)
		}
		return
	}
	if id != p.ids[want] {
		t.Errorf("got agent %q, want %s %q", id, want, p.ids[want])
	}
	header := got.header.Get("Sidetone-Agent-Numbers")
	if patched && (after.text("inbound_agent.label") != "changed" || after.text("inbound_agent.name") != want || header != "1") {
		t.Errorf("the agent was not patched: %s, header %q", after.raw, header)
	}
	if !patched && header != "" {
		t.Errorf("got header %q without a change", header)
	}
}

func (p *placementTest) update(body string) answer {
	return p.do("POST /v1/numbers/update?phone_number="+p.number[1:], body)
}

// named replaces the letters of the test's agents by their ids.
func (p *placementTest) named(v any) any {
	switch v := v.(type) {
	case string:
		if id, ok := p.ids[v]; ok {
			return id
		}
	case map[string]any:
		if id, ok := v["id"].(string); ok {
			v["id"] = p.named(id)
		}
	}
	return v
}

func TestSharedAgentSaysHowManyNumbersChange(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		for range 2 {
			b.do("POST /v1/numbers/buy", `{"inbound_agent":"`+agent+`"}`).want(201)
		}
		list := b.do("GET /v1/numbers/list", "").want(200)
		first := list.at("items").([]any)[0].(map[string]any)["id"].(string)
		got := b.do("POST /v1/numbers/update?id="+first, `{"example_context":{},"inbound_agent":{"language":"de"}}`).want(201)
		if n := got.header.Get("Sidetone-Agent-Numbers"); n != "2" {
			b.t.Errorf("got header %q, want 2", n)
		}
	})
}

// TestNumberFieldsChangeAlone updates each field by itself, to a value and to
// null, and holds everything else against what it was.
func TestNumberFieldsChangeAlone(t *testing.T) {
	both(t, func(b *bench) {
		target := "?phone_number=" + b.number()[1:]
		full := `{"example_context":{"a":"b"},"label":"L","description":"D","outbound_only":true,"max_concurrent_calls":3,"tags":["t"],"config":{"a":1},
			"inbound_agent":{"name":"N","prompt":{"content":"p"}}}`
		for _, test := range []struct{ name, value, cleared string }{
			{"label", `"other"`, `null`}, {"description", `"other"`, `null`}, {"outbound_only", `false`, `false`},
			{"tags", `["u","v"]`, `[]`}, {"config", `{"c":{"d":[1]}}`, `{}`}, {"max_concurrent_calls", `10000`, `null`}, {"max_concurrent_calls", `1`, `null`},
		} {
			for _, value := range []string{test.value, "null"} {
				before := b.do("POST /v1/numbers/update"+target, full).want(201)
				b.do("POST /v1/numbers/update"+target, `{"example_context":{"a":"b"},"`+test.name+`":`+value+`}`).want(201)
				want := before.json
				set(b.t, want, test.name, value, test.cleared)
				if diff := cmp.Diff(want, b.do("GET /v1/numbers"+target, "").want(200).json); diff != "" {
					b.t.Errorf("%s to %s: (-want +got)\n%s", test.name, value, diff)
				}
			}
		}
		for _, bad := range []string{"-1", "10001", "1.5", `"two"`} {
			got := b.do("POST /v1/numbers/update"+target, `{"example_context":{},"max_concurrent_calls":`+bad+`}`).want(400)
			if !strings.Contains(got.text("message"), "max_concurrent_calls") {
				b.t.Errorf("limit %s: message %v does not name it", bad, got.json["message"])
			}
		}
		before := b.do("POST /v1/numbers/update"+target, full).want(201)
		after := b.do("POST /v1/numbers/update"+target, `{"example_context":{"c":1}}`).want(201)
		before.json["example_context"] = map[string]any{"c": 1.0}
		if diff := cmp.Diff(before.json, after.json); diff != "" {
			b.t.Errorf("example_context: (-want +got)\n%s", diff)
		}
	})
}

// set makes in want the change that name: value makes; cleared is what null
// becomes, null for absent.
func set(t testing.TB, want map[string]any, name, value, cleared string) {
	t.Helper()
	if value == "null" {
		value = cleared
	}
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	if want[name] = v; v == nil {
		delete(want, name)
	}
}

func TestNumberByIDAndPhone(t *testing.T) {
	both(t, func(b *bench) {
		one := b.do("POST /v1/numbers/buy", `{"phone_number":"+1 (202) 555-0101"}`).want(201)
		two := b.do("POST /v1/numbers/buy", `{"area_code":"415"}`).want(201)
		if one.text("number") != "+12025550101" || two.text("number") != "+14155550103" {
			b.t.Errorf("got %s and %s", one.raw, two.raw)
		}
		for _, query := range []string{"id=" + one.text("id"), "phone_number=%2B12025550101", "phone_number=+1-202-555-0101",
			"phone_number=12025550101&id=" + one.text("id")} {
			if got := b.do("GET /v1/numbers?"+query, "").want(200); got.text("id") != one.text("id") {
				b.t.Errorf("%s finds %s", query, got.raw)
			}
		}
		b.do("GET /v1/numbers?phone_number=12025550101&id="+two.text("id"), "").fails(400, "phone_number and id name different numbers")
		b.do("GET /v1/numbers", "").fails(400, "phone_number is required")
		b.do("GET /v1/numbers?phone_number=call%20me", "").fails(404, "phone_number names no number in this environment")
		b.do("GET /v1/numbers?id=x'--", "").fails(404, "id names no number in this environment")
	})
}

func TestNumberShop(t *testing.T) {
	both(t, func(b *bench) {
		offers := b.do("GET /v1/numbers/available?filters="+`{"area_code":"202"}`, "").want(200)
		if got := offers.at("total"); got != 2.0 {
			b.t.Fatalf("got %s", offers.raw)
		}
		again := b.do("GET /v1/numbers/available?limit=1&telephony_provider=simulated", "").want(200)
		first := func(a answer) map[string]any { return a.at("items").([]any)[0].(map[string]any) }
		if first(offers)["id"] != first(again)["id"] || first(offers)["active"] != false {
			b.t.Errorf("the same offer is %v and %v", first(offers), first(again))
		}
		b.do("GET /v1/numbers/available?telephony_provider=acme", "").fails(400, "telephony_provider must be one of simulated, sip, twilio, telnyx, vonage, fluents: no other is known")
		b.do("GET /v1/numbers/available?telephony_account_connection=x", "").fails(404, "telephony_account_connection names no account connection in this environment")
		b.do("GET /v1/numbers/available?filters="+`{"colour":"red"}`, "").fails(400, "filters.colour must be area_code, contains, country or locality")
		b.do("GET /v1/numbers/available?limit=0", "").fails(400, "limit must be between 1 and 100")

		bought := b.do("POST /v1/numbers/buy", `{"area_code":"202"}`).want(201)
		b.do("POST /v1/numbers/buy", `{"phone_number":"`+bought.text("number")+`"}`).fails(404, "phone_number names no number for sale")
		b.do("POST /v1/numbers/buy", `{"area_code":"999"}`).fails(404, "area_code has no number for sale")
		b.do("POST /v1/numbers/buy", `{"phone_number":"me"}`).fails(400, "phone_number must be a phone number with country code")
		b.do("POST /v1/numbers/buy", `{"inbound_agent":"nobody"}`).fails(404, "inbound_agent names no agent in this environment")

		cancelled := b.do("POST /v1/numbers/cancel?id="+bought.text("id"), "null").want(201)
		if cancelled.at("active") != false || len(b.shop.released) != 1 {
			b.t.Errorf("cancelled to %s, released %v", cancelled.raw, b.shop.released)
		}
		b.do("GET /v1/numbers?id="+bought.text("id"), "").want(404)
		b.do("POST /v1/numbers/cancel?id="+bought.text("id"), "").want(404)
		rebought := b.do("POST /v1/numbers/buy", `{"phone_number":"`+bought.text("number")+`"}`).want(201)
		if rebought.text("id") == bought.text("id") {
			b.t.Error("a number bought again has its old id")
		}
	})
}

func TestBrokenShopLeavesNothingBehind(t *testing.T) {
	both(t, func(b *bench) {
		b.shop.breakDown(errors.New("carrier on fire"))
		b.do("GET /v1/numbers/available", "").fails(503, "the carrier does not answer")
		got := b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`)
		got.fails(503, "the carrier does not sell the number now")
		if got.header.Get("Retry-After") == "" {
			b.t.Error("Retry-After is missing")
		}
		if total := b.do("GET /v1/numbers/list", "").at("total"); total != 0.0 {
			b.t.Errorf("%v numbers are left", total)
		}
		b.shop.breakDown(nil)
		number := b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(201)
		b.shop.breakDown(errors.New("carrier on fire"))
		b.do("POST /v1/numbers/cancel?id="+number.text("id"), "").fails(503, "the carrier does not take the number back now")
		b.do("GET /v1/numbers?id="+number.text("id"), "").want(200)
	})
}

// TestFailedPurchasesLeaveNoAgent: an agent that is to be made or changed for a
// number is, once the number is bought, and not before.
func TestFailedPurchasesLeaveNoAgent(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"name":"A","prompt":{"content":"p"}}`)
		look := func() string {
			out := ""
			for _, noun := range []string{"numbers", "agents", "prompts", "voices", "actions", "webhooks"} {
				out += string(b.do("GET /v1/"+noun+"/list", "").want(200).raw)
			}
			return out
		}
		before := look()
		made := `{"name":"B","prompt":{"content":"q"},"voice":{"type":"voice_tty"},"actions":[{"type":"action_dtmf"}],
			"webhook":{"url":"https://hook.example/in","subscriptions":[]}}`
		changed := `{"id":"` + agent + `","name":"C","prompt":{"content":"r"}}`
		for _, who := range []string{made, changed} {
			b.shop.breakDown(errors.New("carrier on fire"))
			b.with("a"+who[2:4], "POST /v1/numbers/buy", `{"phone_number":"+12025550101","inbound_agent":`+who+`}`).want(503)
			b.shop.breakDown(nil)
			b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550999","inbound_agent":`+who+`}`).fails(404, "phone_number names no number for sale")
			if diff := cmp.Diff(before, look()); diff != "" {
				b.t.Errorf("%s left something behind: %s", who, diff)
			}
		}
		b.shop.onBuy(func(context.Context) error {
			b.do("DELETE /v1/agents/delete?id="+agent, "").want(200)
			return nil
		})
		b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101","inbound_agent":"`+agent+`"}`).
			fails(404, "inbound_agent names no agent in this environment")
		b.shop.onBuy(nil)
		if diff := cmp.Diff([]string{"+12025550101"}, b.shop.released); diff != "" {
			b.t.Errorf("the number was not given back: %s", diff)
		}
		got := b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550102","inbound_agent":`+made+`}`).want(201)
		if got.text("inbound_agent.prompt.content") != "q" || b.do("GET /v1/agents/list", "").at("total") != 1.0 {
			b.t.Errorf("got %s", got.raw)
		}
	})
}

// TestClientThatLeavesDuringAPurchase gives up while the carrier thinks: the
// reservation must not outlive the failed purchase.
func TestClientThatLeavesDuringAPurchase(t *testing.T) {
	both(t, func(b *bench) {
		ctx, leave := context.WithCancel(b.t.Context())
		b.shop.onBuy(func(buying context.Context) error {
			leave()
			<-buying.Done()
			return buying.Err()
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/v1/numbers/buy", strings.NewReader(`{"phone_number":"+12025550101"}`))
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+b.key)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
			b.t.Fatal("the request was answered")
		}
		b.shop.onBuy(nil)
		for b.do("GET /v1/numbers?phone_number=12025550101", "").status != 404 {
			if b.t.Context().Err() != nil {
				b.t.Fatal("the number stays reserved")
			}
			runtime.Gosched()
		}
		b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(201)
	})
}

func TestNumberList(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"name":"N","prompt":{"content":"p"}}`)
		b.do("POST /v1/numbers/buy", `{"inbound_agent":"`+agent+`"}`).want(201)
		b.number()
		page := b.do("GET /v1/numbers/list?page=1&size=1&sort_column=number&sort_desc=False&filters=", "").want(200)
		item := page.at("items").([]any)[0].(map[string]any)
		if item["inbound_agent"] != agent || item["inbound_agent_name"] != "N" || page.at("has_more") != true || page.at("total") != 2.0 {
			b.t.Errorf("got %s", page.raw)
		}
		expanded := b.do("GET /v1/numbers/list?expand=inbound_agent&filters="+`{"number":"1-202-555-0101"}`, "").want(200)
		if got := expanded.at("items").([]any)[0].(map[string]any)["inbound_agent"].(map[string]any)["id"]; got != agent {
			b.t.Errorf("got %s", expanded.raw)
		}
		if past := b.do("GET /v1/numbers/list?page=9", "").want(200); len(past.at("items").([]any)) != 0 {
			b.t.Errorf("got %s", past.raw)
		}
		b.do("GET /v1/numbers/list?sort_column=shoe_size", "").want(400)
		b.do("GET /v1/numbers/list?filters=[]", "").fails(400, "filters must be a JSON object")
	})
}

// TestPurchaseThatIsCutOff ends the process's store while the carrier sells: what
// is left is a row that the next one knows to be of a purchase that is not over,
// and a purchase that was taken for one is not put into service.
func TestPurchaseThatIsCutOff(t *testing.T) {
	both(t, func(b *bench) {
		during := func(do func(n sidetone.Number) error) func(context.Context) error {
			return func(ctx context.Context) error {
				cut, err := b.store.CutOffPurchases(ctx, time.Now().Add(time.Hour))
				if err != nil || len(cut) != 1 || cut[0].Number != "+12025550101" {
					return fmt.Errorf("reserved are %+v, %w", cut, err)
				}
				return do(cut[0])
			}
		}
		b.shop.onBuy(during(func(sidetone.Number) error { return nil }))
		b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(201)
		if cut, err := b.store.CutOffPurchases(b.t.Context(), time.Now().Add(time.Hour)); err != nil || len(cut) != 0 {
			b.t.Errorf("reserved after the purchase: %+v, %v", cut, err)
		}
		b.do("POST /v1/numbers/cancel?phone_number=%2B12025550101", "").want(201)
		b.shop.onBuy(during(func(n sidetone.Number) error {
			n.Reserved = n.Reserved.Add(-time.Millisecond)
			return b.store.Write(context.Background(), n.EnvironmentID, func(tx *store.Tx) error { return tx.UpdateNumber(n) })
		}))
		b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).fails(503, "the purchase took too long")
		if total := b.do("GET /v1/numbers/list", "").at("total"); total != 0.0 || len(b.shop.released) != 2 {
			b.t.Errorf("%v numbers are left, given back %v", total, b.shop.released)
		}
		b.shop.onBuy(during(func(sidetone.Number) error { return b.store.Close() }))
		if got := b.do("POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`); got.status < 500 {
			b.t.Errorf("%d without a store", got.status)
		}
		again := storetest.Open(b.t, b.database, nil)
		cut, err := again.CutOffPurchases(b.t.Context(), time.Now().Add(time.Hour))
		if err != nil || len(cut) != 1 || cut[0].Number != "+12025550101" || cut[0].InboundAgentID != "" {
			b.t.Errorf("the next process finds %+v, %v", cut, err)
		}
	})
}
