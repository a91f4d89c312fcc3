//go:build faults

package faults

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// memory returns the resident memory of the server, and what its heap held after the
// last collection, in MiB.
func (n *node) memory() (resident float64, heap int) {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		n.t.Fatal(err)
	}
	all := regexp.MustCompile(`gc \d+ @.*->(\d+) MB,`).FindAllStringSubmatch(n.out.String(), -1)
	if len(all) > 0 {
		heap, _ = strconv.Atoi(all[len(all)-1][1])
	}
	return float64(kb) / 1024, heap
}

// busy returns for how long the server has kept processors busy.
func (n *node) busy() time.Duration {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, field := range fields[11:13] { // of its own and in the kernel
		v, err := strconv.Atoi(field)
		if err != nil {
			n.t.Fatal(err)
		}
		ticks += v
	}
	return time.Duration(ticks) * time.Second / 100
}

const (
	// floodTime is how long each flood lasts.
	floodTime = 20 * time.Second
	// longestGap is how long a far end may wait for the next packet; machineLate, how
	// late this program may be woken in a second for that second to be judged.
	longestGap, machineLate = 80 * time.Millisecond, 20 * time.Millisecond
	// growth is how much memory a flood may take for good, in MiB.
	growth = 10

	plainNumber, secretNumber = "+14155550142", "+14155550143"
)

// siege is a server under flood, its live calls and what strangers got.
type siege struct {
	*node
	t          *testing.T
	first      int            // media port
	signalling netip.AddrPort // where the server listens, UDP and TCP
	secure     string         // where it listens for TLS
	challenged bool           // strangers are challenged
	lines      []*line
	ids        []string // of the calls on them
	hush       func()   // ends the sound on them
	late       lateness
	unjudged   int // floods, because the machine was too busy
	calls      int // that were placed meanwhile
	crowd      *crowd
	catch      *catcher
}

// mediaPorts is how many ports calls may have.
const mediaPorts = 120

// newSiege starts a server with trunks and live calls on them, two of them encrypted.
func newSiege(t *testing.T, settings string) *siege {
	t.Helper()
	s := &siege{t: t, first: telephonytest.Ports(t, mediaPorts), catch: &catcher{}}
	cert, key := telephonytest.Certificate(t, time.Hour)
	s.secure = fmt.Sprintf("127.0.0.1:%d", telephonytest.Ports(t, 1))
	s.node = serve(t, fmt.Sprintf(`sip:
  loopback: false
  rtp_min: %d
  rtp_max: %d
  tls: {listen: %q, cert_file: %q, key_file: %q}
  trunks:
    - {name: plain, addresses: [127.0.0.32/28], numbers: [%q]}
    - {name: secret, addresses: [127.0.0.48/28], numbers: [%q], media: {srtp: require, srtp_over_clear: true}}
    - {name: other, addresses: [127.0.0.64/28], numbers: ["+14155550144"]}
%s`, s.first, s.first+mediaPorts-1, s.secure, cert, key, plainNumber, secretNumber, settings))
	s.signalling = netip.MustParseAddrPort(s.ready.SIP)
	agent := s.agent(echo)
	for _, number := range []string{plainNumber, secretNumber} {
		if _, err := s.api.Numbers().Buy(t.Context(), client.Purchase{TelephonyProvider: "sip", PhoneNumber: number}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.api.Numbers().Update(t.Context(), number, client.Change{"inbound_agent": agent}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		s.lines = append(s.lines, newLine(t, s.node, plainNumber, fmt.Sprintf("127.0.0.%d", 33+i), false))
	}
	for i := range 2 {
		s.lines = append(s.lines, newLine(t, s.node, secretNumber, fmt.Sprintf("127.0.0.%d", 49+i), true))
	}
	for _, c := range s.node.calls() {
		s.ids = append(s.ids, c.ID)
	}
	s.crowd = newCrowd(t, s.catch)
	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() { talk(s.lines, stop) })
	talking.Go(func() { s.late.run(stop) })
	s.hush = sync.OnceFunc(func() { close(stop); talking.Wait() })
	t.Cleanup(s.hush)
	return s
}

// finish hangs up, and wants every packet that the far ends sent in the recordings, unless
// the machine was too busy: what comes late for a listener is still there.
func (s *siege) finish() {
	s.hush()
	for _, l := range s.lines {
		l.bye()
	}
	s.last(20 * time.Second)
	if len(s.ids) != len(s.lines) {
		s.t.Fatalf("%d calls on %d lines", len(s.ids), len(s.lines))
	}
	for _, id := range s.ids {
		sound, rate := recorded(s.t, s.node, id)
		if rate != 8000 {
			s.t.Fatalf("the recording is at %d Hz", rate)
		}
		var numbers groupReader
		first, last, missed := uint32(0), uint32(0), 0
		for _, v := range audio.EncodeULaw(nil, sound) {
			switch number, ok := numbers.read(v); {
			case !ok || number == last:
			case number >= junkNumber:
				s.t.Fatalf("call %s: somebody else is in the recording", id)
			case first == 0:
				first, last = number, number
			default:
				missed += max(0, int(number)-int(last)-1)
				last = max(last, number)
			}
		}
		s.t.Logf("call %s: packets %d to %d are in the recording, but for %d", id, first, last, missed)
		if first == 0 || first > 10 || last+10 < s.lines[0].sent {
			s.t.Errorf("call %s: %d packets were sent", id, s.lines[0].sent)
		}
		if missed > 0 && s.unjudged == 0 {
			s.t.Errorf("call %s: %d packets are missing", id, missed)
		}
	}
}

// flood sends rate packets a second, looks on, and says what became of the calls.
func (s *siege) flood(name string, rate int, send func(i int)) {
	s.t.Run(name, func(t *testing.T) {
		s.watched(t, func() {
			sent := paced(rate, floodTime, send)
			t.Logf("%d packets sent, %.0f a second", sent, float64(sent)/floodTime.Seconds())
			if float64(sent) < 0.95*float64(rate)*floodTime.Seconds() {
				t.Errorf("only %d packets were sent", sent)
			}
		})
	})
}

// watched counts while a flood lasts, and judges it.
func (s *siege) watched(t *testing.T, flood func()) {
	t.Helper()
	resident, heap := s.memory()
	begun, busy := time.Now(), s.busy()
	for _, l := range s.lines {
		l.start(begun)
	}
	s.late.start(begun)
	var others sync.WaitGroup
	over := make(chan struct{})
	var answers []time.Duration
	others.Go(func() { answers = s.callUntil(t, over) })
	flood()
	t.Logf("the server kept %.2f processors busy", (s.busy()-busy).Seconds()/time.Since(begun).Seconds())
	close(over)
	others.Wait()
	wait(time.Second) // what is under way comes back
	s.judge(t, secondOf(begun, time.Now()))
	t.Logf("%d calls answered meanwhile, the slowest after %s", len(answers), slices.Max(append(answers, 0)).Round(time.Millisecond))
	if len(answers) == 0 {
		t.Error("no call was answered meanwhile")
	}
	wait(2 * time.Second)
	nowResident, nowHeap := s.memory()
	t.Logf("resident memory grew by %.1f MiB to %.1f, the heap after a collection by %d to %d", nowResident-resident, nowResident, nowHeap-heap, nowHeap)
	if nowHeap-heap > growth || nowResident-resident > growth {
		t.Errorf("memory grew by %.1f MiB, the heap by %d", nowResident-resident, nowHeap-heap)
	}
}

// judge says what the far ends got in a flood of so many seconds. Seconds in which this
// program was late too are not judged, nor any when they are many.
func (s *siege) judge(t *testing.T, seconds int) {
	t.Helper()
	fair := make([]bool, seconds)
	on := 0
	for at := range fair {
		if fair[at] = s.late.around(at) <= machineLate; fair[at] {
			on++
		}
	}
	var all, judged second
	packets := 0
	for i, l := range s.lines {
		c := l.count()
		for at, one := range c.seconds[:seconds] {
			all.add(one)
			if fair[at] {
				judged.add(one)
			}
			if one.lost > 0 || one.gap > longestGap && fair[at] && on >= seconds*3/4 {
				t.Errorf("line %d, second %d: %s", i, at, one)
			}
		}
		packets += c.packets
		if c.packets < seconds*int(time.Second/frameTime)/2 {
			t.Errorf("line %d got no more than %d packets", i, c.packets)
		}
		if c.strange > 0 {
			t.Errorf("line %d got %d packets that are not the call's", i, c.strange)
		}
	}
	t.Logf("%d packets on %d lines; in all %s; in the %d of %d s in which the machine was up to %s late %s", packets, len(s.lines), all, on, seconds, machineLate, judged)
	if on < seconds*3/4 {
		s.unjudged++
		t.Log("gaps are not judged, because the machine was too busy")
	}
	s.judgeStrangers(t)
}

// add adds another second.
func (s *second) add(other second) {
	s.gap, s.lost, s.missed = max(s.gap, other.gap), s.lost+other.lost, s.missed+other.missed
}

// String says what went wrong.
func (s second) String() string {
	return fmt.Sprintf("longest gap %s, lost %d, not echoed %d", s.gap.Round(time.Millisecond), s.lost, s.missed)
}

// challengeRate is how many strangers are answered in a second, challengeBurst how many
// more at once.
const challengeRate, challengeBurst = 1000, 2000

// judgeStrangers says what strangers got.
func (s *siege) judgeStrangers(t *testing.T) {
	t.Helper()
	got := int(s.catch.got.Swap(0))
	challenges := int(s.catch.challenges.Swap(0))
	first := s.catch.sample.Swap(nil)
	t.Logf("strangers got %d challenges and %d other packets", challenges, got)
	if got > 0 {
		t.Errorf("strangers got %d packets, the first %q", got, *first)
	}
	if limit := challengeBurst + challengeRate*int(floodTime/time.Second+5); challenges > limit || challenges > 0 && !s.challenged {
		t.Errorf("strangers got %d challenges", challenges)
	}
}

// callUntil places one call after another from an admitted source until over is closed,
// and returns how long each took to be answered.
func (s *siege) callUntil(t *testing.T, over <-chan struct{}) (took []time.Duration) {
	for {
		select {
		case <-over:
			return took
		case <-time.After(time.Second):
		}
		begun := time.Now()
		if err := s.call(t); err != nil {
			t.Errorf("a call by a source that is admitted: %v", err)
			return took
		}
		took = append(took, time.Since(begun))
	}
}

// call places a call as a phone does that repeats what gets no answer; an error says what
// of it did not work: that it is answered, heard and ended.
func (s *siege) call(t *testing.T) error {
	s.calls++
	c := dial(t, s.node, "udp", fmt.Sprintf("127.0.0.%d", 40+s.calls%7))
	defer c.close()
	c.number = plainNumber
	ok := c.ask(c.request("INVITE", 1, c.sdp()), "INVITE")
	if !strings.HasPrefix(ok, "SIP/2.0 200") {
		return fmt.Errorf("the response is %q", ok)
	}
	c.take(ok)
	c.wg.Go(func() { c.talk(c.rtp, 0, 0, 7, c.stop) })
	for begun := time.Now(); c.heard() < 25; wait(frameTime) {
		if time.Since(begun) > 10*time.Second {
			return fmt.Errorf("%d packets in 10 s", c.heard())
		}
	}
	if bye := c.ask(c.request("BYE", 2, ""), "BYE"); !strings.HasPrefix(bye, "SIP/2.0 200") {
		return fmt.Errorf("the response to BYE is %q", bye)
	}
	return nil
}

// ask sends a request until its final response comes, which it returns.
func (c *caller) ask(request, method string) string {
	pause := 500 * time.Millisecond
	for range 5 {
		c.send(request)
		for begun := time.Now(); time.Since(begun) < pause; {
			msg := c.receive(pause - time.Since(begun))
			if _, of, _ := strings.Cut(header(msg, "CSeq"), " "); of == method && strings.HasPrefix(msg, "SIP/2.0 ") && msg[8] != '1' {
				return msg
			}
		}
		pause *= 2
	}
	return ""
}

// TestFloods sends floods at a server whose callers are known by their addresses:
// strangers get nothing at all.
func TestFloods(t *testing.T) {
	t.Setenv("GODEBUG", "gctrace=1")
	s := newSiege(t, "")
	wait(5 * time.Second)
	s.junk()
	s.sprayed()
	s.spoofed()
	s.encryptedJunk()
	s.hijack()
	s.requests()
	s.connections()
	s.finish()
}

// TestFloodsOfPossibleUsers does it with a server that has digest users, who may be
// anywhere: strangers are challenged, within limits, and get nothing else.
func TestFloodsOfPossibleUsers(t *testing.T) {
	t.Setenv("GODEBUG", "gctrace=1")
	s := newSiege(t, "  users: [{name: desk, password: change-me}]\n")
	s.challenged = true
	wait(5 * time.Second)
	s.hijack()
	s.requests()
	s.connections()
	s.finish()
}

// junk sends what makes no sense to all ports that are known, to that of SIP also in the
// name of a trunk.
func (s *siege) junk() {
	all := noise()
	var answers catcher
	trunk := newNeighbours(s.t, &answers, "127.0.0.45", 1)[0]
	s.flood("junk to the SIP port", 20_000, func(i int) {
		if i%4 == 0 {
			trunk.WriteToUDPAddrPort(all[i/4%len(all)], s.signalling)
		} else {
			s.crowd.send(i, all[i%len(all)], s.signalling)
		}
	})
	s.t.Logf("the trunk got %d responses", answers.got.Load())
	s.flood("junk to media ports", 20_000, func(i int) {
		to := s.lines[0].server // half of it to one call
		if i%2 == 0 {
			to = s.lines[i/2%len(s.lines)].server
		}
		s.crowd.send(i, all[i%len(all)], to)
	})
}

// sprayed sends RTP and RTCP that are all right, but for where they come from, to every
// media port.
func (s *siege) sprayed() {
	s.flood("sprayed RTP and RTCP", 20_000, func(i int) {
		seq := uint16(i / mediaPorts)
		raw := rtpJunk(seq, 99)
		if i/mediaPorts%4 == 0 {
			raw = rtcpJunk(i, 99)
		}
		s.crowd.send(7, raw, netip.AddrPortFrom(s.signalling.Addr(), uint16(s.first+i%mediaPorts)))
	})
}

// spoofed sends RTP and RTCP from the hosts of the callers: from other ports with
// streams of their own and with the caller's, and from the caller's port with another
// stream.
func (s *siege) spoofed() {
	var near []neighbours
	for _, l := range s.lines {
		near = append(near, newNeighbours(s.t, s.catch, l.ip, 4))
	}
	s.flood("spoofed RTP and RTCP", 20_000, func(i int) {
		at := i % len(s.lines)
		l, turn := s.lines[at], i/len(s.lines)
		from, seq, to := near[at][turn%4], uint16(turn/4), l.server
		switch turn / 4 % 8 {
		case 0:
			from.WriteToUDPAddrPort(rtcpJunk(turn, l.ssrc), netip.AddrPortFrom(to.Addr(), to.Port()+1))
		case 1:
			from.WriteToUDPAddrPort(rtcpJunk(turn, l.ssrc), to)
		case 2:
			from.WriteToUDPAddrPort(rtpJunk(uint16(rand.Uint32()), l.ssrc), to)
		case 3:
			l.sound.WriteToUDPAddrPort(rtpJunk(seq/8, 77), to)
		default:
			from.WriteToUDPAddrPort(rtpJunk(seq, 1000+uint32(turn%16)), to)
		}
	})
}

// encryptedJunk sends to encrypted calls what is not encrypted, is not authentic, or has
// come before, from the callers' own ports and from others of their hosts.
func (s *siege) encryptedJunk() {
	var near []neighbours
	var lines []*line
	for _, l := range s.lines {
		if l.key != nil {
			lines, near = append(lines, l), append(near, newNeighbours(s.t, s.catch, l.ip, 1))
		}
	}
	s.flood("SRTP junk", 20_000, func(i int) {
		at := i % len(lines)
		l, turn := lines[at], i/len(lines)
		newest := *l.newest.Load()
		raw := bytes.Clone(newest)
		from, to := l.sound, l.server
		switch turn % 8 {
		case 0: // not encrypted
			raw = rtpJunk(binary.BigEndian.Uint16(newest[2:])+1, l.ssrc)
		case 1: // a wrong tag
			raw[len(raw)-1] ^= 1
		case 2: // other sound with the tag of before
			raw[40] ^= 1
		case 3: // a replay, also before the packet itself
		case 4: // the same from elsewhere
			from = near[at][0]
		case 5: // numbers that would begin another round
			binary.BigEndian.PutUint16(raw[2:], uint16(turn*4096))
		case 6: // reports without a key
			raw = rtcpJunk(turn/8, l.ssrc)
		case 7:
			raw, from, to = rtcpJunk(turn/8, l.ssrc), l.reports, netip.AddrPortFrom(to.Addr(), to.Port()+1)
		}
		from.WriteToUDPAddrPort(raw, to)
	})
}

// hijack sends requests with the right Call-ID and tags, from strangers and from the
// addresses of another trunk.
func (s *siege) hijack() {
	var texts []string
	methods := []string{"BYE", "INVITE", "UPDATE", "INFO", "ACK", "REFER", "NOTIFY", "MESSAGE", "OPTIONS", "PRACK", "CANCEL"}
	for _, l := range s.lines {
		was := l.seq
		for _, method := range methods {
			body := ""
			if method == "INVITE" || method == "UPDATE" {
				body = strings.ReplaceAll(l.sdp(), l.ip, s.crowd.address(0).String())
			}
			texts = append(texts, l.request(method, 4711, body, "Refer-To: <sip:+12125550199@127.0.0.1>"))
		}
		l.seq = was
	}
	var other catcher // what goes to the other trunk
	trunk := newNeighbours(s.t, &other, "127.0.0.65", 1)[0]
	s.flood("hijack", 10_000, func(i int) {
		text := texts[i%len(texts)]
		if i%len(methods) != 4 { // an ACK has the number of its INVITE
			text = strings.ReplaceAll(text, "CSeq: 4711 ", fmt.Sprintf("CSeq: %d ", 5000+i))
		}
		text = strings.ReplaceAll(text, ";branch=z9hG4bK", fmt.Sprintf(";branch=z9hG4bK%d", i))
		if i/len(texts)%4 == 0 && i%len(methods) != len(methods)-1 { // a CANCEL of a trunk gets a response: there is nothing to cancel
			trunk.WriteToUDPAddrPort([]byte(text), s.signalling)
		} else {
			s.crowd.send(i, []byte(text), s.signalling)
		}
	})
	if got := other.got.Load(); got > 0 {
		s.t.Errorf("the other trunk got %d responses, the first %q", got, other.first())
	}
}

// requests asks for calls, registrations and signs of life.
func (s *siege) requests() {
	c := s.lines[0].caller
	was, tag := c.seq, c.toTag
	c.toTag = ""
	texts := []string{c.request("REGISTER", 1, ""), c.request("INVITE", 1, c.sdp()), c.request("OPTIONS", 1, "")}
	c.seq, c.toTag = was, tag
	s.flood("requests", 10_000, func(i int) {
		text := strings.NewReplacer("Call-ID: ", fmt.Sprintf("Call-ID: %d", i), ";branch=z9hG4bK", fmt.Sprintf(";branch=z9hG4bK%d", i)).Replace(texts[i%len(texts)])
		s.crowd.send(i, []byte(text), s.signalling)
	})
}

// connections opens connections and leaves them: without a word, with half a message,
// and over TLS.
func (s *siege) connections() {
	s.t.Run("connections", func(t *testing.T) {
		var opened sync.WaitGroup
		var mu sync.Mutex
		var conns []net.Conn
		refused := 0
		s.watched(t, func() {
			paced(100, floodTime, func(i int) {
				opened.Go(func() {
					conn, err := s.connect(i)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						refused++
						return
					}
					conns = append(conns, conn)
				})
			})
			opened.Wait()
		})
		got := 0
		for _, conn := range conns {
			conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if n, _ := conn.Read(make([]byte, 1)); n > 0 {
				got++
			}
			conn.Close()
		}
		t.Logf("%d connections opened, %d refused", len(conns), refused)
		if got > 0 {
			t.Errorf("%d connections got something", got)
		}
	})
}

// connect opens connection i from a stranger's address.
func (s *siege) connect(i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: s.crowd.address(i).AsSlice()}, Timeout: 5 * time.Second}
	switch i % 4 {
	case 0: // TLS as it should be
		return tls.DialWithDialer(&d, "tcp", s.secure, &tls.Config{InsecureSkipVerify: true})
	case 1: // somebody who does not begin to speak TLS
		return d.Dial("tcp", s.secure)
	case 2:
		return d.Dial("tcp", s.signalling.String())
	}
	conn, err := d.Dial("tcp", s.signalling.String())
	if err == nil {
		io.WriteString(conn, "INVITE sip:+14155550142@sidetone SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1")
	}
	return conn, err
}
