package sidetone

import "time"

// Role is what a member may do.
type Role string

// The roles.
const (
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
	// RoleMember reads, writes and calls.
	RoleMember Role = "member"
)

// Scopes returns what the role allows; an unknown role allows nothing.
func (r Role) Scopes() Scopes {
	switch r {
	case RoleAdmin:
		return EveryScope()
	case RoleMember:
		return NewScopes(ScopeRead, ScopeWrite, ScopeCalls)
	}
	return 0
}

// Member is a person, or a program of theirs, who may use an environment: the
// subject of JSON Web Tokens, the owner of keys.
type Member struct {
	ID            string
	EnvironmentID string
	// Subject is what tokens call the member; unique in the environment.
	Subject string
	// Name is for people.
	Name    string
	Role    Role
	Version int64
	Created time.Time
	Updated time.Time
}

// Validate checks lengths and the role; the message starts with the property's
// path.
func (m Member) Validate() error {
	switch {
	case m.Subject == "":
		return Errorf(Invalid, "subject is required")
	case m.Role.Scopes() == 0:
		return Errorf(Invalid, "role must be one of %s, %s", RoleAdmin, RoleMember)
	}
	if err := maxLength("subject", m.Subject, 256); err != nil {
		return err
	}
	return maxLength("name", m.Name, 256)
}
