package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/webhook"
	"github.com/sidetone/sidetone/webhook/delivery"
)

// endpoint is a receiver in memory: it keeps what it was sent, and answers as told.
type endpoint struct {
	mu   sync.Mutex
	got  []request
	open int
	most int // open at the same time
	// answer says what the request of this number, from 0, gets; nil means 200.
	answer func(n int, r request) (*http.Response, error)
}

type request struct {
	at                     time.Time
	id, callID, kind, body string
	sequence               int64
	header                 http.Header
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var sent struct {
		Type     string
		CallID   string `json:"call_id"`
		Sequence int64
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	one := request{at: time.Now(), id: r.Header.Get("webhook-id"), callID: sent.CallID, kind: sent.Type, sequence: sent.Sequence, body: string(body), header: r.Header}
	e.mu.Lock()
	n := len(e.got)
	e.got = append(e.got, one)
	e.open++
	e.most = max(e.most, e.open)
	answer := e.answer
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.open--
		e.mu.Unlock()
	}()
	if answer == nil {
		return respond(200, ""), nil
	}
	return answer(n, one)
}

func (e *endpoint) requests() []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]request{}, e.got...)
}

// atOnce is how many requests were open at the same time at most.
func (e *endpoint) atOnce() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most
}

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// bench is a store with a webhook, and calls that tell it something.
type bench struct {
	t    testing.TB
	s    *store.Store
	env  string
	hook sidetone.Endpoint
	// address is where its webhooks lead.
	address string
	// sweep is how often its workers ask the store; 0 means the default.
	sweep time.Duration
}

func newBench(t testing.TB, s *store.Store) *bench {
	t.Helper()
	b := &bench{t: t, s: s, address: "https://hooks.example/in?token=canary-token"}
	account, err := s.CreateAccount(t.Context(), "A", "E")
	if err != nil {
		t.Fatal(err)
	}
	b.env = account.ID
	b.hook = b.webhook("hook" + b.env)
	return b
}

// webhook stores a webhook that asks for everything.
func (b *bench) webhook(id string) sidetone.Endpoint {
	b.t.Helper()
	h := sidetone.NewWebhook(id, b.env, time.Now())
	sidetone.WebhookChange{URL: sidetone.Some(b.address), Subscriptions: sidetone.Some(sidetone.Subscriptions())}.Apply(&h, time.Now())
	if err := b.s.Write(b.t.Context(), b.env, func(tx *store.Tx) error { return tx.InsertWebhook(h) }); err != nil {
		b.t.Fatal(err)
	}
	return sidetone.Endpoint{EnvironmentID: b.env, WebhookID: id}
}

// begin stores a call; the webhook is told that it begins.
func (b *bench) begin(id string) {
	b.t.Helper()
	err := b.s.StartCall(b.t.Context(), sidetone.Call{ID: id, EnvironmentID: b.env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: "+12025550199", ToNumber: "+12025550142", Created: time.Now(), Snapshot: sidetone.Snapshot{Webhook: &sidetone.Webhook{ID: b.hook.WebhookID}}})
	if err != nil {
		b.t.Fatal(err)
	}
}

// say stores what was said in a call, from a sequence on.
func (b *bench) say(id string, from, n int) {
	b.t.Helper()
	var events []sidetone.Event
	for i := range n {
		events = append(events, sidetone.Event{CallID: id, EnvironmentID: b.env, Sequence: int64(from + i), Kind: sidetone.EventCaller, At: time.Now(), Text: fmt.Sprint("word ", from+i)})
	}
	if err := b.s.Write(b.t.Context(), b.env, func(tx *store.Tx) error { return tx.AppendEvents(events) }); err != nil {
		b.t.Fatal(err)
	}
}

// worker starts one; it is woken by the store. The function that it returns ends it.
func (b *bench) worker(node string, ledger delivery.Ledger, e http.RoundTripper) (stop func()) {
	w := delivery.New(delivery.Config{Node: node, Ledger: ledger, Sweep: b.sweep, Jitter: func() float64 { return 0 }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: func(string) *http.Client { return client(e) }})
	b.s.SetDeliverer(w.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-done
	})
}

func client(e http.RoundTripper) *http.Client {
	return &http.Client{Transport: e, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// deliveries are those of the environment by call and sequence.
func (b *bench) deliveries() []sidetone.Delivery {
	b.t.Helper()
	var out []sidetone.Delivery
	err := b.s.Read(b.t.Context(), b.env, func(tx *store.Tx) error {
		for q := (sidetone.PageQuery{Page: 1, Size: 100}); ; q.Page++ {
			page, err := tx.Deliveries(q)
			out = append(out, page.Items...)
			if err != nil || !page.HasMore {
				return err
			}
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) states() map[sidetone.DeliveryState]int {
	out := map[sidetone.DeliveryState]int{}
	for _, d := range b.deliveries() {
		out[d.State]++
	}
	return out
}

// inBubble runs a test with a store of its own in a bubble of fake time.
func inBubble(t *testing.T, fn func(t *testing.T, b *bench)) {
	t.Helper()
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) { fn(t, newBench(t, storetest.Open(t, url, nil))) })
}

// TestDeliversInOrder sends what calls tell, each call's in its order and once, several
// calls at a time.
func TestDeliversInOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{answer: func(int, request) (*http.Response, error) {
			time.Sleep(100 * time.Millisecond)
			return respond(204, ""), nil
		}}
		defer b.worker("n", b.s, e)()
		for i := range 20 {
			b.begin(fmt.Sprint("call", i))
			b.say(fmt.Sprint("call", i), 1, 5)
		}
		time.Sleep(time.Minute)
		last, got := map[string]int64{}, e.requests()
		for _, r := range got {
			if r.sequence != last[r.callID]+1 {
				t.Errorf("%s: %d follows %d", r.callID, r.sequence, last[r.callID])
			}
			last[r.callID] = r.sequence
		}
		if len(got) != 120 || b.states()[sidetone.DeliveryDone] != 120 || e.atOnce() < 4 || e.atOnce() > 8 {
			t.Errorf("%d requests, at most %d at a time, %v", len(got), e.atOnce(), b.states())
		}
	})
}

// TestDeadEndpoint fails for good: it is tried for 75 hours, then what waits is given up.
func TestDeadEndpoint(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{answer: func(int, request) (*http.Response, error) { return nil, errors.New("connection refused") }}
		b.sweep = time.Minute
		defer b.worker("n", b.s, e)()
		began := time.Now()
		b.begin("call")
		b.say("call", 1, 3)
		time.Sleep(80 * time.Hour)
		got := e.requests()
		first := 0
		for _, r := range got {
			if r.sequence == 1 {
				first++
			}
		}
		if span := got[len(got)-1].at.Sub(began); span < 75*time.Hour || first != 10 {
			t.Errorf("the first message was tried %d times, the last request was after %s", first, span)
		}
		if n := b.states()[sidetone.DeliveryDead]; n != 4 {
			t.Errorf("%d are given up: %v", n, b.states())
		}
	})
}

// TestEndpointComesBack after a day: it is probed rarely and one at a time meanwhile, and
// all is delivered in order soon after.
func TestEndpointComesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		back := time.Now().Add(24 * time.Hour)
		e := &endpoint{answer: func(int, request) (*http.Response, error) {
			if time.Now().Before(back) {
				return respond(503, "come back later"), nil
			}
			return respond(200, ""), nil
		}}
		b.sweep = time.Minute
		defer b.worker("n", b.s, e)()
		for i := range 30 {
			b.begin(fmt.Sprint("call", i))
			b.say(fmt.Sprint("call", i), 1, 3)
		}
		time.Sleep(24*time.Hour - time.Minute)
		if n := len(e.requests()); n > 200 {
			t.Errorf("%d requests in a day of failures", n)
		}
		time.Sleep(20 * time.Minute)
		last := map[string]int64{}
		for _, r := range e.requests() {
			if r.at.Before(back) {
				continue
			}
			if r.sequence != last[r.callID]+1 {
				t.Errorf("%s: %d follows %d", r.callID, r.sequence, last[r.callID])
			}
			last[r.callID] = r.sequence
		}
		if b.states()[sidetone.DeliveryDone] != 120 {
			t.Errorf("after 20 minutes %v", b.states())
		}
	})
}

// TestWhatEndpointsSay: only 2xx is a success, a pause that was asked for is kept, and 410
// ends it.
func TestWhatEndpointsSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  func() (*http.Response, error)
		failure string
		state   sidetone.DeliveryState
		next    time.Duration // until the second request; 0: none within the hour
	}{
		"200":            {func() (*http.Response, error) { return respond(200, "ok"), nil }, "", sidetone.DeliveryDone, 0},
		"299":            {func() (*http.Response, error) { return respond(299, ""), nil }, "", sidetone.DeliveryDone, 0},
		"302":            {func() (*http.Response, error) { return respond(302, "", "Location", "https://other.example/?a=b"), nil }, webhook.FailedRedirect, sidetone.DeliveryWaiting, 5 * time.Second},
		"404":            {func() (*http.Response, error) { return respond(404, ""), nil }, webhook.FailedClient, sidetone.DeliveryWaiting, 5 * time.Second},
		"410":            {func() (*http.Response, error) { return respond(410, ""), nil }, webhook.FailedGone, sidetone.DeliveryDead, 0},
		"429":            {func() (*http.Response, error) { return respond(429, "", "Retry-After", "600"), nil }, webhook.FailedLimited, sidetone.DeliveryWaiting, 10 * time.Minute},
		"500":            {func() (*http.Response, error) { return respond(500, ""), nil }, webhook.FailedServer, sidetone.DeliveryWaiting, 5 * time.Second},
		"no connection":  {func() (*http.Response, error) { return nil, errors.New("refused") }, webhook.FailedConnect, sidetone.DeliveryWaiting, 5 * time.Second},
		"never finishes": {func() (*http.Response, error) { return nil, context.DeadlineExceeded }, webhook.FailedTimeout, sidetone.DeliveryWaiting, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				e := &endpoint{answer: func(int, request) (*http.Response, error) { return c.answer() }}
				defer b.worker("n", b.s, e)()
				b.begin("call")
				time.Sleep(time.Second)
				d := b.deliveries()[0]
				if d.State != c.state || d.Failure != c.failure || d.Attempts != 1 {
					t.Errorf("the delivery is %s, %q after %d attempts", d.State, d.Failure, d.Attempts)
				}
				time.Sleep(time.Hour)
				got := e.requests()
				switch {
				case c.next == 0 && len(got) != 1:
					t.Errorf("%d requests", len(got))
				case c.next > 0 && len(got) < 2:
					t.Errorf("it was not tried again")
				case c.next > 0:
					if wait := got[1].at.Sub(got[0].at); wait < c.next || wait > c.next+2*time.Second {
						t.Errorf("it was tried again after %s, want %s", wait, c.next)
					}
				}
			})
		})
	}
}
