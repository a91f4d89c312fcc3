package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// knownTrunks is a server with trunks of its own: one is called "configured".
type knownTrunks struct{}

func (knownTrunks) Settings() []TrunkSetting {
	return []TrunkSetting{{"host", false}, {"password", true}, {"tls", false}, {"tls.key", true}}
}

func (knownTrunks) Check(_ string, settings map[string]any) error {
	if settings["host"] == "hidden.example" {
		return errors.New("host must not be that")
	}
	return nil
}

func (knownTrunks) Configured(name string) (bool, func(string) bool) {
	return name == "configured", func(e164 string) bool { return e164 == "+12025550179" }
}

func (knownTrunks) Changed(context.Context) error { return nil }

func (knownTrunks) Try(_ context.Context, idOrName, _, echo string) ([]TrunkStep, error) {
	return []TrunkStep{{Step: "options", Latency: 1e6, Detail: "200 OK"}, {Step: "register", Skipped: true, Detail: "no account"},
		{Step: "call", Err: fmt.Errorf("%s refuses %s", idOrName, echo), Remedy: "Ask the carrier."}}, nil
}

// Trunks are made, read by id and by name, changed member by member and deleted; their
// secrets are shown once.
func TestTrunks(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/trunks/create", `{"name":"acme","host":"a.example","password":"password-0123456789","tls":{"key":"key-0123456789ab","name":"n"},"numbers":["+12025550170"]}`).want(201)
		id := made.text("id")
		if made.text("password") != "password-0123456789" || made.text("tls.key") != "key-0123456789ab" {
			b.t.Errorf("the answer that sets secrets: %s", made.raw)
		}
		for _, query := range []string{"id=" + id, "name=acme"} {
			got := b.do("GET /v1/trunks?"+query, "").want(200)
			if got.text("password") != "********6789" || got.text("tls.key") != "********89ab" || got.text("tls.name") != "n" || got.text("host") != "a.example" {
				b.t.Errorf("%s: %s", query, got.raw)
			}
		}
		changed := b.do("POST /v1/trunks/update?name=acme", `{"realm":"r","tls":{"name":null,"key":"********89ab"},"numbers":null}`).want(201)
		if changed.text("realm") != "r" || changed.at("tls.name") != nil || changed.at("numbers") != nil || changed.text("tls.key") != "********89ab" {
			b.t.Errorf("changed: %s", changed.raw)
		}
		err := b.store.Read(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
			row, err := tx.Trunk(id)
			if strings.Contains(string(row.Settings), "0123456789") || !strings.Contains(row.Secrets.Reveal(), "key-0123456789ab") {
				b.t.Errorf("stored: %s", row.Settings)
			}
			return err
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.do("POST /v1/trunks/update?id="+id, `{"host":"b.example"}`).fails(400, "password must be sent again, or as null: what is stored is not carried to another URL, host, region or type; "+
			"tls.key must be sent again, or as null: what is stored is not carried to another URL, host, region or type")
		b.do("POST /v1/trunks/update?id="+id, `{"host":"b.example","password":"password-0123456789","tls":null}`).want(201)
		b.do("POST /v1/trunks/update?id="+id, `{"password":"****"}`).fails(400, "password must be a new value, or exactly the mask that reads show; it must not start with ****")
		b.do("POST /v1/trunks/update?id="+id, `{"host":"hidden.example","password":"x"}`).fails(400, "host must not be that")
		for body, want := range map[string]string{
			`{"name":"acme"}`: "name belongs to another trunk", `{"name":"configured"}`: "name belongs to a trunk of the server's configuration",
		} {
			b.do("POST /v1/trunks/create", body).fails(409, want)
		}
		for body, want := range map[string]string{
			`{"host":"a.example"}`: "name is required", `{"name":"a b"}`: "name must be 1 to 63 letters, digits, dots, hyphens and underscores, and begin with a letter or digit",
		} {
			b.do("POST /v1/trunks/create", body).fails(400, want)
		}
		b.do("GET /v1/trunks", "").fails(400, "id is required, or name")
		b.do("GET /v1/trunks?name=nobody", "").fails(404, "name names no trunk in this environment")
		b.do("DELETE /v1/trunks/delete?name=acme", "").want(200)
		b.do("GET /v1/trunks?id="+id, "").want(404)
	})
}

// A number of the environment's keeps a trunk that lists it.
func TestNumbersKeepATrunk(t *testing.T) {
	both(t, func(b *bench) {
		for i, e164 := range []string{"+12025550170", "+12025550179"} {
			number := sidetone.NewNumber(fmt.Sprint("line", i), b.env.ID, e164, "sip", time.Now())
			if err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error { return tx.InsertNumber(number) }); err != nil {
				b.t.Fatal(err)
			}
		}
		b.do("POST /v1/trunks/create", `{"name":"one","numbers":["+12025550170","+12025550179","+12025550199"]}`).want(201)
		const used = "the trunk is used by number +12025550170: cancel it, or list it on another trunk first"
		b.do("DELETE /v1/trunks/delete?name=one", "").fails(409, used)
		b.do("POST /v1/trunks/update?name=one", `{"numbers":["+12025550179"]}`).fails(409, used)
		b.do("POST /v1/trunks/create", `{"name":"two","numbers":["+12025550170"]}`).want(201)
		b.do("DELETE /v1/trunks/delete?name=one", "").want(200)
		b.do("DELETE /v1/trunks/delete?name=two", "").fails(409, used)
	})
}

// A test says step by step what came of it. The configuration's trunks are for
// administrators, and numbers for those who may call.
func TestTestTrunk(t *testing.T) {
	both(t, func(b *bench) {
		b.do("POST /v1/trunks/create", `{"name":"acme"}`).want(201)
		got := b.do("POST /v1/trunks/test?name=acme&echo=600", "").want(200)
		if got.at("ok") != false || got.text("name") != "acme" || got.text("id") == "" || !strings.Contains(string(got.raw), `"remedy":"Ask the carrier."`) ||
			!strings.Contains(string(got.raw), `"skipped":true`) || !strings.Contains(string(got.raw), "refuses 600") {
			b.t.Errorf("got %s", got.raw)
		}
		b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"+12025550188"}`).want(201)
		b.do("POST /v1/trunks/test?name=acme&echo=%2B12025550188", "").fails(409, "echo is on the do-not-call list")
		b.do("POST /v1/trunks/test?name=configured", "").want(200)
		_, writer := b.keyOf(`{"scopes":["read","write"]}`)
		b.as(writer, "POST /v1/trunks/test?name=acme", "").want(200)
		b.as(writer, "POST /v1/trunks/test?name=acme&echo=600", "").want(403)
		b.as(writer, "POST /v1/trunks/test?name=configured", "").want(403)
	})
}
