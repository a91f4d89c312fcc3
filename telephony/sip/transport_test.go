package sip

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// However a stream is cut into segments, its messages are the same; line ends
// between them do not count.
func TestFramingOverTCP(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	for _, size := range []int{1, 2, 3, 7, 64, 100_000} {
		u := newRawUA(t, d, "tcp")
		text := "\r\n" + u.request("OPTIONS", 1, "") + "\r\n\r\n" + u.request("OPTIONS", 2, "hello", "Content-Type: text/plain") + u.request("OPTIONS", 3, "") + "\r\n"
		for len(text) > 0 {
			n := min(size, len(text))
			u.send(text[:n])
			text = text[n:]
		}
		for range 3 {
			u.status("OPTIONS", 200)
		}
	}
}

func TestPingOverTCP(t *testing.T) {
	t.Parallel()
	u := newRawUA(t, newDriver(t, nil), "tcp")
	u.send("\r\n\r\n")
	if line, err := u.in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
	u.send(strings.Repeat("\r\n", 20))
	u.send(u.request("OPTIONS", 1, ""))
	u.status("OPTIONS", 200)
}

// idleConnection is one end of a TCP connection whose other end the transport
// reads, in a bubble; closed tells when the transport closed it.
func idleConnection(t *testing.T, admitted bool) (far net.Conn, closed chan time.Duration) {
	t.Helper()
	near, far := net.Pipe()
	tr := &transport{conns: make(map[connKey]*tcpConn),
		reads: func(netip.Addr, string) bool { return true }, admitted: func(netip.Addr) bool { return admitted },
		refused: func(netip.Addr, string, Reason) {}, receive: func(peer, sip.Message) {}, broken: func(peer, []byte, error) {}}
	closed = make(chan time.Duration, 1)
	begun := time.Now()
	go func() {
		tr.readTCP(newConn(near, connKey{addr: netip.MustParseAddrPort("192.0.2.1:5060")}))
		closed <- time.Since(begun)
	}()
	go io.Copy(io.Discard, far) // until it is closed
	return far, closed
}

// Connections of unknown sources are closed after 10 s, however much is sent
// that makes nobody known; those of known sources stay.
func TestIdleConnectionsOfUnknownSources(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"nothing": "", "pings": "\r\n\r\n", "a message that never ends": "X"} {
		synctest.Test(t, func(t *testing.T) {
			far, closed := idleConnection(t, false)
			var sender sync.WaitGroup
			sender.Go(func() {
				for _, err := io.WriteString(far, text); err == nil; _, err = io.WriteString(far, text) {
					time.Sleep(time.Second)
				}
			})
			if got := <-closed; got != 10*time.Second {
				t.Errorf("%s: closed after %s", name, got)
			}
			far.Close()
			sender.Wait()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		far, closed := idleConnection(t, true)
		if got := <-closed; got != tcpIdle {
			t.Errorf("a known source's was closed after %s", got)
		}
		far.Close()
	})
}

// However a stream is cut into segments, its messages are the same.
func FuzzFramer(f *testing.F) {
	one := "OPTIONS sip:a@b SIP/2.0\r\nl: 5\r\n\r\nhello"
	for _, text := range []string{one + one, one[:30], "A SIP/2.0\r\nContent-Length:\r\n 1\r\n\r\nx" + one, "A SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n", "GET /\r\n", "\x16\x03", "A SIP/2.0\r\n\r\n"} {
		f.Add([]byte(text), uint8(3))
	}
	messages := func(raw []byte, size int) (out []string, failed bool) {
		frames := framer{longest: maxMessage}
		for len(raw) > 0 {
			n := min(size, len(raw))
			frames.in.Write(raw[:n])
			raw = raw[n:]
			for skipLineEnds(&frames.in) > 0 {
				text, err := frames.next()
				if err != nil {
					return out, true
				}
				if text == nil {
					break
				}
				out = append(out, string(text))
			}
		}
		return out, false
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		whole, failed := messages(raw, len(raw)+1)
		parts, again := messages(raw, int(size)+1)
		if !slices.Equal(whole, parts) || failed != again {
			t.Errorf("%q (%v) in pieces of %d is %q (%v)", whole, failed, int(size)+1, parts, again)
		}
		for _, text := range whole {
			if better := mended([]byte(text)); better != nil && mended(better) != nil {
				t.Errorf("%q is mended twice", text)
			}
		}
	})
}
