package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// Registration keeps us registered with a trunk as Trunk.Username at Trunk.Host: the
// trunk then knows where to send our calls, also behind NAT
// (https://www.rfc-editor.org/rfc/rfc3261#section-10).
type Registration struct {
	// On keeps us registered.
	On bool
	// Expires is how long is asked for; the registrar decides. 0 means 10 minutes, so
	// that one that lost its memory knows us again soon.
	Expires time.Duration
	// ContactUser is the user of the URI to which the trunk sends our calls; empty:
	// Trunk.Username. Those of trunks at one host must differ.
	ContactUser string
	// Numbers are the trunk's: they tell accounts at one carrier apart, and calls that
	// name the account in place of a number are for the first one.
	Numbers []string
}

const (
	// registerTime is Registration.Expires when it is 0.
	registerTime = 10 * time.Minute
	// holdEvery is how often a UDP registrar is sent a line end, for a NAT in between
	// forgets us after as little as 30 s (https://www.rfc-editor.org/rfc/rfc5626#section-4.4.2).
	holdEvery = 25 * time.Second
	// stableFor is how long a connection must live to be made again at once.
	stableFor = 30 * time.Second
)

// checkRegistration reports what cannot work.
func (t *Trunk) checkRegistration() error {
	r := t.Register
	switch {
	case !r.On:
		return nil
	case t.Host == "":
		return errors.New("to register it needs a host")
	case t.Username == "":
		return errors.New("to register it needs a user name")
	case r.Expires < 0 || r.Expires > 0 && r.Expires < time.Second || r.Expires > longestAsked:
		return fmt.Errorf("a registration is for 1 s to %s", longestAsked)
	}
	return nil
}

// checkContacts reports accounts whose calls could not be told apart.
func (c *Config) checkContacts() error {
	seen := make(map[string]string)
	for i := range c.Trunks {
		t := &c.Trunks[i]
		if !t.Register.On {
			continue
		}
		key := t.contactUser() + "@" + hostOnly(t.Host)
		if other, ok := seen[key]; ok {
			return fmt.Errorf("trunks %q and %q register with the same contact user at one host: their calls could not be told apart", other, t.Name)
		}
		seen[key] = t.Name
	}
	return nil
}

// contactUser is the user of our contact at a trunk's registrar.
func (t *Trunk) contactUser() string {
	if t.Register.ContactUser != "" {
		return t.Register.ContactUser
	}
	return t.Username
}

// fromDomain is the host in From of calls to a trunk; "" is our own address. A
// registrar knows us by its own domain.
func (t *Trunk) fromDomain() string {
	if t.FromDomain == "" && t.Register.On {
		return bracket(hostOnly(t.Host))
	}
	return t.FromDomain
}

// escapeUser writes any text as the user of a URI.
func escapeUser(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		plain := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()+&=$", c) >= 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// keepRegistered registers, refreshes, and tries again after failures until ctx ends;
// then it takes the registration back.
func (l *line) keepRegistered(ctx context.Context) {
	lasts := l.trunk.Register.Expires
	orElse(&lasts, registerTime)
	r := newRegistration(l.d, l.trunk, escapeUser(l.trunk.Username), escapeUser(l.trunk.contactUser()), lasts)
	failures := 0
	for ctx.Err() == nil {
		granted, err := r.send(ctx)
		if ctx.Err() != nil {
			break
		}
		l.noteRegistration(r, granted, err)
		begun := time.Now()
		wait := refreshAfter(granted)
		if err != nil {
			failures++
			wait = max(retryAfterFailure(failures, err), r.later)
		}
		lost := l.pause(ctx, r, wait, err == nil)
		switch {
		case lost && time.Since(begun) < stableFor:
			failures++
			l.pause(ctx, r, retryAfterFailure(failures, nil), false)
		case err == nil && !lost:
			failures = 0
		}
	}
	if l.takeBack() {
		if err := r.leave(); err != nil {
			l.d.cfg.Logger.Warn("trunk: registration not taken back", append(l.trunk.logged(), "err", err)...)
		}
	}
}

// pause waits and holds the way through NATs open meanwhile; lost tells that the
// connection by which the registrar reaches us is gone.
func (l *line) pause(ctx context.Context, r *registration, wait time.Duration, registered bool) (lost bool) {
	end := time.NewTimer(wait)
	defer end.Stop()
	hold := time.NewTicker(holdEvery)
	defer hold.Stop()
	var gone <-chan struct{}
	if registered {
		gone = r.to.peer.lost()
	}
	for {
		select {
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		case <-gone:
			l.d.cfg.Logger.Info("trunk: connection to the registrar lost, registering again", l.trunk.logged()...)
			return true
		case <-hold.C:
			if registered && !r.to.peer.reliable() {
				_ = l.d.transport.send(r.to.peer, []byte(pong)) // the next one may arrive
			}
		}
	}
}

// retryAfterFailure is how long to wait after that many failures in a row: 2 s, or 30 s
// when the registrar refused us, doubled up to half an hour, and between half and all of
// it, so that not everybody comes at once
// (https://www.rfc-editor.org/rfc/rfc5626#section-4.5).
func retryAfterFailure(failures int, err error) time.Duration {
	wait := 2 * time.Second
	var refusal *telephony.DialError
	if errors.As(err, &refusal) && refusal.Status < 500 { // a wrong password stays wrong, and repeating it gets us locked out
		wait = 30 * time.Second
	}
	wait = min(wait<<min(failures-1, 12), 30*time.Minute)
	return wait/2 + rand.N(wait/2)
}

// noteRegistration takes the outcome of a try, and logs it when it is another than the
// one before.
func (l *line) noteRegistration(r *registration, granted time.Duration, err error) {
	now, log := l.d.cfg.Now(), l.d.cfg.Logger.With(l.trunk.logged()...)
	if err == nil {
		l.mu.Lock()
		before := l.problem
		first := !l.registered
		l.until, l.registrar, l.problem, l.registered = now.Add(granted), r.to.peer, "", true
		if first {
			l.registeredSince = now
		}
		l.mu.Unlock()
		if first || before != "" {
			log.Info("trunk: registered", "registrar", r.to.peer.addr.String(), "for", granted)
		}
		return
	}
	problem, remedy := registrationProblem(err)
	l.mu.Lock()
	before, was := l.problem, l.registered
	l.problem = problem
	if l.registered && (!now.Before(l.until) || refusedUs(err)) {
		l.registered, l.registeredSince = false, now
	}
	l.mu.Unlock()
	if before != problem || was && !l.isRegistered() {
		log.Warn("trunk: not registered", slog.Any("err", err), slog.String("remedy", remedy))
	}
}

func refusedUs(err error) bool {
	var refusal *telephony.DialError
	return errors.As(err, &refusal) && refusal.Status < 500
}

// registrationProblem says in few words what is wrong, the same for each try, and what
// can be done about it.
func registrationProblem(err error) (problem, remedy string) {
	var refusal *telephony.DialError
	if !errors.As(err, &refusal) {
		return "no response", "check host, transport and outbound_proxy, and that a firewall lets responses back in"
	}
	problem = fmt.Sprintf("status %d", refusal.Status)
	switch refusal.Status {
	case 401, 407, 403:
		return problem, "check username and password, and realm where it is set"
	case 404:
		return problem, "the registrar does not know this username: check username and host"
	case 423:
		return problem, "the registrar wants a longer time: raise register_expires"
	}
	return problem, "ask the carrier what the status means; it is tried again"
}

// takeBack ends the registered state and reports whether there is something to take
// back.
func (l *line) takeBack() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.registered
	l.registered = false
	return was
}

func (l *line) isRegistered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.registered && l.d.cfg.Now().Before(l.until)
}

// sends reports whether a peer is the registrar of the line, or its outbound proxy;
// exactly tells that it is the socket, too, that we registered with.
func (l *line) sends(p peer) (exactly, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.registered {
		return false, false
	}
	if p.tcp != nil && p.tcp == l.registrar.tcp || p.tcp == nil && p.addr == l.registrar.addr {
		return true, true
	}
	return false, l.registrar.addr.Addr() == p.addr.Addr() || l.d.whereabouts.has(l.trunk.destination(), p.addr.Addr())
}

// registeredAs names the trunk at whose registrar we are registered and whose account
// or number a request is for. A host that is the registrar of one account only needs
// to name neither, unless it belongs to a trunk by its address.
func (d *Driver) registeredAs(p peer, req *sip.Request) (string, bool) {
	if req.Method == sip.REGISTER {
		return "", false
	}
	among := d.trunksOf(p.addr.Addr())
	known := len(among) > 0
	byAddress := slices.ContainsFunc(among, func(name string) bool { return name != "" })
	alone, count := "", 0
	for _, l := range d.allLines() {
		exactly, ok := l.sends(p)
		if !ok {
			continue
		}
		if l.isFor(req) {
			return l.trunk.Name, true
		}
		if exactly || !known { // programs on this machine may call, too
			alone, count = l.trunk.Name, count+1
		}
	}
	return alone, count == 1 && !byAddress
}

// isFor reports whether a request names the line's account or one of its numbers.
func (l *line) isFor(req *sip.Request) bool {
	named, to := number(&req.Recipient), number(&req.To().Address)
	if named == escapeUser(l.trunk.contactUser()) || to == escapeUser(l.trunk.Username) {
		return true
	}
	return slices.ContainsFunc(l.trunk.Register.Numbers, func(n string) bool {
		return strings.TrimPrefix(n, "+") == strings.TrimPrefix(named, "+") || strings.TrimPrefix(n, "+") == strings.TrimPrefix(to, "+")
	})
}

// calledNumber is the number that an INVITE of a trunk is for. One to the contact that we
// registered names it in P-Called-Party-ID (RFC 7315) or in To, if at all.
func (d *Driver) calledNumber(req *sip.Request, trunk string) string {
	named := number(&req.Recipient)
	t := d.trunk(trunk)
	if t == nil || !t.Register.On || !t.isAccount(named) {
		return named
	}
	candidates := []string{"", number(&req.To().Address)}
	if value := headerValue(req, "P-Called-Party-ID"); value != "" {
		if uri, _, ok := addressIn(value); ok {
			candidates[0] = number(&uri)
		}
	}
	for _, c := range candidates {
		if c != "" && !t.isAccount(c) {
			return c
		}
	}
	if len(t.Register.Numbers) > 0 {
		return t.Register.Numbers[0]
	}
	return named
}

// addressIn reads an address of the far end; what makes the parser panic is none.
func addressIn(value string) (uri sip.Uri, params sip.HeaderParams, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	params = sip.NewParams()
	_, err := sip.ParseAddressValue(value, &uri, &params)
	return uri, params, err == nil
}

func (t *Trunk) isAccount(user string) bool {
	return user == escapeUser(t.contactUser()) || user == escapeUser(t.Username)
}
