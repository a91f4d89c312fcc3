package sip

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// slot is the length of the frames that are sent.
const slot = audio.FrameDuration

// media is the sound of one call: its sockets, who may send to them, and what
// was sent. The receive loop is the receiver's.
type media struct {
	rtp, rtcp *net.UDPConn
	now       func() time.Time
	refused   atomic.Uint64       // packets from elsewhere or without sense
	tap       atomic.Pointer[tap] // nil: nobody watches
	unproven  atomic.Uint64       // of them those that did not authenticate, or came before

	mu         sync.Mutex
	st         stream
	active     bool
	generation int // counts changes of st
	described  int // counts the times at which the owner was to be found afresh
	pending    []telephony.Event
	over       bool

	began time.Time
	hosts []netip.Addr // from which the signalling comes
	owner owner

	life time.Time
	got  bool

	out sender
	// cipher encrypts and decrypts; nil on a leg that is not encrypted.
	cipher  *cipher
	quality quality

	kept   *soundMark // of what the application has stored; nil: nothing that serves
	told   bool       // that it has something else, and has not asked since
	theirs rollover
}

// newMedia makes the media of a call whose signalling comes from hosts.
func newMedia(rtp, rtcp *net.UDPConn, hosts []netip.Addr, policy sourcePolicy, now func() time.Time) *media {
	return &media{rtp: rtp, rtcp: rtcp, now: now, began: now(), hosts: hosts, life: now(), owner: owner{policy: policy, clock: rtpClock},
		out: sender{ssrc: rand.Uint32(), seq: rand.N[uint64](firstNumbers), timestamp: rand.Uint32()}}
}

func (m *media) port() int { return portOf(m.rtp) }

// apply puts a negotiated stream into force.
func (m *media) apply(st *stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first, was := !m.active, m.st
	m.st, m.active = *st, true
	m.rekey(st, first)
	m.life = m.now()
	if first || was.remote != st.remote {
		m.owner.describe(st.remote, m.hosts, unreachable(st.remote.Addr()))
		m.described++
		m.wake()
	}
	if first || was.codec != st.codec {
		m.out.format(st.codec)
		m.generation++
	}
	m.keepSound(m.now())
	if first {
		if st.held() {
			m.post(telephony.Event{Kind: telephony.KindHeld})
		}
		return
	}
	if was.codec != st.codec {
		m.post(telephony.Event{Kind: telephony.KindFormatChanged})
	}
	switch {
	case st.held() && !was.held():
		m.post(telephony.Event{Kind: telephony.KindHeld})
	case !st.held() && was.held():
		m.post(telephony.Event{Kind: telephony.KindResumed})
	}
}

// post queues a control event and wakes the receive loop; m.mu is held.
func (m *media) post(ev telephony.Event) {
	if len(m.pending) < 256 {
		m.pending = append(m.pending, ev)
	}
	m.wake()
}

// wake interrupts the receive loop; m.mu is held or the loop checks by itself.
func (m *media) wake() { _ = m.rtp.SetReadDeadline(time.Unix(1, 0)) } // a closed socket ends the read too

// alive notes a sign of life that is no packet.
func (m *media) alive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life = m.now()
}

// accept decides whether a packet is the far end's.
func (m *media) accept(from netip.AddrPort, h rtpHeader, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.active || !m.owner.take(from, h, now.Sub(m.began)) {
		m.refused.Add(1)
		return false
	}
	m.got, m.life = true, now
	return true
}

// acceptRTCP decides whether a report is the far end's.
func (m *media) acceptRTCP(from netip.AddrPort, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.active || !m.reportsFrom(from) {
		return false
	}
	m.owner.alive(now.Sub(m.began))
	if now.After(m.life) { // it may have waited
		m.life = now
	}
	return true
}

// reportsFrom says whether reports of a source are taken; m.mu is held.
func (m *media) reportsFrom(from netip.AddrPort) bool {
	return from.Addr() == m.owner.to().Addr() || from == m.rtcpTo()
}

// rtcpTo is where our reports go; m.mu is held.
func (m *media) rtcpTo() netip.AddrPort {
	switch to := m.owner.to(); {
	case to == m.st.remote:
		return m.st.rtcp
	case m.st.mux:
		return to
	default:
		return netip.AddrPortFrom(to.Addr(), to.Port()+1)
	}
}

// unreachable reports whether an address is one of a private network, and none of
// ours is that network.
func unreachable(a netip.Addr) bool {
	if !private(a) {
		return false
	}
	ours, err := ownNetworks()
	return err == nil && !contains(ours, a)
}

// ownNetworks are the addresses of this machine, each with its network.
func ownNetworks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var ours []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			ours = append(ours, p)
		}
	}
	return ours, nil
}

// stop ends the media: the receive loop finds over set. It closes the sockets.
func (m *media) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return
	}
	m.over = true
	if m.active {
		m.report(m.now(), nil, true)
	}
	_ = m.rtp.Close()
	if m.rtcp != nil {
		_ = m.rtcp.Close()
	}
}

// report sends RTCP; m.mu is held.
func (m *media) report(now time.Time, block *receptionBlock, bye bool) {
	to := m.rtcpTo()
	if !to.IsValid() || to.Port() == 0 {
		return
	}
	var buf [128]byte
	r := sendReport{ssrc: m.out.ssrc, packets: m.out.packets, octets: m.out.octets, block: block, bye: bye}
	if m.out.packets > 0 {
		r.ntp, r.timestamp = ntp(now), m.out.timestamp
	}
	conn := m.rtcp
	if conn == nil || m.st.mux {
		conn = m.rtp
	}
	if raw, err := m.cipher.sealRTCP(appendRTCP(buf[:0], r)); err == nil {
		_, _ = conn.WriteToUDPAddrPort(raw, to) // a lost report is like one lost on the way
		m.show(now, true, conn, to, raw, &m.st)
	}
}

// ntp is the time in the format of RFC 5905: seconds since 1900 and a fraction.
func ntp(t time.Time) uint64 {
	const epoch = 2208988800
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// errTooLong refuses frames that fit no packet.
const errTooLong = telephony.Error("frame is longer than 60 ms")

// send plays one frame.
func (m *media) send(f audio.Frame) error {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.over:
		return telephony.ErrGone
	case !m.active:
		return nil // the offer was ours and its answer is on its way
	case f.Rate != m.st.codec.rate():
		return errors.New("send at another rate than the leg's")
	case f.Duration() > 3*slot:
		return errTooLong
	case m.out.digits || m.st.held() || !m.st.localDir.sends():
		return nil
	}
	m.out.advance(now)
	piece := len(f.PCM)
	if m.st.maxptime > 0 && m.st.maxptime < 20 {
		piece = max(m.st.maxptime/10, 1) * f.Rate / 100
	}
	for pcm := f.PCM; len(pcm) > 0; {
		n := min(piece, len(pcm))
		raw := m.out.packet(m.st.codec, m.st.pt, pcm[:n])
		if err := m.write(raw); err != nil {
			return err
		}
		pcm = pcm[n:]
	}
	if f.Mark != 0 {
		m.post(telephony.Event{Kind: telephony.KindPlayed, Mark: f.Mark})
	}
	return nil
}

// writeError ignores a peer's closed port (ICMP), which ends no call: the keeper
// decides about that.
func writeError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return telephony.ErrGone
	}
	return nil
}

// announceFormat reports that the format is another than Info said at first.
func (m *media) announceFormat() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.post(telephony.Event{Kind: telephony.KindFormatChanged})
}
