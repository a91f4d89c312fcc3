package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// view is how one answer is rendered. It is built once per request.
type view struct {
	profile profile
	// account is the user_id of everything.
	account string
	// expand names the references of list items to be rendered as objects.
	expand map[string]bool
	// list says that the value is an item of a list.
	list bool
	// lines are the account connections that numbers and calls name, as far as
	// they are to be rendered.
	lines map[string]sidetone.Connection
	// secrets says that secrets are shown whole, because the key may read them;
	// shown names those that this one answer shows, because the request set them.
	secrets bool
	shown   map[string]bool
	// revealed names by row the secrets that the request set.
	revealed map[string][]string
}

func newView(p profile, who sidetone.Principal, expand string) view {
	v := view{profile: p, account: who.AccountID, expand: map[string]bool{}, lines: map[string]sidetone.Connection{}, secrets: who.Has(sidetone.ScopeSecrets)}
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
	if names := v.revealed[id]; names != nil {
		return v.showing(names...)
	}
	return v
}

// item is the view of the items of a list.
func (v view) item() view {
	v.list = true
	return v
}

// time sets name unless t is zero.
func (o *object) time(v view, name string, t time.Time) {
	if t.IsZero() {
		return
	}
	form := v.profile.times
	if v.list {
		form = v.profile.listedTimes
	}
	o.set(name, form.render(t))
}

// epoch is t in seconds since 1970 with the milliseconds it has.
func epoch(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// accountName is the member of numbers and calls that names their account
// connection.
const accountName = "telephony_account_connection"

// wholeLines says that account connections are rendered as objects.
func (v view) wholeLines() bool {
	return v.expand[accountName] || v.profile.connections && !v.list
}

// connection sets the reference to the carrier account with id; "" is none. An
// operator's own trunk, or an account that is gone, is no more than its id.
func (v view) connection(o *object, id string) {
	account, known := v.lines[id]
	switch {
	case id == "":
	case !v.wholeLines() || !known && !v.profile.connections:
		o.set(accountName, id)
	case known:
		v.list = false
		o.set(accountName, renderConnection(v, account))
	default:
		o.set(accountName, v.finish("connection", object{{"id", id}, {"user_id", v.account}, {"type", "account_connection_sip"}}))
	}
}
