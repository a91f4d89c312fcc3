package sip

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// registerFor is the lifetime asked for; it is renewed at half of it.
const registerFor = 2 * time.Minute

// Register makes the trunk's server send the number's calls here, until ctx
// ends; it then takes the registration back. registered, which may be nil, is
// called once, after the first success. A refusal is a *telephony.DialError.
// See RFC 3261 section 10.
func (d *Driver) Register(ctx context.Context, trunk, number string, registered func()) error {
	to, err := d.route(ctx, telephony.DialRequest{Trunk: trunk, From: number, To: number})
	if err != nil {
		return err
	}
	if to.peer, err = d.reachAny(ctx, to.targets); err != nil {
		return err
	}
	r := &registration{d: d, to: to, callID: d.newTag(), tag: d.newTag()}
	for {
		if err := r.send(ctx, registerFor); err != nil {
			return err
		}
		if registered != nil {
			registered()
			registered = nil
		}
		again := time.NewTimer(registerFor / 2)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			leave, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			return r.send(leave, 0)
		case <-d.done:
			again.Stop()
			return net.ErrClosed
		}
	}
}

// registration is one binding of ours at a server.
type registration struct {
	d           *Driver
	to          route
	callID, tag string
	seq         uint32
}

// send registers for lasts, with credentials when it is challenged.
func (r *registration) send(ctx context.Context, lasts time.Duration) error {
	as := logon{user: r.to.user, pass: r.to.pass, realm: r.to.realm}
	for {
		res, err := r.sendOnce(ctx, lasts, as.headers)
		switch {
		case err != nil:
			return err
		case challenged(res):
			err = as.answer(res, "REGISTER", r.uri())
		}
		switch {
		case challenged(res) && err == nil:
		case res.StatusCode >= 300:
			return &telephony.DialError{Cause: statusCause(res.StatusCode), Status: res.StatusCode, Sent: true, Err: err}
		default:
			return nil
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

func (r *registration) sendOnce(ctx context.Context, lasts time.Duration, extra []header) (*sip.Response, error) {
	r.seq++
	branch, p := r.d.newBranch(), r.to.peer
	here := r.d.hostPort(p.addr.Addr())
	aor := "<sip:" + r.to.target.User + "@" + r.server() + ">"
	var b bytes.Buffer
	fmt.Fprintf(&b, "REGISTER %s SIP/2.0\r\n", r.uri())
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", p.network(), here, branch)
	writeHeader(&b, "Max-Forwards", "70")
	writeHeader(&b, "From", aor+";tag="+r.tag)
	writeHeader(&b, "To", aor)
	writeHeader(&b, "Call-ID", r.callID)
	writeHeader(&b, "CSeq", fmt.Sprintf("%d REGISTER", r.seq))
	contact := "<sip:" + r.to.target.User + "@" + here
	if p.reliable() {
		contact += ";transport=tcp"
	}
	extra = append(slices.Clone(extra), header{"Contact", contact + ">"}, header{"Expires", fmt.Sprint(int(lasts.Seconds()))})
	writeEnd(&b, extra, nil)
	res, err := r.d.roundTrip(ctx, p, "REGISTER", branch, b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return res, nil
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
