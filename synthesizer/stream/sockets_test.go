package stream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server of WebSockets that sends back what it gets; "end" ends a
// socket.
func echo(t *testing.T, rules stream.Rules) (*stream.Sockets, string, *standin.Control) {
	t.Helper()
	control := &standin.Control{}
	client, base := synthesizertest.Serve(t, "somebody", nil, control.Handler("", nil, func(w http.ResponseWriter, r *standin.Request) {
		conn, err := websocket.Accept(w, r.Request, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if string(data) == `"end"` {
				_ = conn.Close(1008, "quota_exceeded")
				return
			}
			if conn.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	}))
	s := stream.NewSockets(client, rules)
	t.Cleanup(func() { _ = s.Close() })
	return s, stream.WebSocketBase(base), control
}

// use asks and waits for the answer.
func use(t *testing.T, s *stream.Sockets, url string) *stream.Line {
	t.Helper()
	l, err := s.Take(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Send(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := l.Next(t.Context())
		if err != nil || m.Binary {
			t.Fatalf("got %q, %v", m.Data, err)
		}
		if string(m.Data) == `"hello"` { // and not what is late of another use
			return l
		}
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestSocketsAreKept(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{})
	for range 3 {
		use(t, s, url).End(nil, nil, nil)
	}
	one, two := use(t, s, url), use(t, s, url+"/other")
	if n := len(control.Ledger()); n != 2 {
		t.Errorf("%d sockets were opened, want 2", n)
	}
	one.End(errors.New("a failure"), nil, nil)
	two.Drop()
	until(t, "the end of both", func() bool { return control.Active() == 0 })
}

// What was cancelled keeps its socket busy until the vendor confirms it.
func TestCancelledSocketsSettle(t *testing.T) {
	t.Parallel()
	for _, confirmed := range []bool{true, false} {
		s, url, control := echo(t, stream.Rules{})
		answered := make(chan struct{})
		use(t, s, url).End(context.Canceled, "clear", func(m stream.Message) bool {
			close(answered)
			return confirmed && string(m.Data) == `"clear"`
		})
		<-answered
		use(t, s, url).End(nil, nil, nil)
		if n := len(control.Ledger()); (n == 1) != confirmed {
			t.Errorf("confirmed %t: %d sockets were opened", confirmed, n)
		}
	}
}

// Whoever leaves for a reason of its own leaves all the same.
func TestLeavingWithACause(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{})
	l := use(t, s, url)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("barged in"))
	_, err := l.Next(ctx)
	l.End(err, "clear", nil)
	use(t, s, url).End(nil, nil, nil)
	if n := len(control.Ledger()); n != 1 {
		t.Errorf("%d sockets were opened, want 1", n)
	}
}

func TestBusySocketsAreSpared(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{PerMinute: 3})
	for range 7 {
		use(t, s, url).End(nil, nil, nil)
	}
	if n := len(control.Ledger()); n != 3 {
		t.Errorf("%d sockets served 7 utterances at 3 a minute each, want 3", n)
	}
}

func TestNextSocketIsOpenedAhead(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{Once: true})
	use(t, s, url).Drop()
	until(t, "the opening of the next", func() bool { return len(control.Ledger()) == 2 && control.Active() == 1 })
	use(t, s, url).Drop()
	until(t, "the opening of the one after", func() bool { return len(control.Ledger()) == 3 && control.Active() == 1 })
}

// A socket with TLS that was opened ahead serves the first utterance, which waits for it
// rather than to open another one; no other is opened ahead.
func TestFirstSocketIsOpenedAhead(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewTLSServer(control.Handler("", nil, func(w http.ResponseWriter, r *standin.Request) {
		if conn, err := websocket.Accept(w, r.Request, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
			_ = conn.CloseNow()
		}
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	s := stream.NewSockets(&provider.Client{Vendor: "somebody", HTTP: server.Client()}, stream.Rules{})
	defer func() { _ = s.Close() }()
	s.Warm("ws" + strings.TrimPrefix(server.URL, "https")) // it has no TLS
	url := stream.WebSocketBase(server.URL)
	s.Warm(url)
	s.Warm(url)
	l, err := s.Take(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(control.Ledger()); n != 1 {
		t.Errorf("%d sockets were opened, want 1", n)
	}
	l.Drop()
}

// A socket that is opened ahead and does not come holds nobody up.
func TestSlowSocketAheadIsNotAwaited(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{Once: true})
	l := use(t, s, url)
	until(t, "the opening of the next", func() bool { return len(control.Ledger()) == 2 })
	control.Inject(standin.Fault{Kind: standin.HalfOpen, Times: 1})
	l.Drop()
	l = use(t, s, url) // which begins to open the one that does not come
	until(t, "the opening of another", func() bool { return len(control.Ledger()) == 3 })
	began := time.Now()
	use(t, s, url).Drop()
	l.Drop()
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("it was awaited for %v, want 500 ms", took)
	}
}

// A socket that ended while nobody used it does no harm; one that ends in use
// tells why.
func TestEndedSockets(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{})
	l := use(t, s, url)
	if err := l.Send(t.Context(), "end"); err != nil {
		t.Fatal(err)
	}
	_, err := l.Next(t.Context())
	f := (*provider.Failure)(nil)
	if !errors.As(err, &f) || f.Kind != provider.Exhausted || f.Status != 1008 {
		t.Errorf("error = %v", err)
	}
	l.End(err, nil, nil)
	use(t, s, url).End(context.Canceled, "end", nil)
	until(t, "a good use", func() bool { // once its end is known here, too
		l, err := s.Take(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if err = l.Send(t.Context(), "hello"); err == nil {
			_, err = l.Next(t.Context())
		}
		l.End(err, nil, nil)
		return err == nil
	})
	if n := len(control.Ledger()); n != 3 {
		t.Errorf("%d sockets were opened, want 3", n)
	}
}

func TestCloseEndsWhatIsInUse(t *testing.T) {
	t.Parallel()
	s, url, control := echo(t, stream.Rules{Once: true})
	l := use(t, s, url)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := l.Next(t.Context()); err == nil {
		t.Error("a closed socket delivered")
	}
	l.End(nil, nil, nil)
	if _, err := s.Take(t.Context(), url); err == nil {
		t.Error("closed sockets opened another")
	}
	until(t, "the end of all", func() bool { return control.Active() == 0 })
}
