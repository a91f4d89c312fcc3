package transcribertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber"
)

// Vendor is a vendor's driver with its stand-in.
type Vendor struct {
	// Harness is the driver; its Kill is not used.
	Harness
	// Control holds the stand-in's faults and ledger.
	Control *standin.Control
	// Key is what the driver shows; no error may tell it.
	Key string
}

// Outcome is what must come of a fault.
type Outcome struct {
	// Fault is what goes wrong.
	Fault standin.Fault
	// Fails is the kind of the failure that it must be, at Open or later; 0 means
	// that the fault does no harm.
	Fails provider.Kind
	// Deaf says that no words need to be understood: only that every Finalize is
	// answered.
	Deaf bool
}

// StatusOutcomes are those of refused requests and upgrades, which are the same
// for all vendors.
func StatusOutcomes() []Outcome {
	out := []Outcome{
		{Fault: standin.Fault{Kind: standin.Refuse}, Fails: provider.Unreachable},
		{Fault: standin.Fault{Kind: standin.HalfOpen}, Fails: provider.Late},
	}
	for status, kind := range map[int]provider.Kind{
		http.StatusBadRequest: provider.Rejected, http.StatusUnauthorized: provider.Unauthorised, http.StatusPaymentRequired: provider.Exhausted,
		http.StatusForbidden: provider.Unauthorised, http.StatusNotFound: provider.Missing, http.StatusTooManyRequests: provider.Limited,
		http.StatusInternalServerError: provider.Broken, http.StatusServiceUnavailable: provider.Broken,
	} {
		out = append(out, Outcome{Fault: standin.Fault{Kind: standin.Status, Status: status, RetryAfter: 7 * time.Second}, Fails: kind})
	}
	return out
}

// SocketOutcomes are those of faults on an open WebSocket, which are the same for
// all vendors.
func SocketOutcomes() []Outcome {
	return []Outcome{
		{Fault: standin.Fault{Kind: standin.Reset}, Fails: provider.Unreachable},
		{Fault: standin.Fault{Kind: standin.Reset, After: 2}, Fails: provider.Unreachable},
		{Fault: standin.Fault{Kind: standin.Close, Status: 1011, After: 1}, Fails: provider.Broken},
		{Fault: standin.Fault{Kind: standin.InBand, After: 1}, Fails: provider.Broken},
		{Fault: standin.Fault{Kind: standin.Malformed, After: 1}, Fails: provider.Broken},
		{Fault: standin.Fault{Kind: standin.Oversized, After: 1}, Fails: provider.Broken},
		{Fault: standin.Fault{Kind: standin.Slow, Delay: 20 * time.Millisecond}, Deaf: true},
		{Fault: standin.Fault{Kind: standin.SlowPong}},
		{Fault: standin.Fault{Kind: standin.Unknown}},
		{Fault: standin.Fault{Kind: standin.NoStart}},
		{Fault: standin.Fault{Kind: standin.EarlyTurn}},
		{Fault: standin.Fault{Kind: standin.LateAudio}},
		{Fault: standin.Fault{Kind: standin.EmptySuccess}, Deaf: true},
		{Fault: standin.Fault{Kind: standin.Blank}, Deaf: true},
		{Fault: standin.Fault{Kind: standin.Null}, Deaf: true},
	}
}

// Faults checks that every fault ends as it must, within bounded time, with a
// failure that names the vendor and tells no key, and that no request is left.
func Faults(t *testing.T, make func(t *testing.T) Vendor, outcomes ...[]Outcome) {
	t.Helper()
	t.Run("is metered", func(t *testing.T) {
		t.Parallel()
		make(t).metered(t)
	})
	for _, list := range outcomes {
		for _, o := range list {
			t.Run(fmt.Sprintf("%s %d %s after %d", o.Fault.Kind, o.Fault.Status, o.Fault.Reason, o.Fault.After), func(t *testing.T) {
				t.Parallel()
				v := make(t)
				v.Control.Inject(o.Fault)
				v.meets(t, o)
				v.leavesNothing(t)
			})
		}
	}
}

// metered checks that a meter learns who got the sound, how much of it, and how the
// vendor names the session.
func (v Vendor) metered(t *testing.T) {
	meter := &provider.Meter{}
	s, err := v.Driver.Open(provider.WithMeter(t.Context(), meter), transcriber.Config{Rate: v.Rate})
	if err != nil {
		t.Fatal(err)
	}
	events := Read(t, s)
	v.feed(t, s, Outcome{})
	s.Finalize()
	events.Flushed(t)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	total, news := meter.Total(), meter.News()
	if total.Requests != 1 || !slices.Equal(total.Hosts, []string{"127.0.0.1"}) || !slices.Equal(news.Hosts, total.Hosts) {
		t.Errorf("%d requests to %q, new are %q", total.Requests, total.Hosts, news.Hosts)
	}
	if len(news.Requests) != 1 || strings.Contains(fmt.Sprint(news.Requests), v.Key) {
		t.Errorf("the vendor's names are %q", news.Requests)
	}
	if least, got := audio.Span(int64(len(v.Speech)), v.Rate).Seconds(), total.Used[provider.AudioSeconds]; got < least-0.06 || got > least+5 {
		t.Errorf("%v s of sound were counted, at least %v s were sent", got, least)
	}
}

// meets has one stream meet a fault.
func (v Vendor) meets(t *testing.T, o Outcome) {
	start := time.Now()
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: v.Rate})
	if err != nil {
		v.failed(t, o, err, start)
		return
	}
	defer func() {
		closing := time.Now()
		_ = s.Close() // its error came through Events
		if took := time.Since(closing); took > 1500*time.Millisecond {
			t.Errorf("close took %v", took)
		}
	}()
	events := Read(t, s)
	if o.Fault.Kind == standin.EarlyTurn {
		<-time.After(100 * time.Millisecond) // let the turn arrive before any sound
	}
	v.feed(t, s, o)
	s.Finalize()
	if o.Fails != 0 {
		v.failed(t, o, events.End(t), start)
		return
	}
	text := strings.ToLower(events.Flushed(t))
	for _, word := range v.Want {
		if !o.Deaf && !strings.Contains(" "+text+" ", " "+word+" ") {
			t.Errorf("text %q lacks %q", text, word)
		}
	}
	if o.Fault.Kind == standin.EarlyTurn && strings.Contains(text, "early") {
		t.Errorf("text %q has a turn from before any sound", text)
	}
}

// feed writes speech between silence; a stream that has failed takes none.
func (v Vendor) feed(t *testing.T, s transcriber.Stream, o Outcome) {
	at := int64(0)
	for _, pcm := range [][]int16{make([]int16, v.Rate/2), v.Speech, make([]int16, v.Rate*6/10)} {
		if o.Fails == 0 {
			at = Feed(t, s, pcm, v.Rate, at)
			continue
		}
		for len(pcm) > 0 {
			n := min(len(pcm), v.Rate/50)
			_ = s.Write(audio.Frame{PCM: pcm[:n], Rate: v.Rate, Offset: at}) // it may have failed
			pcm, at = pcm[n:], at+int64(n)
		}
	}
}

func (v Vendor) failed(t *testing.T, o Outcome, err error, start time.Time) {
	t.Helper()
	f := (*provider.Failure)(nil)
	if !errors.As(err, &f) {
		t.Errorf("the error is no failure: %v", err)
		return
	}
	if o.Fails == 0 || f.Kind != o.Fails || f.Vendor == "" {
		t.Errorf("failure %q of kind %q, want %q", err, f.Kind, o.Fails)
	}
	if o.Fault.Kind == standin.Status && (f.Status != o.Fault.Status || f.RetryAfter != o.Fault.RetryAfter) {
		t.Errorf("status %d, retry after %v", f.Status, f.RetryAfter)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the failure came after %v", took)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, err); v.Key != "" && strings.Contains(text, v.Key) {
			t.Errorf("the error tells the key: %s", text)
		}
	}
}

// leavesNothing waits until the stand-in serves no request.
func (v Vendor) leavesNothing(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(Patience)
	for v.Control.Active() > 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d requests are left", v.Control.Active())
		}
	}
}

// Connections are those of one test to a stand-in on loopback.
type Connections struct {
	// URL is the stand-in's.
	URL string
	// HTTP makes connections to it.
	HTTP *http.Client

	mu  sync.Mutex
	all []net.Conn
}

// Serve runs a stand-in until the test ends.
func Serve(t *testing.T, h http.Handler) *Connections {
	t.Helper()
	s, err := standin.Start("127.0.0.1:0", h, false)
	if err != nil {
		t.Fatal(err)
	}
	c := &Connections{URL: s.URL}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			c.mu.Lock()
			c.all = append(c.all, conn)
			c.mu.Unlock()
		}
		return conn, err
	}}
	c.HTTP = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("close the stand-in: %v", err)
		}
	})
	return c
}

// Cut breaks off all connections.
func (c *Connections) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		_ = conn.Close() // it may be over
	}
}

// InRealTime says the words of a text again and again, one burst of two words a
// second, as tone words, until enough reports true, and checks that each burst is
// understood once, in its order, whatever happens to connections meanwhile.
func InRealTime(t *testing.T, s transcriber.Stream, rate int, text string, enough func() bool) {
	t.Helper()
	events := Read(t, s)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var said []string
	at := int64(0)
	play := func(pcm []int16) {
		for len(pcm) > 0 {
			<-tick.C
			n := min(len(pcm), rate/50)
			at = Feed(t, s, pcm[:n], rate, at)
			pcm = pcm[n:]
		}
	}
	words := strings.Fields(text)
	for i := 0; !enough(); i++ {
		if i > 60 {
			t.Fatal("nothing changed within a minute")
		}
		burst := words[2*i%len(words)] + " " + words[(2*i+1)%len(words)]
		said = append(said, burst)
		pcm, _ := tonewords.Speak(burst, rate)
		play(pcm)
		play(make([]int16, rate*2/10))
		s.Finalize()
		play(make([]int16, max(0, rate*8/10-len(pcm))))
	}
	s.Finalize()
	var heard []string
	for range len(said) + 1 {
		heard = append(heard, events.Flushed(t))
	}
	if got, want := strings.Join(strings.Fields(strings.Join(heard, " ")), " "), strings.Join(said, " "); got != want {
		t.Errorf("heard %q\nwant  %q", got, want)
	}
}
