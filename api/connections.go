package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/store"
)

func connections() resource[sidetone.Connection] {
	return resource[sidetone.Connection]{
		noun: "account connection", fresh: sidetone.NewConnection, decode: decodeConnection, render: renderConnection,
		id:   func(c sidetone.Connection) string { return c.ID },
		kind: func(c sidetone.Connection) string { return c.Type }, types: dialect.ConnectionTypes(),
		secrets: func(c sidetone.Connection) map[string]sidetone.Secret { return credentials(c) },
		find:    (*store.Tx).Connection, list: (*store.Tx).Connections, insert: (*store.Tx).InsertConnection,
		update: (*store.Tx).UpdateConnection, remove: (*store.Tx).DeleteConnection,
	}
}

func decodeConnection(d *decoder) edit[sidetone.Connection] {
	change := sidetone.ConnectionChange{
		Type: d.Text("type"), Label: d.Text("label"), Description: d.Text("description"), Credentials: d.secretJSON("credentials"),
		Config: d.JSON("config"), SteeringPool: d.Strings("steering_pool"), AnyCallerID: d.Bool("account_supports_any_caller_id"),
		Default: d.Bool("default"),
	}
	return func(w work, c *sidetone.Connection) error {
		change, given, before := change, change.Credentials, *c
		var err error
		if change.Credentials, err = masksResolved("credentials", given, c.Credentials); err != nil {
			return err
		}
		if change.SteeringPool.Value, err = w.pool(d.profile, "steering_pool", change.SteeringPool.Value, c.SteeringPool); err != nil {
			return err
		}
		change.Apply(c, w.tx.Now())
		err = firstOf(c.Validate(), w.chosen("account_connection", "type", before.Type, c.Type), credentialsNotCarried(given, before, *c),
			w.addressReachable(before, *c), w.onlyDefault(c, before, change.Default.Set),
			noKeys("config", before.Config, c.Config), w.leadsSomewhere(before, *c))
		if err != nil || before.Type == "" || before.Type == c.Type {
			return err
		}
		return w.fitsUsers(*c)
	}
}

// addressReachable refuses a new address of a vendor's interface that nothing is sent to.
func (w work) addressReachable(before, after sidetone.Connection) error {
	for _, part := range []struct {
		path     string
		was, now []byte
	}{{"config", before.Config, after.Config}, {"credentials", []byte(before.Credentials.Reveal()), []byte(after.Credentials.Reveal())}} {
		for _, name := range []string{"base_url", "endpoint"} {
			address := memberOf(part.now, name)
			if address == "" || address == memberOf(part.was, name) || w.checkAddress == nil {
				continue
			}
			if err := w.checkAddress(address); err != nil {
				return invalid("%s.%s: %s", part.path, name, err.Error()) // it names the setting that allows it
			}
		}
	}
	return nil
}

// leadsSomewhere refuses a new or changed account that has no address.
func (w work) leadsSomewhere(before, after sidetone.Connection) error {
	if w.checkAccount == nil || before.Type == after.Type && before.Credentials == after.Credentials && bytes.Equal(before.Config, after.Config) {
		return nil
	}
	if err := w.checkAccount(after); err != nil {
		return invalid("%s", err.Error()) // it names the setting
	}
	return nil
}

// onlyDefault lets an environment have one default connection of a type: the first one,
// unless it says otherwise, and then the one that was made so last.
func (w work) onlyDefault(c *sidetone.Connection, before sidetone.Connection, given bool) error {
	if c.Type == before.Type && c.Default == before.Default {
		return nil
	}
	other, err := w.tx.DefaultConnection(c.Type)
	there := err == nil && other.ID != c.ID
	if err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
		return err
	}
	if !given && c.Type != before.Type {
		c.Default = !there
	}
	if !c.Default || !there {
		return nil
	}
	other.Default = false
	return w.tx.UpdateConnection(other)
}

// credentialsNotCarried does what notCarried does for each member of the credentials
// of a connection that gets another host or type.
func credentialsNotCarried(given sidetone.Optional[sidetone.Secret], before, after sidetone.Connection) error {
	if before.Type == after.Type && maps.Equal(hosts(before.Config), hosts(after.Config)) &&
		maps.Equal(hosts([]byte(before.Credentials.Reveal())), hosts([]byte(after.Credentials.Reveal()))) {
		return nil
	}
	was, now, sent := credentials(before), credentials(after), credentials(sidetone.Connection{Credentials: given.Value})
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		text, isSent := sent[name]
		member := sidetone.Optional[sidetone.Secret]{Value: text, Set: isSent}
		if err := notCarried("credentials."+wire.Clip(name), member, was[name], now[name]); err != nil {
			problems = append(problems, sidetone.MessageOf(err))
		}
	}
	return wire.Problems(problems)
}

// fitsUsers checks that the type of a connection is one for what uses it. A number's
// carrier stays the same.
func (w work) fitsUsers(c sidetone.Connection) error {
	users, err := w.tx.ConnectionUsers(c.ID)
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := w.thinksWith(user, c); err != nil {
			return err
		}
		if strings.HasPrefix(user, "number ") || strings.HasPrefix(user, "agent ") && !c.ServesModels() ||
			strings.HasPrefix(user, "webhook ") && !c.ServesEndpoints() {
			return sidetone.Errorf(sidetone.Conflict, "type must fit what uses the account connection: %s", user)
		}
	}
	return nil
}

// thinksWith checks that a user of a connection, if it is an agent, still thinks with it.
func (w work) thinksWith(user string, c sidetone.Connection) error {
	id, ok := strings.CutPrefix(user, "agent ")
	if !ok || w.checkThinks == nil {
		return nil
	}
	agent, err := w.tx.Agent(id)
	if err != nil {
		return err
	}
	if err := w.checkThinks(agent.Provider, c); err != nil {
		return sidetone.Errorf(sidetone.Conflict, "type must fit what uses the account connection: %s: %s", user, err.Error())
	}
	return nil
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
		own.setSecret(shown, name, secret)
	}
	o := object{"id": c.ID, "user_id": v.account, "type": c.Type, "credentials": shown, "config": jsonObject(hideKeys(c.Config)),
		"steering_pool": c.SteeringPool, "account_supports_any_caller_id": c.AnyCallerID}
	setText(o, "label", c.Label)
	setText(o, "description", c.Description)
	if !v.profile.KnownTypes {
		ourConnection(o, c)
	}
	return v.profile.Adapt(dialect.Connection(), o)
}

// ourConnection adds what only we know of a connection.
func ourConnection(o object, c sidetone.Connection) {
	if c.Default {
		o["default"] = true
	}
	if c.State.State != "" {
		o["state"] = c.State.State
		setTime(o, "state_since", c.State.Since)
		setText(o, "state_cause", c.State.Cause)
	}
}

// Trial is what a vendor's driver did with the credentials of a connection.
type Trial struct {
	// Part is model, voice or recogniser.
	Part string
	// Latency is the time up to the first that came.
	Latency time.Duration
	// Err says what went wrong, nil when nothing did. It shows no secret, and is stored
	// and shown whole: drivers bound what vendors say.
	Err error
}

// testConnection asks the vendor of a connection for a little, and keeps what it said.
func (s *server) testConnection(r *request) (any, error) {
	var c sidetone.Connection
	err := s.readConfiguration(r, func(w work) (err error) {
		c, err = w.tx.Connection(r.query.Get("id"))
		return named(err, "id", "account connection")
	})
	if err != nil {
		return nil, err
	}
	if s.TryConnection == nil {
		return nil, sidetone.Errorf(sidetone.Unavailable, "connections are tested by a running server only")
	}
	trials, err := s.TryConnection(r.ctx, c)
	if err != nil {
		return nil, err
	}
	if len(trials) == 0 {
		return nil, sidetone.Errorf(sidetone.Invalid, "type %s has no driver that could be asked", c.Type)
	}
	return s.tried(r, c, trials)
}

// tried keeps the outcome of trials with the connection, if it is still the same.
func (s *server) tried(r *request, c sidetone.Connection, trials []Trial) (any, error) {
	state := sidetone.AccountState{State: sidetone.AccountVerified}
	checks := make([]object, len(trials))
	for i, t := range trials {
		checks[i] = object{"part": t.Part, "ok": t.Err == nil}
		if t.Err == nil {
			checks[i]["latency_ms"] = t.Latency.Milliseconds()
			continue
		}
		checks[i]["error"] = t.Err.Error()
		state.State, state.Cause = sidetone.AccountFailed, t.Err.Error()
	}
	err := s.write(r, func(w work) error {
		now, err := w.tx.Connection(c.ID)
		if err != nil || now.Version != c.Version {
			return named(err, "id", "account connection")
		}
		state.Since = w.tx.Now()
		now.State = state
		return w.tx.UpdateConnection(now)
	})
	return object{"id": c.ID, "type": c.Type, "ok": state.State == sidetone.AccountVerified, "checks": checks}, err
}

// addToPool puts a number into the connection's steering pool.
func addToPool(s *server) operation {
	return func(r *request) (any, error) {
		phone := newDecoder(r.view.profile, r.body).Text("phone_number")
		if !phone.Set || phone.Null {
			return nil, invalid("phone_number is required: numbers for the pool cannot be bought here")
		}
		return connections().alter(s, r, func(w work, c *sidetone.Connection) error {
			e164, err := w.phone(r.view.profile, "phone_number", phone.Value)
			if err != nil {
				return err
			}
			c.AddToPool(e164)
			c.Updated = w.tx.Now()
			return c.Validate()
		})
	}
}

// removeFromPool takes a number out of the connection's steering pool.
func removeFromPool(s *server) operation {
	return func(r *request) (any, error) {
		phone := newDecoder(r.view.profile, r.body).Text("phone_number").Value
		return connections().alter(s, r, func(w work, c *sidetone.Connection) error {
			if ours, ok := phonenumber.Digits(phone); !ok || !c.RemoveFromPool(ours) {
				return sidetone.Errorf(sidetone.NotFound, "phone_number names no number in the steering pool")
			}
			c.Updated = w.tx.Now()
			return nil
		})
	}
}
