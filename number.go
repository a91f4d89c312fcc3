package sidetone

import (
	"time"
	"unicode/utf8"
)

// Number is a phone line of an environment.
type Number struct {
	ID            string
	EnvironmentID string
	// Number is E.164 with plus, unique among active numbers.
	Number string
	// Active is false once cancelled or detached; the row stays for history.
	Active bool
	// Detached says that the carrier still keeps an inactive number for the
	// account.
	Detached    bool
	Label       string
	Description string
	// InboundAgentID answers incoming calls; "" means nobody.
	InboundAgentID string
	// OutboundOnly refuses incoming calls.
	OutboundOnly bool
	// MaxCalls is how many incoming calls the number takes at a time, 0 to
	// 10000; one more is told that it is busy. 0 means no limit of its own.
	MaxCalls int
	// ExampleContext is sample data for the prompt's placeholders, a JSON
	// object.
	ExampleContext []byte
	// Config is what the account keeps about the number, a JSON object; nothing
	// here acts on it.
	Config []byte
	// Provider is simulated, sip, twilio, vonage or telnyx.
	Provider string
	// ConnectionID names the carrier account or trunk; "" for simulated.
	ConnectionID string
	// Carrier is whether the carrier says that the number is the account's.
	Carrier AccountState
	// Reserved is when a purchase of the number began that is not over; zero for
	// a number that is ours.
	Reserved time.Time
	Tags     []string
	Version  int64
	Created  time.Time
	Updated  time.Time
}

// AccountState is what is known from the vendor of an account: of a number that is the
// customer's at a carrier, or of an account connection. The zero value says that there
// is nothing to know, or that nobody has asked.
type AccountState struct {
	// State is AccountUnverified, AccountVerified or AccountFailed; "" for none.
	State string
	// Since is when the state began.
	Since time.Time
	// Cause says why it is not verified, for people.
	Cause string
}

// The states of an account.
const (
	// AccountUnverified: nobody has asked the vendor.
	AccountUnverified = "unverified"
	// AccountVerified: the vendor accepts it.
	AccountVerified = "verified"
	// AccountFailed: the vendor was asked and does not, or did not say.
	AccountFailed = "failed"
)

// NewNumber returns an active number with the documented defaults.
func NewNumber(id, environmentID, e164, provider string, now time.Time) Number {
	return Number{ID: id, EnvironmentID: environmentID, Number: e164, Active: true, Provider: provider,
		ExampleContext: []byte("{}"), Config: []byte("{}"), Tags: []string{}, Created: now, Updated: now}
}

// NumberChange is a partial update of a Number.
type NumberChange struct {
	Label          Optional[string]
	Description    Optional[string]
	OutboundOnly   Optional[bool]
	MaxCalls       Optional[int]
	ExampleContext Optional[[]byte]
	Config         Optional[[]byte]
	InboundAgentID Optional[string]
	Tags           Optional[[]string]
}

// Apply carries the change out on n; now becomes the time of the update.
func (c NumberChange) Apply(n *Number, now time.Time) {
	c.Label.Apply(&n.Label, "")
	c.Description.Apply(&n.Description, "")
	c.OutboundOnly.Apply(&n.OutboundOnly, false)
	c.MaxCalls.Apply(&n.MaxCalls, 0)
	c.ExampleContext.Apply(&n.ExampleContext, []byte("{}"))
	c.Config.Apply(&n.Config, []byte("{}"))
	c.InboundAgentID.Apply(&n.InboundAgentID, "")
	c.Tags.Apply(&n.Tags, []string{})
	n.Updated = now
}

// maxNumberCalls bounds Number.MaxCalls.
const maxNumberCalls = 10000

// Validate checks lengths and ranges; the message starts with the property's
// path.
func (n Number) Validate() error {
	if n.MaxCalls < 0 || n.MaxCalls > maxNumberCalls {
		return Errorf(Invalid, "max_concurrent_calls must be between 0 and %d", maxNumberCalls)
	}
	return describable(n.Label, n.Description)
}

// describable checks what people call a resource.
func describable(label, description string) error {
	if err := maxLength("label", label, 256); err != nil {
		return err
	}
	return maxLength("description", description, 4096)
}

func maxLength(path, s string, most int) error {
	if utf8.RuneCountInString(s) > most {
		return Errorf(Invalid, "%s must be at most %d characters", path, most)
	}
	return nil
}
