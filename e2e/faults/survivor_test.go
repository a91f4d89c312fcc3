package faults

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/standin/tonewords"
)

// teller is the model of calls that survive: no word of its answers comes twice in a
// call, so that what is heard tells how often it was said. It hangs up when it is asked to.
type teller struct{}

// sentences is how many an answer has, and sentenceWords how many words each of them.
const sentences, sentenceWords = 3, 5

// Generate implements llm.Driver.
func (teller) Generate(_ context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	turns, last := 0, ""
	for _, m := range r.Messages {
		if m.Role == llm.User {
			turns, last = turns+1, strings.ToLower(m.Text)
		}
	}
	return func(yield func(llm.Delta, error) bool) {
		if strings.Contains(last, "bye") {
			_ = yield(llm.Delta{Text: "farewell"}, nil) &&
				yield(llm.Delta{Call: &llm.ToolCall{ID: fmt.Sprint("end", turns), Name: "end_conversation", Args: []byte("{}")}}, nil) &&
				yield(llm.Delta{Done: &llm.Usage{In: 10, Out: 10}}, nil)
			return
		}
		for s := range sentences {
			if !yield(llm.Delta{Text: sentence(turns, s) + " "}, nil) {
				return
			}
		}
		yield(llm.Delta{Done: &llm.Usage{In: 10, Out: 10}}, nil)
	}
}

// sentence is the one with a number in the answer to a turn.
func sentence(turn, number int) string {
	var words []string
	for w := range sentenceWords {
		words = append(words, fmt.Sprintf("%c%c%c", 'b'+turn%20, 'g'+number, 'k'+w))
	}
	return strings.ToUpper(words[0][:1]) + strings.Join(words, " ")[1:] + "."
}

// vendorsKey is what the stand-ins ask for.
const vendorsKey = "faults-vendor-key"

// vendorControls inject faults into vendors.
type vendorControls struct{ ears, model, voice *standin.Control }

// toneVendors starts vendors that hear and speak tone words and returns the settings that
// make them the server's. They outlive the server.
func toneVendors(t *testing.T, model llm.Driver) (settings string, c vendorControls) {
	t.Helper()
	c = vendorControls{&standin.Control{}, &standin.Control{}, &standin.Control{}}
	settings = "providers:\n"
	for _, v := range []struct {
		name, path string
		handler    http.Handler
	}{
		{"deepgram", "", deepgram.New(deepgram.Options{Control: c.ears, Key: vendorsKey, Ears: hearing.ToneWords})},
		{"openai", "/v1", openai.New(openai.Options{Control: c.model, Key: vendorsKey, Model: model})},
		{"elevenlabs", "", elevenlabs.New(speech.Options{Control: c.voice, Key: vendorsKey})},
	} {
		s, err := standin.Start("127.0.0.1:0", v.handler, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		settings += fmt.Sprintf("  %s: {api_key: %s, base_url: %q}\n", v.name, vendorsKey, s.URL+v.path)
	}
	return settings, c
}

// toneAgent are the members of an agent whom toneVendors serve.
const toneAgent = `{"prompt":{"content":"Be kind."},"actions":[{"type":"action_end_conversation"}],"initial_message":"Welcome here caller.","provider":"openai","model":"gpt-4.1-mini",` +
	`"transcriber":{"type":"transcriber_deepgram"},"voice":{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM"}}`

// survivor is a caller who speaks tone words when the agent is silent, and stays in the
// call while the server dies.
type survivor struct {
	*caller
	network  string
	listener net.Listener // where the server may connect; nil on UDP, or when it may not
	in, out  *srtp.Context
	lines    [][]int16 // said one after the other, the last one again and again
	// speech says them in a human voice instead of tone words.
	speech bool

	mu     sync.Mutex
	came   []arrival
	said   int           // lines
	hurry  bool          // the next one is said at once
	keys   []byte        // to be pressed, as events of RFC 4733
	late   time.Duration // the most by which a frame was
	silent time.Time     // since when the agent is
	over   chan struct{}

	requests sync.Mutex // one at a time
}

// arrival is a packet of the agent's sound.
type arrival struct {
	at   time.Time
	seq  uint16
	time uint32
	ssrc uint32
	pcm  []int16
}

// survivors are what a test of them shares.
type survivors struct {
	n      *node
	faults vendorControls
	cert   tls.Certificate
	roots  *x509.CertPool
	plain  string // number of calls over UDP and TCP
	clinic string // of calls in a human voice; empty: nobody has it
	secure string // over TLS

	callers int // that have called
	placed  []*survivor
}

// callFrom is a call to be placed.
type callFrom struct {
	network string // udp, tcp or tls
	// reachable says that the far end on TCP or TLS takes a connection.
	reachable bool
	speech    bool     // in a human voice, to the agent for that
	lines     []string // said one after the other, the last one again and again
}

// survive places a call.
func (s *survivors) survive(t *testing.T, c callFrom) *survivor {
	t.Helper()
	network, from, number := c.network, "127.0.0.1", s.plain
	switch {
	case network == "tls":
		from, number = addressOfTLS, s.secure
	case c.speech:
		number = s.clinic
	}
	v := &survivor{network: network, speech: c.speech, silent: time.Now(), over: make(chan struct{})}
	v.caller = s.connect(t, network, from)
	s.callers++
	s.placed = append(s.placed, v)
	v.caller.from = fmt.Sprintf("+1202555%04d", s.callers)
	for _, line := range c.lines {
		v.lines = append(v.lines, v.sound(line))
	}
	var headers []string
	if network != "udp" {
		contact := v.conn.LocalAddr().String()
		if c.reachable {
			v.listener = s.listen(t, network, from)
			contact = v.listener.Addr().String()
		}
		headers = append(headers, "Contact: <sip:raw@"+contact+";transport="+network+">")
	}
	proto, crypto, key := "RTP/AVP", "", make([]byte, 30)
	if network == "tls" {
		rand.Read(key)
		proto, crypto = "RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+base64.StdEncoding.EncodeToString(key)+"\r\n"
	}
	v.number = number
	port := v.rtp.LocalAddr().(*net.UDPAddr).Port
	v.send(v.request("INVITE", 1, fmt.Sprintf("v=0\r\no=u 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 0 101\r\na=rtpmap:101 telephone-event/8000\r\n%s", from, from, port, proto, crypto), headers...))
	ok := v.status("INVITE", 200)
	v.take(ok)
	if network == "tls" {
		_, theirs, _ := strings.Cut(ok, "inline:")
		theirs, _, _ = strings.Cut(theirs, "\r\n")
		raw, err := base64.StdEncoding.DecodeString(theirs)
		if err != nil || len(raw) != 30 {
			t.Fatalf("key %q: %v", theirs, err)
		}
		v.out, v.in = newContext(t, key), newContext(t, raw)
	}
	v.wg.Go(v.hear)
	v.wg.Go(v.speak)
	v.wg.Go(v.serve)
	return v
}

// connect opens the sockets of a caller.
func (s *survivors) connect(t *testing.T, network, from string) *caller {
	t.Helper()
	ip := net.ParseIP(from)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	to, over := s.n.ready.SIP, "tcp"
	switch network {
	case "udp":
		d.LocalAddr, over = &net.UDPAddr{IP: ip}, "udp"
	case "tls":
		to = s.n.ready.SIPTLS
	}
	conn, err := d.DialContext(t.Context(), over, to)
	if err != nil {
		t.Fatal(err)
	}
	if network == "tls" {
		conn = tls.Client(conn, &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"})
	}
	return newCaller(t, network, conn, ip)
}

// listen takes the connection of a server that has lost the one it had.
func (s *survivors) listen(t *testing.T, network, from string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", from+":0")
	if err != nil {
		t.Fatal(err)
	}
	if network == "tls" {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// hear keeps what comes.
func (v *survivor) hear() {
	buf := make([]byte, 2048)
	for {
		n, _, err := v.rtp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		raw := buf[:n]
		if v.in != nil {
			if raw, err = v.in.DecryptRTP(nil, raw, nil); err != nil {
				v.t.Logf("a packet cannot be decrypted: %v", err)
				continue
			}
		}
		if len(raw) <= 12 || raw[1]&0x7f != 0 {
			continue
		}
		a := arrival{at: time.Now(), seq: binary.BigEndian.Uint16(raw[2:]), time: binary.BigEndian.Uint32(raw[4:]), ssrc: binary.BigEndian.Uint32(raw[8:]), pcm: audio.DecodeULaw(nil, raw[12:])}
		v.mu.Lock()
		v.came = append(v.came, a)
		if a.loud() {
			v.silent = a.at
		}
		v.mu.Unlock()
	}
}

// loud says that there is sound of the agent in it.
func (a arrival) loud() bool {
	return slices.ContainsFunc(a.pcm, func(s int16) bool { return s > 700 || s < -700 })
}

// The caller speaks when both have been silent for callerPause.
const callerPause = 1100 * time.Millisecond

// speak sends a frame each 20 ms.
func (v *survivor) speak() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var line []int16
	spoke, due := time.Now(), time.Now()
	for i := 0; ; i++ {
		select {
		case <-v.stop:
			return
		case <-tick.C:
		}
		due = due.Add(20 * time.Millisecond)
		v.mu.Lock()
		silent, hurry := v.silent, v.hurry
		v.late = max(v.late, time.Since(due))
		v.mu.Unlock()
		if time.Since(due) > 100*time.Millisecond {
			due = time.Now() // a ticker leaves out what it cannot keep up with
		}
		if len(line) == 0 && (hurry || time.Since(silent) > callerPause && time.Since(spoke) > callerPause) {
			v.mu.Lock()
			v.hurry = false
			line = v.lines[min(v.said, len(v.lines)-1)]
			v.said++
			v.mu.Unlock()
		}
		if v.press(i) {
			continue
		}
		frame := make([]int16, 160)
		line = line[copy(frame, line):]
		if len(line) > 0 {
			spoke = time.Now()
		}
		v.send20(i, frame)
	}
}

// sound is that of a line.
func (v *survivor) sound(line string) []int16 {
	if v.speech {
		return spoken(v.t, line)
	}
	pcm, _ := tonewords.Speak(line, 8000)
	return pcm
}

// spoken is a line in a human voice, at 8 kHz.
func spoken(t *testing.T, line string) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "line.wav")
	if out, err := exec.Command("flite", "-voice", "slt", "-t", line, "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("flite: %v %s", err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("flite: %v", err)
	}
	defer f.Close()
	pcm, format, err := audio.ReadWAV(f)
	if err != nil {
		t.Fatalf("flite: %v", err)
	}
	r, err := audio.NewResampler(format.Rate, 8000)
	if err != nil {
		t.Fatalf("flite: %v", err)
	}
	return r.Process(nil, pcm)
}

func (v *survivor) send20(i int, pcm []int16) {
	v.sendRTP(i, i*160, 0, audio.EncodeULaw(nil, pcm))
}

// keyPackets is how many packets a key takes, of which the last three end it.
const keyPackets = 6

// press sends a packet of the key that is pressed, instead of sound; false for none.
func (v *survivor) press(i int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys) == 0 {
		return false
	}
	event, left := v.keys[0], v.keys[1]
	sent := keyPackets - int(left)
	payload := []byte{event, 10, 0, 0}
	if left <= 3 {
		payload[1] |= 0x80
	}
	binary.BigEndian.PutUint16(payload[2:], uint16(160*(min(sent, keyPackets-3)+1)))
	v.sendRTP(i, (i-sent)*160, 101, payload)
	if v.keys[1]--; v.keys[1] == 0 {
		v.keys = v.keys[2:]
	}
	return true
}

// key has the caller press a key, 0 to 11.
func (v *survivor) key(event byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys = append(v.keys, event, keyPackets)
}

// interrupt has the caller speak at once.
func (v *survivor) interrupt() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hurry = true
}

// hold puts the agent on hold, or takes it back, unless the call is over.
func (v *survivor) hold(on bool) {
	direction := "sendrecv"
	if on {
		direction = "sendonly"
	}
	a := v.rtp.LocalAddr().(*net.UDPAddr)
	v.ask("INVITE", fmt.Sprintf("v=0\r\no=u 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n",
		time.Now().UnixNano(), a.IP, a.IP, a.Port, direction))
}

// ask sends a request in the call, unless it is over.
func (v *survivor) ask(method, body string) {
	v.requests.Lock()
	defer v.requests.Unlock()
	select {
	case <-v.over:
	default:
		_, _ = io.WriteString(v.conn, v.request(method, v.seq+1, body)) // there may be no connection
	}
}

// acknowledge answers the 200 of an INVITE.
func (v *survivor) acknowledge(ok string) {
	number, method, _ := strings.Cut(header(ok, "CSeq"), " ")
	seq, err := strconv.Atoi(number)
	if err != nil || method != "INVITE" || !strings.HasPrefix(ok, "SIP/2.0 200") {
		return
	}
	v.requests.Lock()
	defer v.requests.Unlock()
	_, _ = io.WriteString(v.conn, v.request("ACK", seq, ""))
}

func (v *survivor) sendRTP(i, at int, payloadType byte, payload []byte) {
	raw := []byte{0x80, payloadType}
	raw = binary.BigEndian.AppendUint16(raw, uint16(i))
	raw = binary.BigEndian.AppendUint32(raw, uint32(at))
	raw = binary.BigEndian.AppendUint32(raw, 77)
	raw = append(raw, payload...)
	if v.out != nil {
		sealed, err := v.out.EncryptRTP(nil, raw, nil)
		if err != nil {
			v.t.Errorf("encrypt: %v", err)
			return
		}
		raw = sealed
	}
	v.rtp.WriteToUDP(raw, v.remote.Load()) // while no server is there the packet is lost
}

// serve answers the requests of the server, over the connection that it opens when the
// first one is lost, until it hangs up.
func (v *survivor) serve() {
	for {
		select {
		case <-v.stop:
			return
		default:
		}
		msg := v.receive(time.Second)
		switch {
		case strings.HasPrefix(msg, "BYE "):
			v.answer(msg)
			close(v.over)
			return
		case strings.HasPrefix(msg, "SIP/2.0 "):
			v.acknowledge(msg)
		case strings.HasPrefix(msg, "ACK "):
		case msg != "":
			v.answer(msg)
		case v.lost() && !v.reconnected():
			return
		}
	}
}

// end closes all sockets.
func (v *survivor) end() {
	if v.listener != nil {
		_ = v.listener.Close()
	}
	v.close()
}

// lost says that the connection of the signalling is.
func (v *survivor) lost() bool {
	if v.caller.in == nil {
		return false
	}
	_ = v.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := v.caller.in.Peek(1)
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// reconnected waits for the connection that the server opens.
func (v *survivor) reconnected() bool {
	if v.listener == nil {
		return false
	}
	conn, err := v.listener.Accept()
	if err != nil {
		return false
	}
	v.conn, v.caller.in = conn, bufio.NewReader(conn)
	return true
}

// restarted says that one process sent a packet and the next one another: its numbers are
// later than those that can have been used.
func restarted(last, next arrival) bool { return int16(next.seq-last.seq) >= 400 }

// words decodes what came, on one time line: each with when its last sample came.
func (v *survivor) words() (all []spokenWord) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.came) == 0 {
		return nil
	}
	ear, began := tonewords.NewEar(8000), v.came[0].at
	at := int64(0)
	take := func(pcm []int16) {
		at += int64(len(pcm))
		for _, w := range ear.Write(pcm) {
			all = append(all, spokenWord{w.Text, began.Add(audio.Span(w.To, 8000))})
		}
	}
	for i, a := range v.came {
		if i > 0 { // a short gap is a server that was held up, and the word goes on
			gap := int64(int32(a.time-v.came[i-1].time)) - int64(len(v.came[i-1].pcm))
			if restarted(v.came[i-1], a) {
				gap = max(gap, 1600) // what was cut is no part of the first word
			}
			if gap > 8000/4 || restarted(v.came[i-1], a) {
				take(make([]int16, gap))
			}
		}
		take(a.pcm)
	}
	take(make([]int16, 800))
	return all
}

// spokenWord is a word that a caller heard.
type spokenWord struct {
	text string
	at   time.Time
}

// newContext encrypts or decrypts with a key and its salt.
func newContext(t *testing.T, key []byte) *srtp.Context {
	t.Helper()
	c, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
