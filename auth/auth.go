// Package auth verifies JSON Web Tokens by keys that the operator configures.
//
// A token is good when its issuer is configured, the key that its header names
// is one of the issuer's, the algorithm is that key's own, the signature holds,
// and issuer, audience, expiry and not-before fit. A key belongs to exactly one
// algorithm, so that a token cannot choose how it is checked; keys that a token
// brings along or points to are never used.
package auth

import (
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sidetone/sidetone"
)

// maxToken is the longest token that is parsed, in bytes.
const maxToken = 8 << 10

// maxLeeway bounds how far two clocks may differ.
const maxLeeway = time.Minute

// Issuer says whose tokens are accepted and what they mean.
type Issuer struct {
	// Name is the iss claim, exactly.
	Name string
	// Audience is what the aud claim must contain.
	Audience string
	// Keys are the configured keys; JWKS is the path of a file with more, which
	// is read again when it changes. One of the two is needed.
	Keys []Key
	JWKS string
	// EnvironmentClaim names the claim with the environment's id.
	EnvironmentClaim string
	// Environment is the only environment the tokens are good for; "" lets the
	// claim choose.
	Environment string
	// ScopesClaim names the claim with the scopes: a list of names, or one text
	// with spaces between them.
	ScopesClaim string
	// SubjectPrefix is put before the sub claim, so that subjects of several
	// issuers differ.
	SubjectPrefix string
	// MembersOnly refuses subjects that are no members.
	MembersOnly bool
	// Leeway is how far the issuer's clock may differ; at most a minute.
	Leeway time.Duration
}

// Verifier verifies tokens. It may be used concurrently.
type Verifier struct {
	issuers map[string]*issuer
	now     func() time.Time
	wrong   *wrongSignatures
}

// issuer is an Issuer with its keys read.
type issuer struct {
	Issuer
	configured keyring
	file       *keyFile
}

// New reads the keys of all issuers. now is the clock; log is told when a key
// file cannot be read again.
func New(issuers []Issuer, now func() time.Time, log *slog.Logger) (*Verifier, error) {
	if err := check(issuers); err != nil {
		return nil, err
	}
	wrong, err := newWrongSignatures()
	if err != nil {
		return nil, err
	}
	v := &Verifier{issuers: map[string]*issuer{}, now: now, wrong: wrong}
	for _, config := range issuers {
		one := &issuer{Issuer: config}
		if one.configured, err = configuredKeys(config.Keys); err != nil {
			return nil, err
		}
		if config.JWKS != "" {
			if one.file, err = openKeyFile(config.JWKS, now, log); err != nil {
				return nil, err
			}
		}
		v.issuers[config.Name] = one
	}
	return v, nil
}

// Verify returns what a good token says; every other text is Unauthenticated.
// It allocates at most 64 KiB for a bad one, whatever its length. from is the
// network address of the client: once too many tokens with wrong signatures came
// from there, a token that was not verified before is Limited.
func (v *Verifier) Verify(token, from string) (sidetone.Identity, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 || !strict(token) {
		return sidetone.Identity{}, bad()
	}
	parsed, err := jwt.ParseSigned(token, algorithms())
	if err != nil || len(parsed.Headers) != 1 {
		return sidetone.Identity{}, bad()
	}
	var claims jwt.Claims
	others := map[string]any{}
	if parsed.UnsafeClaimsWithoutVerification(&claims, &others) != nil {
		return sidetone.Identity{}, bad()
	}
	issuer := v.issuers[claims.Issuer]
	if issuer == nil {
		return sidetone.Identity{}, bad()
	}
	identity, ok := issuer.identity(claims, others, v.now())
	if !ok {
		return sidetone.Identity{}, bad()
	}
	k, ok := issuer.key(parsed.Headers[0].KeyID, parsed.Headers[0].Algorithm)
	if !ok {
		return sidetone.Identity{}, bad()
	}
	signed := func() bool { return parsed.Claims(k.material) == nil }
	if err := v.wrong.verify(token, from, v.now(), signed); err != nil {
		return sidetone.Identity{}, err
	}
	return identity, nil
}

// algorithms are those that a token may be signed with.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.RS256, jose.ES256, jose.EdDSA}
}

// bad is the error for every bad token.
func bad() error {
	return &sidetone.Error{Code: sidetone.Unauthenticated, Message: "the token is not valid"}
}

// key finds the key of a header. Without a key id it is the only one of the
// algorithm.
func (i *issuer) key(id, algorithm string) (key, bool) {
	var found key
	count := 0
	for _, ring := range []keyring{i.configured, i.file.keys()} {
		for _, k := range ring {
			if string(k.algorithm) == algorithm && (id == "" || k.id == id) {
				found = k
				count++
			}
		}
	}
	return found, count == 1
}

// identity maps claims, which must be valid now. Their signature is verified after
// this.
func (i *issuer) identity(registered jwt.Claims, claims map[string]any, now time.Time) (sidetone.Identity, bool) {
	expected := jwt.Expected{Issuer: i.Name, AnyAudience: jwt.Audience{i.Audience}, Time: now}
	if registered.Expiry == nil || registered.ValidateWithLeeway(expected, i.Leeway) != nil {
		return sidetone.Identity{}, false
	}
	subject := registered.Subject
	out := sidetone.Identity{Subject: i.SubjectPrefix + subject, EnvironmentID: i.Environment, MembersOnly: i.MembersOnly}
	if out.EnvironmentID == "" {
		out.EnvironmentID, _ = claims[i.EnvironmentClaim].(string)
	}
	var names []string
	switch claimed := claims[i.ScopesClaim].(type) {
	case nil: // no scopes are claimed
	case string:
		out.HasScopes, names = true, strings.Fields(claimed)
	case []any:
		out.HasScopes = true
		for _, one := range claimed {
			name, _ := one.(string)
			names = append(names, name)
		}
	default:
		out.HasScopes = true // it claims something, and none of our scopes
	}
	for _, name := range names {
		out.Scopes |= sidetone.NewScopes(sidetone.Scope(name))
	}
	return out, subject != "" && out.EnvironmentID != "" && !strings.ContainsRune(subject+out.EnvironmentID, 0) // which no database takes
}

// keySet is the document of a JWKS file ([RFC 7517] section 5), its keys not
// yet read, because unknown kinds of keys must be skipped.
//
// [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517
type keySet struct {
	Keys []json.RawMessage `json:"keys"`
}
