package sidetone

// Identity is what a verified JSON Web Token says ([RFC 7519]).
//
// [RFC 7519]: https://www.rfc-editor.org/rfc/rfc7519
type Identity struct {
	// Subject is whom the token speaks of, with the issuer's prefix.
	Subject string
	// EnvironmentID is where the token is good; the environment may not exist.
	EnvironmentID string
	// Scopes are those the token claims; names that are not ours are left out.
	Scopes Scopes
	// HasScopes says that the token claims scopes at all, be it none of ours.
	HasScopes bool
	// MembersOnly says that the subject must be a member of the environment.
	MembersOnly bool
}

// Grant returns what the identity may do, given the subject's role in the
// environment ("" for nobody's): a member gets the role's scopes, as far as the
// token claims them; anybody else what the token claims, unless the issuer's
// tokens are for members only.
func (i Identity) Grant(role Role) Scopes {
	switch {
	case role != "" && i.HasScopes:
		return role.Scopes() & i.Scopes
	case role != "":
		return role.Scopes()
	case i.MembersOnly:
		return 0
	}
	return i.Scopes
}
