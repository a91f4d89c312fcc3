package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/sidetone/sidetone/telephony"
)

// srtpPolicy says whether a trunk's sound is encrypted.
type srtpPolicy uint8

const (
	srtpOff srtpPolicy = iota
	// srtpPrefer: where both sides can.
	srtpPrefer
	// srtpRequire: or there is no call.
	srtpRequire
)

// guard is what a leg does about the encryption of its sound: SRTP
// (https://www.rfc-editor.org/rfc/rfc3711) with keys in the description
// (https://www.rfc-editor.org/rfc/rfc4568). The zero guard never encrypts.
type guard struct {
	policy srtpPolicy
	// overClear lets keys travel over signalling that is not encrypted; clear says that
	// this signalling is not.
	overClear, clear bool
	answering        bool // the far end answers an offer of ours
	// keys are ours, one for each suite, for the whole call: a description that
	// repeats them goes on with what is encrypted.
	keys *[suites]masterKey
}

// newGuard returns that of a trunk's call.
func (d *Driver) newGuard(trunk string) guard { return guardOf(d.trunk(trunk)) }

// guardOf returns that of a call of a trunk, nil for the local route.
func guardOf(t *Trunk) guard {
	if t == nil || t.SRTP == "" || t.SRTP == "off" {
		return guard{}
	}
	g := guard{policy: srtpPrefer, overClear: t.SRTPOverClear, keys: new([suites]masterKey)}
	if t.SRTP == "require" {
		g.policy = srtpRequire
	}
	for i := range g.keys {
		g.keys[i] = newMasterKey()
	}
	return g
}

// securedBy reports whether a transport keeps what is sent over it secret.
func securedBy(transport string) bool { return strings.EqualFold(transport, "tls") }

// over is the guard where the signalling goes over a transport.
func (g guard) over(transport string) guard {
	g.clear = !g.overClear && !securedBy(transport)
	return g
}

// encrypts says whether keys may be offered and taken.
func (g guard) encrypts() bool { return g.policy != srtpOff && !g.clear }

// check reports why no call may be made at all.
func (g guard) check() error {
	if g.policy == srtpRequire && g.clear {
		return overTLSOnly()
	}
	return nil
}

func overTLSOnly() error {
	return &sdpError{488, 302, "the trunk has SRTP, whose keys go over TLS signalling only"}
}

// answerTo is the guard for the answer to an offer of ours; only is the stream that
// was offered again, nil for a first offer.
func (g guard) answerTo(only *stream) guard {
	if only != nil && only.crypto == nil {
		return guard{answering: true}
	}
	g.answering = true
	return g
}

// streamKeys are the keys of a stream both ways.
type streamKeys struct {
	line   cryptoLine // the far end's
	ours   masterKey
	secure bool // RTP/SAVP rather than RTP/AVP
}

// attribute is our side of it as an answer has it.
func (k *streamKeys) attribute(tag int) string {
	return cryptoLine{tag: tag, suite: k.line.suite, key: k.ours}.attribute()
}

// offeredTag is the tag that a suite has in our offers.
func offeredTag(s cryptoSuite) int { return int(s) + 1 }

// choose settles how a section's sound is encrypted; nil: not at all.
func (g guard) choose(m *sdpMedia) (*streamKeys, error) {
	var line *cryptoLine
	if g.encrypts() {
		line = g.usable(m.crypto)
	}
	switch {
	case line != nil:
		return &streamKeys{line: *line, ours: g.keys[line.suite], secure: m.savp()}, nil
	case g.policy != srtpOff && g.clear && (m.savp() || g.policy == srtpRequire):
		return nil, overTLSOnly()
	case m.savp() && g.policy == srtpOff:
		return nil, &sdpError{488, 302, "transport " + clip(m.proto) + " is not supported"}
	case m.savp(), g.encrypts() && g.answering && m.keyed:
		return nil, &sdpError{488, 306, "no crypto attribute that can be used"}
	case g.policy == srtpRequire && g.answering:
		return nil, errPlain
	case g.policy == srtpRequire:
		return nil, &sdpError{488, 302, "SRTP is required"}
	}
	return nil, nil
}

// errPlain is an answer without encryption to an offer that required it.
const errPlain telephony.Error = "the far end answered without SRTP, which the trunk requires"

// usable is the first line that can be used; in an answer, one that we offered.
func (g guard) usable(lines []cryptoLine) *cryptoLine {
	for i := range lines {
		if !g.answering || lines[i].tag == offeredTag(lines[i].suite) {
			return &lines[i]
		}
	}
	return nil
}

// offer is how our offers name the transport, and the attributes with our keys; only
// is the stream that is offered again, nil for a first offer.
func (g guard) offer(only *stream) (proto, attributes string) {
	proto = "RTP/AVP"
	switch {
	case only != nil && only.crypto != nil:
		if only.crypto.secure {
			proto = "RTP/SAVP"
		}
		return proto, only.crypto.attribute(offeredTag(only.crypto.line.suite))
	case only != nil, !g.encrypts():
		return proto, ""
	case g.policy == srtpRequire:
		proto = "RTP/SAVP"
	}
	for s := range suites {
		attributes += cryptoLine{tag: offeredTag(s), suite: s, key: g.keys[s]}.attribute()
	}
	return proto, attributes
}

const (
	// replayWindow is how many packets may be late without counting as replayed.
	replayWindow = 256
	// oldKeysFor is how long packets on the far end's former key are still taken.
	oldKeysFor = 2 * time.Second
)

// errForeign drops what comes from where the far end cannot be.
const errForeign telephony.Error = "not of the far end"

// errNoKey drops what cannot be encrypted or decrypted for want of a key.
const errNoKey telephony.Error = "no srtp key"

// cipher encrypts and decrypts a leg's packets, in place. Those of one direction keep
// their rollover counter and replay window as long as its key does not change.
type cipher struct {
	keys *streamKeys
	out  *srtp.Context // media.mu
	in   *srtp.Context // the receive loop's, and what follows

	before      *srtp.Context // of the key before
	beforeUntil time.Time

	probe *probe // of a leg that was taken up, until its far end's first packet

	outRTP, inRTP rtp.Header // reused
}

// rekey returns the cipher for new keys, nil for none.
// takeOld is until when packets on the far end's former key are taken; the zero time when
// they are not.
func (c *cipher) rekey(keys *streamKeys, takeOld time.Time) *cipher {
	if keys == nil {
		return nil
	}
	next := &cipher{keys: keys}
	suite := keys.line.suite
	if c != nil && c.keys.line.suite == suite && c.keys.ours.same(keys.ours) {
		next.out = c.out
	} else {
		next.out = newContext(suite, keys.ours)
	}
	switch {
	case c == nil:
		next.in = newContext(suite, keys.line.key)
	case c.keys.line.suite == suite && c.keys.line.key.same(keys.line.key):
		next.in, next.probe = c.in, c.probe
	default:
		next.in, next.before, next.beforeUntil = newContext(suite, keys.line.key), c.in, takeOld
	}
	return next
}

// newContext makes what encrypts or decrypts with a key; nil when the library refuses
// the key, and then nothing is sent or taken.
func newContext(s cryptoSuite, k masterKey) *srtp.Context {
	c, err := srtp.CreateContext(k.secret()[:keySize], k.secret()[keySize:], s.profile(),
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil
	}
	return c
}

// seal encrypts a packet of ours into its own buffer when that has room for the tag.
func (c *cipher) seal(raw []byte) ([]byte, error) {
	switch {
	case c == nil:
		return raw, nil
	case c.out == nil:
		return nil, errNoKey
	}
	return c.out.EncryptRTP(raw, raw, &c.outRTP)
}

// sealRTCP encrypts a report of ours.
func (c *cipher) sealRTCP(raw []byte) ([]byte, error) {
	switch {
	case c == nil:
		return raw, nil
	case c.out == nil:
		return nil, errNoKey
	}
	return c.out.EncryptRTCP(raw, raw, nil)
}

// open decrypts what came, RTP or RTCP, in its own buffer. An error means that nobody
// who knows the key sent it, or that it came before.
func (c *cipher) open(raw []byte, now time.Time) ([]byte, error) {
	switch {
	case c == nil:
		return raw, nil
	case c.in == nil:
		return nil, errNoKey
	}
	if c.probe != nil {
		if plain, ok := c.probe.open(c, raw); ok {
			return plain, nil
		}
	}
	plain, err := c.decrypt(c.in, raw)
	switch {
	case err == nil && !isRTCP(raw):
		c.before = nil
	case err == nil || c.before == nil:
	case now.After(c.beforeUntil):
		c.before = nil
	default:
		return c.decrypt(c.before, raw)
	}
	return plain, err
}

func (c *cipher) decrypt(with *srtp.Context, raw []byte) ([]byte, error) {
	if isRTCP(raw) {
		return with.DecryptRTCP(raw, raw, nil)
	}
	return with.DecryptRTP(raw, raw, &c.inRTP)
}

// rekey puts the keys of a description into force, which may be the first one of its
// dialog: the former keys are those of somebody else then. m.mu is held.
func (m *media) rekey(st *stream, first bool) {
	var takeOld time.Time
	if !first {
		takeOld = m.now().Add(oldKeysFor)
	}
	switch {
	case m.cipher != nil && st.crypto != nil && m.cipher.keys.equal(st.crypto):
		m.st.crypto = m.cipher.keys // so that equal streams are equal
	case m.cipher != nil || st.crypto != nil:
		was := m.cipher
		m.cipher = was.rekey(st.crypto, takeOld)
		if was == nil || m.cipher == nil || was.out != m.cipher.out {
			m.out.seq &= 0xffff // the rollovers count anew
		}
		if was == nil || m.cipher == nil || was.in != m.cipher.in {
			m.theirs = rollover{}
		}
	}
}

// same reports whether two streams are the same, their keys included.
func (s *stream) same(o *stream) bool {
	a, b := *s, *o
	if a.crypto != nil && b.crypto != nil && a.crypto.equal(b.crypto) {
		a.crypto = b.crypto
	}
	return a == b
}

// equal reports whether two have the same keys.
func (k *streamKeys) equal(o *streamKeys) bool {
	return k.line.tag == o.line.tag && k.line.suite == o.line.suite && k.secure == o.secure && k.line.key.same(o.line.key) && k.ours.same(o.ours)
}

// open decrypts a packet; proven says that it was encrypted. Nothing is done for sources
// that cannot be the far end's: a copy that comes from elsewhere must not make a replay of
// the true one.
func (m *media) open(from netip.AddrPort, raw []byte, now time.Time) (plain []byte, proven bool, err error) {
	m.mu.Lock()
	c := m.cipher
	foreign := c != nil && (isRTCP(raw) && !m.reportsFrom(from) || !isRTCP(raw) && m.owner.foreign(from, now.Sub(m.began)))
	m.mu.Unlock()
	if foreign {
		return nil, false, errForeign
	}
	if plain, err = c.open(raw, now); err != nil {
		m.unproven.Add(1)
	}
	return plain, c != nil, err
}

// unheard tells of packets that came and counted for nothing; "" when there were none.
func (m *media) unheard() string {
	if n := m.unproven.Load(); n > 0 {
		return fmt.Sprintf("; %d packets came that are not encrypted with the agreed key (SRTP)", n)
	}
	return ""
}

// write sends a packet to the far end; m.mu is held.
func (m *media) write(raw []byte) error {
	sealed, err := m.cipher.seal(raw)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	to := m.owner.to()
	if _, err := m.rtp.WriteToUDPAddrPort(sealed, to); err != nil {
		return writeError(err)
	}
	if m.tap.Load() != nil {
		m.show(m.now(), true, m.rtp, to, sealed, &m.st)
	}
	return nil
}

// foreign reports whether a source cannot be taken at a time, whatever it sends.
func (o *owner) foreign(from netip.AddrPort, at time.Duration) bool {
	switch known := o.known(from.Addr()); {
	case from == o.described, o.owned && from == o.from:
		return false
	case o.policy == sourcesStrict:
		return true
	case !o.owned:
		return !known && !(o.policy == sourcesLearn && o.private)
	case o.from != o.described && o.earlier(from):
		return false
	default:
		return !known || at-o.last < ownerPause
	}
}

// checkSRTP reports settings of a trunk that contradict each other.
func (t *Trunk) checkSRTP() error {
	switch {
	case t.SRTP != "" && t.SRTP != "off" && t.SRTP != "prefer" && t.SRTP != "require":
		return fmt.Errorf("trunk %q: media srtp %q is none of off, prefer, require", t.label(), t.SRTP)
	case t.SRTP == "" || t.SRTP == "off" || t.SRTPOverClear || t.Host == "" || securedBy(t.Transport):
		return nil
	}
	return fmt.Errorf("trunk %q: media srtp %q needs transport tls, because keys go only over TLS signalling, or media srtp_over_clear", t.label(), t.SRTP)
}
