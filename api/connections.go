package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func connections() plain[sidetone.Connection] {
	return plain[sidetone.Connection]{
		noun: "account connection", fresh: sidetone.NewConnection, decode: decodeConnection, render: renderConnection,
		id:   func(c sidetone.Connection) string { return c.ID },
		kind: func(c sidetone.Connection) string { return c.Type }, types: connectionKinds(),
		secrets: func(c sidetone.Connection) map[string]sidetone.Secret { return credentials(c) },
		find:    (*store.Tx).Connection, list: (*store.Tx).Connections, insert: (*store.Tx).InsertConnection,
		update: (*store.Tx).UpdateConnection, remove: (*store.Tx).DeleteConnection,
	}
}

func decodeConnection(d *decoder) edit[sidetone.Connection] {
	change := sidetone.ConnectionChange{
		Type: d.text("type"), Label: d.text("label"), Description: d.text("description"), Credentials: d.secretJSON("credentials"),
		Config: d.raw("config"), SteeringPool: d.texts("steering_pool"), AnyCallerID: d.truth("account_supports_any_caller_id"),
	}
	return func(w work, c *sidetone.Connection) error {
		change := change
		var err error
		if change.Credentials, err = keptJSON("credentials", change.Credentials, c.Credentials); err != nil {
			return err
		}
		change.Apply(c, w.tx.Now())
		return c.Validate()
	}
}

// credentials are the members of a connection's credentials.
func credentials(c sidetone.Connection) map[string]sidetone.Secret {
	members := map[string]string{}
	_ = json.Unmarshal([]byte(c.Credentials.Reveal()), &members) // a snapshot's are stars
	out := make(map[string]sidetone.Secret, len(members))
	for name, text := range members {
		out[name] = sidetone.Secret(text)
	}
	return out
}

func renderConnection(v view, c sidetone.Connection) object {
	shown, own := object{}, v.of(c.ID)
	for name, secret := range credentials(c) {
		shown.secret(own, name, secret)
	}
	o := object{{"id", c.ID}, {"user_id", v.account}, {"type", c.Type}, {"credentials", shown}, {"config", jsonObject(c.Config)},
		{"steering_pool", c.SteeringPool}, {"account_supports_any_caller_id", c.AnyCallerID}}
	o.text("label", c.Label)
	o.text("description", c.Description)
	return v.finish("connection", o)
}

// addToPool puts a number into the connection's steering pool.
func addToPool(s *server) query {
	return func(r *request) (any, error) {
		phone := (&decoder{fields: r.body}).text("phone_number")
		if !phone.Set || phone.Null {
			return nil, invalid("phone_number is required: numbers for the pool cannot be bought here")
		}
		return connections().alter(s, r, func(w work, c *sidetone.Connection) error {
			if _, ok := sidetone.NormalisePhone(phone.Value); !ok {
				return invalid("phone_number must be a phone number with country code")
			}
			c.AddToPool(phone.Value)
			c.Updated = w.tx.Now()
			return c.Validate()
		})
	}
}

// removeFromPool takes a number out of the connection's steering pool.
func removeFromPool(s *server) query {
	return func(r *request) (any, error) {
		phone := (&decoder{fields: r.body}).text("phone_number").Value
		return connections().alter(s, r, func(w work, c *sidetone.Connection) error {
			if !c.RemoveFromPool(phone) {
				return sidetone.Errorf(sidetone.NotFound, "phone_number names no number in the steering pool")
			}
			c.Updated = w.tx.Now()
			return nil
		})
	}
}
