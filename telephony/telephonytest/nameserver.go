package telephonytest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// NameServer is a small DNS server on loopback, over UDP and TCP. Its methods may be
// called concurrently.
type NameServer struct {
	// Addr is host:port.
	Addr string

	mu      sync.Mutex
	records map[dns.Question][]dns.RR
	every   func(name string) []dns.RR
	failure int
	silent  bool
	cut     bool
	asked   map[string]int
}

// NewNameServer returns a server that knows no name, until the test ends.
func NewNameServer(t testing.TB) *NameServer {
	t.Helper()
	s := &NameServer{records: make(map[dns.Question][]dns.RR), asked: make(map[string]int)}
	tcp, udp := onePort(t)
	s.Addr = tcp.Addr().String()
	var started, running sync.WaitGroup
	for _, server := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		server.Handler = dns.HandlerFunc(s.answer)
		server.NotifyStartedFunc = started.Done
		started.Add(1)
		running.Go(func() { _ = server.ActivateAndServe() }) // until it is shut down
		t.Cleanup(func() { _ = server.Shutdown() })          // the test is over
	}
	started.Wait()
	return s
}

// onePort listens on one port of both transports.
func onePort(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 50 {
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
		if err == nil {
			return tcp, udp
		}
		_ = tcp.Close()
	}
	t.Fatal("no port is free on UDP and TCP")
	return nil, nil
}

// Set replaces what the server has by records in the form of zone files.
func (s *NameServer) Set(t testing.TB, lines ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.records)
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		q := dns.Question{Name: strings.ToLower(rr.Header().Name), Qtype: rr.Header().Rrtype, Qclass: dns.ClassINET}
		s.records[q] = append(s.records[q], rr)
	}
}

// Every gives names that have no records of their own those that f returns.
func (s *NameServer) Every(f func(name string) []dns.RR) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.every = f
}

// Fail makes the server refuse with a code (dns.RcodeServerFailure), 0: no more.
func (s *NameServer) Fail(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = code
}

// Silence makes the server say nothing, or no more so.
func (s *NameServer) Silence(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = on
}

// Cut makes the server say over UDP that its answers do not fit.
func (s *NameServer) Cut(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = on
}

// Asked returns how often a question came, as "NAPTR carrier.example."; without a
// question, how many came.
func (s *NameServer) Asked(question string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if question != "" {
		return s.asked[question]
	}
	for _, count := range s.asked {
		n += count
	}
	return n
}

func (s *NameServer) answer(w dns.ResponseWriter, m *dns.Msg) {
	r := new(dns.Msg).SetReply(m)
	q := m.Question[0]
	q.Name = strings.ToLower(q.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[dns.TypeToString[q.Qtype]+" "+q.Name]++
	if s.silent {
		return
	}
	r.Answer = s.records[q]
	if r.Answer == nil && s.every != nil {
		for _, rr := range s.every(q.Name) {
			if rr.Header().Rrtype == q.Qtype {
				r.Answer = append(r.Answer, rr)
			}
		}
	}
	switch _, udp := w.RemoteAddr().(*net.UDPAddr); {
	case s.failure != 0:
		r.Answer, r.Rcode = nil, s.failure
	case s.cut && udp:
		r.Answer, r.Truncated = nil, true
	case r.Answer == nil:
		r.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(r) // who asked asks again
}
