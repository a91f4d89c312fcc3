package sip

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// authenticate checks digest credentials
// (https://www.rfc-editor.org/rfc/rfc3261#section-22). They are good for the
// request they name and, with one count of their nonce, once: who overheard
// them cannot place calls of his own.
func (d *Driver) authenticate(p peer, req *sip.Request) (admission, *fault, bool) {
	from := p.addr.Addr()
	value := headerValue(req, "Authorization")
	if scheme, _, _ := strings.Cut(strings.TrimSpace(value), " "); !strings.EqualFold(scheme, "Digest") { // none, or one that we do not have
		return admission{}, d.challenge(from, false), false
	}
	cred, err := digest.ParseCredentials(value)
	if err == nil && cred.QOP == "" { // RFC 2069: without a count, its nonce is good for one request
		cred.Nc = 1
	}
	switch {
	case err != nil || cred.Nc < 1:
		return admission{}, &fault{status: 400, reason: "Bad Request: Authorization"}, false
	case !d.nonces.valid(cred.Nonce, from):
		return admission{}, d.challenge(from, true), false
	}
	if wait := d.guesses.wait(d.cfg.Now(), from, cred.Username); wait > 0 {
		d.sources.refuse(from, p.network(), RefusedLocked)
		return admission{}, &fault{403, "Forbidden: too many wrong passwords",
			[]header{{"Retry-After", strconv.Itoa(int(wait/time.Second) + 1)}}}, false
	}
	user, ok := d.verify(req, cred)
	if !ok {
		d.guesses.wrong(d.cfg.Now(), from, cred.Username)
		d.sources.refuse(from, p.network(), RefusedCredentials)
		return admission{}, d.challenge(from, false), false
	}
	d.guesses.right(from, user.Name)
	if !sameResource(cred.URI, &req.Recipient) {
		return admission{}, &fault{status: 400, reason: "Bad Request: credentials for another URI"}, false
	}
	if !d.nonces.take(cred.Nonce, from, cred.Nc) {
		return admission{}, d.challenge(from, true), false
	}
	d.sources.prove(from)
	return admission{trunk: user.Trunk, user: user.Name}, nil, true
}

// verify returns the user whose password credentials prove. Trunks of several
// customers may have users of one name, and even one password: then the called number
// decides.
func (d *Driver) verify(req *sip.Request, cred *digest.Credentials) (User, bool) {
	var found []User
	var trunks []string
	named := false
	for _, u := range d.roster.Load().users {
		if u.Name != cred.Username {
			continue
		}
		named = true
		if d.matches(req, cred, u.Password) {
			found, trunks = append(found, u), append(trunks, u.Trunk)
		}
	}
	switch {
	case !named:
		d.matches(req, cred, "no such user") // takes as long as for one that there is
		return User{}, false
	case len(found) == 0:
		return User{}, false
	}
	return found[slices.Index(trunks, d.choose(number(&req.Recipient), trunks))], true
}

// matches reports whether credentials were made with the password.
func (d *Driver) matches(req *sip.Request, cred *digest.Credentials, password Secret) bool {
	var quality []string
	if cred.QOP != "" {
		quality = []string{"auth"}
	}
	want, err := digest.Digest(&digest.Challenge{Realm: d.cfg.Realm, Nonce: cred.Nonce, Algorithm: "MD5",
		QOP: quality}, digest.Options{Method: string(req.Method), URI: cred.URI, Count: cred.Nc,
		Cnonce: cred.Cnonce, Username: cred.Username, Password: string(password)})
	return err == nil && subtle.ConstantTimeCompare([]byte(want.Response), []byte(cred.Response)) == 1
}

// sameResource says whether the uri of credentials names what the request is
// for (https://www.rfc-editor.org/rfc/rfc7616#section-3.4.6): the same user at
// the same host and port. Parameters may differ, for proxies add them.
func sameResource(text string, uri *sip.Uri) bool {
	if text == uri.String() {
		return true
	}
	var named sip.Uri
	if sip.ParseUri(text, &named) != nil {
		return false
	}
	return strings.EqualFold(named.Scheme, uri.Scheme) && number(&named) == number(uri) &&
		strings.EqualFold(named.Host, uri.Host) && portOr(named.Port) == portOr(uri.Port)
}

// portOr returns the port of a URI, the usual one when it names none.
func portOr(port int) int {
	if port == 0 {
		return 5060
	}
	return port
}

// challenge asks who sent a request; stale says that only the nonce was wrong.
func (d *Driver) challenge(from netip.Addr, stale bool) *fault {
	value := fmt.Sprintf(`Digest realm="%s", nonce="%s", algorithm=MD5, qop="auth"`, d.cfg.Realm, d.nonces.issue(from))
	if stale {
		value += ", stale=true"
	}
	return &fault{401, "Unauthorized", []header{{"WWW-Authenticate", value}}}
}

// nonceLife is how long a nonce may be used.
const nonceLife = 5 * time.Minute

// nonces issues nonces that carry their own time and the proof that they were
// issued to a source, so that they cost no memory; counts are stored only of
// those that a known user used.
type nonces struct {
	key [32]byte
	now func() time.Time

	mu     sync.Mutex
	counts map[string]int // the highest count of a nonce, of this life and
	before map[string]int // of the one before
	turned time.Time      // when this life began
}

func newNonces(now func() time.Time) *nonces {
	n := &nonces{now: now, counts: make(map[string]int), turned: now()}
	rand.Read(n.key[:])
	return n
}

// issue makes a nonce for a source: the time, random bytes that distinguish
// those of one moment, and the proof that it is ours and whom it is for.
func (n *nonces) issue(to netip.Addr) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, nonceSize), uint64(n.now().Unix()))
	raw = raw[:16]
	rand.Read(raw[8:])
	return base64.RawURLEncoding.EncodeToString(append(raw, n.sign("nonce", raw, to)...))
}

// nonceSize is 8 bytes of time, 8 random ones and 16 of proof.
const nonceSize = 32

// sign returns 16 bytes that nobody else can make of the same things; use
// separates those of one kind from those of another.
func (n *nonces) sign(use string, raw []byte, to netip.Addr) []byte {
	mac := hmac.New(sha256.New, n.key[:])
	fmt.Fprintf(mac, "%s %s ", use, sourceOf(to))
	mac.Write(raw)
	return mac.Sum(nil)[:16]
}

// tag returns the To tag of a refusal, the same for every copy of a request.
func (n *nonces) tag(request string) string {
	return hex.EncodeToString(n.sign("tag", []byte(request), netip.Addr{})[:8])
}

// valid says whether the nonce was issued to that source and is not too old.
func (n *nonces) valid(nonce string, from netip.Addr) bool {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != nonceSize {
		return false
	}
	age := n.now().Unix() - int64(binary.BigEndian.Uint64(raw))
	return hmac.Equal(n.sign("nonce", raw[:16], from), raw[16:]) && age >= 0 && age <= int64(nonceLife/time.Second)
}

// take uses count of a nonce up; false when the nonce is not valid or that
// count, or a higher one, was used before.
func (n *nonces) take(nonce string, from netip.Addr, count int) bool {
	if !n.valid(nonce, from) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := n.now(); now.Sub(n.turned) > nonceLife {
		n.before, n.counts, n.turned = n.counts, make(map[string]int), now
	}
	if count <= max(n.counts[nonce], n.before[nonce]) {
		return false
	}
	n.counts[nonce] = count
	return true
}
