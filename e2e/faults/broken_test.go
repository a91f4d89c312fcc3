package faults

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// options shows that SIP is still answered.
func options(t *testing.T, n *node, network string) {
	t.Helper()
	c := dial(t, n, network)
	c.send(c.request("OPTIONS", 1, ""))
	c.status("OPTIONS", 200)
	c.close()
}

// throw sends raw bytes on a socket of their own and returns what comes back
// within limit.
func throw(t *testing.T, n *node, network string, limit time.Duration, text string) string {
	t.Helper()
	conn, err := net.Dial(network, n.ready.SIP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, text) // the server may close on the way
	conn.SetReadDeadline(time.Now().Add(limit))
	var got bytes.Buffer
	buf := make([]byte, 65536)
	for {
		k, err := conn.Read(buf)
		got.Write(buf[:k])
		if err != nil || network == "udp" {
			return got.String()
		}
	}
}

// Broken messages get a 400 or nothing, and never more.
func TestBrokenMessages(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	n.healthy(number)
	steady := n.steady()
	shape := dial(t, n, "udp")
	shape.number = number
	whole := shape.request("INVITE", 1, shape.sdp())
	for _, network := range []string{"udp", "tcp"} {
		for i, test := range []struct{ name, text, want string }{
			{"Content-Length too long", strings.Replace(whole, "Content-Length: ", "Content-Length: 9", 1), " 400 "},
			{"Content-Length negative", strings.Replace(whole, "Content-Length: ", "Content-Length: -", 1), " 400 "},
			{"Content-Length no number", strings.Replace(whole, "Content-Length: ", "Content-Length: x", 1), " 400 "},
			{"no CSeq", strings.Replace(whole, "CSeq: 1 INVITE\r\n", "", 1), " 400 "},
			{"no Call-ID", strings.Replace(whole, "Call-ID: "+shape.callID+"\r\n", "", 1), ""},
			{"no Via", whole[:strings.Index(whole, "Via:")] + whole[strings.Index(whole, "From:"):], ""},
			{"no blank line", strings.Split(whole, "\r\n\r\n")[0], ""},
			{"SIP/3.0", strings.Replace(whole, "SIP/2.0\r\n", "SIP/3.0\r\n", 1), ""},
			{"binary junk", strings.Repeat("\x00\xff\x80", 10_000), ""},
			{"header of 60 KB", "INVITE sip:a@b SIP/2.0\r\nX-Long: " + strings.Repeat("y", 60<<10) + "\r\n\r\n", ""},
			{"8000 headers", "INVITE sip:a@b SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 8000) + "\r\n", ""},
			{"only line ends", strings.Repeat("\r\n", 2000), ""},
			{"an answer to nothing", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nCall-ID: x\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nContent-Length: 0\r\n\r\n", ""},
		} {
			text := strings.ReplaceAll(test.text, "z9hG4bK", fmt.Sprintf("z9hG4bK%s%d", network, i)) // no retransmission
			limit := 200 * time.Millisecond                                                          // for silence; an answer may take longer
			if network == "udp" && test.want != "" {
				limit = 10 * time.Second
			}
			got := throw(t, n, network, limit, text)
			if network == "udp" && test.want != "" && !strings.Contains(got, test.want) {
				t.Errorf("%s over %s: got %q, want %s", test.name, network, got, test.want)
			}
			if strings.Contains(got, " 200 ") || strings.Contains(got, " 180 ") {
				t.Errorf("%s over %s was accepted: %q", test.name, network, got)
			}
			options(t, n, network)
		}
	}
	if len(n.calls()) != 1 {
		t.Errorf("%d calls, one and those that came of broken messages", len(n.calls()))
	}
	n.healthy(number)
	steady()
}

// Every prefix of a message, as a datagram and as a connection that breaks off.
func TestTruncatedMessages(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	n.healthy(number)
	steady := n.steady()
	shape := dial(t, n, "udp")
	shape.number = number
	whole := []byte(shape.request("INVITE", 1, shape.sdp()))
	for _, network := range []string{"udp", "tcp"} {
		for length := 1; length < len(whole); length += 13 {
			conn, err := net.Dial(network, n.ready.SIP)
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(whole[:length])
			conn.Close()
		}
		options(t, n, network)
	}
	if len(n.calls()) != 1 {
		t.Errorf("%d calls, one and those that came of truncated messages", len(n.calls()))
	}
	n.healthy(number)
	steady()
}

// A message larger than we take ends its connection and nothing else; one that
// comes in pieces, or with another behind it, is treated like any other.
func TestFramingOverTCP(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	n.healthy(number)
	steady := n.steady()
	for name, text := range map[string]string{
		"header of 70 KB": "INVITE sip:a@b SIP/2.0\r\nX-Long: " + strings.Repeat("y", 70<<10) + "\r\n\r\n",
		"body of 1 MB":    "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bKbig\r\nCall-ID: big\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("z", 1_000_000),
	} {
		conn, err := net.Dial("tcp", n.ready.SIP)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, text) // it may be closed on the way
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(conn); os.IsTimeout(err) {
			t.Errorf("%s: the connection stays open", name)
		}
		conn.Close()
	}
	c := dial(t, n, "tcp")
	c.number = number
	for _, b := range []byte(c.request("INVITE", 1, c.sdp())) {
		c.send(string(b))
	}
	c.answered()
	c.send(c.request("OPTIONS", 2, "") + c.request("BYE", 3, ""))
	c.status("OPTIONS", 200)
	c.status("BYE", 200)
	n.last(20 * time.Second)
	n.healthy(number)
	steady()
}

// Connections that trickle keep nobody from calling and are closed although
// each byte comes in time.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	n.healthy(number)
	steady := n.steady()
	const slow = 50
	var conns []net.Conn
	for range slow {
		conn, err := net.Dial("tcp", n.ready.SIP)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "INVITE sip:a@b SIP/2.0\r\n")
		conns = append(conns, conn)
	}
	n.healthy(number)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	deadline := time.After(45 * time.Second)
	for open := slow; open > 0; {
		select {
		case <-deadline:
			t.Fatalf("%d trickling connections are still open", open)
		case <-tick.C:
		}
		open = 0
		for _, c := range conns {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Read(make([]byte, 1024)); err != nil && os.IsTimeout(err) {
				open++
				io.WriteString(c, "X") // the next read tells whether it was taken
			}
		}
	}
	n.healthy(number)
	steady()
}

// The messages of RFC 4475, whole, halved and doubled, leave the server alive.
func TestTorture(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{"*.dat", "*/*.dat"} {
		more, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip/testdata/torture", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	if len(files) < 40 {
		t.Fatalf("%d messages found", len(files))
	}
	n := serve(t, "")
	number := n.number(echo)
	n.healthy(number)
	steady := n.steady()
	for _, network := range []string{"udp", "tcp"} {
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range [][]byte{raw, raw[:len(raw)/2], append(bytes.Clone(raw), raw...)} {
				conn, err := net.Dial(network, n.ready.SIP)
				if err != nil {
					t.Fatal(err)
				}
				conn.Write(text)
				conn.Close()
			}
			options(t, n, network)
		}
	}
	if strings.Contains(n.out.String(), "panic") {
		t.Error("a message made the parser panic")
	}
	until(t, 20*time.Second, "no call to be open", func() bool { return n.open() == 0 })
	n.healthy(number)
	steady()
}
