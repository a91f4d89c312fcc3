package sip

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// signalling names the messages of a call for those who watch: by the Call-ID and the
// tag of who began it, which each message of the call has. The Call-ID alone would let
// a caller who repeats another's have his messages taken for those of that call.
func signalling(callID, tag string) string { return callID + " " + tag }

// received shows a message that came to whoever watches.
func (t *transport) received(p peer, msg sip.Message, raw []byte) {
	if t.watcher == nil || msg.CallID() == nil || msg.From() == nil || msg.To() == nil {
		return
	}
	req, _ := msg.(*sip.Request)
	id := identity{callID: msg.CallID().Value(), from: tagOf(msg.From().Params), to: tagOf(msg.To().Params), invite: req != nil && req.IsInvite()}
	if cseq := msg.CSeq(); cseq != nil {
		id.method = string(cseq.MethodName)
	}
	t.show(p, id, telephony.Message{At: time.Now(), Text: raw})
}

// sent shows a message of ours to whoever watches.
func (t *transport) sent(p peer, raw []byte, at time.Time) {
	if t.watcher == nil {
		return
	}
	if id := identify(raw); id.callID != "" {
		t.show(p, id, telephony.Message{At: at, Sent: true, Text: raw})
	}
}

func (t *transport) show(p peer, id identity, m telephony.Message) {
	if id.method == "OPTIONS" || id.method == "REGISTER" {
		return // of no call, but many
	}
	m.Local, m.Remote, m.Transport = t.localEnd(p), p.addr, p.network()
	m.Names[0] = signalling(id.callID, id.from)
	if id.to != "" {
		m.Names[1] = signalling(id.callID, id.to)
	}
	m.Begins = id.invite && id.to == ""
	t.watcher.Message(m)
}

// localEnd is our end of the way to p: of its connection, or of the UDP socket.
func (t *transport) localEnd(p peer) netip.AddrPort {
	if p.tcp != nil {
		if local, ok := p.tcp.conn.LocalAddr().(*net.TCPAddr); ok {
			return unmap(local.AddrPort())
		}
	}
	local := t.addr()
	if local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(towards(p.addr.Addr()), local.Port())
	}
	return local
}

// identity is what tells to which call a message belongs.
type identity struct {
	callID, method, from, to string // from and to are tags
	invite                   bool
}

// identify reads the identity of a message of ours, which has full names of headers.
func identify(raw []byte) identity {
	id := identity{invite: bytes.HasPrefix(raw, []byte("INVITE "))}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := strings.Cut(string(line), ":")
		switch name {
		case "Call-ID":
			id.callID = strings.TrimSpace(value)
		case "CSeq":
			_, id.method, _ = strings.Cut(strings.TrimSpace(value), " ")
		case "From":
			id.from = tagIn(value)
		case "To":
			id.to = tagIn(value)
		}
	}
	return id
}

// tagIn is the tag in the value of a From or To header.
func tagIn(value string) string {
	_, params := paramsOf(value)
	return tagOf(params)
}

// belongs says to which call of ours a leg's messages belong.
func (d *Driver) belongs(l *leg, callID string) {
	if d.cfg.Watcher != nil && callID != "" {
		d.cfg.Watcher.Belongs(l.info.Signalling, callID)
	}
}

// signalled says that a leg is over.
func (d *Driver) signalled(l *leg) {
	if d.cfg.Watcher != nil {
		d.cfg.Watcher.Over(l.info.Signalling)
	}
}
