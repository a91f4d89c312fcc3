package api

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/sidetone/sidetone/store"
)

// carrierAccount makes an account connection with a carrier.
func (b *bench) carrierAccount() string {
	b.t.Helper()
	return b.do("POST /v1/account_connections/create", `{"type":"account_connection_twilio",
		"credentials":{"twilio_account_sid":"AC1","twilio_auth_token":"token"}}`).want(201).text("id")
}

func TestLinkAndDetach(t *testing.T) {
	both(t, func(b *bench) {
		account, agent := b.carrierAccount(), b.agent(`{"name":"A","prompt":{"content":"p"}}`)
		linked := b.do("POST /v1/numbers/link", `{"phone_number":"1 415 555 0111","telephony_account_connection":"`+account+`","outbound_only":true,
			"inbound_agent":"`+agent+`"}`).want(201)
		for path, want := range map[string]any{"number": "+14155550111", "telephony_provider": "twilio", "active": true, "outbound_only": true,
			"telephony_account_connection": account, "inbound_agent.id": agent, "inbound_agent_name": "A"} {
			if got := linked.at(path); got != want {
				b.t.Errorf("%s: got %v, want %v", path, got, want)
			}
		}
		b.do("POST /v1/numbers/link", `{"phone_number":"+14155550111","telephony_account_connection":"`+account+`"}`).
			fails(409, "phone_number is in use")
		b.do("POST /v1/numbers/link", `{"phone_number":"+14155550111"}`).fails(409, "phone_number is in use")
		_, rival := b.newEnvironment("rival") // learns nothing of it
		b.as(rival, "POST /v1/numbers/link", `{"phone_number":"+14155550111"}`).want(400)
		b.do("DELETE /v1/account_connections/delete?id="+account, "").
			fails(409, "the account connection is used by number +14155550111")
		gone := b.do("POST /v1/numbers/detach?phone_number=14155550111", "").want(201)
		if gone.at("active") != false || gone.text("id") != linked.text("id") || gone.text("inbound_agent.id") != agent {
			b.t.Errorf("got %s", gone.raw)
		}
		for _, request := range []string{"GET /v1/numbers?id=", "POST /v1/numbers/detach?id=", "POST /v1/numbers/cancel?id="} {
			b.do(request+linked.text("id"), "").fails(404, "id names no number in this environment")
		}
		if got := b.do("GET /v1/numbers/list", "").want(200).at("total"); got != 0.0 {
			b.t.Errorf("%v numbers are listed", got)
		}
		again := b.do("POST /v1/numbers/link", `{"phone_number":"+14155550111"}`).want(201)
		if again.text("id") == linked.text("id") || again.text("telephony_account_connection") != account || again.at("inbound_agent") != nil {
			b.t.Errorf("got %s", again.raw)
		}
		b.do("DELETE /v1/agents/delete?id="+agent, "").want(200)
		if len(b.shop.released) != 0 {
			b.t.Errorf("the carrier was told: %v", b.shop.released)
		}
	})
}

// TestDetachKeepsTheNumberAtTheCarrier: a number that is bought and detached can
// be linked here, and by nobody else.
func TestDetachKeepsTheNumberAtTheCarrier(t *testing.T) {
	both(t, func(b *bench) {
		number := b.number()
		b.do("POST /v1/numbers/detach?phone_number="+number[1:], "").want(201)
		if got, err := b.detached(); err != nil || len(got) != 1 || got[0] != number {
			b.t.Errorf("kept: %v, %v", got, err)
		}
		_, rival := b.newEnvironment("rival")
		const needed = "telephony_account_connection is required: no carrier is known to keep the number for you"
		b.send("POST /v1/numbers/link", `{"phone_number":"`+number+`"}`, http.Header{"Authorization": {"Bearer " + rival}}).fails(400, needed)
		b.do("POST /v1/numbers/buy", `{"phone_number":"`+number+`"}`).want(404)
		if got := b.do("POST /v1/numbers/link", `{"phone_number":"`+number+`"}`).want(201).text("telephony_provider"); got != "simulated" {
			b.t.Errorf("got provider %q", got)
		}
		if got, err := b.detached(); err != nil || len(got) != 0 {
			b.t.Errorf("kept although it is linked: %v, %v", got, err)
		}
		b.do("POST /v1/numbers/cancel?phone_number="+number[1:], "").want(201)
		b.do("POST /v1/numbers/link", `{"phone_number":"`+number+`"}`).fails(400, needed)
		b.do("POST /v1/numbers/buy", `{"phone_number":"`+number+`"}`).want(201)
	})
}

func (b *bench) detached() (numbers []string, err error) {
	err = b.store.Read(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
		numbers, err = tx.DetachedNumbers()
		return err
	})
	return numbers, err
}

func TestLinkRefuses(t *testing.T) {
	both(t, func(b *bench) {
		account, model := b.carrierAccount(), b.furnish()["account_connections"]
		for body, want := range map[string]struct {
			status  int
			message string
		}{
			``: {400, "phone_number is required"},
			`{"phone_number":"x","telephony_account_connection":"` + account + `"}`:                                          {400, "phone_number must be a phone number with country code"},
			`{"phone_number":"+14155550111"}`:                                                                                {400, "telephony_account_connection is required: no carrier is known to keep the number for you"},
			`{"phone_number":"+14155550111","telephony_account_connection":"x"}`:                                             {404, "telephony_account_connection names no account connection in this environment"},
			`{"phone_number":"+14155550111","telephony_account_connection":"` + model + `"}`:                                 {400, "telephony_account_connection must name an account with twilio or telnyx"},
			`{"phone_number":"+14155550111","telephony_account_connection":"` + account + `","inbound_agent":"default"}`:     {400, "inbound_agent must be an agent's id: the environment has no default agent; set its default_agent with environments/update"},
			`{"phone_number":"+14155550111","telephony_account_connection":"` + account + `","inbound_agent":{"label":"x"}}`: {400, "inbound_agent.prompt is required"},
		} {
			b.do("POST /v1/numbers/link", body).fails(want.status, want.message)
		}
		const sells = "telephony_account_connection names a carrier that sells no numbers here; link the numbers you have there"
		b.do("POST /v1/numbers/buy", `{"telephony_account_connection":"`+account+`"}`).fails(400, sells)
		b.do("GET /v1/numbers/available?telephony_account_connection="+account, "").fails(400, sells)
		b.do("POST /v1/numbers/buy", `{"telephony_account_connection":"x"}`).
			fails(404, "telephony_account_connection names no account connection in this environment")
		if got := b.do("GET /v1/numbers/list", "").want(200).at("total"); got != 0.0 {
			b.t.Errorf("%v numbers are linked after all", got)
		}
	})
}

// TestDefaultAgentOfNewNumbers: buy and link take the word default.
func TestDefaultAgentOfNewNumbers(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		if err := b.setDefault(agent); err != nil {
			b.t.Fatal(err)
		}
		bought := b.do("POST /v1/numbers/buy", `{"inbound_agent":"default"}`).want(201)
		linked := b.do("POST /v1/numbers/link", `{"phone_number":"+14155550111","inbound_agent":"default","telephony_account_connection":"`+b.carrierAccount()+`"}`).want(201)
		if bought.text("inbound_agent.id") != agent || linked.text("inbound_agent.id") != agent {
			b.t.Errorf("got %s and %s", bought.raw, linked.raw)
		}
		b.do("DELETE /v1/agents/delete?id="+agent, "").fails(409, "the agent is used by the environment as its default agent")
	})
}

// A linked number is in service here, and nobody has asked its carrier: an account
// with invented credentials is not shown as one that works.
func TestLinkedNumbersAreUnverified(t *testing.T) {
	both(t, func(b *bench) {
		account := b.do("POST /v1/account_connections/create",
			`{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"invented","twilio_auth_token":"invented"}}`).want(201).text("id")
		linked := b.do("POST /v1/numbers/link", `{"phone_number":"+12025550160","telephony_account_connection":"`+account+`"}`).want(201)
		read := b.do("GET /v1/numbers?phone_number=12025550160", "").want(200)
		for _, got := range []answer{linked, read} {
			if got.at("active") != true || got.text("carrier_state") != "unverified" || got.text("carrier_state_since") == "" ||
				got.text("carrier_state_cause") != "The server has no driver that asks the carrier." {
				b.t.Errorf("got %s", got.raw)
			}
		}
		bought := b.do("GET /v1/numbers?phone_number="+b.number()[1:], "").want(200)
		if bought.at("carrier_state") != nil || bought.at("active") != true {
			b.t.Errorf("got %s", bought.raw)
		}
		list := b.do("GET /v1/numbers/list?filters="+url.QueryEscape(`{"carrier_state":"unverified"}`), "").want(200)
		if list.at("total") != 1.0 {
			b.t.Errorf("got %s", list.raw)
		}
	})
}
