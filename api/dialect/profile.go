// Package dialect says, as data, how each family of clients wants to send and to
// see things: a Profile for each family. Adapt brings a rendered resource into the
// family's form, Changed finds what such a client changed in what it was shown.
package dialect

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Profile is how one family of clients wants things. Handlers and renderers
// ask its fields and never its name. docs/profiles.md is made from the fields
// and their about tags.
type Profile struct {
	// Name is what a key's setting says.
	Name string `about:"name"`
	// DelayUnit is the unit of initial_message_delay.
	DelayUnit time.Duration `about:"unit of initial_message_delay"`
	// Times and ListedTimes render the times of single resources and of items.
	Times       TimeForm `about:"times"`
	ListedTimes TimeForm `about:"times in lists"`
	// unset is what stands for a property without value.
	unset unsetForm `about:"a property without value"`
	// Errors is the form of error bodies.
	Errors ErrorForm `about:"errors"`
	// EmptyObjectIsUnset says that a property with the value {} was not set.
	EmptyObjectIsUnset bool `about:"{} in a request means not set"`
	// ContextOptional says that numbers/update needs no example_context.
	ContextOptional bool `about:"numbers/update without example_context"`
	// ListedAgents says that agents in lists carry prompts and voices, and prompts
	// in lists their templates, as objects, not as ids.
	ListedAgents bool `about:"agents and prompts in lists with objects, not ids"`
	// Connections says that a single number or call carries its account
	// connection as an object, not as an id.
	Connections bool `about:"account connection of a single number or call as object"`
	// Unassigned says that a number without agent carries the built-in agent
	// of that name.
	Unassigned bool `about:"a number without agent shows the agent unassigned"`
	// Digits says that phone numbers have no plus.
	Digits bool `about:"phone numbers without plus"`
	// TextMaps says that the values of free maps are texts.
	TextMaps bool `about:"values of context, example_context and telephony_params as texts"`
	// KnownTypes says that only the types the family knows are shown: others
	// look like the nearest one.
	KnownTypes bool `about:"unknown types look like the nearest known one"`
}

// TimeForm is how a time is written.
type TimeForm string

// The forms of times.
const (
	ISOTime     TimeForm = "ISO 8601, UTC, milliseconds"
	EpochNumber TimeForm = "seconds since 1970, a number"
	EpochText   TimeForm = "seconds since 1970, a text"
)

// Render writes t.
func (f TimeForm) Render(t time.Time) any {
	switch f {
	case EpochNumber:
		return float64(t.UnixMilli()) / 1000
	case EpochText:
		return epochSeconds(t)
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

// ErrorForm is the form of error bodies.
type ErrorForm string

// The forms of errors.
const (
	PlainErrors  ErrorForm = "{message, error, statusCode}"
	DetailErrors ErrorForm = "{detail, message, error, statusCode}; what does not validate is a 422"
)

// Fluents is the default profile.
func Fluents() Profile {
	return Profile{
		Name: "fluents", DelayUnit: time.Millisecond, Times: ISOTime, ListedTimes: ISOTime,
		unset: unsetAbsent, Errors: PlainErrors, ListedAgents: true,
	}
}

// Vocode is the profile of the ancestor's clients that do not say which
// language they are written in.
func Vocode() Profile {
	return Profile{
		Name: "vocode", DelayUnit: time.Second, Times: ISOTime, ListedTimes: ISOTime,
		unset: unsetNull, Errors: DetailErrors, EmptyObjectIsUnset: true, ContextOptional: true, Connections: true,
		Unassigned: true, Digits: true, TextMaps: true, KnownTypes: true,
	}
}

// VocodePython is what the Python SDK reads: it parses the times of lists as
// numbers and those of single calls as texts.
func VocodePython() Profile {
	p := Vocode()
	p.Name, p.Times, p.ListedTimes = "vocode-python", EpochText, EpochNumber
	return p
}

// VocodeJavaScript is what the JavaScript SDK reads: times are ISO texts
// everywhere.
func VocodeJavaScript() Profile {
	p := Vocode()
	p.Name = "vocode-javascript"
	return p
}

// Profiles lists all of them.
func Profiles() []Profile {
	return []Profile{Fluents(), Vocode(), VocodePython(), VocodeJavaScript()}
}

// Of chooses the profile of a request: an SDK that says in the request's header who
// it is comes first, the setting of the key second, Fluents last.
func Of(header http.Header, keyProfile string) Profile {
	sdk := header.Get("X-Fern-Sdk-Name")
	if sdk == "vocode-api" || sdk == "@vocode/vocode-api" {
		switch strings.ToLower(header.Get("X-Fern-Language")) {
		case "python":
			return VocodePython()
		case "javascript":
			return VocodeJavaScript()
		default:
			return Vocode()
		}
	}
	for _, p := range Profiles() {
		if p.Name == keyProfile {
			return p
		}
	}
	return Fluents()
}

// epochSeconds is t in seconds since 1970 with the milliseconds it has.
func epochSeconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}
