package telephonytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Never is when a Target does what it does not do.
const Never = -1 * time.Second

// Treatment is what a Target makes of a call: when, from its INVITE on, it responds.
type Treatment struct {
	// Trying, Ring and Final are when it sends 100, 180 and the final response.
	Trying, Ring, Final time.Duration
	// Status is that of the final response; 0 means 200.
	Status int
	// RetryAfter is what a refusal says, in seconds; 0 means nothing.
	RetryAfter int
	// HangUp is when it ends the call, from the ACK on; 0 means never.
	HangUp time.Duration
}

// Stay is a call at a target: from the first response by which its phone rings or is
// answered until the call is over there.
type Stay struct {
	// Target is the target's name.
	Target string
	// From and To are when the phone was busy with it; To is zero while it is.
	From, To time.Time
	// Picked is when it was answered.
	Picked time.Time
	// Answered says that it was answered, Acked that this was acknowledged, Bye that
	// the caller ended it, Cancelled that the caller took it back.
	Answered, Acked, Bye, Cancelled bool
}

// Ledger is what happened at the targets, for each number. Its methods may be called
// concurrently.
type Ledger struct {
	mu      sync.Mutex
	invites map[string]int
	stays   map[string][]*Stay
}

// NewLedger returns an empty one.
func NewLedger() *Ledger {
	return &Ledger{invites: make(map[string]int), stays: make(map[string][]*Stay)}
}

// Invites returns how many INVITEs there were to a number at a target, without
// repetitions and those with credentials.
func (l *Ledger) Invites(target, number string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.invites[target+" "+number]
}

// Stays returns the calls of a number.
func (l *Ledger) Stays(number string) (out []Stay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.stays[number] {
		out = append(out, *s)
	}
	return out
}

// Overlap returns for how long a number was busy at two targets at a time.
func (l *Ledger) Overlap(number string) (longest time.Duration) {
	all, now := l.Stays(number), time.Now()
	for i := range all {
		if all[i].To.IsZero() {
			all[i].To = now
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			from, to := a.From, a.To
			if b.From.After(from) {
				from = b.From
			}
			if b.To.Before(to) {
				to = b.To
			}
			longest = max(longest, to.Sub(from))
		}
	}
	return longest
}

// Target is a carrier's host made of a UDP socket and text, which keeps a Ledger.
type Target struct {
	// Port is where it listens, on each address of the machine.
	Port uint16

	name   string
	ledger *Ledger
	treat  func(number string) Treatment
	conn   *net.UDPConn
	sink   *net.UDPConn // sound that nobody listens to
	wg     sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*targetCall // by Call-ID and From tag
}

// targetCall is one call at a target; all of it is guarded by the target's mutex.
type targetCall struct {
	invite    string
	number    string
	from      *net.UDPAddr
	stay      *Stay
	treatment Treatment
	timers    []*time.Timer
	final     string // the final response, until it is acknowledged
	decided   bool
	over      bool
	closed    bool // our BYE was answered
}

// NewTarget returns a target that treats calls by their numbers, until the test ends.
func NewTarget(t testing.TB, name string, ledger *Ledger, treat func(number string) Treatment) *Target {
	t.Helper()
	g := &Target{name: name, ledger: ledger, treat: treat, calls: make(map[string]*targetCall)}
	for _, conn := range []**net.UDPConn{&g.conn, &g.sink} {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
		if err != nil {
			t.Fatal(err)
		}
		*conn = c
	}
	_ = g.conn.SetReadBuffer(8 << 20) // the system may grant less
	g.Port = uint16(g.conn.LocalAddr().(*net.UDPAddr).Port)
	g.wg.Go(g.run)
	t.Cleanup(g.close)
	return g
}

func (g *Target) close() {
	_ = g.conn.Close()
	_ = g.sink.Close()
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		for _, timer := range c.timers {
			timer.Stop()
		}
	}
}

func (g *Target) run() {
	buf := make([]byte, 65536)
	for {
		n, from, err := g.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		g.receive(string(buf[:n]), from)
	}
}

func (g *Target) receive(msg string, from *net.UDPAddr) {
	method, _, _ := strings.Cut(msg, " ")
	side := "From"
	if strings.HasPrefix(msg, "SIP/") { // to our BYE
		side = "To"
	}
	_, tag, _ := strings.Cut(headerIn(msg, side), ";tag=")
	key := headerIn(msg, "Call-ID") + " " + tag
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls[key]
	switch {
	case method == "INVITE" && c == nil:
		g.begin(key, msg, from)
	case c == nil && method != "ACK" && side == "From":
		g.send(msg, from, "481 Call/Transaction Does Not Exist", "")
	case c == nil:
	case side == "To":
		c.closed = true
	case method == "ACK":
		g.acked(c)
	case method == "CANCEL":
		g.send(msg, from, "200 OK", "")
		g.ledger.mu.Lock()
		c.stay.Cancelled = c.stay.Cancelled || !c.decided
		g.ledger.mu.Unlock()
		g.decide(c, 487)
	case method == "BYE":
		g.send(msg, from, "200 OK", "")
		g.ledger.mu.Lock()
		c.stay.Bye = true
		g.ledger.mu.Unlock()
		g.leave(c)
	}
}

// begin takes the first copy of an INVITE.
func (g *Target) begin(key, msg string, from *net.UDPAddr) {
	_, number, _ := strings.Cut(msg, "sip:")
	number, _, _ = strings.Cut(number, "@")
	c := &targetCall{invite: msg, number: number, from: from, stay: &Stay{Target: g.name}, treatment: g.treat(number)}
	g.calls[key] = c
	g.ledger.mu.Lock()
	g.ledger.invites[g.name+" "+number]++
	g.ledger.mu.Unlock()
	g.after(c, c.treatment.Trying, func() { g.send(c.invite, c.from, "100 Trying", "") })
	g.after(c, c.treatment.Ring, func() {
		g.arrive(c)
		g.send(c.invite, c.from, "180 Ringing", "")
	})
	g.after(c, c.treatment.Final, func() { g.decide(c, c.treatment.Status) })
}

// after does something later, unless the call is decided by then.
func (g *Target) after(c *targetCall, wait time.Duration, do func()) {
	if wait < 0 {
		return
	}
	if wait == 0 {
		do()
		return
	}
	c.timers = append(c.timers, time.AfterFunc(wait, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !c.decided {
			do()
		}
	}))
}

// arrive notes that the phone is busy with the call.
func (g *Target) arrive(c *targetCall) {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	if c.stay.From.IsZero() {
		c.stay.From = time.Now()
		g.ledger.stays[c.number] = append(g.ledger.stays[c.number], c.stay)
	}
}

// leave notes that it is not any more.
func (g *Target) leave(c *targetCall) {
	c.over = true
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	if c.stay.To.IsZero() {
		c.stay.To = time.Now()
	}
}

// decide sends the final response, until it is acknowledged.
func (g *Target) decide(c *targetCall, status int) {
	if c.decided {
		return
	}
	c.decided = true
	switch status {
	case 0, 200:
		g.arrive(c)
		g.ledger.mu.Lock()
		c.stay.Answered, c.stay.Picked = true, time.Now()
		g.ledger.mu.Unlock()
		c.final = "200 OK"
	default:
		g.leave(c)
		c.final = fmt.Sprintf("%d Refused", status)
	}
	g.repeat(c, 10)
}

func (g *Target) repeat(c *targetCall, left int) {
	if c.final == "" || left == 0 {
		return
	}
	g.send(c.invite, c.from, c.final, g.sdp(c))
	c.timers = append(c.timers, time.AfterFunc(500*time.Millisecond, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.repeat(c, left-1)
	}))
}

func (g *Target) sdp(c *targetCall) string {
	if c.final != "200 OK" {
		return ""
	}
	return fmt.Sprintf("v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", g.sink.LocalAddr().(*net.UDPAddr).Port)
}

// acked takes an ACK.
func (g *Target) acked(c *targetCall) {
	answered := c.final == "200 OK"
	c.final = ""
	if !answered {
		return
	}
	g.ledger.mu.Lock()
	c.stay.Acked = true
	g.ledger.mu.Unlock()
	if c.treatment.HangUp > 0 {
		c.timers = append(c.timers, time.AfterFunc(c.treatment.HangUp, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if !c.over {
				g.leave(c)
				g.bye(c, 10)
			}
		}))
	}
}

// send responds to a request.
func (g *Target) send(req string, to *net.UDPAddr, status, body string) {
	lines := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		value := headerIn(req, name)
		if name == "To" && !strings.Contains(value, ";tag=") && !strings.HasPrefix(status, "100") {
			value += ";tag=" + g.name
		}
		if name == "CSeq" && strings.HasPrefix(status, "487") {
			value = strings.Replace(value, "CANCEL", "INVITE", 1)
		}
		lines = append(lines, name+": "+value)
	}
	if after := g.retryAfter(req); after > 0 && strings.HasPrefix(status, "503") {
		lines = append(lines, "Retry-After: "+strconv.Itoa(after))
	}
	if body != "" {
		lines = append(lines, fmt.Sprintf("Contact: <sip:%s@127.0.0.1:%d>", g.name, g.Port), "Content-Type: application/sdp")
	}
	lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	_, _ = g.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"+body), to) // the far end repeats what it got no response to
}

func (g *Target) retryAfter(req string) int {
	_, number, _ := strings.Cut(req, "sip:")
	number, _, _ = strings.Cut(number, "@")
	return g.treat(number).RetryAfter
}

// bye ends the call from here.
func (g *Target) bye(c *targetCall, left int) {
	if c.closed || left == 0 {
		return
	}
	c.timers = append(c.timers, time.AfterFunc(500*time.Millisecond, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bye(c, left-1)
	}))
	contact := strings.Trim(headerIn(c.invite, "Contact"), "<>")
	contact, _, _ = strings.Cut(contact, ">")
	lines := []string{"BYE " + contact + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bK%s%s", g.Port, g.name, strings.TrimPrefix(c.number, "+")),
		"Max-Forwards: 70", "From: " + headerIn(c.invite, "To") + ";tag=" + g.name, "To: " + headerIn(c.invite, "From"),
		"Call-ID: " + headerIn(c.invite, "Call-ID"), "CSeq: 1 BYE", "Content-Length: 0"}
	_, _ = g.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), c.from) // it is repeated
}

// headerIn returns a header's value.
func headerIn(msg, name string) string {
	lines := strings.Split(msg, "\r\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+": ") })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(lines[i], name+": ")
}

// Pair is the DNS of names such as t17.example: two targets, each at an address of its
// own, of which a comes first.
func Pair(name string, a, b *Target) []dns.RR {
	var i int
	var records []string
	switch {
	case scan(name, "_sip._udp.t%d.example.", &i):
		records = []string{fmt.Sprintf("%s 60 IN SRV 1 0 %d a%d.example.", name, a.Port, i), fmt.Sprintf("%s 60 IN SRV 2 0 %d b%d.example.", name, b.Port, i)}
	case scan(name, "a%d.example.", &i):
		records = []string{fmt.Sprintf("%s 60 IN A 127.1.%d.%d", name, i/250, i%250+1)}
	case scan(name, "b%d.example.", &i):
		records = []string{fmt.Sprintf("%s 60 IN A 127.2.%d.%d", name, i/250, i%250+1)}
	}
	var out []dns.RR
	for _, text := range records {
		if rr, err := dns.NewRR(text); err == nil {
			out = append(out, rr)
		}
	}
	return out
}

func scan(text, form string, i *int) bool {
	n, err := fmt.Sscanf(text, form, i)
	return n == 1 && err == nil && text == fmt.Sprintf(form, *i)
}

// Settled reports whether the calls of all numbers are over at the targets.
func Settled(l *Ledger, numbers []string) bool {
	for _, n := range numbers {
		for _, s := range l.Stays(n) {
			if s.To.IsZero() || s.Answered && !s.Acked {
				return false
			}
		}
	}
	return true
}

// Outcome is what the targets say became of a call to a number: "answered at" and the
// target at which it was talked for that long at least, else "failed". It is
// "confused" when there are two of them.
func Outcome(l *Ledger, number string, talked time.Duration) string {
	out := "failed"
	for _, s := range l.Stays(number) {
		if s.Answered && s.Acked && s.To.Sub(s.Picked) >= talked {
			if out != "failed" {
				return "confused"
			}
			out = "answered at " + s.Target
		}
	}
	return out
}

// FirstFault is how the first target of a call behaves that is left after patience,
// and what that is called: dead, slow, refusing, late in some way, or busy.
func FirstFault(chance *rand.Rand, patience time.Duration) (string, Treatment) {
	late := patience + time.Duration(chance.Int64N(int64(1200*time.Millisecond)))
	soon := time.Duration(chance.Int64N(int64(patience / 2)))
	switch chance.IntN(8) {
	case 0:
		return "dead", Treatment{Trying: Never, Ring: Never, Final: Never}
	case 1:
		return "503", Treatment{Trying: Never, Ring: Never, Final: soon, Status: 503, RetryAfter: chance.IntN(3)}
	case 2:
		return "slow", Treatment{Trying: Never, Ring: soon, Final: soon + patience}
	case 3:
		return "late to ring", Treatment{Trying: Never, Ring: late, Final: late + 3*time.Second}
	case 4:
		return "late to try", Treatment{Trying: late, Ring: late + 500*time.Millisecond, Final: late + 3*time.Second}
	case 5:
		return "late to answer", Treatment{Trying: Never, Ring: Never, Final: late}
	case 6:
		return "at its limit", Treatment{Trying: Never, Ring: patience - 20*time.Millisecond + time.Duration(chance.Int64N(int64(40*time.Millisecond))), Final: 2 * patience}
	}
	return "busy", Treatment{Trying: soon, Ring: Never, Final: soon, Status: 486}
}

// SecondFault is how the second one behaves: it takes most calls.
func SecondFault(chance *rand.Rand) Treatment {
	switch chance.IntN(10) {
	case 0:
		return Treatment{Ring: 50 * time.Millisecond, Final: 100 * time.Millisecond, Status: 486}
	case 1:
		return Treatment{Ring: Never, Status: 503}
	}
	return Treatment{Ring: 50 * time.Millisecond, Final: 150 * time.Millisecond}
}
