package sip

// Failure is an error that says what a failure comes from.
type Failure string

// Error returns what it is.
func (f Failure) Error() string { return string(f) }

// Failures that say which of our settings, or what of the far end, a failure comes from.
const (
	// ErrLookup says that the DNS has no address for a trunk's host, or did not answer.
	ErrLookup Failure = "the host has no address"
	// ErrFamily says that a host has addresses, and that the SIP listener reaches none of
	// them: they are of the other family, IPv4 or IPv6.
	ErrFamily Failure = "no address of a family that the SIP listener has"
	// ErrNumber says that a text cannot be sent as a telephone number.
	ErrNumber Failure = "no telephone number"
	// ErrChallenge says that a challenge cannot be answered: its algorithm is unknown, or
	// its realm is not the trunk's.
	ErrChallenge Failure = "the challenge is not understood"
	// ErrRealm says that a challenge has another realm than the trunk.
	ErrRealm Failure = "the realm is not the trunk's"
)

// classed is an error whose text stays as it is, and which is one of the errors above too.
type classed struct {
	error
	kind error
}

// Is implements the interface of errors.Is.
func (m classed) Is(target error) bool { return target == m.kind }

// Unwrap returns the error itself.
func (m classed) Unwrap() error { return m.error }

// label is how people call the trunk: by the name that its owner gave.
func (t *Trunk) label() string {
	if t.Label != "" {
		return t.Label
	}
	return t.Name
}

// logged are the attributes that tell in the log which trunk it is.
func (t *Trunk) logged() []any {
	if t.label() == t.Name {
		return []any{"trunk", t.Name}
	}
	return []any{"trunk", t.Label, "trunk_id", t.Name}
}

// loggedAs are those of the trunk of a name, "" for the local route.
func (d *Driver) loggedAs(name string) []any {
	if t := d.trunk(name); t != nil {
		return t.logged()
	}
	return []any{"trunk", name}
}
