package sip

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// testMedia is the sound of a leg without its signalling, at a time that the test sets.
func testMedia(t testing.TB, st stream, now *time.Time) *media {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	m := newMedia(conn, nil, nil, sourcesPeer, func() time.Time { return *now })
	m.apply(&st)
	return m
}

// plainStream is PCMU to nobody.
func plainStream() stream {
	return stream{pt: 0, formats: [3]format{{0, codecPCMU, true}}, eventPT: 101, eventClock: rtpClock, agreed: true, noisePT: noPT,
		remote: netip.MustParseAddrPort("127.0.0.1:9"), rtcp: netip.MustParseAddrPort("127.0.0.1:10"), mux: true}
}

// changes counts and forgets the events that what is stored is another.
func (m *media) changes() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n = len(slices.DeleteFunc(slices.Clone(m.pending), func(ev telephony.Event) bool { return ev.Kind != telephony.KindDialogChanged }))
	m.pending = nil
	return n
}

// A call that speaks all the time is stored once; one that is silent, or paced otherwise
// than time allows, again before its numbers are lost; and each change of it at once.
func TestSoundIsStoredAgain(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for _, test := range []struct {
		name   string
		sent   func(second int) (packets int)
		length int // in seconds
		least  int // how often something else is stored, first and last
		most   int
	}{
		{"in real time", func(int) int { return 50 }, 8 * 3600, 0, 0},
		{"silent", func(int) int { return 0 }, 2 * 3600, 34, 37},
		{"half of the time", func(s int) int { return 50 * (s / 60 % 2) }, 3600, 8, 9},
		{"twice as fast", func(int) int { return 100 }, 60, 9, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now := begun
			m := testMedia(t, plainStream(), &now)
			m.out.due = now
			took := func() savedMedia { m.asked(); return m.saved(now) }
			stored, at, told := took(), now, 0
			for s := range test.length {
				now = now.Add(time.Second)
				for range test.sent(s) {
					m.out.seq++
					m.out.timestamp += 160
					m.out.due = m.out.due.Add(slot)
				}
				if late := now.Sub(m.out.due); late > lateLimit {
					m.out.timestamp += uint32(late/slot) * 160
					m.out.due = m.out.due.Add(late / slot * slot)
				}
				if test.name == "twice as fast" { // its timestamps are another matter
					m.out.timestamp, m.out.due = stored.Out.Timestamp, time.UnixMicro(stored.Out.Due)
				}
				m.keep(now)
				// Whoever takes the call up now uses later numbers, and not much later ones.
				ahead := int64(stored.Out.Seq+sentWithin(now.Sub(at), &m.st)+numberGap) - int64(m.out.seq)
				if ahead <= 0 || ahead > 1<<15-2000 {
					t.Fatalf("after %d s who takes the call up would be %d numbers ahead", s, ahead)
				}
				if n := m.changes(); n > 0 {
					told += n
					m.keep(now)
					if m.changes() != 0 {
						t.Fatal("told once more although nobody asked")
					}
					stored, at = took(), now
				}
			}
			if told < test.least || told > test.most {
				t.Errorf("stored %d times again, want %d to %d", told, test.least, test.most)
			}
		})
	}
}

// Each change of where and how sound goes is stored.
func TestChangesOfTheSoundAreStored(t *testing.T) {
	t.Parallel()
	now := time.Now()
	held, short, elsewhere, other := plainStream(), plainStream(), plainStream(), plainStream()
	held.remoteDir, short.maxptime, elsewhere.remote = sendOnly, 10, netip.MustParseAddrPort("127.0.0.2:9")
	other.codec, other.pt, other.formats[0] = codecPCMA, 8, format{8, codecPCMA, true}
	keys := func(theirs, ours byte) stream {
		s := plainStream()
		s.crypto = &streamKeys{line: cryptoLine{tag: 1, key: someKey(theirs)}, ours: someKey(ours)}
		return s
	}
	packet := func(from string, ssrc uint32) func(*media) {
		return func(m *media) {
			for seq := range uint16(3) {
				m.accept(netip.MustParseAddrPort(from), rtpHeader{ssrc: ssrc, seq: seq}, now)
			}
			m.keep(now)
		}
	}
	apply := func(st stream) func(*media) { return func(m *media) { m.apply(&st) } }
	for name, test := range map[string]struct {
		was    stream
		change func(*media)
		told   int
	}{
		"nothing":           {plainStream(), func(m *media) { m.keep(now) }, 0},
		"the same again":    {plainStream(), apply(plainStream()), 0},
		"hold":              {plainStream(), apply(held), 1},
		"packets":           {plainStream(), apply(short), 1},
		"a place":           {plainStream(), apply(elsewhere), 1},
		"a codec":           {plainStream(), apply(other), 1},
		"encryption":        {plainStream(), apply(keys(1, 2)), 1},
		"the same keys":     {keys(1, 2), apply(keys(1, 2)), 0},
		"the far end's key": {keys(1, 2), apply(keys(3, 2)), 1},
		"our key":           {keys(1, 2), apply(keys(1, 3)), 1},
		"the owner":         {plainStream(), packet("127.0.0.1:9", 7), 1},
		"a learnt owner":    {plainStream(), packet("127.0.0.1:99", 7), 1},
		"a stranger":        {plainStream(), packet("192.0.2.1:99", 7), 0},
		"our first packet":  {plainStream(), func(m *media) { m.send(levelFrame(1)); m.keep(now) }, 1},
		"a clock that was set": {plainStream(), func(m *media) {
			m.out.timestamp += 160 * 3 // without that time passed
			m.keep(now)
		}, 1},
	} {
		m := testMedia(t, test.was, &now)
		m.saved(now)
		test.change(m)
		if got := m.changes(); got != test.told {
			t.Errorf("%s: told %d times, want %d", name, got, test.told)
		}
	}
}

// The numbers of a stream that is taken up begin anew right after that, too, and its
// index of reports is later than any before.
func TestTakenUpNumbers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	st := plainStream()
	st.crypto = &streamKeys{line: cryptoLine{tag: 1, key: someKey(1)}, ours: someKey(2)}
	for _, count := range []uint64{0, 1, 5} {
		m := testMedia(t, plainStream(), &now)
		m.active = false
		before := savedMedia{Out: savedSender{SSRC: 7, Seq: count<<16 + 65530 - 101 - numberGap, Timestamp: 1000, Due: now.Add(-2 * time.Second).UnixMicro(), Packets: 10, Octets: 1600, Reports: 9}}
		m.takeUp(before, &st, now, 2*time.Second)
		if m.out.packets != 111 || m.out.octets != 111*160 {
			t.Errorf("%d packets, %d octets", m.out.packets, m.out.octets)
		}
		in := newContext(suite80, someKey(2))
		in.SetROC(7, uint32(count))
		for n := range uint64(20) {
			raw, err := m.cipher.seal(m.out.packet(codecPCMU, 0, levelFrame(1).PCM))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := in.DecryptRTP(nil, raw, nil)
			if err != nil {
				t.Fatalf("packet %d: %v", n, err)
			}
			if h, _, _ := parseRTP(plain); h.seq != uint16(65530+n) {
				t.Errorf("number %d", h.seq)
			}
		}
		if roc, _ := in.ROC(7); uint64(roc) != count+1 || m.out.seq>>16 != count+1 {
			t.Errorf("%d rollovers, want %d", roc, count+1)
		}
		if index, _ := m.cipher.out.Index(7); index != 9+2+reportGap {
			t.Errorf("the index of reports is %d", index)
		}
	}
}

// With a new key of ours the rollovers count anew, as those of the library do; with the
// same key they go on.
func TestRolloversOfOurKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	keys := func(ours byte) *stream {
		st := plainStream()
		st.crypto = &streamKeys{line: cryptoLine{tag: 1, key: someKey(1)}, ours: someKey(ours)}
		return &st
	}
	m := testMedia(t, *keys(2), &now)
	m.out.seq = 65535
	for n, test := range []struct {
		ours byte
		want uint64 // of the next packet's number
	}{{2, 65536}, {2, 65537}, {3, 2}, {3, 3}} {
		m.apply(keys(test.ours))
		if _, err := m.cipher.seal(m.out.packet(codecPCMU, 0, levelFrame(1).PCM)); err != nil {
			t.Fatal(err)
		}
		if roc, _ := m.cipher.out.ROC(m.out.ssrc); m.out.seq != test.want || uint64(roc) != (test.want-1)>>16 {
			t.Errorf("%d: the next number is %d, want %d; %d rollovers", n, m.out.seq, test.want, roc)
		}
	}
}

// How far the far end's numbers can have come depends on the time that has passed.
func TestRolloversOfTheFarEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		passed time.Duration
		count  uint32
		taken  bool
	}{
		{time.Second, 4, false}, {time.Second, 5, true}, {time.Second, 6, true}, {time.Second, 7, false},
		{time.Hour, 5 + 11, true}, {time.Hour, 5 + 13, false}, {10000 * time.Hour, 5 + maxRollovers, true},
	} {
		c := &cipher{in: newContext(suite80, someKey(1))}
		c.takeUp(&sender{}, 0, rollover{7, 5}, test.passed)
		far := newContext(suite80, someKey(1))
		far.SetROC(7, test.count)
		packet := func(seq uint16) []byte {
			raw, err := far.EncryptRTP(nil, append(appendRTP(nil, rtpHeader{ssrc: 7, seq: seq}), sound(1, 160)...), nil)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		junk := packet(2)
		junk[20] ^= 1
		if _, err := c.open(junk, time.Now()); err == nil {
			t.Error("junk is taken")
		}
		first := packet(3)
		_, err := c.open(slices.Clone(first), time.Now())
		if (err == nil) != test.taken {
			t.Errorf("%s, %d rollovers: %v", test.passed, test.count, err)
		}
		if !test.taken {
			continue
		}
		if _, err := c.open(first, time.Now()); err == nil {
			t.Error("a packet is taken twice")
		}
		if _, err := c.open(packet(4), time.Now()); err != nil {
			t.Error(err)
		}
	}
}

// A change of the call that the far end refuses has used up a version of our description.
func TestRefusedHoldIsStored(t *testing.T) {
	t.Parallel()
	_, u, l, events := answeredCall(t, nil, "udp")
	before := l.Dialog()
	held := make(chan error, 1)
	go func() { held <- l.Hold(t.Context(), true) }()
	u.reply(u.ask("INVITE"), "488 No", "")
	if err := <-held; err == nil {
		t.Error("held")
	}
	if ev := next(t, events); ev.Kind != telephony.KindDialogChanged {
		t.Errorf("event %+v", ev)
	}
	if after := l.Dialog(); after == before || !strings.Contains(after, `"version":2`) {
		t.Errorf("stored is %s", after)
	}
}
