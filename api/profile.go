package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// profile is how one family of clients wants things. Handlers and renderers
// ask its fields and never its name.
type profile struct {
	name string
	// delayUnit is the unit of initial_message_delay.
	delayUnit time.Duration
	// emptyObjectKeeps says that a property with the value {} was not set.
	emptyObjectKeeps bool
	// listedAgents says that agents/list carries prompts and voices as objects,
	// not as ids.
	listedAgents bool
	// instant renders a time.
	instant func(time.Time) any
	// failure renders an error.
	failure func(error) (outcome, any)
}

// fluents is the default profile.
func fluents() profile {
	return profile{name: "fluents", delayUnit: time.Millisecond, listedAgents: true, instant: isoTime, failure: errorBody}
}

// profileOf chooses the profile of a request. The key's own setting would come
// first; there is only one profile so far.
func profileOf(_ *http.Request, _ sidetone.Principal) profile { return fluents() }

func isoTime(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// view is how one answer is rendered. It is built once per request.
type view struct {
	profile profile
	// account is the user_id of everything.
	account string
	// expand names the references of list items to be rendered as objects.
	expand map[string]bool
	// list says that the value is an item of a list.
	list bool
}

func newView(p profile, who sidetone.Principal, expand string) view {
	v := view{profile: p, account: who.AccountID, expand: map[string]bool{}}
	for name := range strings.SplitSeq(expand, ",") {
		v.expand[strings.TrimSpace(name)] = true
	}
	return v
}

// item is the view of the items of a list.
func (v view) item() view {
	v.list = true
	return v
}

// object is a JSON object under construction.
type object map[string]any

// text sets name unless value is empty: absent is absent, never null.
func (o object) text(name, value string) {
	if value != "" {
		o[name] = value
	}
}

// time sets name unless t is zero.
func (o object) time(v view, name string, t time.Time) {
	if !t.IsZero() {
		o[name] = v.profile.instant(t)
	}
}
