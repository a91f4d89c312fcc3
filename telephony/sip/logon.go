package sip

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// maxRounds is how many challenges to one request are answered: a proxy's and the
// server's, or one whose nonce has become stale.
const maxRounds = 2

// logon answers the challenges to one request of ours
// (https://www.rfc-editor.org/rfc/rfc3261#section-22). The zero logon answers none.
type logon struct {
	user, pass string
	realm      string // empty: any
	rounds     int
	headers    []header // credentials, one for each kind
}

// answer makes credentials for the challenge in a response. The error says why there
// are none: nobody to log on as, too many challenges, none that is understood, or
// credentials that were refused.
func (a *logon) answer(res *sip.Response, method, uri string) error {
	if a.user == "" || a.rounds == maxRounds {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	auth, stale, err := a.credentials(res, method, uri)
	if err != nil {
		return classed{err, ErrChallenge}
	}
	at := slices.IndexFunc(a.headers, func(h header) bool { return h.name == auth.name })
	switch {
	case at < 0:
		a.headers = append(a.headers, auth)
	case stale:
		a.headers[at] = auth
	default:
		return fmt.Errorf("status %d: the password is refused", res.StatusCode)
	}
	a.rounds++
	return nil
}

// credentials are those for the first challenge that is understood and names the
// realm (RFC 8760, RFC 2617). Basic is not: it would tell the password.
func (a *logon) credentials(res *sip.Response, method, uri string) (h header, stale bool, err error) {
	ask, reply := "WWW-Authenticate", "Authorization"
	if res.StatusCode == 407 {
		ask, reply = "Proxy-Authenticate", "Proxy-Authorization"
	}
	last := errors.New("challenge without a scheme we know")
	for _, challenge := range challenges(res, ask) {
		if a.realm != "" && challenge.Realm != a.realm {
			last = classed{fmt.Errorf("realm %q is not that of the trunk", clip(challenge.Realm)), ErrRealm}
			continue
		}
		text, err := a.credentialsFor(challenge, method, uri)
		if err != nil {
			last = err
			continue
		}
		return header{reply, text}, challenge.Stale, nil
	}
	return header{}, false, fmt.Errorf("challenge of the server: %w", last)
}

// challenges are the digest challenges in the headers of that name, of which one may
// have several (https://www.rfc-editor.org/rfc/rfc7235#section-4.1).
func challenges(res *sip.Response, name string) []*digest.Challenge {
	var out []*digest.Challenge
	for _, h := range res.GetHeaders(name) {
		for _, text := range splitChallenges(h.Value()) {
			if c, err := digest.ParseChallenge(text); err == nil && c.Nonce != "" {
				c.QOP = qualities(c.QOP)
				out = append(out, c)
			}
		}
	}
	return out
}

// splitChallenges takes a list of challenges apart: each begins with its scheme.
func splitChallenges(list string) []string {
	var out []string
	for _, part := range splitOutside(list, ',') {
		part = strings.TrimSpace(part)
		name, _, _ := strings.Cut(part, "=")
		scheme, first, begins := strings.Cut(strings.TrimSpace(strings.ReplaceAll(name, "\t", " ")), " ")
		switch {
		case part == "":
		case begins && strings.TrimSpace(first) != "" || len(out) == 0:
			out = append(out, scheme+" "+strings.TrimSpace(part[len(scheme):]))
		default:
			out[len(out)-1] += ", " + part
		}
	}
	return out
}

// qualities are those that are named, in small letters; none is as if there were no
// list.
func qualities(named []string) []string {
	var out []string
	for _, q := range named {
		if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
			out = append(out, q)
		}
	}
	return out
}

// credentialsFor answers a challenge. An algorithm of a session takes the nonces into
// the password's hash (https://www.rfc-editor.org/rfc/rfc7616#section-3.4.2).
func (a *logon) credentialsFor(c *digest.Challenge, method, uri string) (string, error) {
	options := digest.Options{Method: method, URI: uri, Count: 1, Username: a.user, Password: a.pass}
	plain, named := *c, c.Algorithm
	if at := len(named) - len("-sess"); at > 0 && strings.EqualFold(named[at:], "-sess") {
		plain.Algorithm = named[:at]
		options.Cnonce = rand.Text()
		h, err := hashOf(plain.Algorithm)
		if err != nil {
			return "", err
		}
		options.A1 = hashed(h, hashed(h, a.user+":"+c.Realm+":"+a.pass)+":"+c.Nonce+":"+options.Cnonce)
	}
	cred, err := digest.Digest(&plain, options)
	if err != nil {
		return "", err
	}
	cred.Algorithm = named
	text := cred.String()
	if options.Cnonce != "" && cred.QOP == "" { // there they are written with a quality only
		text += `, cnonce="` + options.Cnonce + `"`
	}
	return text, nil
}

// hashOf is the hash of a digest algorithm.
func hashOf(algorithm string) (hash.Hash, error) {
	switch strings.ToUpper(algorithm) {
	case "MD5":
		return md5.New(), nil
	case "SHA-256":
		return sha256.New(), nil
	case "SHA-512-256":
		return sha512.New512_256(), nil
	}
	return nil, fmt.Errorf("the algorithm %q of the challenge is not known", clip(algorithm))
}

func hashed(h hash.Hash, text string) string {
	h.Reset()
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// challenged reports whether a response asks who we are.
func challenged(res *sip.Response) bool { return res.StatusCode == 401 || res.StatusCode == 407 }

// logonFor is how challenges to a request are answered that goes to a host: those
// of the leg's own trunk, by whom it was called or that called us, and of nobody
// else.
func (l *leg) logonFor(ctx context.Context, to netip.Addr) logon {
	l.mu.Lock()
	t := l.began // a password that was changed is not for the host of before
	l.mu.Unlock()
	if t == nil || t.Username == "" || !l.d.isTarget(ctx, t, to) {
		return logon{}
	}
	return logon{user: t.Username, pass: string(t.Password), realm: t.Realm}
}
