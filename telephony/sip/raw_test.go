package sip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// basicSDP offers PCMU at a port.
func basicSDP(port int, more ...string) string {
	return fmt.Sprintf("v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n%s", port, strings.Join(more, ""))
}

// rawUA is a SIP peer made of nothing but a socket and text.
type rawUA struct {
	t      testing.TB
	conn   net.Conn
	in     *bufio.Reader // on TCP
	via    string
	callID string
	toTag  string
	branch int
	last   int             // CSeq of the last INVITE
	seen   map[string]bool // by ask
}

func newRawUA(t testing.TB, d *Driver, network string) *rawUA {
	t.Helper()
	return newRawUAAt(t, network, d.Addr())
}

func newRawUAAt(t testing.TB, network string, server netip.AddrPort) *rawUA {
	t.Helper()
	conn, err := net.Dial(network, server.String())
	if err != nil {
		t.Fatal(err)
	}
	return newRawUAOn(t, network, conn)
}

// newRawUAOn is a peer on an open socket.
func newRawUAOn(t testing.TB, network string, conn net.Conn) *rawUA {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	u := &rawUA{t: t, conn: conn, callID: fmt.Sprintf("%s-%s", t.Name(), conn.LocalAddr()),
		via: fmt.Sprintf("SIP/2.0/%s %s;rport", strings.ToUpper(network), conn.LocalAddr())}
	if network == "tcp" {
		u.in = bufio.NewReader(conn)
	}
	return u
}

// request writes a request. headers replace or, with an empty value, remove
// the usual ones.
func (u *rawUA) request(method string, seq int, body string, headers ...string) string {
	if method != "ACK" && method != "CANCEL" {
		u.branch++
	}
	if method == "INVITE" {
		u.last = seq
	}
	to := "<sip:+12125550123@sidetone>"
	if u.toTag != "" {
		to += ";tag=" + u.toTag
	}
	lines := []string{
		"Via: " + u.via + ";branch=z9hG4bK" + strings.ReplaceAll(u.callID, "/", "") + strconv.Itoa(u.branch),
		"From: <sip:+12125550100@127.0.0.1>;tag=caller", "To: " + to, "Call-ID: " + u.callID,
		fmt.Sprintf("CSeq: %d %s", seq, method), "Contact: <sip:raw@" + u.conn.LocalAddr().String() + ">",
		"Max-Forwards: 70"}
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		found := false
		for i, l := range lines {
			if strings.HasPrefix(l, name+":") {
				lines[i], found = h, true
				if strings.TrimSpace(value) == "" {
					lines = append(lines[:i], lines[i+1:]...)
				}
				break
			}
		}
		if !found {
			lines = append(lines, h)
		}
	}
	return method + " sip:+12125550123@sidetone SIP/2.0\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func (u *rawUA) send(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.conn, text); err != nil {
		u.t.Fatal(err)
	}
}

// receive returns the next message; "" when none comes within limit.
func (u *rawUA) receive(limit time.Duration) string {
	u.t.Helper()
	u.conn.SetReadDeadline(time.Now().Add(limit))
	if u.in == nil {
		buf := make([]byte, 65536)
		n, err := u.conn.Read(buf)
		if err != nil {
			return ""
		}
		return string(buf[:n])
	}
	var b strings.Builder
	length := 0
	for {
		line, err := u.in.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if rest, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	io.ReadFull(u.in, body)
	return b.String() + string(body)
}

// status waits for an answer to method with that status, over provisional ones
// and repeated answers to an earlier INVITE, and returns it.
func (u *rawUA) status(method string, want int) string {
	u.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		msg := u.receive(time.Until(deadline))
		if msg == "" {
			break
		}
		number, of, _ := strings.Cut(headerOf(msg, "CSeq"), " ")
		seq, _ := strconv.Atoi(number)
		if !strings.HasPrefix(msg, "SIP/2.0 ") || of != method || method == "INVITE" && seq < u.last {
			continue
		}
		got, _ := strconv.Atoi(msg[8:11])
		if got == want {
			return msg
		}
		if got >= 200 {
			u.t.Fatalf("%s was answered with %q, want %d", method, strings.SplitN(msg, "\r\n", 2)[0], want)
		}
	}
	u.t.Fatalf("no answer %d to %s", want, method)
	return ""
}

// headerOf returns a header's value.
func headerOf(msg, name string) string {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// accept answers and stays until the end.
func accept(ctx context.Context, leg telephony.Leg) {
	if leg.Accept(ctx) != nil {
		return
	}
	for range leg.Events(ctx) {
	}
}

// establish makes a call and acknowledges it; it returns the 200.
func (u *rawUA) establish(body string) string {
	u.t.Helper()
	u.send(u.request("INVITE", 1, body))
	ok := u.status("INVITE", 200)
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.ack(1, "")
	return ok
}

func (u *rawUA) ack(seq int, body string) { u.send(u.request("ACK", seq, body)) }
