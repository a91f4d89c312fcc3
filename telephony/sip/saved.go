package sip

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// dialogGap is how far the numbers of a process that takes a dialog over lie above
// those of the one that had it.
const dialogGap = 1000

// savedDialog is a leg as it is stored: what a BYE takes
// (https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1) and, once its sound is agreed
// on, what Resume takes.
type savedDialog struct {
	CallID    string    `json:"call_id"`
	Local     string    `json:"local"`
	LocalTag  string    `json:"local_tag"`
	Remote    string    `json:"remote"`
	RemoteTag string    `json:"remote_tag"`
	Target    string    `json:"target"`
	Routes    []string  `json:"routes,omitempty"`
	Peer      string    `json:"peer"`
	Network   string    `json:"network"`
	Trunk     string    `json:"trunk,omitempty"`
	Inbound   bool      `json:"inbound,omitempty"`
	CSeq      uint32    `json:"cseq"`
	Leg       *savedLeg `json:"leg,omitempty"` // nil before the answer
}

// savedLeg is what of a leg goes beyond hanging it up.
type savedLeg struct {
	At        int64          `json:"at"`     // when it was so, in us since 1970
	Listen    uint16         `json:"listen"` // the port at which the far end reaches us; 0: by its connection alone
	User      string         `json:"user,omitempty"`
	SIPS      bool           `json:"sips,omitempty"`
	RemoteSeq uint32         `json:"remote_seq"`
	Hosts     []netip.Addr   `json:"hosts"`
	Updates   bool           `json:"updates,omitempty"`
	Hangup    [][2]string    `json:"hangup,omitempty"`
	Session   savedSession   `json:"session"`
	Info      telephony.Info `json:"info"`
	Local     savedLocal     `json:"local"`
	Media     savedMedia     `json:"media"`
}

// savedSession is a session timer.
type savedSession struct {
	Interval time.Duration `json:"interval,omitempty"`
	Least    time.Duration `json:"least,omitempty"`
	Ours     bool          `json:"ours,omitempty"`
	Began    int64         `json:"began,omitempty"` // in us since 1970
}

// savedLocal is our description.
type savedLocal struct {
	ID        int64      `json:"id"`
	Version   int64      `json:"version"`
	Addr      netip.Addr `json:"addr"`
	Codecs    []string   `json:"codecs,omitempty"`
	Policy    srtpPolicy `json:"policy,omitempty"`
	OverClear bool       `json:"over_clear,omitempty"`
	Clear     bool       `json:"clear,omitempty"`
	Keys      []string   `json:"keys,omitempty"`
}

// savedMedia is a leg's sound.
type savedMedia struct {
	Port   int          `json:"port"`
	RTCP   bool         `json:"rtcp,omitempty"` // it has a socket of its own for reports
	Near   []netip.Addr `json:"near"`
	Stream savedStream  `json:"stream"`
	Out    savedSender  `json:"out"`
	Owner  savedOwner   `json:"owner"`
	Theirs rollover     `json:"theirs,omitzero"`
}

// savedStream is a stream.
type savedStream struct {
	Codec      codec          `json:"codec"`
	PT         uint8          `json:"pt"`
	Formats    []savedFormat  `json:"formats"`
	EventPT    uint8          `json:"event_pt"`
	EventClock int            `json:"event_clock"`
	Agreed     bool           `json:"agreed,omitempty"`
	NoisePT    uint8          `json:"noise_pt"`
	Remote     netip.AddrPort `json:"remote"`
	RTCP       netip.AddrPort `json:"rtcp"`
	Mux        bool           `json:"mux,omitempty"`
	RemoteDir  direction      `json:"remote_dir"`
	LocalDir   direction      `json:"local_dir"`
	MaxPTime   int            `json:"maxptime,omitempty"`
	Index      int            `json:"index"`
	Crypto     *savedCrypto   `json:"crypto,omitempty"`
}

type savedFormat struct {
	PT    uint8 `json:"pt"`
	Codec codec `json:"codec"`
}

// savedCrypto are the keys of a stream.
type savedCrypto struct {
	Tag    int         `json:"tag"`
	Suite  cryptoSuite `json:"suite"`
	Theirs string      `json:"theirs"`
	Ours   string      `json:"ours"`
	Secure bool        `json:"secure,omitempty"`
}

// savedSender is how far our own stream has come.
type savedSender struct {
	SSRC      uint32 `json:"ssrc"`
	Seq       uint64 `json:"seq"`
	Timestamp uint32 `json:"timestamp"`
	Due       int64  `json:"due,omitempty"` // when its next packet is, in us since 1970; 0 before the first one
	Packets   uint32 `json:"packets"`
	Octets    uint32 `json:"octets"`
	Reports   uint32 `json:"reports,omitempty"` // the index of the last encrypted report
}

// savedOwner is whose sound is taken.
type savedOwner struct {
	From      netip.AddrPort   `json:"from"`
	SSRC      uint32           `json:"ssrc"`
	Seq       uint16           `json:"seq"`
	Timestamp uint32           `json:"timestamp"`
	Clock     int              `json:"clock"`
	Taken     []netip.AddrPort `json:"taken,omitempty"`
	Others    []netip.AddrPort `json:"others,omitempty"`
}

// dialogMark is what of a stored leg tells whether it still serves, its sound apart; see
// soundMark.
type dialogMark struct {
	callID, target, network string
	peer                    netip.AddrPort
	cseq                    uint32
	updates                 bool
	version                 int64
	session                 savedSession // as far as it was agreed on
}

// mark is that of the leg as it is; l.mu is held.
func (l *leg) mark() dialogMark {
	return dialogMark{l.callID, l.target.String(), l.peer.network(), l.peer.addr, l.localSeq, l.updates, l.desc.version,
		savedSession{Interval: l.session.interval, Least: l.session.least, Ours: l.session.ours}}
}

// Dialog implements telephony.DialogHolder.
func (l *leg) Dialog() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	mark := l.mark()
	l.stored = &mark
	l.media.asked()
	raw, err := json.Marshal(l.saved())
	if err != nil {
		return "" // texts and numbers: there is none
	}
	return string(raw)
}

// noteDialog tells the application when what it has stored of the dialog does not
// serve any more; l.mu is held.
func (l *leg) noteDialog() {
	if l.stored == nil || l.state != legAnswered {
		return
	}
	is, was := l.mark(), *l.stored
	near := is.cseq-was.cseq < dialogGap/2
	is.cseq = was.cseq
	if near && is == was {
		return
	}
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	l.stored = nil // until it is asked for again
	l.media.stale()
}

// saved is the leg as it is; l.mu is held.
func (l *leg) saved() savedDialog {
	s := savedDialog{CallID: l.callID, Local: l.local, LocalTag: l.localTag, Remote: l.remote, RemoteTag: l.remoteTag,
		Target: l.target.String(), Routes: l.routes, Peer: l.peer.addr.String(), Network: l.peer.network(), Trunk: l.info.Trunk,
		Inbound: l.inbound, CSeq: l.localSeq}
	if l.state != legAnswered || l.stream == nil {
		return s
	}
	now := l.d.cfg.Now()
	s.Leg = &savedLeg{At: now.UnixMicro(), Listen: l.d.listensAt(l.peer), User: l.user, SIPS: l.peer.sips, RemoteSeq: l.remoteSeq,
		Hosts: l.hosts, Updates: l.updates, Info: l.info, Local: l.desc.saved(), Media: l.media.saved(now)}
	s.Leg.Session = savedSession{l.session.interval, l.session.least, l.session.ours, l.session.began.UnixMicro()}
	s.Leg.Info.Parts = nil // the record has them
	for _, h := range l.hangup {
		s.Leg.Hangup = append(s.Leg.Hangup, [2]string{h.name, h.value})
	}
	return s
}

// listensAt is the port at which p reaches us, 0 where it does by its connection alone.
func (d *Driver) listensAt(p peer) uint16 {
	if p.secure() {
		return d.transport.secureAddr().Port()
	}
	return d.transport.addr().Port()
}

func (l localSDP) saved() savedLocal {
	s := savedLocal{ID: l.id, Version: l.version, Addr: l.addr, Codecs: l.codecs,
		Policy: l.guard.policy, OverClear: l.guard.overClear, Clear: l.guard.clear}
	if l.guard.keys != nil {
		for _, k := range l.guard.keys {
			s.Keys = append(s.Keys, k.saved())
		}
	}
	return s
}

func (k masterKey) saved() string { return base64.StdEncoding.EncodeToString(k.secret()[:]) }

// asked notes that the application has what is stored of the leg as it is.
func (m *media) asked() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = false
}

// saved is the sound as it is, which counts from then on as what is stored.
func (m *media) saved(now time.Time) savedMedia {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = m.soundMark(now)
	s := savedMedia{Port: m.port(), RTCP: m.rtcp != nil, Near: m.hosts, Stream: m.st.saved(), Theirs: m.theirs,
		Out:   savedSender{SSRC: m.out.ssrc, Seq: m.out.seq, Timestamp: m.out.timestamp, Packets: m.out.packets, Octets: m.out.octets},
		Owner: savedOwner{Clock: m.owner.clock, Taken: slices.Clone(m.owner.taken), Others: m.owner.others}}
	if !m.out.due.IsZero() {
		s.Out.Due = m.out.due.UnixMicro()
	}
	if m.cipher != nil && m.cipher.out != nil {
		s.Out.Reports, _ = m.cipher.out.Index(m.out.ssrc)
	}
	if o := &m.owner; o.owned {
		s.Owner.From, s.Owner.SSRC, s.Owner.Seq, s.Owner.Timestamp = o.from, o.h.ssrc, o.h.seq, o.h.timestamp
	}
	return s
}

func (s *stream) saved() savedStream {
	out := savedStream{Codec: s.codec, PT: s.pt, EventPT: s.eventPT, EventClock: s.eventClock, Agreed: s.agreed, NoisePT: s.noisePT,
		Remote: s.remote, RTCP: s.rtcp, Mux: s.mux, RemoteDir: s.remoteDir, LocalDir: s.localDir, MaxPTime: s.maxptime, Index: s.index}
	for _, f := range s.formats {
		if f.used {
			out.Formats = append(out.Formats, savedFormat{f.pt, f.codec})
		}
	}
	if k := s.crypto; k != nil {
		out.Crypto = &savedCrypto{k.line.tag, k.line.suite, k.line.key.saved(), k.ours.saved(), k.secure}
	}
	return out
}

// readDialog reads a stored leg, as far as it can be understood without a driver.
func readDialog(text string) (savedDialog, error) {
	var s savedDialog
	if json.Unmarshal([]byte(text), &s) != nil {
		return s, errors.New("stored dialog: it is none") // what json says quotes the text, which holds keys
	}
	for _, text := range append([]string{s.CallID, s.Local, s.LocalTag, s.Remote, s.RemoteTag}, s.Routes...) {
		if strings.ContainsAny(text, "\r\n\x00") {
			return s, errors.New("stored dialog: a text has more than one line")
		}
	}
	return s, nil
}

// revivedTLS is the security of connections that a process which is gone had: no open
// one has it.
const revivedTLS = "revived"

// revive makes of a stored dialog a leg that can only be hung up.
func (d *Driver) revive(s savedDialog) (*leg, error) {
	at, err := netip.ParseAddrPort(s.Peer)
	if err != nil {
		return nil, fmt.Errorf("stored dialog: peer: %w", err)
	}
	l := &leg{d: d, callID: s.CallID, local: s.Local, localTag: s.LocalTag, remote: s.Remote, remoteTag: s.RemoteTag,
		routes: s.Routes, localSeq: s.CSeq + dialogGap, peer: peer{addr: at}, inbound: s.Inbound}
	l.info.Trunk, l.began = s.Trunk, d.trunk(s.Trunk)
	if s.Leg != nil {
		if l.hangup, err = s.Leg.headers(); err != nil {
			return nil, err
		}
	}
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

// headers are those of our BYE.
func (s *savedLeg) headers() (out []header, err error) {
	for _, h := range s.Hangup {
		if strings.ContainsAny(h[0]+h[1], "\r\n\x00") || h[0] == "" {
			return nil, errors.New("stored dialog: a header of its hang-up is none")
		}
		out = append(out, header{h[0], h[1]})
	}
	return out, nil
}

// errBroken is a stored leg whose parts do not go together: nobody stored that.
const errBroken telephony.Error = "stored dialog: it makes no sense"

// description is our description, but for its port.
func (s savedLocal) description() (localSDP, error) {
	out := localSDP{id: s.ID, version: s.Version, addr: s.Addr, codecs: s.Codecs,
		guard: guard{policy: s.Policy, overClear: s.OverClear, clear: s.Clear}}
	encrypts := s.Policy != srtpOff
	if !s.Addr.IsValid() || s.Policy > srtpRequire || encrypts != (len(s.Keys) == int(suites)) || !encrypts && len(s.Keys) > 0 {
		return out, errBroken
	}
	if encrypts {
		out.guard.keys = new([suites]masterKey)
	}
	for i, text := range s.Keys {
		k, ok := parseKey("inline:" + text)
		if !ok {
			return out, errBroken
		}
		out.guard.keys[i] = k
	}
	return out, nil
}

// stream is the stream.
func (s savedStream) stream() (*stream, error) {
	out := &stream{codec: s.Codec, pt: s.PT, eventPT: s.EventPT, eventClock: s.EventClock, agreed: s.Agreed, noisePT: s.NoisePT,
		remote: s.Remote, rtcp: s.RTCP, mux: s.Mux, remoteDir: s.RemoteDir, localDir: s.LocalDir, maxptime: s.MaxPTime, index: s.Index}
	if len(s.Formats) > len(out.formats) || s.PT > 127 || s.Codec > codecG722 || s.EventClock < 1 || s.EventClock > 1<<20 ||
		!s.Remote.IsValid() || s.RemoteDir > inactive || s.LocalDir > inactive || s.MaxPTime < 0 || s.MaxPTime > 1000 {
		return nil, errBroken
	}
	for i, f := range s.Formats {
		if f.PT > 127 || f.Codec > codecG722 {
			return nil, errBroken
		}
		out.formats[i] = format{f.PT, f.Codec, true}
	}
	if c, ok := out.codecOf(s.PT); !ok || c != s.Codec {
		return nil, errBroken
	}
	if s.Crypto == nil {
		return out, nil
	}
	theirs, ok := parseKey("inline:" + s.Crypto.Theirs)
	ours, also := parseKey("inline:" + s.Crypto.Ours)
	if !ok || !also || s.Crypto.Suite >= suites || s.Crypto.Tag < 0 {
		return nil, errBroken
	}
	out.crypto = &streamKeys{line: cryptoLine{tag: s.Crypto.Tag, suite: s.Crypto.Suite, key: theirs}, ours: ours, secure: s.Crypto.Secure}
	return out, nil
}

// restore puts the owner in force that a leg had, at a time.
func (o *owner) restore(s savedOwner, at time.Duration) {
	if s.Clock == 2*rtpClock {
		o.clock = s.Clock
	}
	o.others = s.Others
	if !s.From.IsValid() || len(s.Taken) > maxCandidates {
		return
	}
	o.owned, o.from, o.last, o.taken = true, s.From, at, slices.Clone(s.Taken)
	o.h = rtpHeader{ssrc: s.SSRC, seq: s.Seq, timestamp: s.Timestamp}
}
