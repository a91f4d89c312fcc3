package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// checkSchema stands in for what compiles schemas.
func checkSchema(schema json.RawMessage) error {
	if bytes.Contains(schema, []byte("$bad")) {
		return errors.New("it is bad")
	}
	return nil
}

// TestExternalActions: a schema that cannot be used is refused, and a secret that is sent
// as it is does not go to another address, or begin to be sent, without being given again.
func TestExternalActions(t *testing.T) {
	both(t, func(b *bench) {
		const bad = "config.input_schema cannot be used: it is bad"
		make := func(members string) string {
			return `{"type":"action_external","config":{"name":"n","description":"d","url":"https://a.example/x","input_schema":{"type":"object"}` + members + `}}`
		}
		b.do("POST /v1/actions/create", make(`,"input_schema":{"$bad":1}`)).want(400)
		b.do("POST /v1/actions/create", `{"type":"action_external","config":{"name":"n","description":"d","url":"https://a.example/x","input_schema":{"$bad":1}}}`).fails(400, bad)
		const again = "config.signature_secret must be sent again, or as null: what is stored is not carried to another URL, host, region or type"
		signed := b.do("POST /v1/actions/create", make("")).made().text("id")
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"input_schema":{"$bad":1}}}`).fails(400, bad)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"url":"https://b.example/x"}}`).want(201)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"wire":"vapi"}}`).fails(400, again)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"wire":"vapi","signature_secret":"any text"}}`).want(201)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"url":"https://c.example/x"}}`).fails(400, again)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"url":"https://c.example/x","signature_secret":"another"}}`).want(201)
		b.do("POST /v1/actions/update?id="+signed, `{"config":{"description":"e"}}`).want(201)
	})
}
