package sip

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// strangers counts who calls without being known.
type strangers struct {
	total atomic.Uint64
	now   func() time.Time
	log   *slog.Logger
	mu    sync.Mutex
	seen  map[netip.Addr]*stranger
}

// stranger is one source.
type stranger struct {
	count  int
	logged time.Time
}

// maxStrangers bounds the sources that are remembered.
const maxStrangers = 4096

// note counts a message and logs it once a minute for each source.
func (s *strangers) note(addr netip.Addr, network string) {
	s.total.Add(1)
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.seen[addr]
	if one == nil {
		if len(s.seen) >= maxStrangers {
			clear(s.seen)
		}
		one = &stranger{}
		s.seen[addr] = one
	}
	one.count++
	if now.Sub(one.logged) >= time.Minute {
		s.log.Warn("sip from a source that belongs to no trunk", "source", addr.String(),
			"transport", network, "messages", one.count)
		one.logged, one.count = now, 0
	}
}

// welcome says whether a source is listened to at all.
func (d *Driver) welcome(addr netip.Addr, network string) bool {
	if _, ok := d.trunkOf(addr); ok || len(d.cfg.Users) > 0 {
		return true
	}
	d.mu.Lock()
	known := d.known[addr]
	d.mu.Unlock()
	if !known {
		d.strangers.note(addr, network)
	}
	return known
}

// trunkOf returns the trunk that a source belongs to, "" for the local one.
func (d *Driver) trunkOf(addr netip.Addr) (string, bool) {
	addr = addr.WithZone("")
	for i := range d.cfg.Trunks {
		if contains(d.cfg.Trunks[i].Addresses, addr) {
			return d.cfg.Trunks[i].Name, true
		}
	}
	return "", contains(d.cfg.LocalSources, addr)
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// admission is what became known of the sender of a request.
type admission struct {
	trunk string
	user  string // of digest, else ""
}

// admit finds out who sends a request outside of a dialog. Without an error
// and without ok there is no answer.
func (d *Driver) admit(p peer, req *sip.Request) (a admission, f *fault, ok bool) {
	trunk, known := d.trunkOf(p.addr.Addr())
	if known && (trunk != "" || len(d.cfg.Users) == 0 || headerValue(req, "Authorization") == "") {
		return admission{trunk: trunk}, nil, true
	}
	if len(d.cfg.Users) == 0 {
		d.strangers.note(p.addr.Addr(), p.network())
		return a, nil, false
	}
	return d.authenticate(req)
}

// authenticate checks digest credentials
// (https://www.rfc-editor.org/rfc/rfc3261#section-22).
func (d *Driver) authenticate(req *sip.Request) (admission, *fault, bool) {
	value := headerValue(req, "Authorization")
	if value == "" {
		return admission{}, d.challenge(false), false
	}
	cred, err := digest.ParseCredentials(value)
	if err != nil {
		return admission{}, &fault{status: 400, reason: "Bad Request: Authorization"}, false
	}
	user, found := User{Password: "no such user"}, false
	for _, u := range d.cfg.Users {
		if u.Name == cred.Username {
			user, found = u, true
		}
	}
	want, err := digest.Digest(&digest.Challenge{Realm: d.cfg.Realm, Nonce: cred.Nonce, Algorithm: "MD5",
		QOP: []string{"auth"}}, digest.Options{Method: string(req.Method), URI: cred.URI, Count: cred.Nc,
		Cnonce: cred.Cnonce, Username: cred.Username, Password: string(user.Password)})
	fresh := d.nonces.valid(cred.Nonce)
	if err != nil || subtle.ConstantTimeCompare([]byte(want.Response), []byte(cred.Response)) != 1 || !found {
		return admission{}, d.challenge(false), false
	}
	if !fresh {
		return admission{}, d.challenge(true), false
	}
	return admission{trunk: user.Trunk, user: user.Name}, nil, true
}

func (d *Driver) challenge(stale bool) *fault {
	value := fmt.Sprintf(`Digest realm="%s", nonce="%s", algorithm=MD5, qop="auth"`, d.cfg.Realm, d.nonces.issue())
	if stale {
		value += ", stale=true"
	}
	return &fault{401, "Unauthorized", []header{{"WWW-Authenticate", value}}}
}

// nonceLife is how long a nonce may be used.
const nonceLife = 5 * time.Minute

// nonces issues nonces that carry their own time and proof.
type nonces struct {
	key [32]byte
	now func() time.Time
}

func newNonces(now func() time.Time) nonces {
	n := nonces{now: now}
	rand.Read(n.key[:])
	return n
}

func (n *nonces) issue() string {
	return n.sign(n.now().Unix())
}

func (n *nonces) sign(at int64) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(at))
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, mac.Sum(nil)[:16]...))
}

func (n *nonces) valid(nonce string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 24 {
		return false
	}
	at := int64(binary.BigEndian.Uint64(raw))
	age := n.now().Unix() - at
	return subtle.ConstantTimeCompare([]byte(n.sign(at)), []byte(nonce)) == 1 &&
		age >= 0 && age <= int64(nonceLife/time.Second)
}
