// Package auth verifies JSON Web Tokens by keys that the operator configures.
//
// A token is good when its issuer is configured, the key that its header names
// is one of the issuer's, the algorithm is that key's own, the signature holds,
// and issuer, audience, expiry and not-before fit. A key belongs to exactly one
// algorithm, so that a token cannot choose how it is checked; keys that a token
// brings along or points to are never used.
package auth

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sidetone/sidetone"
)

// Limits of a token, in bytes. What is longer is refused unread.
const (
	maxToken  = 8 << 10
	maxHeader = 1 << 10
)

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
	// refused and good are tokens with costly signatures that were looked at.
	refused, good known
	wrong         budget
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
	v := &Verifier{issuers: map[string]*issuer{}, now: now}
	for _, config := range issuers {
		one := &issuer{Issuer: config}
		var err error
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
// network address that presents it: when too many tokens with wrong signatures
// came from there lately, one that was not seen to be good before is Limited, and
// not looked at.
func (v *Verifier) Verify(token, from string) (sidetone.Identity, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return sidetone.Identity{}, bad()
	}
	g, ok := glance(token)
	if !ok {
		return sidetone.Identity{}, bad()
	}
	issuer := v.issuers[g.issuer]
	if issuer == nil || !issuer.fits(g, v.now()) {
		return sidetone.Identity{}, bad()
	}
	k, ok := issuer.key(g.keyID, g.algorithm)
	switch {
	case !ok:
		return sidetone.Identity{}, bad()
	case k.costly():
		return v.verify(token, from, g, issuer, k)
	case !k.signed(g):
		return sidetone.Identity{}, bad()
	}
	return issuer.read(token, g, k, v.now())
}

// bad is what Verify says of every bad token.
func bad() error {
	return &sidetone.Error{Code: sidetone.Unauthenticated, Message: "the token is not valid"}
}

// verify is Verify for a token whose signature takes long to look at. Tokens that
// were good before are not held up by others' wrong ones, and whatever is
// remembered of them, their signature is verified each time.
func (v *Verifier) verify(token, from string, g glimpse, issuer *issuer, k key) (sidetone.Identity, error) {
	hash, now := sha256.Sum256([]byte(token)), v.now()
	if v.refused.lately(hash, now) {
		return sidetone.Identity{}, bad()
	}
	if _, before := v.good.since(hash); !before {
		who := neighbours(from)
		if !v.wrong.take(who, now) {
			return sidetone.Identity{}, sidetone.Errorf(sidetone.Limited, "too many tokens with wrong signatures came from this address; try again in a second")
		}
		if !k.signed(g) {
			v.refused.add(hash, now)
			return sidetone.Identity{}, bad()
		}
		v.wrong.giveBack(who)
	}
	identity, err := issuer.read(token, g, k, now)
	if err != nil {
		v.good.remove(hash)
		v.refused.add(hash, now)
		return identity, err
	}
	v.good.add(hash, now)
	return identity, nil
}

// read verifies a token with the key and returns what it says.
func (i *issuer) read(token string, g glimpse, k key, now time.Time) (sidetone.Identity, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{k.algorithm})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].KeyID != g.keyID {
		return sidetone.Identity{}, bad()
	}
	var claims jwt.Claims
	others := map[string]any{}
	if parsed.Claims(k.material, &claims, &others) != nil {
		return sidetone.Identity{}, bad()
	}
	expected := jwt.Expected{Issuer: i.Name, AnyAudience: jwt.Audience{i.Audience}, Time: now}
	if claims.Expiry == nil || claims.ValidateWithLeeway(expected, i.Leeway) != nil {
		return sidetone.Identity{}, bad()
	}
	identity, ok := i.identity(claims.Subject, others)
	if !ok {
		return sidetone.Identity{}, bad()
	}
	return identity, nil
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

// identity maps verified claims.
func (i *issuer) identity(subject string, claims map[string]any) (sidetone.Identity, bool) {
	out := sidetone.Identity{Subject: i.SubjectPrefix + subject, EnvironmentID: i.Environment, MembersOnly: i.MembersOnly}
	if out.EnvironmentID == "" {
		out.EnvironmentID, _ = claims[i.EnvironmentClaim].(string)
	}
	var names []string
	switch claimed := claims[i.ScopesClaim].(type) {
	case string:
		out.HasScopes, names = true, strings.Fields(claimed)
	case []any:
		out.HasScopes = true
		for _, one := range claimed {
			name, _ := one.(string)
			names = append(names, name)
		}
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
