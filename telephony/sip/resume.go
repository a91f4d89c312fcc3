package sip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// reachFor is how long the connection of a call that is taken up may take to open.
const reachFor = 3 * time.Second

// Resume implements telephony.Resumer.
//
// Of the dialog (https://www.rfc-editor.org/rfc/rfc3261#section-12) our numbers go on
// above those that the process before can have used. So do the numbers of our stream,
// whose timestamps follow the clock on over the time without a process
// (https://www.rfc-editor.org/rfc/rfc3550#section-5.1), and what SRTP counts beside them
// (https://www.rfc-editor.org/rfc/rfc3711#section-3.2.1): a number is never used twice
// with a key.
func (d *Driver) Resume(ctx context.Context, dialog string) (telephony.Leg, error) {
	s, err := readDialog(dialog)
	if err != nil {
		return nil, err
	}
	l, err := d.takeUp(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("take up a call: %w", err)
	}
	d.cfg.Logger.Info("a call was taken up", append(d.loggedAs(l.info.Trunk), slog.String("sip_call", l.callID))...)
	return l, nil
}

// Errors of Resume.
const (
	errUnanswered telephony.Error = "what is stored of it was stored before its sound was agreed on"
	errClockBack  telephony.Error = "it was stored later than now: the clock was set back"
	errNoTrunk    telephony.Error = "its trunk is gone"
)

func (d *Driver) takeUp(ctx context.Context, s savedDialog) (*leg, error) {
	switch {
	case d.stopped():
		return nil, net.ErrClosed
	case s.Leg == nil:
		return nil, errUnanswered
	}
	now := d.cfg.Now()
	passed := now.Round(0).Sub(time.UnixMicro(s.Leg.At))
	if passed < 0 {
		return nil, errClockBack
	}
	l, err := d.restore(s)
	if err != nil {
		return nil, err
	}
	if l.began == nil && s.Trunk != "" {
		return nil, errNoTrunk
	}
	if err := l.reconnect(ctx); err != nil {
		return nil, err
	}
	if at := d.listensAt(l.peer); at != s.Leg.Listen || !d.isAt(l.desc.addr, l.peer.addr.Addr()) {
		return nil, fmt.Errorf("its far end knows us as %s and port %d, and we are %s and port %d",
			l.desc.addr, s.Leg.Listen, d.localAddr(l.peer.addr.Addr()), at)
	}
	if l.media, err = d.reopen(s.Leg.Media, l.info.Trunk); err != nil {
		return nil, err
	}
	l.media.takeUp(s.Leg.Media, l.stream, now, passed)
	l.begin(s.Leg, now)
	return l, nil
}

// isAt reports whether an address is that of this driver towards p, or another one of
// this machine that the driver listens at.
func (d *Driver) isAt(addr, p netip.Addr) bool {
	if d.localAddr(p) == addr {
		return true
	}
	ours, err := ownNetworks()
	return err == nil && d.cfg.Advertise == "" && d.transport.addr().Addr().IsUnspecified() &&
		slices.ContainsFunc(ours, func(n netip.Prefix) bool { return n.Addr() == addr })
}

// restore makes the leg of a stored one, as yet without sound.
func (d *Driver) restore(s savedDialog) (*leg, error) {
	l, err := d.revive(s)
	if err != nil {
		return nil, err
	}
	if l.stream, err = s.Leg.Media.Stream.stream(); err != nil {
		return nil, err
	}
	if l.desc, err = s.Leg.Local.description(); err != nil {
		return nil, err
	}
	if !d.ports.reaches(l.stream.remote.Addr()) {
		return nil, errBroken
	}
	l.answered, l.gone = make(chan struct{}), make(chan struct{})
	close(l.answered)
	l.state, l.former = legAnswered, l.localSeq
	l.user, l.remoteSeq, l.updates, l.info = s.Leg.User, s.Leg.RemoteSeq, s.Leg.Updates, s.Leg.Info
	l.info.Trunk = s.Trunk
	l.peer.sips = s.Leg.SIPS
	l.desc.port = s.Leg.Media.Port
	return l, nil
}

// reconnect opens the connection of a leg again whose process is gone, if it had one.
func (l *leg) reconnect(ctx context.Context) error {
	if !l.peer.reliable() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	p, err := l.nextHop(ctx)
	if err != nil {
		return fmt.Errorf("connect to its far end: %w", err)
	}
	p.sips = l.peer.sips
	l.peer = p
	return nil
}

// reopen binds the ports of a stored leg.
func (d *Driver) reopen(s savedMedia, trunk string) (*media, error) {
	if s.Port < 1 || s.Port > 65535 {
		return nil, errBroken
	}
	rtp, rtcp, err := d.ports.reopen(s.Port, s.RTCP)
	if err != nil {
		return nil, fmt.Errorf("the ports of its sound: %w", err)
	}
	return newMedia(rtp, rtcp, s.Near, d.sourcePolicy(trunk), d.cfg.Now), nil
}

// takeUp puts the stream into force that the leg had, and goes on with ours; passed is
// how long ago it was stored.
func (m *media) takeUp(s savedMedia, st *stream, now time.Time, passed time.Duration) {
	m.apply(st)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owner.restore(s.Owner, now.Sub(m.began))
	m.got = m.owner.owned
	sent := sentWithin(passed, st)
	m.out.ssrc, m.out.seq, m.out.timestamp = s.Out.SSRC, (s.Out.Seq+sent+numberGap)&(1<<48-1), s.Out.Timestamp
	due := s.Out.Due
	if due == 0 {
		due = now.Add(-passed).UnixMicro()
	}
	m.out.due = now.Add(time.UnixMicro(due).Sub(now.Round(0)))
	m.out.marker, m.out.resync = true, true
	m.out.packets = s.Out.Packets + uint32(sent)
	m.out.octets = s.Out.Octets + uint32(sent)*uint32(st.packetLength()*rtpClock/time.Second)
	m.quality.takenUp = true
	if m.cipher != nil {
		index := uint64(s.Out.Reports) + uint64(passed/time.Second) + reportGap
		m.cipher.takeUp(&m.out, uint32(min(index, 1<<31-1)), s.Theirs, passed)
		m.theirs = s.Theirs
	}
	if !st.held() {
		m.post(telephony.Event{Kind: telephony.KindResumed})
	}
	m.stale()
}

// begin lets a leg that was taken up live.
func (l *leg) begin(s *savedLeg, now time.Time) {
	l.d.addCall(l)
	l.d.addHost(l, l.peer.addr.Addr())
	l.d.addTargets(l, l.began)
	for _, host := range s.Hosts {
		l.d.addHost(l, host)
	}
	l.mu.Lock()
	l.session = s.Session.timer(now)
	// A far end may send its requests over the connection of the last one that it got, and
	// have no other way to us: it is asked at once.
	l.keep(l.peer.reliable())
	l.mu.Unlock()
	l.d.serveWaiting(l.callID, l.localTag)
}

// timer is the session timer. Whether a session was refreshed since it was stored is not
// known: one that the far end refreshes counts as refreshed, for what it sent while there
// was no process it sends again, and ours is refreshed at once.
func (s savedSession) timer(now time.Time) sessionTimer {
	if s.Interval < shortestFollowed {
		return sessionTimer{least: max(s.Least, 0)}
	}
	out := sessionTimer{interval: s.Interval, least: max(s.Least, 0), ours: s.Ours, began: now}
	if s.Ours {
		out.began = later(now.Add(time.UnixMicro(s.Began).Sub(now.Round(0))), now.Add(-s.Interval/2))
	}
	return out
}
