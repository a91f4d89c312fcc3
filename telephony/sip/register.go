package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// registerFor is the lifetime that a softphone asks for.
	registerFor = 2 * time.Minute
	// leaveFor bounds how long a registration is taken back.
	leaveFor = 2 * time.Second
	// longestAsked bounds what a registrar may make us ask for.
	longestAsked = 24 * time.Hour
)

// Register makes the trunk's server send the number's calls here, until ctx
// ends; it then takes the registration back. registered, which may be nil, is
// called once, after the first success. A refusal is a *telephony.DialError.
// See RFC 3261 section 10.
func (d *Driver) Register(ctx context.Context, trunk, number string, registered func()) error {
	user, err := userPart(number)
	if err != nil {
		return err
	}
	t := d.trunk(trunk)
	if t == nil {
		return fmt.Errorf("no trunk is called %q", trunk)
	}
	r := newRegistration(d, *t, user, user, registerFor)
	for {
		granted, err := r.send(ctx)
		if err != nil {
			return err
		}
		if registered != nil {
			registered()
			registered = nil
		}
		again := time.NewTimer(refreshAfter(granted))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return r.leave()
		case <-d.done:
			again.Stop()
			return net.ErrClosed
		}
	}
}

// refreshAfter is when a registration is refreshed: half-way, of long ones 10 minutes
// before they end.
func refreshAfter(granted time.Duration) time.Duration { return max(granted/2, granted-10*time.Minute) }

// registration is one binding of ours at a server.
type registration struct {
	d             *Driver
	trunk         Trunk
	user, contact string // of the address that is registered, and of where it leads
	lasts         time.Duration
	callID, tag   string
	seq           uint32
	to            route         // of the last request
	later         time.Duration // how long the registrar wants us to wait after it refused; 0 when it does not say
}

func newRegistration(d *Driver, t Trunk, user, contact string, lasts time.Duration) *registration {
	return &registration{d: d, trunk: t, user: user, contact: contact, lasts: lasts, callID: d.newTag(), tag: d.newTag()}
}

// send registers and returns for how long it is. It answers challenges and asks for
// longer when that is too short for the registrar
// (https://www.rfc-editor.org/rfc/rfc3261#section-10.2.8).
func (r *registration) send(ctx context.Context) (time.Duration, error) {
	r.later = 0
	res, err := r.ask(ctx, r.lasts)
	if err == nil && res.StatusCode == 423 {
		seconds, bad := strconv.ParseUint(strings.TrimSpace(headerValue(res, "Min-Expires")), 10, 31)
		if least := time.Duration(seconds) * time.Second; bad == nil && least > r.lasts && least <= longestAsked {
			r.lasts = least
			res, err = r.ask(ctx, r.lasts)
		}
	}
	switch {
	case err != nil:
		return 0, err
	case res.StatusCode >= 300:
		r.later = retryIn(res)
		return 0, refusedRegistration(res, nil)
	}
	granted := r.granted(res)
	if granted <= 0 {
		return 0, errors.New("the registrar answered that the registration is over at once")
	}
	return granted, nil
}

// leave takes the registration back.
func (r *registration) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveFor)
	defer cancel()
	res, err := r.ask(ctx, 0)
	if err == nil && res.StatusCode >= 300 {
		err = refusedRegistration(res, nil)
	}
	return err
}

func refusedRegistration(res *sip.Response, why error) error {
	return &telephony.DialError{Cause: statusCause(res.StatusCode), Status: res.StatusCode, Sent: true, Err: why}
}

// ask sends a REGISTER, with credentials when it is challenged, and returns the
// response to it.
func (r *registration) ask(ctx context.Context, lasts time.Duration) (*sip.Response, error) {
	as := logon{user: r.trunk.Username, pass: string(r.trunk.Password), realm: r.trunk.Realm}
	for {
		res, err := r.once(ctx, lasts, as.headers)
		if err != nil || !challenged(res) {
			return res, err
		}
		if err := as.answer(res, "REGISTER", r.uri()); err != nil {
			return nil, refusedRegistration(res, err)
		}
	}
}

func (r *registration) uri() string { return "sip:" + r.server() }

// server is the host and port, if there is one, of URIs; the host has its brackets
// already.
func (r *registration) server() string {
	if r.to.target.Port == 0 {
		return r.to.target.Host
	}
	return fmt.Sprintf("%s:%d", r.to.target.Host, r.to.target.Port)
}

// once sends one REGISTER; a connection that is lost before the response is made
// again, once.
func (r *registration) once(ctx context.Context, lasts time.Duration, extra []header) (*sip.Response, error) {
	var res *sip.Response
	err := r.d.overConnection(ctx, &r.trunk, r.user, func(to route) (err error) {
		r.to = to
		r.seq++
		aor := "<sip:" + r.user + "@" + r.server() + ">"
		res, err = r.d.askTrunk(ctx, to, outside{method: "REGISTER", uri: r.uri(), from: aor, to: aor, tag: r.tag, callID: r.callID, seq: r.seq,
			extra: append(slices.Clone(extra), header{"Contact", "<" + r.contactURI() + ">"}, header{"Expires", fmt.Sprint(int(lasts.Seconds()))})})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return res, nil
}

func (r *registration) contactURI() string { return r.d.contactURI(r.to.peer, r.contact) }

// granted is for how long we are registered: as our contact in the response says, or
// the response for all, else as long as we asked for. A registrar or a router on the
// way may write our contact otherwise, so the only one is ours, and else the ones of
// our user are; of several the shortest time counts.
func (r *registration) granted(res *sip.Response) time.Duration {
	all, _ := paramsOf(headerValue(res, "Expires"))
	granted, ok := expiry(all, true)
	if own, found := shortest(r.ownContacts(res)); found {
		granted, ok = own, true
	}
	if !ok {
		return r.lasts
	}
	return min(granted, longestAsked)
}

// ownContacts are the contacts in a response that are ours.
func (r *registration) ownContacts(res *sip.Response) []sip.Header {
	all := res.GetHeaders("Contact")
	var exact, named []sip.Header
	var ours sip.Uri
	if sip.ParseUri(r.contactURI(), &ours) != nil {
		return nil
	}
	for _, h := range all {
		uri, _, ok := addressIn(h.Value())
		if !ok || uri.User != ours.User {
			continue
		}
		named = append(named, h)
		if strings.EqualFold(uri.Host, ours.Host) && portOr(uri.Port) == portOr(ours.Port) {
			exact = append(exact, h)
		}
	}
	switch {
	case len(exact) > 0:
		return exact
	case len(all) == 1:
		return all
	}
	return named
}

// shortest is the shortest of the times that contacts have, but for those that are
// over; false when none has one.
func shortest(contacts []sip.Header) (least time.Duration, found bool) {
	for _, h := range contacts {
		_, params := paramsOf(h.Value())
		if lasts, ok := expiry(param(params, "expires")); ok && (!found || least == 0 || lasts > 0 && lasts < least) {
			least, found = lasts, true
		}
	}
	return least, found
}

// expiry reads a number of seconds that may be there.
func expiry(text string, there bool) (time.Duration, bool) {
	seconds, err := strconv.ParseUint(text, 10, 31)
	return time.Duration(seconds) * time.Second, there && err == nil
}

// outside is a request of ours outside of calls.
type outside struct {
	method, uri, from, to, tag, callID string
	seq                                uint32
	extra                              []header
}

// askTrunk sends a request outside of calls and returns its final response.
func (d *Driver) askTrunk(ctx context.Context, to route, o outside) (*sip.Response, error) {
	branch := d.newBranch()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", o.method, o.uri)
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", to.peer.network(), d.hostPort(to.peer), branch)
	writeHeader(&b, "Max-Forwards", "70")
	for _, r := range to.routes {
		writeHeader(&b, "Route", r)
	}
	writeHeader(&b, "From", o.from+";tag="+o.tag)
	writeHeader(&b, "To", o.to)
	writeHeader(&b, "Call-ID", o.callID)
	writeHeader(&b, "CSeq", fmt.Sprintf("%d %s", o.seq, o.method))
	writeEnd(&b, o.extra, nil)
	return d.roundTrip(ctx, to.peer, o.method, branch, b.Bytes())
}

// overConnection runs f with the way to the trunk, and once more with a new
// connection when that one is lost. A target that fails is tried last for a while.
func (d *Driver) overConnection(ctx context.Context, t *Trunk, user string, f func(route) error) error {
	for again := false; ; again = true {
		to, err := d.trunkRoute(ctx, t, user)
		if err != nil {
			return err
		}
		if to.peer, err = d.reachAny(ctx, t, to.targets); err != nil {
			return err
		}
		if err = f(to); err == nil || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return err
		}
		select {
		case <-to.peer.lost():
			if !again {
				continue
			}
		default:
		}
		for _, one := range to.targets {
			if one.address == to.peer.addr {
				d.health.delay(one)
			}
		}
		return err
	}
}

// LocalAddressTowards returns the address of this machine from which packets to
// hostPort leave, 127.0.0.1 when there is no way. Nothing is sent.
func LocalAddressTowards(hostPort string) string {
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "udp", hostPort) // a route is looked up, nobody is waited for
	if err != nil {
		return "127.0.0.1"
	}
	defer func() { _ = conn.Close() }()
	addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return "127.0.0.1"
	}
	return bracket(addr.Addr().Unmap().String())
}
