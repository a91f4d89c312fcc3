package sip

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sidetone/sidetone/audio"
)

const (
	// ownerPackets is how many packets in sequence a source must send that nothing
	// else speaks for.
	ownerPackets = 3
	// ownerPause is how long the owner must have been silent before its stream is
	// taken from another place; streamPause, before another stream is from its own.
	ownerPause  = 200 * time.Millisecond
	streamPause = 50 * time.Millisecond
	// ownerGone is how long the owner must have been silent before a stream that is
	// not its own is taken.
	ownerGone = 5 * time.Second
	// ownerAhead is how far the numbers of a stream that moved may be ahead.
	ownerAhead = 5 * time.Second
	// maxCandidates bounds the sources that are watched.
	maxCandidates = 8
)

// sourcePolicy says from where a leg takes sound besides from where the description
// says.
type sourcePolicy uint8

const (
	// sourcesPeer: from the hosts of the description and of the signalling too.
	sourcesPeer sourcePolicy = iota
	// sourcesStrict: from nowhere.
	sourcesStrict
	// sourcesLearn: from anywhere, as long as the description's address cannot be
	// reached from here.
	sourcesLearn
)

// sourcePolicy is that of a trunk.
func (d *Driver) sourcePolicy(trunk string) sourcePolicy {
	for _, t := range d.roster.Load().trunks {
		switch {
		case t.Name != trunk:
		case t.Sources == "strict":
			return sourcesStrict
		case t.Sources == "learn":
			return sourcesLearn
		}
	}
	return sourcesPeer
}

// owner decides whose packets a leg's socket takes: one source, which is an address
// and a port, and one stream (SSRC) of it. The far end's description names a source,
// but phones behind NAT and carriers with several media hosts send from others; and
// anybody may send to an open port. The rules:
//
//   - The described source is taken from its first packet on, at any time.
//   - While nobody has been taken, another source is, once it sent three packets in
//     sequence: one on a host of the description or of the signalling, that is not
//     described by another dialog of the same INVITE.
//   - Afterwards another source is followed when it goes on with the owner's own
//     stream, 200 ms after the owner fell silent; with another stream 5 s after.
//   - Among sources that were taken, an earlier one is taken back with its first
//     packet.
//   - The owner may begin another stream: three packets in sequence, when 50 ms have
//     passed without one of the stream before. Who only pretends to be the owner, and
//     does not know its SSRC, is not heard while the owner speaks.
//
// It has no clock: callers give it times of one monotonic clock. It belongs to one
// goroutine.
type owner struct {
	policy    sourcePolicy
	clock     int // of the stream, in Hz
	described netip.AddrPort
	hosts     []netip.Addr     // of the description and of the signalling
	private   bool             // the description's address cannot be reached from here
	others    []netip.AddrPort // what other dialogs of the INVITE describe: somebody else

	owned   bool
	from    netip.AddrPort
	h       rtpHeader // of the owner's newest packet
	last    time.Duration
	former  rtpHeader // newest packet of the stream that the owner's source sent before
	changed bool      // there was one
	// taken are the sources that were taken since the description, but for the
	// described one, the earliest first.
	taken []netip.AddrPort

	candidates [maxCandidates]candidate
	oldest     int // candidate to forget next
}

// candidate is a source that may be taken.
type candidate struct {
	from netip.AddrPort
	ssrc uint32
	seq  uint16
	n    int
}

// describe starts afresh with a new description. hosts are those from which the
// signalling comes.
func (o *owner) describe(remote netip.AddrPort, hosts []netip.Addr, private bool) {
	*o = owner{policy: o.policy, clock: o.clock, described: remote, hosts: append(slices.Clone(hosts), remote.Addr()), private: private}
}

// take reports whether a valid packet is the far end's.
func (o *owner) take(from netip.AddrPort, h rtpHeader, at time.Duration) bool {
	if o.owned && from == o.from {
		return o.takeOwn(h, at)
	}
	if !o.mayTake(from, h, at) {
		return false
	}
	o.own(from, h, at, o.owned && goesOn(o.h, h, o.clock))
	return true
}

// takeOwn takes a packet of the owner's source.
func (o *owner) takeOwn(h rtpHeader, at time.Duration) bool {
	switch {
	case h.ssrc == o.h.ssrc:
		if h.newer(o.h) {
			o.h = h
		}
	case o.changed && goesOn(o.former, h, o.clock): // it had not ended
		o.h, o.changed = h, false
	case o.counts(o.from, h) && at-o.last >= streamPause:
		o.former, o.changed, o.h = o.h, true, h
	default:
		return false
	}
	o.last = at
	return true
}

// mayTake decides about another source than the owner's.
func (o *owner) mayTake(from netip.AddrPort, h rtpHeader, at time.Duration) bool {
	switch known := o.known(from.Addr()); {
	case from == o.described:
		return true
	case o.policy == sourcesStrict:
		return false
	case !o.owned:
		return !slices.Contains(o.others, from) && (known || o.policy == sourcesLearn && o.private) && o.counts(from, h)
	case o.from != o.described && o.earlier(from):
		return true
	case !known:
		return false
	}
	quiet := at - o.last
	if goesOn(o.h, h, o.clock) {
		return quiet >= ownerPause
	}
	return o.counts(from, h) && quiet >= ownerGone
}

// known reports whether the far end is on a host.
func (o *owner) known(host netip.Addr) bool {
	return slices.Contains(o.hosts, host) || o.owned && host == o.from.Addr()
}

// earlier reports whether a source was taken before the owner was.
func (o *owner) earlier(from netip.AddrPort) bool {
	at := slices.Index(o.taken, from)
	return at >= 0 && at < slices.Index(o.taken, o.from)
}

// goesOn reports whether a packet goes on with the stream of another one; clock is
// that of its timestamps in Hz.
func goesOn(was, h rtpHeader, clock int) bool {
	numbers, ticks := int16(h.seq-was.seq), int32(h.timestamp-was.timestamp)
	return h.ssrc == was.ssrc && numbers > 0 && numbers <= int16(ownerAhead/(10*time.Millisecond)) &&
		ticks >= 0 && int64(ticks) <= audio.Samples(ownerAhead, clock)
}

// counts counts a packet of a candidate and reports whether they are enough.
func (o *owner) counts(from netip.AddrPort, h rtpHeader) bool {
	c := o.candidate(from, h.ssrc)
	if h.seq != c.seq+1 {
		c.n = 0
	}
	c.seq = h.seq
	c.n++
	return c.n >= ownerPackets
}

// candidate is what is known of a stream of a source.
func (o *owner) candidate(from netip.AddrPort, ssrc uint32) *candidate {
	for i := range o.candidates {
		if c := &o.candidates[i]; c.from == from && c.ssrc == ssrc {
			return c
		}
	}
	c := &o.candidates[o.oldest]
	o.oldest = (o.oldest + 1) % maxCandidates
	*c = candidate{from: from, ssrc: ssrc}
	return c
}

// own makes a source the owner. One whose stream has moved takes the place of the
// one before.
func (o *owner) own(from netip.AddrPort, h rtpHeader, at time.Duration, moved bool) {
	if at := slices.Index(o.taken, o.from); moved && at >= 0 && from != o.described && !slices.Contains(o.taken, from) {
		o.taken[at] = from
	}
	if from != o.described && !slices.Contains(o.taken, from) && len(o.taken) < maxCandidates {
		o.taken = append(o.taken, from)
	}
	o.owned, o.from, o.h, o.last, o.changed = true, from, h, at, false
	o.candidates = [maxCandidates]candidate{}
}

// count notes how fast the far end's stream counts, in Hz.
func (m *media) count(clock int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owner.clock = clock
}

// alive notes that the owner lives, although it sends no sound.
func (o *owner) alive(at time.Duration) { o.last = max(o.last, at) }

// to is where our own packets go.
func (o *owner) to() netip.AddrPort {
	if o.owned {
		return o.from
	}
	return o.described
}
