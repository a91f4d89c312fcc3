package sip

import (
	"net/netip"
	"testing"
	"time"
)

// scene plays packets to an owner; times are in milliseconds.
type scene struct {
	t *testing.T
	o owner
}

var (
	described = netip.MustParseAddrPort("192.0.2.1:4000")
	nearby    = netip.MustParseAddrPort("192.0.2.1:5000") // on the described host
	nearby2   = netip.MustParseAddrPort("192.0.2.1:6000")
	signaller = netip.MustParseAddrPort("192.0.2.9:7000") // on the signalling's host
	stranger  = netip.MustParseAddrPort("198.51.100.1:4000")
)

func newScene(t *testing.T, policy sourcePolicy, private bool) *scene {
	s := &scene{t: t, o: owner{policy: policy, clock: 8000}}
	s.o.describe(described, []netip.Addr{signaller.Addr()}, private)
	return s
}

// talk sends packets every 20 ms from a time to another and wants each to be taken
// or refused. Sequence number and timestamp follow the time, so that a stream goes on
// wherever it is sent from.
func (s *scene) talk(from netip.AddrPort, ssrc uint32, begin, end int, taken bool) {
	s.t.Helper()
	for at := begin; at < end; at += 20 {
		s.packet(from, ssrc, at, at, taken)
	}
}

// packet sends one that was spoken at a time.
func (s *scene) packet(from netip.AddrPort, ssrc uint32, spoken, at int, taken bool) {
	s.t.Helper()
	h := rtpHeader{ssrc: ssrc, seq: uint16(spoken / 20), timestamp: uint32(spoken * 8)}
	if got := s.o.take(from, h, time.Duration(at)*time.Millisecond); got != taken {
		s.t.Fatalf("at %d ms: a packet from %s (stream %d) was taken: %v, want %v", at, from, ssrc, got, taken)
	}
	if taken && s.o.to() != from {
		s.t.Fatalf("at %d ms: we send to %s, want %s", at, s.o.to(), from)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy  sourcePolicy
		private bool
		play    func(s *scene)
	}{
		"the described source at once": {play: func(s *scene) { s.talk(described, 1, 0, 100, true) }},
		"the described source after a learnt one": {play: func(s *scene) {
			s.talk(nearby, 1, 0, 40, false)
			s.talk(nearby, 1, 40, 1000, true)
			s.packet(described, 2, 1000, 1000, true)
			s.talk(nearby, 1, 1020, 3000, false)
		}},
		"a first packet that comes late": {play: func(s *scene) {
			s.talk(nearby, 1, 60000, 60040, false)
			s.talk(nearby, 1, 60040, 61000, true)
		}},
		"the signalling's host": {play: func(s *scene) {
			s.talk(signaller, 1, 0, 40, false)
			s.talk(signaller, 1, 40, 100, true)
		}},
		"a stranger": {private: true, play: func(s *scene) { s.talk(stranger, 1, 0, 20000, false) }},
		"numbers out of sequence": {play: func(s *scene) {
			for i := range 50 {
				s.packet(nearby, 1, i*40, i*20, false)
			}
		}},
		"candidates that alternate are counted each": {play: func(s *scene) {
			s.packet(nearby, 1, 0, 0, false)
			s.packet(nearby2, 2, 0, 0, false)
			s.packet(nearby, 1, 20, 20, false)
			s.packet(nearby2, 2, 20, 20, false)
			s.packet(nearby, 1, 40, 40, true)
			s.packet(nearby2, 2, 40, 40, false)
		}},
		"more candidates than are watched": {play: func(s *scene) {
			for i := range 100 {
				s.packet(nearby, uint32(10+i), 0, i, false)
			}
			s.talk(nearby, 1, 200, 240, false)
			s.talk(nearby, 1, 240, 300, true)
		}},
		"the own stream from another port": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			s.talk(nearby, 1, 1000, 1180, false)
			s.talk(nearby, 1, 1180, 2000, true)
		}},
		"the own stream from a stranger": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			s.talk(stranger, 1, 1000, 20000, false)
		}},
		"the own stream too far ahead": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			s.packet(nearby, 1, 7000, 2000, false)
			s.packet(nearby, 1, 4000, 2020, true)
		}},
		"late packets from the port before": {play: func(s *scene) {
			s.talk(nearby, 1, 0, 40, false)
			s.talk(nearby, 1, 40, 1000, true)
			s.talk(nearby2, 1, 1200, 2000, true)
			s.packet(nearby, 1, 980, 2010, false)
			s.talk(nearby2, 1, 2020, 3000, true)
		}},
		"a new stream of the same source": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			s.talk(described, 2, 1000, 1040, false)
			s.talk(described, 2, 1040, 2000, true)
			s.packet(described, 1, 980, 2000, false) // late
			s.talk(described, 2, 2000, 2100, true)
			s.packet(described, 1, 2100, 2100, true) // it had not ended
			for at := 2120; at < 3000; at += 20 {
				s.packet(described, 2, at, at, false)
				s.packet(described, 1, at, at, true)
			}
		}},
		"a new stream of a learnt source": {play: func(s *scene) {
			s.talk(nearby, 1, 0, 40, false)
			s.talk(nearby, 1, 40, 1000, true)
			s.talk(nearby, 2, 1000, 1040, false)
			s.talk(nearby, 2, 1040, 2000, true)
		}},
		"somebody who pretends to be the owner": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			for at := 1000; at < 3000; at += 20 {
				s.packet(described, 1, at, at, true)
				for i := range 19 {
					s.packet(described, 9, at*20+i*20, at+i, false)
				}
			}
			s.talk(described, 9, 3100, 3120, false)
			s.packet(described, 1, 3120, 3120, true)
		}},
		"strict": {policy: sourcesStrict, private: true, play: func(s *scene) {
			s.talk(nearby, 1, 0, 10000, false)
			s.talk(described, 1, 10000, 10100, true)
			s.talk(nearby, 1, 10300, 30000, false)
		}},
		"learn, behind NAT": {policy: sourcesLearn, private: true, play: func(s *scene) {
			s.talk(stranger, 1, 0, 40, false)
			s.talk(stranger, 1, 40, 1000, true)
			s.talk(nearby, 2, 1000, 5980, false)
		}},
		"learn, with a public address": {policy: sourcesLearn, play: func(s *scene) { s.talk(stranger, 1, 0, 5000, false) }},
		"learn only while nobody was taken": {policy: sourcesLearn, private: true, play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			s.talk(stranger, 2, 1000, 20000, false)
		}},
		"a later learnt source never against an earlier one": {play: func(s *scene) {
			s.talk(nearby, 1, 0, 40, false)
			s.talk(nearby, 1, 40, 1000, true)
			s.talk(nearby2, 2, 1000, 5980, false)
			s.talk(nearby2, 2, 5980, 8000, true) // the owner is gone
			s.packet(nearby, 1, 8000, 8000, true)
			s.talk(nearby2, 2, 8020, 13000, false)
			s.packet(nearby2, 2, 13000, 13000, true) // gone again
		}},
		"comfort noise and reports keep the owner": {play: func(s *scene) {
			s.talk(described, 1, 0, 1000, true)
			for at := 1000; at < 20000; at += 1000 {
				s.o.alive(time.Duration(at) * time.Millisecond)
				s.talk(nearby, 2, at+10, at+1000, false)
			}
		}},
		"a new description": {play: func(s *scene) {
			s.talk(nearby, 1, 0, 40, false)
			s.talk(nearby, 1, 40, 1000, true)
			s.o.describe(nearby2, nil, false)
			if s.o.to() != nearby2 {
				s.t.Errorf("we send to %s", s.o.to())
			}
			s.talk(nearby2, 2, 1000, 2000, true)
			s.talk(nearby, 1, 2000, 5000, false)
			s.talk(signaller, 3, 5000, 9000, false)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.play(newScene(t, test.policy, test.private))
		})
	}
}

// A rival on the owner's host is not heard and gets nothing while the owner pauses,
// and loses both at once when it was taken after a longer pause.
func TestRivalOfTheOwner(t *testing.T) {
	t.Parallel()
	for _, pause := range []int{300, 1000, 4000, 6000} {
		for _, learnt := range []bool{false, true} {
			for _, again := range []bool{false, true} { // after another description
				s := newScene(t, sourcesPeer, false)
				owner, at := described, 0
				if learnt {
					owner = nearby
				}
				speak := func() {
					s.t.Helper()
					if learnt {
						s.talk(owner, 1, at, at+40, false)
						at += 40
					}
					s.talk(owner, 1, at, at+1000, true)
					at += 1000
				}
				speak()
				if again {
					next := netip.MustParseAddrPort("192.0.2.1:4444")
					s.o.describe(next, []netip.Addr{signaller.Addr()}, false)
					if !learnt {
						owner = next
					}
					speak()
				}
				last := at - 20
				for end := at + pause; at < end; at += 20 {
					s.packet(nearby2, 9, at, at, at-last >= 5000)
				}
				s.packet(owner, 1, at, at, true)
				s.talk(nearby2, 9, at+20, at+1000, false)
			}
		}
	}
}
