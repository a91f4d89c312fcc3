package sip

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// maxAbandoned bounds the INVITEs of a process that is gone which are looked after,
// those of this one counted.
const maxAbandoned = 10000

// adopt looks after an INVITE of a process that listened here before and is gone: a call
// that still rings is cancelled, and one that somebody answers is confirmed and hung up.
// Otherwise he would hear nothing, at our cost. Its responses come from where a trunk is,
// and name what we take for our own; false for all others.
func (d *Driver) adopt(p peer, branch string, res *sip.Response) bool {
	trunk := d.orphanOf(p, branch, res)
	if trunk == nil || d.mayTakeUp() { // it may be of a call that goes on, and comes again
		return false
	}
	from, to, seq := res.From().Address, res.To().Address, res.CSeq().SeqNo
	r := route{target: to, peer: p, trunk: trunk}
	if proxy, ok := trunk.proxy(); ok {
		r.routes = []string{looseRoute(proxy)}
	}
	l := &leg{d: d, callID: res.CallID().Value(), localTag: tagOf(res.From().Params), local: "<" + from.String() + ">", remote: "<" + to.String() + ">",
		info: telephony.Info{Trunk: trunk.Name}, began: trunk, target: to, routes: r.routes, peer: p, localSeq: seq + dialogGap}
	t := &abandoned{a: &attempt{d: d, l: l, to: r, branch: branch, seq: seq}, lifetime: lateFor, ended: make(map[string]*farAck)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped() || len(d.abandoned) >= maxAbandoned {
		return false
	}
	d.abandoned[branch] = t
	t.forget = time.AfterFunc(t.lifetime, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.abandoned, branch)
	})
	return true
}

// orphanOf is the trunk of a response to an INVITE that a process which is gone has sent;
// nil when it is none.
func (d *Driver) orphanOf(p peer, branch string, res *sip.Response) *Trunk {
	established := res.StatusCode > 100 && res.StatusCode < 300
	via := res.Via()
	port := via.Port
	orElse(&port, 5060)
	ours := net.JoinHostPort(strings.Trim(via.Host, "[]"), strconv.Itoa(port)) == d.hostPort(p) && strings.HasPrefix(branch, magicCookie)
	tag := tagOf(res.From().Params)
	if !established || !ours || strings.HasPrefix(branch, magicCookie+d.mark) || tag == "" || tagOf(res.To().Params) == "" || d.callOf(res.CallID().Value(), tag) != nil {
		return nil
	}
	among := d.trunksOf(p.addr.Addr())
	if len(among) == 0 {
		return nil
	}
	return d.trunk(d.choose(number(&res.From().Address), among)) // our number is that of the trunk; the local route has none
}
