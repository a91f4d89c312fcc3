package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// packet is an RTP packet that the server sent towards the caller.
type packet struct {
	at       time.Time
	kind     byte
	sequence uint16
	payload  []byte
	raw      []byte
}

// relay stands between a SIP caller and the server. It passes on the messages
// both ways and puts its own media port into the server's session
// descriptions, so that all sound passes through it too: peers such as SIPp do
// not keep what they hear.
type relay struct {
	t      *testing.T
	server string
	caller *net.UDPConn // faces the caller: RTP
	line   *net.UDPConn // faces the server: RTP
	sip    string       // where callers send SIP

	mu     sync.Mutex
	media  netip.AddrPort // the server's media address
	from   netip.AddrPort // the caller's
	heard  []packet
	crypto string // the a=crypto attribute of the server's description
	closed []io.Closer
	wg     sync.WaitGroup

	signalling, toServer, toCaller *weather // what befalls datagrams
}

// intercept starts a relay to the server over "udp" or "tcp".
func intercept(t *testing.T, server, network string) *relay {
	t.Helper()
	return interceptIn(t, server, network, trouble{})
}

// interceptIn is intercept on a bad line. Of the troubles, SIP has the losses only.
func interceptIn(t *testing.T, server, network string, bad trouble) *relay {
	t.Helper()
	r := &relay{t: t, server: server, signalling: &weather{trouble: trouble{loss: bad.loss}}, toServer: &weather{trouble: bad}, toCaller: &weather{trouble: bad}}
	r.caller, r.line = r.socket(), r.socket()
	r.wg.Go(r.up)
	r.wg.Go(r.down)
	if network == "udp" {
		front, back := r.socket(), r.socket()
		r.sip = front.LocalAddr().String()
		r.datagrams(front, back)
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.keep(l)
		r.sip = l.Addr().String()
		r.wg.Go(func() { r.streams(l) })
	}
	t.Cleanup(func() {
		r.mu.Lock()
		for _, c := range r.closed {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

func (r *relay) socket() *net.UDPConn {
	r.t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.keep(c)
	return c
}

func (r *relay) keep(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = append(r.closed, c)
}

// datagrams passes SIP over UDP.
func (r *relay) datagrams(front, back *net.UDPConn) {
	server := netip.MustParseAddrPort(r.server)
	var mu sync.Mutex
	var caller netip.AddrPort
	r.wg.Go(func() {
		pass(front, func(b []byte, from netip.AddrPort) {
			mu.Lock()
			caller = from
			mu.Unlock()
			r.signalling.carry(b, back, server) // lost datagrams are sent again
		})
	})
	r.wg.Go(func() {
		pass(back, func(b []byte, _ netip.AddrPort) {
			mu.Lock()
			to := caller
			mu.Unlock()
			r.signalling.carry(r.rewrite(b), front, to)
		})
	})
}

// streams passes SIP over TCP.
func (r *relay) streams(l net.Listener) {
	for {
		front, err := l.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", r.server)
		if err != nil {
			_ = front.Close()
			continue
		}
		r.keep(front)
		r.keep(back)
		r.wg.Go(func() {
			_, _ = io.Copy(back, front)
			_ = back.Close()
		})
		r.wg.Go(func() {
			b := make([]byte, 64<<10)
			for {
				n, err := back.Read(b)
				if err != nil {
					_ = front.Close()
					return
				}
				_, _ = front.Write(r.rewrite(b[:n]))
			}
		})
	}
}

func pass(c *net.UDPConn, each func([]byte, netip.AddrPort)) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			each(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	}
}

// rewrite notes the server's media port and replaces it by ours. Both have
// five digits, so that lengths stay.
func (r *relay) rewrite(message []byte) []byte {
	line := regexp.MustCompile(`m=audio (\d+)`)
	m := line.FindSubmatch(message)
	if m == nil {
		return message
	}
	port, err := strconv.ParseUint(string(m[1]), 10, 16)
	own := fmt.Sprint(r.caller.LocalAddr().(*net.UDPAddr).Port)
	if err != nil || len(m[1]) != len(own) {
		r.t.Errorf("media port %q cannot be replaced by %s", m[1], own)
		return message
	}
	r.mu.Lock()
	if c := regexp.MustCompile(`a=crypto:([^\r\n]*)`).FindSubmatch(message); c != nil {
		r.crypto = string(c[1])
	}
	r.media = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	r.mu.Unlock()
	return bytes.Replace(message, m[0], []byte("m=audio "+own), 1)
}

// up passes the caller's sound.
func (r *relay) up() {
	pass(r.caller, func(b []byte, from netip.AddrPort) {
		r.mu.Lock()
		r.from = from
		to := r.media
		r.mu.Unlock()
		if to.IsValid() {
			r.toServer.carry(b, r.line, to)
		}
	})
}

// down passes the server's sound and keeps it.
func (r *relay) down() {
	pass(r.line, func(b []byte, _ netip.AddrPort) {
		r.mu.Lock()
		to := r.from
		if p, ok := parseRTP(b); ok {
			r.heard = append(r.heard, p)
		}
		r.mu.Unlock()
		if to.IsValid() {
			r.toCaller.carry(b, r.caller, to)
		}
	})
}

// parseRTP reads a packet without extensions, as the server sends them.
func parseRTP(b []byte) (packet, bool) {
	if len(b) < 12 || b[0] != 0x80 {
		return packet{}, false
	}
	return packet{at: time.Now(), kind: b[1] & 0x7f, sequence: binary.BigEndian.Uint16(b[2:]), payload: bytes.Clone(b[12:]), raw: bytes.Clone(b)}, true
}

// packets returns what the server sent so far.
func (r *relay) packets() []packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]packet(nil), r.heard...)
}

// decode returns the packets' sound, by programs that are not ours, and checks
// their payload type.
func decode(t *testing.T, packets []packet, kind byte) sound {
	t.Helper()
	var raw []byte
	for _, p := range packets {
		if p.kind == kind {
			raw = append(raw, p.payload...)
		}
	}
	var format string
	s := sound{rate: 8000}
	switch kind {
	case 0:
		format = "mulaw"
	case 8:
		format = "alaw"
	case 9:
		format, s.rate = "g722", 16000
	}
	cmd := exec.CommandContext(within(t, 30*time.Second), "ffmpeg", "-loglevel", "error", "-f", format, "-ar", fmt.Sprint(s.rate), "-i", "-", "-f", "s16le", "-")
	if format == "g722" {
		cmd.Args = append(cmd.Args[:5:5], cmd.Args[7:]...) // its rate is known
	}
	cmd.Stdin = bytes.NewReader(raw)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	for i := 0; i+1 < len(out); i += 2 {
		s.pcm = append(s.pcm, int16(binary.LittleEndian.Uint16(out[i:])))
	}
	return s
}

// spread puts silence where the packets of 20 ms that were decoded to s paused
// for longer than jitter does.
func spread(s sound, packets []packet) sound {
	out := sound{rate: s.rate}
	n := s.rate / 50
	for i := 0; (i+1)*n <= len(s.pcm); i++ {
		if i > 0 && i < len(packets) {
			if pause := packets[i].at.Sub(packets[i-1].at); pause > 400*time.Millisecond {
				out.pcm = append(out.pcm, make([]int16, int(pause.Milliseconds())*s.rate/1000-n)...)
			}
		}
		out.pcm = append(out.pcm, s.pcm[i*n:(i+1)*n]...)
	}
	return out
}

// stimulus is a tone as a peer sends it.
func stimulus(kind byte, freq float64) []byte {
	switch kind {
	case 8:
		return audio.EncodeALaw(nil, audio.Sine(8000, 8000, freq, -12))
	case 9:
		return audio.NewG722Encoder().Encode(nil, audio.Sine(16000, 16000, freq, -12))
	}
	return audio.EncodeULaw(nil, audio.Sine(8000, 8000, freq, -12))
}
