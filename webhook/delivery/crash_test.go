package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/webhook"
	"github.com/sidetone/sidetone/webhook/delivery"
)

// crashing is a ledger, and an endpoint, of a process that dies at a step: from then on
// nothing of it reaches the store or the network.
type crashing struct {
	*store.Store
	endpoint http.RoundTripper
	steps    atomic.Int64
	at       int64
	dead     chan struct{}
	once     sync.Once
}

var errDead = errors.New("the process is dead")

func (c *crashing) step() error {
	if c.steps.Add(1) >= c.at {
		c.once.Do(func() { close(c.dead) })
		return errDead
	}
	return nil
}

// around runs do between two steps.
func (c *crashing) around(do func() error) error {
	if err := c.step(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return c.step()
}

func (c *crashing) DueDeliveries(ctx context.Context, e sidetone.Endpoint, n int) (out []sidetone.Delivery, err error) {
	err = c.around(func() error { out, err = c.Store.DueDeliveries(ctx, e, n); return err })
	return out, err
}

func (c *crashing) LeaseEndpoint(ctx context.Context, e sidetone.Endpoint, node string, d time.Duration) (out store.EndpointLease, err error) {
	err = c.around(func() error { out, err = c.Store.LeaseEndpoint(ctx, e, node, d); return err })
	return out, err
}

func (c *crashing) SettleDeliveries(ctx context.Context, e sidetone.Endpoint, l store.EndpointLease, sent []store.Sent) (held bool, err error) {
	err = c.around(func() error { held, err = c.Store.SettleDeliveries(ctx, e, l, sent); return err })
	return held, err
}

func (c *crashing) ReleaseEndpoint(ctx context.Context, e sidetone.Endpoint, fence int64) error {
	return c.around(func() error { return c.Store.ReleaseEndpoint(ctx, e, fence) })
}

func (c *crashing) RoundTrip(r *http.Request) (out *http.Response, err error) {
	if err := c.around(func() error { out, err = c.endpoint.RoundTrip(r); return err }); err != nil {
		return nil, err
	}
	return out, nil
}

// TestCrashPoints ends a process at each of its steps, before and after every use of the
// store and of the network, and lets the next one go on: everything arrives, in order, with
// the same webhook-id, and what was stored as delivered is not sent again.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	points := 0
	for at := int64(1); ; at++ {
		finished := false
		inBubble(t, func(t *testing.T, b *bench) {
			e := &endpoint{}
			c := &crashing{Store: b.s, endpoint: e, at: at, dead: make(chan struct{})}
			stop := b.worker("first", c, c)
			for i := range 4 {
				b.begin(fmt.Sprint("call", i))
				b.say(fmt.Sprint("call", i), 1, 2)
			}
			time.Sleep(time.Second)
			select {
			case <-c.dead:
			default:
				finished = true
			}
			stop()
			done := map[string]bool{}
			for _, d := range b.deliveries() {
				done[d.ID] = d.State == sidetone.DeliveryDone
			}
			before := len(e.requests())
			if err := b.s.ReleaseEndpointsOf(t.Context(), "first"); err != nil {
				t.Fatal(err)
			}
			defer b.worker("second", b.s, e)()
			time.Sleep(time.Second)
			b.complete(e, 12)
			for _, r := range e.requests()[before:] {
				if done[r.id] {
					t.Errorf("crash at step %d: %s was stored as delivered and is sent again", at, r.id)
				}
			}
		})
		if finished {
			break
		}
		points++
	}
	if points < 40 {
		t.Errorf("only %d points were tried", points)
	}
	t.Logf("%d points", points)
}

// complete checks that n messages arrived, each call's first ones in order, and that each
// has one webhook-id and one body.
func (b *bench) complete(e *endpoint, n int) {
	b.t.Helper()
	ids, bodies, last := map[string]string{}, map[string]string{}, map[string]int64{}
	for _, r := range e.requests() {
		key := fmt.Sprint(r.callID, " ", r.sequence)
		if ids[key] == "" {
			if r.sequence != last[r.callID]+1 {
				b.t.Errorf("%s: %d follows %d", r.callID, r.sequence, last[r.callID])
			}
			last[r.callID] = r.sequence
			ids[key], bodies[key] = r.id, r.body
		}
		if ids[key] != r.id || bodies[key] != r.body {
			b.t.Errorf("%s came with another webhook-id or body", key)
		}
	}
	if len(ids) != n || b.states()[sidetone.DeliveryDone] != n {
		b.t.Errorf("%d of %d messages arrived: %v", len(ids), n, b.states())
	}
}

// TestStoreFailsForAWhile: outcomes that could not be stored at once are stored later; what
// was delivered is not sent again within the lease.
func TestStoreFailsForAWhile(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{}
		defer b.worker("n", &failing{Store: b.s, until: time.Now().Add(20 * time.Second)}, e)()
		b.begin("call")
		b.say("call", 1, 2)
		time.Sleep(time.Minute)
		b.complete(e, 3)
		if n := len(e.requests()); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}

// failing is a ledger that stores no outcome until a time.
type failing struct {
	*store.Store
	until time.Time
}

func (f *failing) SettleDeliveries(ctx context.Context, e sidetone.Endpoint, l store.EndpointLease, sent []store.Sent) (bool, error) {
	if time.Now().Before(f.until) {
		return false, errors.New("the disk is full")
	}
	return f.Store.SettleDeliveries(ctx, e, l, sent)
}

// TestTwoNodes send to one webhook from one Postgres: nothing twice.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		e := &endpoint{}
		stops := []func(){b.worker("one", s, e), b.worker("two", s, e)}
		for i := range 20 {
			b.begin(fmt.Sprint("call", i, b.env))
			b.say(fmt.Sprint("call", i, b.env), 1, 4)
		}
		deadline := time.After(30 * time.Second)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for b.states()[sidetone.DeliveryDone] < 100 {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("after 30 s %v", b.states())
			}
		}
		for _, stop := range stops {
			stop()
		}
		b.complete(e, 100)
		if n := len(e.requests()); n != 100 {
			t.Errorf("%d requests for 100 messages", n)
		}
	})
}

// TestSignatures: the reference library takes what is sent, during a rotation with both
// secrets, and the log shows none of it.
func TestSignatures(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{answer: func(_ int, r request) (*http.Response, error) { // repeats what proves who sent it
			return respond(500, r.header.Get("webhook-signature")+" "+r.header.Get("x-vocode-signature"), "Set-Cookie", "session=canary-cookie", "Location", "https://x.example/?key=canary-location"), nil
		}}
		var secrets []string
		err := b.s.Write(t.Context(), b.env, func(tx *store.Tx) error {
			h, err := tx.Webhook(b.hook.WebhookID)
			if err != nil {
				return err
			}
			h.RotateSecret(sidetone.NewWebhookSecret(), time.Hour, time.Now())
			secrets = nil
			for _, s := range h.Secrets(time.Now()) {
				secrets = append(secrets, s.Reveal())
			}
			return tx.UpdateWebhook(h)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.worker("n", b.s, e)()
		b.begin("call")
		time.Sleep(2 * time.Second)
		sent := e.requests()[0]
		for i, secret := range secrets {
			r, err := reference.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			// The reference has the machine's clock only.
			if err := r.VerifyIgnoringTimestamp([]byte(sent.body), sent.header); err != nil {
				t.Errorf("secret %d: %v", i, err)
			}
			if err := webhook.Verify(sent.header, []byte(sent.body), sidetone.Secret(secret), time.Now()); err != nil {
				t.Errorf("secret %d: %v", i, err)
			}
		}
		d := b.deliveries()[0]
		var attempts []sidetone.DeliveryAttempt
		if err := b.s.Read(t.Context(), b.env, func(tx *store.Tx) (err error) { attempts, err = tx.DeliveryAttempts(d.ID); return err }); err != nil {
			t.Fatal(err)
		}
		log := fmt.Sprintf("%+v", attempts)
		hidden := append([]string{"canary-token", "canary-cookie", "canary-location", sent.header.Get("x-vocode-signature")}, secrets...)
		for one := range strings.FieldsSeq(sent.header.Get("webhook-signature")) {
			hidden = append(hidden, strings.TrimPrefix(one, "v1,"))
		}
		for _, secret := range hidden {
			if strings.Contains(log, secret) {
				t.Errorf("the log shows %q", secret)
			}
		}
		if len(attempts) == 0 || attempts[0].RequestHeaders["Webhook-Id"] != d.ID || attempts[0].Status != 500 {
			t.Errorf("the log is %s", log)
		}
	})
}

// TestSlowAndLargeResponses: an endpoint that never answers, one that never finishes, and
// one that sends without end cost a bounded time and a bounded log.
func TestSlowAndLargeResponses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body    io.Reader
		failure string
	}{
		"slow":    {slowly{}, webhook.FailedTimeout},
		"endless": {endless{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				defer b.worker("n", b.s, transport(func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: io.NopCloser(until{r.Context(), c.body})}, nil
				}))()
				b.begin("call")
				time.Sleep(18 * time.Second)
				var attempts []sidetone.DeliveryAttempt
				d := b.deliveries()[0]
				if err := b.s.Read(t.Context(), b.env, func(tx *store.Tx) (err error) { attempts, err = tx.DeliveryAttempts(d.ID); return err }); err != nil {
					t.Fatal(err)
				}
				if len(attempts) != 1 || attempts[0].Failure != c.failure || len(attempts[0].Response) > 4<<10 {
					t.Errorf("%d requests: %+v", len(attempts), attempts)
				}
			})
		})
	}
	inBubble(t, func(t *testing.T, b *bench) {
		defer b.worker("n", b.s, transport(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }))()
		b.begin("call")
		time.Sleep(16 * time.Second)
		if d := b.deliveries()[0]; d.Failure != webhook.FailedTimeout {
			t.Errorf("an endpoint that never answers: %+v", d)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// until reads until a context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	return u.r.Read(p)
}

// slowly gives a byte a second, endless as many as are wanted.
type slowly struct{}

func (slowly) Read(p []byte) (int, error) { time.Sleep(time.Second); p[0] = 'x'; return 1, nil }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

// TestGuard lets nothing out to addresses that are not public, however they are written,
// follows no redirect to one, and says so in the log.
func TestGuard(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	g, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	w := delivery.New(delivery.Config{Client: g.Client, Log: slog.New(slog.DiscardHandler)})
	hosts := []string{"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]", "224.0.0.1", "255.255.255.255"}
	for _, host := range hosts {
		h := sidetone.NewWebhook("h", "e", time.Now())
		h.URL, h.Secret = "http://"+host+":"+port+"/", sidetone.NewWebhookSecret()
		if a := w.Try(t.Context(), h); a.Failure != webhook.FailedRefused || a.Error == "" {
			t.Errorf("%s: %+v", host, a)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests came in", n)
	}
	open, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	redirects := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	defer redirects.Close()
	h := sidetone.NewWebhook("h", "e", time.Now())
	h.URL, h.Secret = redirects.URL, sidetone.NewWebhookSecret()
	if a := delivery.New(delivery.Config{Client: open.Client, Log: slog.New(slog.DiscardHandler)}).Try(t.Context(), h); a.Failure != webhook.FailedRedirect || asked.Load() != 0 {
		t.Errorf("a redirect: %+v, followed %d times", a, asked.Load())
	}
}

// TestFlush waits for what can be sent now, and not for a dead endpoint.
func TestFlush(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, storetest.Open(t, url, nil))
		e := &endpoint{answer: func(int, request) (*http.Response, error) {
			time.Sleep(300 * time.Millisecond)
			return respond(200, ""), nil
		}}
		w := delivery.New(delivery.Config{Node: "n", Ledger: b.s, Log: slog.New(slog.DiscardHandler), Client: func(string) *http.Client { return client(e) }})
		b.s.SetDeliverer(w.Wake)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		b.begin("call")
		b.say("call", 1, 2)
		w.Flush(t.Context())
		cancel()
		<-done
		b.complete(e, 3)
	})
}

// TestManyWebhooks: more webhooks than are sent to at a time all have their turn.
func TestManyWebhooks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{answer: func(int, request) (*http.Response, error) { time.Sleep(time.Second); return respond(200, ""), nil }}
		var hooks []sidetone.Endpoint
		for i := range 100 {
			hooks = append(hooks, b.webhook(fmt.Sprint("hook", i)))
		}
		defer b.worker("n", b.s, e)()
		for i, h := range hooks {
			b.hook = h
			b.begin(fmt.Sprint("call", i))
		}
		time.Sleep(5 * time.Second)
		if n := b.states()[sidetone.DeliveryDone]; n != 100 || e.atOnce() > 64 || !slices.Contains(hooks, b.hook) {
			t.Errorf("%d are delivered, %d at a time", n, e.atOnce())
		}
	})
}

// TestPanic: a message whose request panics fails, and the others arrive.
func TestPanic(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := &endpoint{}
		defer b.worker("n", b.s, transport(func(r *http.Request) (*http.Response, error) {
			out, err := e.RoundTrip(r)
			if all := e.requests(); all[len(all)-1].callID == "poison" {
				panic("poison")
			}
			return out, err
		}))()
		b.begin("poison")
		b.begin("call")
		time.Sleep(time.Second)
		if got := b.states(); got[sidetone.DeliveryDone] != 1 || got[sidetone.DeliveryWaiting] != 1 {
			t.Errorf("%v", got)
		}
	})
}
