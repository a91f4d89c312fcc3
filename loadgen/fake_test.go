package loadgen

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// fakeServer is a SIP server that answers every call and returns its sound.
type fakeServer struct {
	t      testing.TB
	socket *socket
	// status refuses calls when not zero; before delays the 200.
	status int
	before time.Duration
	// ignore is how many INVITEs of a call are lost on their way.
	ignore int
	// delay is how long an echoed packet is held; drop loses every drop-th.
	delay time.Duration
	drop  int
	// hangUp ends a call after its first audio.
	hangUp bool
	// tls, when not nil, is a listener that it takes one connection of; the sound of
	// calls is encrypted then. lies says in what way the answer is wrong: "clear" has no
	// key, "key" another one than is used. noise returns other sound than came.
	tls   net.Listener
	lies  string
	noise bool

	owned  sync.WaitGroup
	mu     sync.Mutex
	conn   net.Conn
	calls  map[string]*fakeCall
	counts map[string]int
	// held is how long every 200 was really held.
	held []time.Duration
}

// fakeCall is one call of a fakeServer.
type fakeCall struct {
	invites int
	ok      []byte
	media   *socket
	cipher  *cipher
	from    netip.AddrPort
	invite  message
}

// newFakeServer starts a server, which ends with the test.
func newFakeServer(t *testing.T, change func(*fakeServer)) *fakeServer {
	t.Helper()
	s, err := openSocket(loopback().Addr(), newClock())
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{t: t, socket: s, calls: map[string]*fakeCall{}, counts: map[string]int{}}
	if change != nil {
		change(f)
	}
	f.owned.Go(f.run)
	if f.tls != nil {
		f.owned.Go(f.runSecure)
	}
	t.Cleanup(f.close)
	return f
}

// runSecure serves one connection.
func (f *fakeServer) runSecure() {
	conn, err := f.tls.Accept()
	if err != nil {
		return
	}
	f.mu.Lock()
	f.conn = conn
	f.mu.Unlock()
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	for r := bufio.NewReader(conn); ; {
		b, err := readMessage(r)
		if err != nil {
			return
		}
		if m, ok := parseMessage(b); ok {
			f.take(m, f.socket.clock.now(), from)
		}
	}
}

// send sends a message the way the calls came; f.mu is held.
func (f *fakeServer) send(b []byte, to netip.AddrPort) {
	if f.conn == nil {
		_ = f.socket.send(b, to)
		return
	}
	// A keep-alive, and a message in two pieces.
	_, _ = f.conn.Write([]byte("\r\n\r\n"))
	_, _ = f.conn.Write(b[:len(b)/2])
	_, _ = f.conn.Write(b[len(b)/2:])
}

// close ends the server and waits for it.
func (f *fakeServer) close() {
	f.socket.close()
	if f.tls != nil {
		_ = f.tls.Close()
	}
	f.mu.Lock()
	if f.conn != nil {
		_ = f.conn.Close()
	}
	for _, c := range f.calls {
		if c.media != nil {
			c.media.close()
		}
	}
	f.mu.Unlock()
	f.owned.Wait()
}

// target returns the server's address for a Config.
func (f *fakeServer) target() string {
	if f.tls != nil {
		return f.tls.Addr().String()
	}
	return f.socket.address().String()
}

// seen returns how many requests of the method came.
func (f *fakeServer) seen(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[method]
}

// holds returns how long every 200 was really held.
func (f *fakeServer) holds() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.held)
}

func (f *fakeServer) run() {
	b := make([]byte, 65535)
	for {
		n, at, from, err := f.socket.receive(b)
		if err != nil {
			return
		}
		if m, ok := parseMessage(append([]byte(nil), b[:n]...)); ok {
			f.take(m, at, from)
		}
	}
}

// take answers one message that came at at.
func (f *fakeServer) take(m message, at time.Duration, from netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[m.method]++
	id := m.get("call-id")
	c := f.calls[id]
	if c == nil {
		c = &fakeCall{}
		f.calls[id] = c
	}
	switch m.method {
	case "INVITE":
		f.invite(c, m, at, from)
	case "BYE", "CANCEL":
		f.send(f.respond(m, 200, nil), from)
		if m.method == "CANCEL" {
			f.send(f.respond(c.invite, 487, nil), from)
		}
		if c.media != nil {
			c.media.close()
		}
	}
}

// respond composes a response.
func (f *fakeServer) respond(m message, status int, sdp []byte) []byte {
	return respond(m, status, "Fake", "fake", sdp, "sip:fake@"+f.target())
}

// invite answers a call, with the 200 repeated for every further INVITE.
func (f *fakeServer) invite(c *fakeCall, m message, at time.Duration, from netip.AddrPort) {
	c.invites++
	c.invite, c.from = m, from
	switch {
	case c.invites <= f.ignore:
		return
	case f.status != 0:
		f.send(f.respond(m, f.status, nil), from)
		return
	case c.ok != nil:
		f.send(c.ok, from)
		return
	}
	codec := Codec("")
	for _, one := range []Codec{PCMU, PCMA, G722} {
		if _, ok := answered(m.body, one); ok {
			codec = one
		}
	}
	media, err := openSocket(loopback().Addr(), f.socket.clock)
	if err != nil {
		f.t.Errorf("open media socket: %v", err)
		return
	}
	c.media = media
	var key masterKey
	if f.tls != nil {
		if key = f.keys(c, m.body); key == nil {
			return
		}
	}
	if f.lies == "clear" {
		key = nil
	}
	c.ok = f.respond(m, 200, offer(codec, media.address(), key))
	f.send(f.respond(m, 100, nil), from)
	f.send(f.respond(m, 180, nil), from)
	f.owned.Go(func() { f.echo(c, media) })
	ok := c.ok
	if f.before == 0 {
		f.send(ok, from)
		return
	}
	f.owned.Go(func() {
		rest(context.Background(), f.before)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held = append(f.held, f.socket.clock.now()-at)
		// Twice, as if the first acknowledgement had been lost.
		f.send(ok, from)
		f.send(ok, from)
	})
}

// echo returns packets until the call ends.
func (f *fakeServer) echo(c *fakeCall, media *socket) {
	b := make([]byte, packetSize)
	for count := 1; ; count++ {
		n, at, from, err := media.receive(b)
		if err != nil {
			return
		}
		if count == 1 && f.hangUp {
			f.endCall(c)
		}
		if f.drop > 0 && count%f.drop == 0 {
			continue
		}
		if f.delay > 0 {
			rest(context.Background(), at+f.delay-media.clock.now())
		}
		out, err := c.cipher.open(b[:n])
		if err != nil {
			f.t.Errorf("what came is not encrypted as offered: %v", err)
			return
		}
		if f.noise {
			for i := rtpHeader; i < len(out); i++ {
				out[i] ^= 0x55
			}
		}
		if out, err = c.cipher.seal(out); err != nil {
			f.t.Errorf("encrypt: %v", err)
			return
		}
		_ = media.send(out, from)
	}
}

// keys makes the key of an answer to a description, nil when that offers none; the
// answer may then say another.
func (f *fakeServer) keys(c *fakeCall, offered []byte) masterKey {
	theirs, ok := agreedKey(offered)
	if !ok {
		f.t.Error("no key is offered")
		return nil
	}
	ours := newMasterKey()
	var err error
	if c.cipher, err = newCipher(ours, theirs); err != nil {
		f.t.Error(err)
		return nil
	}
	if f.lies == "key" {
		ours = newMasterKey()
	}
	return ours
}

// endCall sends a BYE to the caller.
func (f *fakeServer) endCall(c *fakeCall) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(fmt.Appendf(nil, "BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbye\r\n"+
		"From: %s;tag=fake\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
		c.invite.contact(), f.target(), c.invite.get("to"), c.invite.get("from"), c.invite.get("call-id")), c.from)
}

// TestMain lets the test binary stand in for the programs that the package
// starts: the calibration peer and a server.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch os.Getenv("LOADGEN_TEST_ROLE") {
	case "peer":
		if err := ServeCalibration(ctx, 20, os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
	case "mute":
		fmt.Println("not json")
	case "server":
		if err := serveCold(ctx, os.Getenv("LOADGEN_TEST_ADDR")); err != nil {
			os.Exit(1)
		}
	default:
		stop()
		code := m.Run()
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
}

// serveCold is a server that takes 60 ms to start, refuses its first call and
// answers the second.
func serveCold(ctx context.Context, at string) error {
	rest(ctx, 60*time.Millisecond)
	addr, err := netip.ParseAddrPort(at)
	if err != nil {
		return err
	}
	s, err := openSocketAt(addr, newClock())
	if err != nil {
		return err
	}
	f := &fakeServer{socket: s, status: 503, calls: map[string]*fakeCall{}, counts: map[string]int{}}
	b := make([]byte, packetSize)
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	for {
		n, at, from, err := s.receive(b)
		if err != nil {
			break
		}
		if m, ok := parseMessage(append([]byte(nil), b[:n]...)); ok {
			f.take(m, at, from)
			if m.method == "ACK" {
				f.status = 0
			}
		}
	}
	f.close()
	return json.NewEncoder(os.Stdout).Encode(f.counts)
}
