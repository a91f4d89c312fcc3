package api

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// object is a JSON object of a response; encoding/json writes its members in the
// order of their names.
type object = map[string]any

// view is how one response is rendered. It is built once per request.
type view struct {
	profile dialect.Profile
	// account is the user_id of everything.
	account string
	// expand names the references of list items to be rendered as objects.
	expand map[string]bool
	// list says that the value is an item of a list.
	list bool
	// connections are the account connections that numbers and calls name, as far
	// as they are to be rendered as objects.
	connections map[string]sidetone.Connection
	// secrets says that secrets are shown in clear, because the key may read them;
	// shown names those that this one response shows, because the request set them.
	secrets bool
	shown   map[string]bool
	// newSecrets are those that the request set; nil for none.
	newSecrets *newSecrets
}

// newSecrets has the names of the secrets that a request set, by row.
type newSecrets struct{ names map[string][]string }

// add notes that the request set the secret called name in the row with id.
func (n *newSecrets) add(id, name string) {
	if n.names == nil {
		n.names = map[string][]string{}
	}
	n.names[id] = append(n.names[id], name)
}

func newView(p dialect.Profile, who sidetone.Principal, expand string) view {
	v := view{profile: p, account: who.AccountID, expand: map[string]bool{}, secrets: who.Has(sidetone.ScopeSecrets)}
	if expand == "" {
		return v
	}
	for name := range strings.SplitSeq(expand, ",") {
		v.expand[strings.TrimSpace(name)] = true
	}
	return v
}

// of is the view of the row with id, which shows the secrets that the request
// set in it.
func (v view) of(id string) view {
	if v.newSecrets != nil && v.newSecrets.names[id] != nil {
		return v.showing(v.newSecrets.names[id]...)
	}
	return v
}

// item is the view of the items of a list.
func (v view) item() view {
	v.list = true
	return v
}

// setText sets name unless value is empty: absent is absent, never null. What a
// profile wants to see as null is the business of dialect.Profile.Adapt.
func setText(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

// setTime sets name unless t is zero. What only our own clients read has one form
// of times in every profile.
func setTime(o object, name string, t time.Time) {
	if !t.IsZero() {
		o[name] = dialect.ISOTime.Render(t)
	}
}

// setTime sets name, in the form of the profile, unless t is zero.
func (v view) setTime(o object, name string, t time.Time) {
	if t.IsZero() {
		return
	}
	form := v.profile.Times
	if v.list {
		form = v.profile.ListedTimes
	}
	o[name] = form.Render(t)
}

// setMembers adds the members of a stored JSON object. A broken row shows what can
// be shown.
func setMembers(o object, stored []byte) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(stored, &members)
	for name, value := range members {
		o[name] = value
	}
}

// setRelated sets name to the row that a resource names, if there is one.
func setRelated[T any](v view, o object, name string, row *T, render func(view, T) object) {
	if row != nil {
		o[name] = render(v, *row)
	}
}

// connectionName is the member of numbers and calls that names their account
// connection.
const connectionName = "telephony_account_connection"

// connectionObjects says that account connections are rendered as objects.
func (v view) connectionObjects() bool {
	return v.expand[connectionName] || v.profile.Connections && !v.list
}

// addConnection makes an account connection ready to be rendered.
func (v *view) addConnection(c sidetone.Connection) {
	if v.connections == nil {
		v.connections = map[string]sidetone.Connection{}
	}
	v.connections[c.ID] = c
}

// setConnection sets the reference to the carrier account with id; "" is none. An
// operator's own trunk, or an account that is gone, is no more than its id.
func (v view) setConnection(o object, id string) {
	account, known := v.connections[id]
	switch {
	case id == "":
	case !v.connectionObjects() || !known && !v.profile.Connections:
		o[connectionName] = id
	case known:
		v.list = false
		o[connectionName] = renderConnection(v, account)
	default:
		trunk := object{"id": id, "user_id": v.account, "type": "account_connection_sip"}
		o[connectionName] = v.profile.Adapt(dialect.Connection(), trunk)
	}
}
