package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	needsCountry = "must be a phone number with country code: write it as +, country code and number, or set the environment's default_country"
	needsOther   = "must be a phone number of the environment's default_country: write it as +, country code and number, or set another default_country"
	tooShort     = "must be a whole phone number: emergency numbers and short codes are never called, and extensions come with trunks"
)

func (b *bench) country(code string) {
	b.t.Helper()
	b.do("POST /v1/environments/update?id="+b.env.ID, `{"default_country":`+code+`}`).want(201)
}

func (b *bench) vocodeClient() http.Header {
	return http.Header{"Authorization": {"Bearer " + b.key}, "X-Fern-Sdk-Name": {"vocode-api"}}
}

// TestNumbersToBeCalled: what is called is what was written, or nothing.
func TestNumbersToBeCalled(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		for _, test := range []struct {
			country, number string
			vocode          bool
			want            string
		}{
			{`null`, "+2025550142", false, "+2025550142"}, {`null`, "(202) 555-0142", false, "to_number " + needsCountry},
			{`null`, "12025550142", false, "+12025550142"}, {`null`, "012025550142", false, "to_number " + needsCountry},
			{`null`, "911", false, "to_number " + tooShort}, {`null`, "201", false, "to_number " + tooShort},
			{`null`, "201", true, "to_number " + tooShort}, {`null`, "2025550142", true, "2025550142"},
			{`"us"`, "(202) 555-0142", false, "+12025550142"}, {`"US"`, "011 49 30 901820", false, "+4930901820"},
			{`"US"`, "2025550142", true, "2025550142"}, {`"US"`, "911", false, "to_number " + tooShort},
			{`"DE"`, "030 901820", false, "+4930901820"}, {`"DE"`, "12025550142", false, "to_number " + needsOther},
			{`"DE"`, "+49116117", false, "to_number must not be an emergency number or a short code: those are never called"},
		} {
			b.country(test.country)
			header, refused := http.Header{"Authorization": {"Bearer " + b.key}}, 400
			if test.vocode {
				header, refused = b.vocodeClient(), 422
			}
			got := b.send("POST /v1/calls/create", fmt.Sprintf(`{"from_number":%q,"to_number":%q,"agent":%q}`, c.number, test.number, c.agent), header)
			if strings.HasPrefix(test.want, "to_number") {
				if got.status != refused || !strings.Contains(string(got.raw), test.want) {
					b.t.Errorf("%+v: got %d %s", test, got.status, got.raw)
				}
			} else if got.want(201).text("to_number") != test.want {
				b.t.Errorf("%+v: got %s", test, got.raw)
			}
		}
	})
}

// TestDefaultCountry: it is shown, checked and taken back.
func TestDefaultCountry(t *testing.T) {
	both(t, func(b *bench) {
		b.country(`"de"`)
		if got := b.do("GET /v1/whoami", "").want(200).text("environment.default_country"); got != "DE" {
			b.t.Errorf("got %q", got)
		}
		const wrong = "default_country must be a country's code of two letters, such as US or DE"
		b.do("POST /v1/environments/update?id="+b.env.ID, `{"default_country":"XX"}`).fails(400, wrong)
		b.do("POST /v1/environments/create", `{"name":"n","default_country":"XX"}`).fails(400, wrong)
		if got := b.do("POST /v1/environments/create", `{"name":"n","default_country":"us"}`).want(201).text("default_country"); got != "US" {
			b.t.Errorf("got %q", got)
		}
		b.country(`null`)
		if got := b.do("GET /v1/whoami", "").want(200).at("environment.default_country"); got != nil {
			b.t.Errorf("null leaves %v", got)
		}
	})
}

// TestOtherPlacesOfNumbers: numbers that are not ours are read by the same rule
// everywhere, ours by their digits.
func TestOtherPlacesOfNumbers(t *testing.T) {
	both(t, func(b *bench) {
		action := `{"type":"action_transfer_call","config":{"phone_number":"(202) 555-0142"}}`
		b.do("POST /v1/actions/create", action).fails(400, "config.phone_number "+needsCountry)
		b.do("POST /v1/actions/create", `{"type":"action_warm_transfer","config":{"phone_number":"the desk"}}`).want(201)
		b.do("POST /v1/numbers/buy", `{"phone_number":"(202) 555-0142"}`).fails(400, "phone_number "+needsCountry)
		b.do("POST /v1/numbers/link", `{"phone_number":"(202) 555-0142"}`).fails(400, "phone_number "+needsCountry)
		connection := `{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"},
			"steering_pool":["(202) 555-0142"]}`
		b.do("POST /v1/account_connections/create", connection).fails(400, "steering_pool "+needsCountry)
		b.country(`"US"`)
		made := b.do("POST /v1/actions/create", action).want(201)
		if got := made.text("config.phone_number"); got != "+12025550142" {
			b.t.Errorf("action: got %s", got)
		}
		pool := b.do("POST /v1/account_connections/create", connection).want(201)
		id := "?id=" + pool.text("id")
		b.do("POST /v1/account_connections/add_to_steering_pool"+id, `{"phone_number":"202 555 0143"}`).want(200)
		left := b.do("POST /v1/account_connections/remove_from_steering_pool"+id, `{"phone_number":"1-202-555-0142"}`).want(200)
		if got := fmt.Sprint(left.at("steering_pool")); got != "[+12025550143]" {
			b.t.Errorf("pool: got %s", got)
		}
		number := b.number()
		for _, spelling := range []string{number, number[1:], number[1:2] + " (" + number[2:5] + ") " + number[5:]} {
			if got := b.do("GET /v1/numbers?phone_number="+url.QueryEscape(spelling), "").want(200).text("number"); got != number {
				b.t.Errorf("%s names %s", spelling, got)
			}
		}
	})
}

// TestStoredNumbersStay: what was stored before the rules came is sent back
// without being refused.
func TestStoredNumbersStay(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/actions/create", `{"type":"action_add_to_conference","config":{"phone_number":"+2025550142"}}`).want(201)
		changed := b.do("POST /v1/actions/update?id="+made.text("id"), `{"config":{"phone_number":"2025550142","place_primary_on_hold":false}}`).want(201)
		if changed.text("config.phone_number") != "+2025550142" || changed.at("config.place_primary_on_hold") != false {
			b.t.Errorf("got %s", changed.raw)
		}
	})
}

// TestDoubtfulEntries: an entry that may mean two numbers blocks both until
// somebody decides.
func TestDoubtfulEntries(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		call := func(to string) answer {
			return b.do("POST /v1/calls/create", fmt.Sprintf(`{"from_number":%q,"to_number":%q,"agent":%q}`, c.number, to, c.agent))
		}
		doubtful := func(digits string) answer {
			return b.send("POST /v1/dnc_numbers/create", `{"phoneNumber":"`+digits+`","reason":"asked"}`, b.vocodeClient()).want(201)
		}
		const listed = "to_number is on the do-not-call list"
		first, second := doubtful("2025550142"), doubtful("2025550143")
		if first.text("phoneNumber") != "+2025550142" || first.text("writtenAs") != "2025550142" || first.at("certain") != false ||
			fmt.Sprint(first.at("alsoBlocks")) != "[+12025550142]" {
			b.t.Errorf("got %s", first.raw)
		}
		for _, to := range []string{"+2025550142", "+12025550142", "+12025550143"} {
			call(to).fails(400, listed)
		}
		if page := b.do(`GET /v1/dnc_numbers/list?filters={"certain":false}`, "").want(200); page.at("total") != 2.0 ||
			strings.Count(string(page.raw), "alsoBlocks") != 2 {
			b.t.Errorf("got %s", page.raw)
		}
		decide := func(entry answer, number string) answer {
			return b.do("POST /v1/dnc_numbers/decide?id="+entry.text("id"), `{"phoneNumber":"`+number+`"}`)
		}
		decide(first, "+12025550199").fails(400, "phoneNumber must be +2025550142 or +12025550142")
		if kept := decide(first, "+2025550142").want(201); kept.at("certain") != true || kept.at("alsoBlocks") != nil || kept.text("id") != first.text("id") {
			b.t.Errorf("got %s", kept.raw)
		}
		call("+2025550142").fails(400, listed)
		call("+12025550142").want(201)
		replaced := decide(second, "+12025550143").want(201)
		if replaced.text("phoneNumber") != "+12025550143" || replaced.text("reason") != "asked" || replaced.text("writtenAs") != "2025550143" ||
			replaced.at("certain") != true || replaced.text("createdAt") != second.text("createdAt") {
			b.t.Errorf("got %s", replaced.raw)
		}
		call("+12025550143").fails(400, listed)
		call("+2025550143").want(201)
		decide(second, "+12025550143").fails(404, "id names no do-not-call number in this environment")
		again := doubtful("2025550143") // somebody lists it as it was: the decided entry stays
		if merged := decide(again, "+12025550143").want(201); merged.text("id") != replaced.text("id") {
			b.t.Errorf("got %s", merged.raw)
		}
		certain := b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"+2025550144"}`).want(201)
		call("+12025550144").want(201)
		if certain.at("certain") != true || slices.Contains([]any{"+12025550144"}, certain.at("alsoBlocks")) {
			b.t.Errorf("got %s", certain.raw)
		}
	})
}

// TestRequiredContext: a prompt's template says what a call must bring.
func TestRequiredContext(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		agent := b.agent(`{"prompt":{"content":"Dear ${name}","prompt_template":{"required_context_keys":["name","city"]}}}`)
		create := func(context string) answer {
			return b.do("POST /v1/calls/create", fmt.Sprintf(`{"from_number":%q,"to_number":"+12025550199","agent":%q%s}`, c.number, agent, context))
		}
		const both = "context must have name, city: the prompt's template requires it"
		create("").fails(400, both)
		create(`,"context":{"name":null}`).fails(400, both)
		create(`,"context":{"city":"Bonn"}`).fails(400, "context must have name: the prompt's template requires it")
		create(`,"context":{"name":"","city":"Bonn"}`).want(201)
	})
}

// TestCountriesThatAreCalled: callers are handed over within the countries of the environment's
// numbers, and calls are placed anywhere, until it says which countries it calls.
func TestCountriesThatAreCalled(t *testing.T) {
	both(t, func(b *bench) {
		transfer := func(to string) answer {
			return b.do("POST /v1/actions/create", `{"type":"action_transfer_call","config":{"phone_number":"`+to+`"}}`)
		}
		const us, jamaica, uk = "+12025550142", "+18765550123", "+442079460000"
		transfer(uk).want(201) // without a number nobody is handed over to anybody
		from := b.number()
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		place := func(to string) answer {
			return b.do("POST /v1/calls/create", `{"agent":"`+agent+`","from_number":"`+from+`","to_number":"`+to+`"}`)
		}
		const abroad = "config.phone_number is a number of %s, and this environment calls US only (its dial_countries; else the countries of its numbers)"
		transfer(us).want(201)
		transfer(uk).fails(400, fmt.Sprintf(abroad, "GB"))
		transfer(jamaica).fails(400, fmt.Sprintf(abroad, "JM"))
		place(uk).want(201)
		b.do("POST /v1/environments/update?id="+b.env.ID, `{"dial_countries":["XX"]}`).fails(400, "dial_countries[0] must be a country's code of two letters, such as US or DE")
		b.do("POST /v1/environments/update?id="+b.env.ID, `{"dial_countries":["us","GB","us"]}`).want(201)
		if got := b.do("GET /v1/whoami", "").want(200).at("environment.dial_countries"); fmt.Sprint(got) != "[GB US]" {
			b.t.Errorf("got %v", got)
		}
		transfer(uk).want(201)
		place(jamaica).fails(400, "to_number is a number of JM, and this environment calls GB, US only (its dial_countries; else the countries of its numbers)")
		b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"`+us+`"}`).want(201)
		place(us).fails(400, "to_number is on the do-not-call list")
		transfer(us).want(201) // a colleague
		b.do("POST /v1/environments/update?id="+b.env.ID, `{"dial_countries":null}`).want(201)
		transfer(uk).fails(400, fmt.Sprintf(abroad, "GB"))
	})
}
