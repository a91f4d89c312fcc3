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
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
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

// maxNesting is how deep claims may be nested: reading deeper ones is costly.
const maxNesting = 32

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
	refused refused
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

// head is what a token's header says about its key.
type head struct {
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg"`
}

// early is what is looked at before the signature: it costs little, and most
// bad tokens fail here.
type early struct {
	Issuer    string           `json:"iss"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
}

// Verify returns what a good token says; every other text is Unauthenticated.
// It allocates at most 64 KiB for a bad one, whatever its length.
func (v *Verifier) Verify(token string) (sidetone.Identity, error) {
	identity, ok := v.verify(token)
	if !ok {
		return sidetone.Identity{}, sidetone.Errorf(sidetone.Unauthenticated, "the token is not valid")
	}
	return identity, nil
}

func (v *Verifier) verify(token string) (sidetone.Identity, bool) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return sidetone.Identity{}, false
	}
	hash := sha256.Sum256([]byte(token))
	if v.refused.has(hash, v.now()) {
		return sidetone.Identity{}, false
	}
	head, before, ok := glance(token)
	if !ok {
		return sidetone.Identity{}, false
	}
	from := v.issuers[before.Issuer]
	if from == nil || !from.timely(before, v.now()) {
		return sidetone.Identity{}, false
	}
	k, ok := from.key(head.KeyID, head.Algorithm)
	if !ok {
		return sidetone.Identity{}, false
	}
	identity, ok := from.read(token, head, k, v.now())
	if !ok {
		v.refused.add(hash, v.now())
	}
	return identity, ok
}

// read verifies a token with the key and returns what it says.
func (i *issuer) read(token string, head head, k key, now time.Time) (sidetone.Identity, bool) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{k.algorithm})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].KeyID != head.KeyID {
		return sidetone.Identity{}, false
	}
	var claims jwt.Claims
	others := map[string]any{}
	if parsed.Claims(k.material, &claims, &others) != nil {
		return sidetone.Identity{}, false
	}
	expected := jwt.Expected{Issuer: i.Name, AnyAudience: jwt.Audience{i.Audience}, Time: now}
	if claims.Expiry == nil || claims.ValidateWithLeeway(expected, i.Leeway) != nil {
		return sidetone.Identity{}, false
	}
	return i.identity(claims.Subject, others)
}

// glance reads what decides about most bad tokens and costs little. Nothing of
// it is trusted: the signature and the claims are checked by what is parsed
// afterwards.
func glance(token string) (head, early, bool) {
	var h head
	var e early
	header, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if len(header) > maxHeader {
		return h, e, false
	}
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || !shallow(text) || json.Unmarshal(text, &h) != nil {
		return h, e, false
	}
	text, err = base64.RawURLEncoding.DecodeString(payload)
	return h, e, err == nil && shallow(text) && json.Unmarshal(text, &e) == nil
}

// shallow says that a JSON text is not nested beyond maxNesting.
func shallow(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// timely says that the token is neither over nor early. One without an expiry
// never is.
func (i *issuer) timely(e early, now time.Time) bool {
	if e.Expiry == nil || now.Add(-i.Leeway).After(e.Expiry.Time()) {
		return false
	}
	return e.NotBefore == nil || !now.Add(i.Leeway).Before(e.NotBefore.Time())
}

// key finds the key of a header. Without a key id it is the only one of the
// algorithm.
func (i *issuer) key(id, algorithm string) (key, bool) {
	ring := i.configured
	if i.file != nil {
		ring = append(slices.Clone(ring), i.file.keys()...)
	}
	var found []key
	for _, k := range ring {
		if string(k.algorithm) == algorithm && (id == "" || k.id == id) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return key{}, false
	}
	return found[0], true
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
