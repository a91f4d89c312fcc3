package sip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// takeLeave sends BYE, as soon as that may be, until it is answered or its timers ran
// out; nobody has to wait for it. The leg is over by then.
func (l *leg) takeLeave() {
	l.mu.Lock()
	if l.left == nil {
		l.left = make(chan struct{})
	}
	left := l.left
	l.mu.Unlock()
	begun := l.d.backgroundFor(2*t64, func(ctx context.Context) {
		defer close(left)
		err := l.depart(ctx)
		l.d.closed(l, err)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leftErr = err
	})
	if !begun {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leftErr = telephony.ErrUnconfirmed
		l.endParting(false, false)
		close(left)
	}
}

// awaitLeave waits until the far end has confirmed our BYE, if there is one.
func (l *leg) awaitLeave(ctx context.Context) error {
	l.mu.Lock()
	left := l.left
	l.mu.Unlock()
	if left == nil {
		return nil
	}
	select {
	case <-left:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.leftErr
	case <-ctx.Done():
		return l.unconfirmed()
	}
}

// closed counts and logs a leg whose far end did not confirm a BYE.
func (d *Driver) closed(l *leg, err error) {
	if err == nil {
		return
	}
	d.cfg.Unconfirmed()
	d.cfg.Logger.Warn("the far end did not confirm that a call is over", append(d.loggedAs(l.info.Trunk), slog.String("sip_call", l.callID),
		slog.String("peer", l.peer.addr.String()), slog.Any("error", err))...)
}

// bye sends BYE until it is answered or ctx ends, over another connection when one
// fails. The error says why the far end is not known to have taken it.
func (l *leg) bye(ctx context.Context) error {
	l.mu.Lock()
	headers := l.hangup
	l.mu.Unlock()
	for wait := t1; ; wait = min(2*wait, t2) {
		x, err := l.request(ctx, "BYE", headers, nil)
		pause := wait
		switch {
		case err != nil:
		case x.res.IsSuccess() || x.res.StatusCode == 481:
			return nil
		case !passing(x.res.StatusCode):
			return fmt.Errorf("hang up: status %d", x.res.StatusCode)
		default:
			err = &refused{x.res}
			pause = max(wait, retryIn(x.res))
		}
		if !sleep(ctx, pause) {
			return errors.Join(telephony.ErrUnconfirmed, err)
		}
	}
}

// passing says that a BYE may be taken a little later although it was refused: a
// server on the way, or the far end, had no time for it.
func passing(status int) bool {
	return slices.Contains([]int{408, 480, 491, 500, 502, 503, 504}, status)
}

// dialogGap is how far the numbers of a process that takes a dialog over lie above
// those of the one that had it.
const dialogGap = 1000

// savedDialog is what a BYE takes, as it is stored
// (https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1).
type savedDialog struct {
	CallID    string   `json:"call_id"`
	Local     string   `json:"local"`
	LocalTag  string   `json:"local_tag"`
	Remote    string   `json:"remote"`
	RemoteTag string   `json:"remote_tag"`
	Target    string   `json:"target"`
	Routes    []string `json:"routes,omitempty"`
	Peer      string   `json:"peer"`
	Network   string   `json:"network"`
	Trunk     string   `json:"trunk,omitempty"`
	CSeq      uint32   `json:"cseq"`
}

// saved is the dialog as it is; l.mu is held.
func (l *leg) saved() savedDialog {
	return savedDialog{CallID: l.callID, Local: l.local, LocalTag: l.localTag, Remote: l.remote, RemoteTag: l.remoteTag,
		Target: l.target.String(), Routes: l.routes, Peer: l.peer.addr.String(), Network: l.peer.network(), Trunk: l.info.Trunk, CSeq: l.localSeq}
}

// Dialog implements telephony.DialogHolder.
func (l *leg) Dialog() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.saved()
	l.stored = &s
	raw, err := json.Marshal(s)
	if err != nil {
		return "" // texts and a number: there is none
	}
	return string(raw)
}

// noteDialog tells the application when what it has stored of the dialog does not
// serve any more; l.mu is held.
func (l *leg) noteDialog() {
	if l.stored == nil || l.state != legAnswered {
		return
	}
	is, was := l.saved(), *l.stored
	near := is.CSeq-was.CSeq < dialogGap/2
	same := is.CallID == was.CallID && is.Target == was.Target && is.Peer == was.Peer && is.Network == was.Network
	if near && same {
		return
	}
	l.stored = nil // until it is asked for again
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	l.media.post(telephony.Event{Kind: telephony.KindDialogChanged})
}

// CloseDialog implements telephony.DialogCloser.
func (d *Driver) CloseDialog(ctx context.Context, dialog string) error {
	l, err := d.revive(dialog)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t64)
	defer cancel()
	err = l.bye(ctx)
	d.closed(l, err)
	return err
}

// revivedTLS is the security of connections that a process which is gone had: no open
// one has it.
const revivedTLS = "revived"

// revive makes of a stored dialog a leg that can only be hung up.
func (d *Driver) revive(dialog string) (*leg, error) {
	var s savedDialog
	if err := json.Unmarshal([]byte(dialog), &s); err != nil {
		return nil, fmt.Errorf("stored dialog: %w", err)
	}
	at, err := netip.ParseAddrPort(s.Peer)
	if err != nil {
		return nil, fmt.Errorf("stored dialog: peer: %w", err)
	}
	for _, text := range append([]string{s.CallID, s.Local, s.LocalTag, s.Remote, s.RemoteTag}, s.Routes...) {
		if strings.ContainsAny(text, "\r\n\x00") {
			return nil, errors.New("stored dialog: a text has more than one line")
		}
	}
	l := &leg{d: d, callID: s.CallID, local: s.Local, localTag: s.LocalTag, remote: s.Remote, remoteTag: s.RemoteTag,
		routes: s.Routes, localSeq: s.CSeq + dialogGap, peer: peer{addr: at}}
	l.info.Trunk, l.began = s.Trunk, d.trunk(s.Trunk)
	if err := sip.ParseUri(s.Target, &l.target); err != nil {
		return nil, fmt.Errorf("stored dialog: target: %w", err)
	}
	switch s.Network { // its connection has gone: it is opened again
	case "TCP":
		l.peer.tcp = &tcpConn{addr: at, key: connKey{addr: at}}
	case "TLS": // with the certificates of the trunk, see nextHop
		l.peer.tcp = &tcpConn{addr: at, key: connKey{addr: at, security: revivedTLS}}
	}
	return l, nil
}
