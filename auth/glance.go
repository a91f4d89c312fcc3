package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/outline"
)

// maxNesting is how deep claims may be nested: reading deeper ones is costly.
const maxNesting = 32

// glimpse is what is looked at before the signature: it costs little, and most
// bad tokens fail here. Nothing of it is trusted.
type glimpse struct {
	keyID, algorithm string
	issuer, subject  string
	audience         []byte // as it is in the claims
	// expiry, notBefore and issued are nil when they are not given.
	expiry, notBefore, issued *int64
	claims                    []byte
	// signed is what the signature is of, the token without its last part.
	signed    string
	signature string
}

// glance reads what decides about most bad tokens. Only the outline of the JSON
// is looked at: the texts are parsed strictly once the signature holds.
func glance(token string) (glimpse, bool) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	g := glimpse{signed: token[:len(header)+1+len(payload)], signature: signature}
	if len(header) > maxHeader {
		return g, false
	}
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || !outline.Members(text, maxNesting, g.header) {
		return g, false
	}
	g.claims, err = base64.RawURLEncoding.DecodeString(payload)
	ok := err == nil && outline.Members(g.claims, maxNesting, g.claim)
	return g, ok
}

// header takes a member of the header in.
func (g *glimpse) header(name, value []byte) (ok bool) {
	switch string(name) {
	case "kid":
		g.keyID, ok = text(value)
	case "alg":
		g.algorithm, ok = text(value)
	default:
		ok = true
	}
	return ok
}

// claim takes a claim in.
func (g *glimpse) claim(name, value []byte) (ok bool) {
	switch string(name) {
	case "iss":
		g.issuer, ok = text(value)
	case "sub":
		g.subject, ok = text(value)
	case "aud":
		g.audience, ok = value, true
	case "exp":
		g.expiry, ok = seconds(value)
	case "nbf":
		g.notBefore, ok = seconds(value)
	case "iat":
		g.issued, ok = seconds(value)
	default:
		ok = true
	}
	return ok
}

// fits says that the claims are of this issuer, for its audience, neither over
// nor early, and speak of somebody somewhere. Claims without an expiry never do.
func (i *issuer) fits(g glimpse, now time.Time) bool {
	if g.expiry == nil || now.Add(-i.Leeway).After(time.Unix(*g.expiry, 0)) || g.subject == "" || !among(g.audience, i.Audience) {
		return false
	}
	for _, begin := range []*int64{g.notBefore, g.issued} {
		if begin != nil && now.Add(i.Leeway).Before(time.Unix(*begin, 0)) {
			return false
		}
	}
	return i.Environment != "" || g.names(i.EnvironmentClaim)
}

// names says that the claim is a text with something in it.
func (g glimpse) names(claim string) bool {
	found := false
	outline.Members(g.claims, maxNesting, func(name, value []byte) bool {
		if string(name) == claim {
			s, ok := text(value)
			found = ok && s != ""
		}
		return true
	})
	return found
}

// text reads a JSON text; null is "".
func text(value []byte) (string, bool) {
	if len(value) > 1 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}

// among reports whether a JSON text, or one of a list of them, is want. It does
// not read the list into memory, which may be long.
func among(value []byte, want string) bool {
	if len(value) == 0 || value[0] != '[' {
		one, ok := text(value)
		return ok && one == want
	}
	for rest := outline.Space(value[1:]); ; rest = outline.Space(rest[1:]) {
		n, ok := outline.Value(rest, maxNesting)
		if !ok {
			return false
		}
		if one, ok := text(rest[:n]); ok && one == want {
			return true
		}
		if rest = outline.Space(rest[n:]); len(rest) == 0 || rest[0] != ',' {
			return false
		}
	}
}

// seconds reads a time in seconds since 1970; null is none.
func seconds(value []byte) (*int64, bool) {
	if string(value) == "null" {
		return nil, true
	}
	f, err := strconv.ParseFloat(string(value), 64)
	n := int64(f)
	return &n, err == nil
}
