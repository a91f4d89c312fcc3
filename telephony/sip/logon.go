package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

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
	for _, h := range res.GetHeaders(ask) {
		challenge, err := digest.ParseChallenge(h.Value())
		if err != nil {
			last = err
			continue
		}
		if a.realm != "" && challenge.Realm != a.realm {
			last = classed{fmt.Errorf("realm %q is not that of the trunk", clip(challenge.Realm)), ErrRealm}
			continue
		}
		cred, err := digest.Digest(challenge, digest.Options{Method: method, URI: uri, Count: 1, Username: a.user, Password: a.pass})
		if err != nil {
			last = err
			continue
		}
		return header{reply, cred.String()}, challenge.Stale, nil
	}
	return header{}, false, fmt.Errorf("challenge of the server: %w", last)
}

// challenged reports whether a response asks who we are.
func challenged(res *sip.Response) bool { return res.StatusCode == 401 || res.StatusCode == 407 }

// logonFor is how challenges to a request are answered that goes to a host: those
// of the leg's own trunk, by whom it was called or that called us, and of nobody
// else.
func (l *leg) logonFor(ctx context.Context, to netip.Addr) logon {
	l.mu.Lock()
	t := l.trunk()
	l.mu.Unlock()
	if t == nil || t.Username == "" || !l.d.isTarget(ctx, t, to) {
		return logon{}
	}
	return logon{user: t.Username, pass: string(t.Password), realm: t.Realm}
}
