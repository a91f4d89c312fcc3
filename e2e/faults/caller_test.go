package faults

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/sidetone/sidetone/audio"
)

// caller is a SIP and RTP peer made of sockets and text.
type caller struct {
	t      *testing.T
	conn   net.Conn
	in     *bufio.Reader // on TCP
	rtp    *net.UDPConn
	via    string
	callID string
	from   string
	number string
	toTag  string
	branch int
	seq    int

	remote   atomic.Pointer[net.UDPAddr] // where the server wants sound
	received atomic.Int64
	mu       sync.Mutex
	sound    []byte
	stop     chan struct{}
	wg       sync.WaitGroup
	once     sync.Once
}

// dial opens a caller's sockets; from, when given, is its address.
func dial(t *testing.T, n *node, network string, from ...string) *caller {
	t.Helper()
	ip := net.IPv4(127, 0, 0, 1)
	if len(from) > 0 {
		ip = net.ParseIP(from[0])
	}
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: ip}}
	if network == "tcp" {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	conn, err := d.DialContext(t.Context(), network, n.ready.SIP)
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, network, conn, ip)
	c.wg.Go(c.listen)
	return c
}

// newCaller is a caller on a connection that is open, at an address; nobody takes its sound.
func newCaller(t *testing.T, network string, conn net.Conn, ip net.IP) *caller {
	t.Helper()
	rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{t: t, conn: conn, rtp: rtp, stop: make(chan struct{}), from: "+12125550100", number: "+12125550123",
		callID: strings.ReplaceAll(fmt.Sprintf("%s-%s-%d", t.Name(), conn.LocalAddr(), time.Now().UnixNano()), "/", "-"),
		via:    fmt.Sprintf("SIP/2.0/%s %s;rport", strings.ToUpper(network), conn.LocalAddr())}
	if network != "udp" {
		c.in = bufio.NewReader(conn)
	}
	t.Cleanup(c.close)
	return c
}

// close ends the sockets; the far end is not told.
func (c *caller) close() {
	c.once.Do(func() {
		close(c.stop)
		c.conn.Close()
		c.rtp.Close()
		c.wg.Wait()
	})
}

// sdp offers PCMU.
func (c *caller) sdp() string {
	a := c.rtp.LocalAddr().(*net.UDPAddr)
	return fmt.Sprintf("v=0\r\no=u 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", a.IP, a.IP, a.Port)
}

// request writes a request. headers replace or, with an empty value, remove the
// usual ones.
func (c *caller) request(method string, seq int, body string, headers ...string) string {
	if method != "ACK" && method != "CANCEL" {
		c.branch++
	}
	c.seq = max(c.seq, seq)
	to := "<sip:" + c.number + "@sidetone>"
	if c.toTag != "" {
		to += ";tag=" + c.toTag
	}
	lines := []string{"Via: " + c.via + ";branch=z9hG4bK" + strings.NewReplacer(":", "", ".", "").Replace(c.callID) + strconv.Itoa(c.branch),
		"From: <sip:" + c.from + "@127.0.0.1>;tag=caller", "To: " + to, "Call-ID: " + c.callID, fmt.Sprintf("CSeq: %d %s", seq, method),
		"Contact: <sip:raw@" + c.conn.LocalAddr().String() + transportOf(c) + ">", "Max-Forwards: 70"}
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	for _, h := range headers {
		lines = replace(lines, h)
	}
	return method + " sip:" + c.number + "@sidetone SIP/2.0\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func transportOf(c *caller) string {
	if c.in != nil {
		return ";transport=tcp"
	}
	return ""
}

func replace(lines []string, h string) []string {
	name, value, _ := strings.Cut(h, ":")
	for i, l := range lines {
		if strings.HasPrefix(l, name+":") {
			if strings.TrimSpace(value) == "" {
				return append(lines[:i:i], lines[i+1:]...)
			}
			lines[i] = h
			return lines
		}
	}
	return append(lines, h)
}

func (c *caller) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next message, "" when none comes within limit.
func (c *caller) receive(limit time.Duration) string {
	c.conn.SetReadDeadline(time.Now().Add(limit))
	if c.in == nil {
		buf := make([]byte, 65536)
		n, err := c.conn.Read(buf)
		if err != nil {
			return ""
		}
		return string(buf[:n])
	}
	if _, err := c.in.Peek(1); err != nil {
		return ""
	}
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)) // what has begun is read to its end
	var b strings.Builder
	for length := 0; ; {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if rest, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
		if line == "\r\n" {
			body := make([]byte, length)
			io.ReadFull(c.in, body)
			return b.String() + string(body)
		}
	}
}

// status waits for the answer to method, over provisional ones and repeated
// answers to an INVITE before the last, and fails when it is another than want.
func (c *caller) status(method string, want int) string {
	c.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		msg := c.receive(time.Until(deadline))
		number, of, _ := strings.Cut(header(msg, "CSeq"), " ")
		seq, _ := strconv.Atoi(number)
		if !strings.HasPrefix(msg, "SIP/2.0 ") || of != method || method == "INVITE" && seq < c.seq {
			continue
		}
		got, _ := strconv.Atoi(msg[8:11])
		if got == want {
			return msg
		}
		if got >= 200 {
			c.t.Fatalf("%s: got %s, want %d", method, strings.SplitN(msg, "\r\n", 2)[0], want)
		}
	}
	c.t.Fatalf("no %d to %s", want, method)
	return ""
}

// awaitRequest waits for a request of the server, answers it with 200 and returns it.
func (c *caller) awaitRequest(method string, limit time.Duration) string {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		msg := c.receive(time.Until(deadline))
		if !strings.HasPrefix(msg, method+" ") {
			continue
		}
		c.answer(msg)
		return msg
	}
	c.t.Fatalf("no %s within %s", method, limit)
	return ""
}

// answer accepts a request of the server.
func (c *caller) answer(req string) {
	c.t.Helper()
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		b.WriteString(name + ": " + header(req, name) + "\r\n")
	}
	if _, err := io.WriteString(c.conn, b.String()+"Content-Length: 0\r\n\r\n"); err != nil {
		c.t.Error(err)
	}
}

// header returns a header of a message.
func header(msg, name string) string {
	head, _, _ := strings.Cut(msg, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// login sends a request outside of a call, answers its challenge and returns the
// status of the second response; no response is 0.
func (c *caller) login(method, user, password string) int {
	c.t.Helper()
	c.send(c.request(method, c.seq+1, ""))
	challenge, err := digest.ParseChallenge(header(c.status(method, 401), "WWW-Authenticate"))
	if err != nil {
		c.t.Fatal(err)
	}
	cred, err := digest.Digest(challenge, digest.Options{Method: method, URI: "sip:" + c.number + "@sidetone",
		Count: 1, Username: user, Password: password})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(c.request(method, c.seq+1, "", "Authorization: "+cred.String()))
	msg := c.receive(20 * time.Second)
	if len(msg) < 11 {
		return 0
	}
	status, _ := strconv.Atoi(msg[8:11])
	return status
}

func (c *caller) invite(number string, headers ...string) {
	c.number = number
	c.send(c.request("INVITE", c.seq+1, c.sdp(), headers...))
}

// answered waits for the 200, acknowledges it and sends silence from then on.
func (c *caller) answered() {
	c.t.Helper()
	c.take(c.status("INVITE", 200))
	c.wg.Go(func() { c.talk(c.rtp, 0, 0, 7, c.stop) })
}

// take notes what a 200 says and acknowledges it.
func (c *caller) take(ok string) {
	c.t.Helper()
	_, c.toTag, _ = strings.Cut(header(ok, "To"), ";tag=")
	for line := range strings.SplitSeq(ok, "\r\n") {
		if rest, found := strings.CutPrefix(line, "m=audio "); found {
			port, _ := strconv.Atoi(strings.Fields(rest)[0])
			c.remote.Store(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		}
	}
	if c.remote.Load() == nil {
		c.t.Fatalf("no audio in\n%s", ok)
	}
	seq, _ := strconv.Atoi(strings.Fields(header(ok, "CSeq"))[0])
	c.send(c.request("ACK", seq, ""))
}

// bye hangs up.
func (c *caller) bye() {
	c.t.Helper()
	c.send(c.request("BYE", c.seq+1, ""))
	c.status("BYE", 200)
}

// refused expects a final answer and acknowledges it.
func (c *caller) refused(want int) string {
	c.t.Helper()
	got := c.status("INVITE", want)
	_, tag, _ := strings.Cut(header(got, "To"), ";tag=")
	was := c.toTag
	c.toTag = tag
	c.send(c.request("ACK", c.seq, ""))
	c.toTag = was
	return got
}

// listen keeps the sound that comes.
func (c *caller) listen() {
	buf := make([]byte, 2048)
	for {
		n, _, err := c.rtp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if n > 12 && buf[1]&0x7f == 0 {
			c.received.Add(1)
			c.mu.Lock()
			c.sound = append(c.sound, buf[12:n]...)
			c.mu.Unlock()
		}
	}
}

// heard counts the packets that came.
func (c *caller) heard() int64 { return c.received.Load() }

// talk sends a tone (silence when freq is 0) over conn for d (for ever when 0)
// or until stop is closed.
func (c *caller) talk(conn *net.UDPConn, freq float64, d time.Duration, ssrc uint32, stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	frames := int(d / (20 * time.Millisecond))
	for i := 0; d == 0 || i < frames; i++ {
		select {
		case <-stop:
			return
		case <-c.stop:
			return
		case <-tick.C:
		}
		conn.WriteToUDP(toneFrame(freq, i, ssrc), c.remote.Load())
	}
}

// toneFrame is the RTP packet i of a tone in PCMU.
func toneFrame(freq float64, i int, ssrc uint32) []byte {
	pcm := make([]int16, 160)
	for k := range pcm {
		if freq > 0 {
			pcm[k] = int16(8000 * math.Sin(2*math.Pi*freq*float64(i*160+k)/8000))
		}
	}
	raw := []byte{0x80, 0}
	raw = binary.BigEndian.AppendUint16(raw, uint16(i))
	raw = binary.BigEndian.AppendUint32(raw, uint32(i*160))
	raw = binary.BigEndian.AppendUint32(raw, ssrc)
	return audio.EncodeULaw(raw, pcm)
}

// level is the amplitude of freq in pcm, over the loudest half second.
func level(pcm []int16, rate int, freq float64) float64 {
	best := 0.0
	n := rate / 2
	for start := 0; start+n <= len(pcm); start += n / 2 {
		re, im := 0.0, 0.0
		for k, s := range pcm[start : start+n] {
			sin, cos := math.Sincos(2 * math.Pi * freq * float64(k) / float64(rate))
			re, im = re+float64(s)*cos, im+float64(s)*sin
		}
		best = max(best, 2*math.Hypot(re, im)/float64(n))
	}
	return best
}
