package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// profile is how one family of clients wants things. Handlers and renderers
// ask its fields and never its name. docs/profiles.md is made from the fields
// and their about tags.
type profile struct {
	name string `about:"name"`
	// delayUnit is the unit of initial_message_delay.
	delayUnit time.Duration `about:"unit of initial_message_delay"`
	// times and listedTimes render the times of single resources and of items.
	times       timeForm `about:"times"`
	listedTimes timeForm `about:"times in lists"`
	// unset is what stands for a property without value.
	unset unsetForm `about:"a property without value"`
	// errors is the form of error bodies.
	errors errorForm `about:"errors"`
	// emptyObjectKeeps says that a property with the value {} was not set.
	emptyObjectKeeps bool `about:"{} in a request means not set"`
	// contextOptional says that numbers/update needs no example_context.
	contextOptional bool `about:"numbers/update without example_context"`
	// listedAgents says that agents in lists carry prompts and voices, and prompts
	// in lists their templates, as objects, not as ids.
	listedAgents bool `about:"agents and prompts in lists with objects, not ids"`
	// connections says that a single number or call carries its account
	// connection as an object, not as an id.
	connections bool `about:"account connection of a single number or call as object"`
	// unassigned says that a number without agent carries the built-in agent
	// of that name.
	unassigned bool `about:"a number without agent shows the agent unassigned"`
	// digits says that phone numbers have no plus.
	digits bool `about:"phone numbers without plus"`
	// textMaps says that the values of free maps are texts.
	textMaps bool `about:"values of context, example_context and telephony_params as texts"`
	// knownTypes says that only the types the family knows are shown: others
	// look like the nearest one.
	knownTypes bool `about:"unknown types look like the nearest known one"`
}

// timeForm is how a time is written.
type timeForm string

// The forms of times.
const (
	isoTime     timeForm = "ISO 8601, UTC, milliseconds"
	epochNumber timeForm = "seconds since 1970, a number"
	epochText   timeForm = "seconds since 1970, a text"
)

// render writes t.
func (f timeForm) render(t time.Time) any {
	switch f {
	case epochNumber:
		return float64(t.UnixMilli()) / 1000
	case epochText:
		return epoch(t)
	default:
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
}

// unsetForm is what stands for a property without value.
type unsetForm string

// The forms of what is unset.
const (
	unsetAbsent unsetForm = "absent"
	unsetNull   unsetForm = "null"
)

// errorForm is the form of error bodies.
type errorForm string

// The forms of errors.
const (
	plainErrors  errorForm = "{message, error, statusCode}"
	detailErrors errorForm = "{detail, message, error, statusCode}"
)

// fluents is the default profile.
func fluents() profile {
	return profile{
		name: "fluents", delayUnit: time.Millisecond, times: isoTime, listedTimes: isoTime,
		unset: unsetAbsent, errors: plainErrors, listedAgents: true,
	}
}

// vocode is the profile of the ancestor's clients that do not say which
// language they are written in.
func vocode() profile {
	return profile{
		name: "vocode", delayUnit: time.Second, times: isoTime, listedTimes: isoTime,
		unset: unsetNull, errors: detailErrors, emptyObjectKeeps: true, contextOptional: true, connections: true,
		unassigned: true, digits: true, textMaps: true, knownTypes: true,
	}
}

// vocodePython is what the Python SDK reads: it parses the times of lists as
// numbers and those of single calls as texts.
func vocodePython() profile {
	p := vocode()
	p.name, p.times, p.listedTimes = "vocode-python", epochText, epochNumber
	return p
}

// vocodeJavaScript is what the JavaScript SDK reads: times are ISO texts
// everywhere.
func vocodeJavaScript() profile {
	p := vocode()
	p.name = "vocode-javascript"
	return p
}

// profiles lists all of them.
func profiles() []profile {
	return []profile{fluents(), vocode(), vocodePython(), vocodeJavaScript()}
}

// profileOf chooses the profile of a request: an SDK that says who it is comes
// first, the setting of the key second.
func profileOf(r *http.Request, who sidetone.Principal) profile {
	switch r.Header.Get("X-Fern-Sdk-Name") {
	case "vocode-api", "@vocode/vocode-api":
		switch strings.ToLower(r.Header.Get("X-Fern-Language")) {
		case "python":
			return vocodePython()
		case "javascript":
			return vocodeJavaScript()
		}
		return vocode()
	}
	if who.Profile == "" {
		return fluents()
	}
	for _, p := range profiles() {
		if p.name == who.Profile {
			return p
		}
	}
	return fluents()
}
