package sip

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// storedLeg is what is stored of an encrypted leg.
func storedLeg(t testing.TB) string {
	t.Helper()
	now := time.Unix(1790000000, 0)
	st := plainStream()
	st.crypto = &streamKeys{line: cryptoLine{tag: 1, suite: suite32, key: someKey(1)}, ours: someKey(2), secure: true}
	d := &Driver{cfg: Config{Now: func() time.Time { return now }, Advertise: "192.0.2.2"}}
	d.transport.udp = testMedia(t, plainStream(), &now).rtp
	l := &leg{d: d, state: legAnswered, callID: "a@b", local: "<sip:a@b>", localTag: "1", remote: "<sip:c@d>", remoteTag: "2", inbound: true,
		target: sip.Uri{Scheme: "sip", Host: "192.0.2.1"}, peer: peer{addr: netip.MustParseAddrPort("192.0.2.1:5060")}, routes: []string{"<sip:p;lr>"},
		media: testMedia(t, st, &now), stream: &st, localSeq: 7, remoteSeq: 8, hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		hangup: []header{{"X-A", "b"}}, session: sessionTimer{interval: time.Minute, ours: true, began: now},
		desc: localSDP{id: 1, version: 2, addr: netip.MustParseAddr("192.0.2.2"), codecs: []string{"PCMU"}, guard: guardOf(&Trunk{SRTP: "require"})},
		info: telephony.Info{ID: "a@b", From: "+12125550100", To: "+12125550101", Parts: []telephony.Part{{Type: "a/b"}}, Heard: now}}
	l.media.accept(netip.MustParseAddrPort("127.0.0.1:9"), rtpHeader{ssrc: 9, seq: 3, timestamp: 4}, now)
	l.media.theirs = rollover{9, 2}
	return l.Dialog()
}

// What is stored of a leg is all of it: what is made of it is stored alike.
func TestStoredLegIsWhole(t *testing.T) {
	t.Parallel()
	text := storedLeg(t)
	s, err := readDialog(text)
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMicro(s.Leg.At)
	d := &Driver{cfg: Config{Now: func() time.Time { return now }, Advertise: "192.0.2.2"}}
	d.roster.Store(new(roster))
	d.ports.addr = netip.MustParseAddr("127.0.0.1")
	d.transport.udp = testMedia(t, plainStream(), &now).rtp
	l, err := d.restore(s)
	if err != nil {
		t.Fatal(err)
	}
	l.media = newMedia(testMedia(t, plainStream(), &now).rtp, nil, s.Leg.Media.Near, sourcesPeer, d.cfg.Now)
	l.media.takeUp(s.Leg.Media, l.stream, now, 0)
	l.hosts, l.session = s.Leg.Hosts, s.Leg.Session.timer(now)
	again, err := readDialog(l.Dialog())
	if err != nil {
		t.Fatal(err)
	}
	// These go on, or are others in this test.
	again.CSeq -= dialogGap
	again.Leg.Listen, again.Leg.Media.Port = s.Leg.Listen, s.Leg.Media.Port
	out, was := &again.Leg.Media.Out, s.Leg.Media.Out
	if out.Seq != was.Seq+1+numberGap || out.Timestamp != was.Timestamp || out.Reports != was.Reports+reportGap || out.Due != s.Leg.At {
		t.Errorf("our stream is %+v after %+v", *out, was)
	}
	*out = was
	is, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != text {
		t.Errorf("stored is\n%s\nand then\n%s", text, is)
	}
}

// Whatever is stored, it is a leg or an error, and a leg works.
func FuzzStoredLeg(f *testing.F) {
	whole := storedLeg(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(`{"peer":"192.0.2.1:1","target":"sip:a@b","leg":{}}`)
	f.Add(`{"peer":"192.0.2.1:1","target":"sip:a@b","leg":{"media":{"stream":{"formats":[{"pt":0,"codec":0}],"event_clock":8000,"remote":"127.0.0.1:9"}},"local":{"addr":"192.0.2.2"}}}`)
	now := time.Unix(1790000100, 0)
	conn := testMedia(f, plainStream(), &now).rtp
	f.Fuzz(func(t *testing.T, text string) {
		d := &Driver{cfg: Config{Now: func() time.Time { return now }, Advertise: "192.0.2.2"}}
		d.roster.Store(new(roster))
		d.ports.addr, d.transport.udp = netip.MustParseAddr("127.0.0.1"), conn
		s, err := readDialog(text)
		if err != nil || s.Leg == nil {
			return
		}
		l, err := d.restore(s)
		if err != nil {
			return
		}
		l.media = newMedia(conn, nil, s.Leg.Media.Near, sourcesPeer, d.cfg.Now)
		l.media.takeUp(s.Leg.Media, l.stream, now, max(now.Sub(time.UnixMicro(s.Leg.At)), 0))
		l.session = s.Leg.Session.timer(now)
		l.peer.tcp = nil // reconnect puts another one in its place
		l.session.half()
		l.session.end()
		l.media.out.advance(now)
		if _, err := l.media.cipher.seal(l.media.out.packet(l.stream.codec, l.stream.pt, levelFrame(1).PCM)); err != nil && s.Leg.Media.Out.Seq>>47 == 0 {
			t.Errorf("send: %v", err)
		}
		r := newReceiver(l, func(telephony.Event) bool { return true })
		r.take()
		r.packet(now, l.stream.remote, append(appendRTP(nil, rtpHeader{pt: l.stream.pt, ssrc: s.Leg.Media.Owner.SSRC}), sound(1, 160)...))
		l.media.keep(now)
		l.desc.offer(l.stream.localDir, l.stream)
		if l.Dialog() == "" {
			t.Error("a leg that cannot be stored again")
		}
	})
}
