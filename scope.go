package sidetone

import (
	"slices"
	"strings"
)

// Scope is one thing that a key or token may do.
type Scope string

// The scopes.
const (
	// ScopeRead sees everything of the environment, secrets masked.
	ScopeRead Scope = "read"
	// ScopeWrite changes everything of the environment but calls and access.
	ScopeWrite Scope = "write"
	// ScopeCalls places and ends calls.
	ScopeCalls Scope = "calls"
	// ScopeSecrets sees secrets in clear.
	ScopeSecrets Scope = "secrets:read"
	// ScopeMetrics sees the metrics of the server.
	ScopeMetrics Scope = "metrics"
	// ScopeAdmin manages keys, members and environments and reads the audit
	// log.
	ScopeAdmin Scope = "admin"
)

// allScopes lists every scope in the order in which sets name them; a scope's
// place is its bit.
func allScopes() []Scope {
	return []Scope{ScopeRead, ScopeWrite, ScopeCalls, ScopeSecrets, ScopeMetrics, ScopeAdmin}
}

// Scopes is a set of scopes. The zero value is empty; sets compare with ==.
type Scopes uint8

// NewScopes returns the set of the given scopes. Unknown ones are left out.
func NewScopes(scopes ...Scope) Scopes {
	var s Scopes
	for _, one := range scopes {
		if i := slices.Index(allScopes(), one); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// EveryScope returns the set of all scopes.
func EveryScope() Scopes { return NewScopes(allScopes()...) }

// DefaultScopes returns what a key gets that asks for nothing in particular:
// everything but secrets in clear and the management of access.
func DefaultScopes() Scopes { return NewScopes(ScopeRead, ScopeWrite, ScopeCalls) }

// OperatorScopes returns the scopes of an installation's first key: everything
// but secrets in clear, which a key must ask for by name.
func OperatorScopes() Scopes { return EveryScope() &^ NewScopes(ScopeSecrets) }

// ParseScopes reads names that spaces or commas separate, as Scopes.String
// writes them. An unknown name is Invalid.
func ParseScopes(text string) (Scopes, error) {
	var s Scopes
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		one := NewScopes(Scope(name))
		if one == 0 {
			return 0, Errorf(Invalid, "scopes must be of %s", strings.Join(EveryScope().Names(), ", "))
		}
		s |= one
	}
	return s, nil
}

// Has reports whether one is in the set.
func (s Scopes) Has(one Scope) bool { return s&NewScopes(one) != 0 }

// Names returns the names of the set in a fixed order, an empty list for none.
func (s Scopes) Names() []string {
	names := []string{}
	for i, one := range allScopes() {
		if s&(1<<i) != 0 {
			names = append(names, string(one))
		}
	}
	return names
}

// String returns the names with spaces between them, as OAuth writes scopes
// ([RFC 6749] section 3.3).
//
// [RFC 6749]: https://www.rfc-editor.org/rfc/rfc6749
func (s Scopes) String() string { return strings.Join(s.Names(), " ") }
