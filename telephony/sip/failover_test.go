package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

const (
	nothing = telephonytest.Never
	patient = time.Second // no pause of a busy machine
)

// twoTargets is a driver with a trunk that has two targets, one after the other.
func twoTargets(t *testing.T, treatments ...telephonytest.Treatment) (*Driver, *telephonytest.Ledger) {
	t.Helper()
	ledger, server := telephonytest.NewLedger(), telephonytest.NewNameServer(t)
	var lines []string
	for i, treatment := range treatments {
		name := string(rune('a' + i))
		g := telephonytest.NewTarget(t, name, ledger, func(string) telephonytest.Treatment { return treatment })
		lines = append(lines, fmt.Sprintf("_sip._udp.pool.example. 60 IN SRV %d 0 %d %s.pool.example.", i, g.Port, name),
			name+".pool.example. 60 IN A 127.0.0.1")
	}
	server.Set(t, lines...)
	return newDriver(t, func(c *Config) {
		c.Resolver = server.Addr
		c.Trunks = []Trunk{{Name: "pool", Host: "pool.example", Transport: "udp", TargetTimeout: patient}}
	}), ledger
}

const callee = "+14155550101"

func toPool() telephony.DialRequest {
	return telephony.DialRequest{From: "+12125550100", To: callee, Trunk: "pool", RingFor: 20 * time.Second}
}

// lefts names the targets that were tried and why they were left.
func lefts(tries []telephony.Try) string {
	var out []string
	for _, t := range tries {
		_, name, _ := strings.Cut(t.Target, "(")
		name, _, _ = strings.Cut(name, ".")
		out = append(out, strings.TrimSpace(name+" "+t.Left))
	}
	return strings.Join(out, ", ")
}

// A call goes on to the next target when one is dead or refuses all calls, and never
// once it rang.
func TestFailover(t *testing.T) {
	t.Parallel()
	good := telephonytest.Treatment{Ring: 20 * time.Millisecond, Final: 40 * time.Millisecond}
	gone := telephonytest.Treatment{Trying: nothing, Ring: nothing, Final: nothing}
	for name, test := range map[string]struct {
		first, second telephonytest.Treatment
		want          string // the targets; answered when the last one has no reason
		status        int
		cause         telephony.Cause
	}{
		"dead":                {first: gone, second: good, want: "a no response, b"},
		"503":                 {first: telephonytest.Treatment{Ring: nothing, Status: 503}, second: good, want: "a 503, b"},
		"503 after a while":   {first: telephonytest.Treatment{Ring: nothing, Final: 2 * patient, Status: 503}, second: good, want: "a 503, b"},
		"503 while it rings":  {first: telephonytest.Treatment{Final: 50 * time.Millisecond, Status: 503}, second: good, want: "a 503", status: 503, cause: telephony.CauseOverload},
		"busy":                {first: telephonytest.Treatment{Ring: nothing, Status: 486}, second: good, want: "a 486", status: 486, cause: telephony.CauseBusy},
		"an error of its own": {first: telephonytest.Treatment{Ring: nothing, Status: 500}, second: good, want: "a 500", status: 500, cause: telephony.CauseFailure},
		"slow":                {first: telephonytest.Treatment{Trying: patient / 4, Ring: 2 * patient, Final: 3 * patient}, second: good, want: "a"},
		"503 at both":         {first: telephonytest.Treatment{Ring: nothing, Status: 503}, second: telephonytest.Treatment{Ring: nothing, Status: 503}, want: "a 503, b 503", status: 503, cause: telephony.CauseOverload},
		"dead, then busy":     {first: gone, second: telephonytest.Treatment{Status: 486}, want: "a no response, b 486", status: 486, cause: telephony.CauseBusy},
		"the last one is slow": {first: gone, second: telephonytest.Treatment{Trying: 3 * patient, Ring: 3 * patient, Final: 4 * patient},
			want: "a no response, b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, ledger := twoTargets(t, test.first, test.second)
			rang := 0
			leg, err := d.Dial(t.Context(), toPool(), func() { rang++ })
			var tries []telephony.Try
			var failed *telephony.DialError
			switch {
			case err == nil:
				tries = leg.Info().Tries
				leg.Hangup(t.Context(), telephony.CauseNormal)
			case errors.As(err, &failed):
				tries = failed.Tries
				if failed.Status != test.status || failed.Cause != test.cause || !failed.Sent {
					t.Errorf("got %v", err)
				}
			}
			if got := lefts(tries); got != test.want || (err == nil) != (test.status == 0) {
				t.Errorf("tried %q, %v, want %q", got, err, test.want)
			}
			if ledger.Invites("a", callee) != 1 || ledger.Invites("b", callee) != len(tries)-1 {
				t.Errorf("%d and %d INVITEs", ledger.Invites("a", callee), ledger.Invites("b", callee))
			}
			if rang > 1 {
				t.Errorf("it rang %d times", rang)
			}
		})
	}
}

// What comes from a target that was left: a sign of life is followed by a CANCEL, an
// answer by ACK and BYE; the call at the next one stands.
func TestTargetsThatComeBack(t *testing.T) {
	t.Parallel()
	const late = patient + time.Second
	for name, test := range map[string]struct {
		first telephonytest.Treatment
		done  func(telephonytest.Stay) bool
	}{
		"it rings":            {telephonytest.Treatment{Trying: nothing, Ring: late, Final: nothing}, func(s telephonytest.Stay) bool { return s.Cancelled && !s.To.IsZero() }},
		"it answers":          {telephonytest.Treatment{Trying: nothing, Ring: nothing, Final: late}, func(s telephonytest.Stay) bool { return s.Acked && s.Bye }},
		"it tries":            {telephonytest.Treatment{Trying: late, Ring: late + 500*time.Millisecond, Final: nothing}, nil},
		"it rings, no CANCEL": {telephonytest.Treatment{Trying: nothing, Ring: late, Final: late + 10*time.Millisecond}, func(s telephonytest.Stay) bool { return s.Cancelled || s.Acked && s.Bye }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, ledger := twoTargets(t, test.first, telephonytest.Treatment{})
			leg, err := d.Dial(t.Context(), toPool(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.done == nil {
				<-time.After(late) // it would ring only much later, and does not
				for _, s := range ledger.Stays(callee) {
					if s.Target == "a" {
						t.Errorf("it rang: %+v", s)
					}
				}
			} else {
				eventually(t, "the first target's call to end", func() bool {
					for _, s := range ledger.Stays(callee) {
						if s.Target == "a" && test.done(s) {
							return true
						}
					}
					return false
				})
			}
			for _, s := range ledger.Stays(callee) {
				if s.Target == "b" && !s.To.IsZero() {
					t.Errorf("the call that stands ended: %+v", s)
				}
			}
			if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Error(err)
			}
		})
	}
}

// A target that did not respond is tried last by the next call, one that asked for
// time not at all.
func TestTargetsAreRemembered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first         telephonytest.Treatment
		second, third string
	}{
		"no response": {telephonytest.Treatment{Trying: nothing, Ring: nothing, Final: nothing}, "a no response, b", "b"},
		"Retry-After": {telephonytest.Treatment{Ring: nothing, Status: 503, RetryAfter: 60}, "a 503, b", "b"},
		"503":         {telephonytest.Treatment{Ring: nothing, Status: 503}, "a 503, b", "a 503, b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := twoTargets(t, test.first, telephonytest.Treatment{})
			for _, want := range []string{test.second, test.third} {
				leg, err := d.Dial(t.Context(), toPool(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := lefts(leg.Info().Tries); got != want {
					t.Errorf("tried %q, want %q", got, want)
				}
				leg.Hangup(t.Context(), telephony.CauseNormal)
			}
		})
	}
}

// The time for ringing and the caller's will count over all targets.
func TestFailoverEnds(t *testing.T) {
	t.Parallel()
	gone := telephonytest.Treatment{Trying: nothing, Ring: nothing, Final: nothing}
	for name, test := range map[string]struct {
		ring  time.Duration
		want  telephony.Cause
		tried string
	}{
		"at the first target":  {patient / 2, telephony.CauseNoAnswer, "a no_answer"},
		"at the second target": {patient + patient/2, telephony.CauseNoAnswer, "a no response, b no_answer"},
		"by the caller":        {time.Minute, telephony.CauseCancelled, "a no response, b cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := twoTargets(t, gone, gone)
			req := toPool()
			req.RingFor = test.ring
			ctx, cancel := context.WithTimeout(t.Context(), 2*patient)
			defer cancel()
			_, err := d.Dial(ctx, req, nil)
			var failed *telephony.DialError
			if !errors.As(err, &failed) || failed.Cause != test.want || !failed.Sent || lefts(failed.Tries) != test.tried {
				t.Errorf("got %v, tried %q", err, lefts(failed.Tries))
			}
		})
	}
}

// A target over TCP that takes no connection, or closes it, is left at once; while it
// rings, a lost connection changes nothing.
func TestFailoverOverTCP(t *testing.T) {
	t.Parallel()
	far := newDriver(t, nil)
	serve(t, far, accept)
	for name, test := range map[string]struct {
		response string // before the connection is closed
		closed   bool
		answered bool
	}{
		"no connection":            {closed: true, answered: true},
		"it closes":                {answered: true},
		"it closes after a 100":    {response: "100 Trying", answered: true},
		"it closes while it rings": {response: "180 Ringing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if test.closed {
				listener.Close()
			}
			var taken sync.WaitGroup
			defer taken.Wait()
			defer listener.Close()
			taken.Go(func() { respondOnce(listener, test.response) })
			server := telephonytest.NewNameServer(t)
			server.Set(t, fmt.Sprintf("_sip._tcp.pool.example. 60 IN SRV 1 0 %d a.pool.example.", listener.Addr().(*net.TCPAddr).Port),
				fmt.Sprintf("_sip._tcp.pool.example. 60 IN SRV 2 0 %d b.pool.example.", far.Addr().Port()),
				"a.pool.example. 60 IN A 127.0.0.1", "b.pool.example. 60 IN A 127.0.0.1")
			d := newDriver(t, func(c *Config) {
				c.Resolver = server.Addr
				c.Trunks = []Trunk{{Name: "pool", Host: "pool.example", Transport: "tcp", TargetTimeout: 10 * time.Second}}
			})
			req := toPool()
			if !test.answered {
				req.RingFor = time.Second
			}
			leg, err := d.Dial(t.Context(), req, nil)
			if (err == nil) != test.answered {
				t.Fatalf("got %v", err)
			}
			if err != nil { // only when its time is over
				if failed := new(telephony.DialError); !errors.As(err, &failed) || failed.Cause != telephony.CauseNoAnswer {
					t.Errorf("got %v", err)
				}
				return
			}
			if got := lefts(leg.Info().Tries); got != "a not reachable, b" {
				t.Errorf("tried %q", got)
			}
			leg.Hangup(t.Context(), telephony.CauseNormal)
		})
	}
}

// respondOnce takes one INVITE, sends a provisional response and closes the
// connection.
func respondOnce(listener net.Listener, status string) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	buf := make([]byte, 65536)
	n, err := conn.Read(buf)
	if err != nil || status == "" {
		return
	}
	msg, tag := string(buf[:n]), ""
	if !strings.HasPrefix(status, "100") {
		tag = ";tag=a"
	}
	fmt.Fprintf(conn, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
		status, headerOf(msg, "Via"), headerOf(msg, "From"), headerOf(msg, "To"), tag, headerOf(msg, "Call-ID"), headerOf(msg, "CSeq"))
}

// Many calls at once, each with two targets of its own of which the first is dead,
// slow, full or late: no number is busy at both for more than a second, and what
// Dial says is what the targets saw.
func TestManyCallsFailOver(t *testing.T) {
	t.Parallel()
	const calls, soon = 60, 400 * time.Millisecond
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	kinds, firsts, seconds := map[string]string{}, map[string]telephonytest.Treatment{}, map[string]telephonytest.Treatment{}
	var trunks []Trunk
	numbers := make([]string, calls)
	for i := range numbers {
		n := fmt.Sprintf("+1415555%04d", i)
		numbers[i] = n
		kinds[n], firsts[n] = telephonytest.FirstFault(chance, soon)
		seconds[n] = telephonytest.SecondFault(chance)
		trunks = append(trunks, Trunk{Name: n, Host: fmt.Sprintf("t%d.example", i), Transport: "udp", TargetTimeout: soon})
	}
	ledger := telephonytest.NewLedger()
	a := telephonytest.NewTarget(t, "a", ledger, func(n string) telephonytest.Treatment { return firsts[n] })
	b := telephonytest.NewTarget(t, "b", ledger, func(n string) telephonytest.Treatment { return seconds[n] })
	server := telephonytest.NewNameServer(t)
	server.Every(func(name string) []dns.RR { return telephonytest.Pair(name, a, b) })
	d := newDriver(t, func(c *Config) { c.Resolver, c.Trunks = server.Addr, trunks })
	meter := timing.Start(t)
	outcomes := make([]string, calls)
	var all sync.WaitGroup
	for i, n := range numbers {
		all.Go(func() {
			leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: n, Trunk: n, RingFor: 10 * time.Second}, nil)
			var failed *telephony.DialError
			switch {
			case err == nil:
				<-time.After(2500 * time.Millisecond) // while the other target comes back
				outcomes[i] = "answered at " + lefts(leg.Info().Tries[len(leg.Info().Tries)-1:])[:1]
				leg.Hangup(t.Context(), telephony.CauseNormal)
			case errors.As(err, &failed):
				outcomes[i] = fmt.Sprintf("failed with %d", failed.Status)
			}
		})
	}
	all.Wait()
	eventually(t, "the calls to end at the targets", func() bool { return telephonytest.Settled(ledger, numbers) })
	seen := map[string]int{}
	for i, n := range numbers {
		seen[kinds[n]+": "+outcomes[i]]++
		if overlap := ledger.Overlap(n); overlap > time.Second {
			meter.Errorf("%s (%s) was busy at two targets for %s", n, kinds[n], overlap)
		}
		if truth := telephonytest.Outcome(ledger, n, 2400*time.Millisecond); truth != outcomes[i] && !(truth == "failed" && strings.HasPrefix(outcomes[i], "failed with ")) {
			t.Errorf("%s (%s): %s, the targets say %s: %+v", n, kinds[n], outcomes[i], truth, ledger.Stays(n))
		}
		if ledger.Invites("a", n) != 1 || ledger.Invites("b", n) > 1 {
			t.Errorf("%s: %d and %d INVITEs", n, ledger.Invites("a", n), ledger.Invites("b", n))
		}
	}
	t.Logf("%v", seen)
}
