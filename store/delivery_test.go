package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/webhook"
)

// hooked stores a webhook that asks for everything.
func hooked(t testing.TB, s *store.Store, env, id string, subscriptions ...string) sidetone.Endpoint {
	t.Helper()
	h := sidetone.NewWebhook(id, env, day(1))
	if subscriptions == nil {
		subscriptions = sidetone.Subscriptions()
	}
	sidetone.WebhookChange{URL: sidetone.Some("https://hooks.example"), Subscriptions: sidetone.Some(subscriptions)}.Apply(&h, day(1))
	write(t, s, env, func(tx *store.Tx) error { return tx.InsertWebhook(h) })
	return sidetone.Endpoint{EnvironmentID: env, WebhookID: id}
}

// hookedCall is an incoming call whose agent has a webhook.
func hookedCall(env, id, webhookID string) sidetone.Call {
	return sidetone.Call{ID: id, EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: "+12025550199", ToNumber: "+12025550142", AgentNumber: "+12025550142", AgentID: "agent", Created: day(1),
		Snapshot: sidetone.Snapshot{Webhook: &sidetone.Webhook{ID: webhookID}}}
}

// deliveries are all of an environment, oldest first.
func deliveries(t testing.TB, s *store.Store, env string) []sidetone.Delivery {
	t.Helper()
	var out []sidetone.Delivery
	read(t, s, env, func(tx *store.Tx) error {
		page, err := tx.Deliveries(sidetone.PageQuery{Page: 1, Size: 100, SortColumn: "id"})
		out = page.Items
		return err
	})
	slices.SortFunc(out, func(a, b sidetone.Delivery) int {
		return slices.Compare([]string{a.CallID, fmt.Sprintf("%06d", a.Sequence)}, []string{b.CallID, fmt.Sprintf("%06d", b.Sequence)})
	})
	return out
}

// typesOf are the types of what a webhook is told, in order.
func typesOf(all []sidetone.Delivery) []string {
	out := []string{}
	for _, d := range all {
		out = append(out, d.Type)
	}
	return out
}

// TestACallTellsItsWebhook follows a call from its row to its end: what is told is in the
// transaction of what happened, in order, once.
func TestACallTellsItsWebhook(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		hooked(t, s, env, "hook"+env)
		woken := make(chan sidetone.Endpoint, 100)
		s.SetDeliverer(func(all []sidetone.Endpoint) {
			for _, e := range all {
				woken <- e
			}
		})
		c := hookedCall(env, "call"+env, "hook"+env)
		if err := s.StartCall(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := <-woken; got.WebhookID != "hook"+env || got.EnvironmentID != env {
			t.Errorf("woken for %+v", got)
		}
		for range 2 { // it may be repeated
			if _, err := s.MarkCall(t.Context(), env, c.ID, func(c *sidetone.Call) {
				c.Status, c.Stage, c.Started = sidetone.CallInProgress, sidetone.StagePickedUp, day(2)
			}); err != nil {
				t.Fatal(err)
			}
		}
		events := []sidetone.Event{
			{CallID: c.ID, Sequence: 1, Kind: sidetone.EventConnected, At: day(2)},
			{CallID: c.ID, Sequence: 2, Kind: sidetone.EventAgent, At: day(2), Text: "Hello."},
			{CallID: c.ID, Sequence: 3, Kind: sidetone.EventCaller, At: day(2), Text: "Hi!"},
			{CallID: c.ID, Sequence: 4, Kind: sidetone.EventTurn, At: day(2)},
			{CallID: c.ID, Sequence: 5, Kind: sidetone.EventAction, At: day(2), Text: "end_conversation", Data: []byte(`{"said":"done"}`)},
			{CallID: c.ID, Sequence: 6, Kind: sidetone.EventError, At: day(2), Text: "the recogniser failed"},
		}
		for range 2 { // as the scribe does after an outcome that it does not know
			write(t, s, env, func(tx *store.Tx) error { return tx.AppendEvents(events) })
		}
		result := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup",
			Transcript: "[00:00.10] BOT: Hello.", RecordingPath: "/r.wav", Ended: day(2).Add(90 * time.Second)}
		for range 2 {
			if err := s.FinishCall(t.Context(), env, c.ID, result, []sidetone.Event{{CallID: c.ID, Sequence: 7, Kind: sidetone.EventAgent, At: day(2), Text: "Bye."}}); err != nil {
				t.Fatal(err)
			}
		}
		all := deliveries(t, s, env)
		want := []string{sidetone.WebhookStarted, sidetone.WebhookConnected, sidetone.WebhookMessage, sidetone.WebhookMessage, sidetone.WebhookAction,
			sidetone.WebhookError, sidetone.WebhookMessage, sidetone.WebhookTranscript, sidetone.WebhookRecording, sidetone.WebhookEnded}
		if d := cmp.Diff(want, typesOf(all)); d != "" {
			t.Fatal(d)
		}
		for i, d := range all {
			var body struct {
				Type, ID string
				CallID   string `json:"call_id"`
				Sequence int64
				Payload  map[string]any
			}
			if err := json.Unmarshal(d.Body, &body); err != nil || body.Type != d.Type || body.ID != d.ID || body.CallID != c.ID ||
				body.Sequence != int64(i+1) || d.Sequence != body.Sequence || len(body.Payload) == 0 {
				t.Errorf("%d: %v %s", i, err, d.Body)
			}
			if i == 9 && (body.Payload["conversation_minutes"] != 1.5 || body.Payload["end_reason"] != "hangup") {
				t.Errorf("the end is told as %v", body.Payload)
			}
			if i == 8 && body.Payload["recording_url"] != "/v1/calls/recording?id="+c.ID {
				t.Errorf("the recording is told as %v", body.Payload)
			}
		}
	})
}

// TestWhatWasNotAnswered is told as such, also when the row is terminal at once, and what
// nobody asked for is not told at all.
func TestWhatWasNotAnswered(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		hooked(t, s, env, "hook"+env, sidetone.WebhookDidNotConnect, sidetone.WebhookEnded)
		hooked(t, s, env, "none"+env, []string{}...)
		refused := hookedCall(env, "a"+env, "hook"+env)
		refused.Status, refused.EndReason, refused.Ended = sidetone.CallError, "unavailable", day(1)
		lost, quiet, gone := hookedCall(env, "b"+env, "hook"+env), hookedCall(env, "c"+env, "none"+env), hookedCall(env, "d"+env, "deleted")
		for _, c := range []sidetone.Call{refused, lost, quiet, gone} {
			if err := s.StartCall(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if err := s.FinishCall(t.Context(), env, c.ID, sidetone.CallResult{Status: sidetone.CallError, EndReason: "busy", Ended: day(2)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]string{sidetone.WebhookDidNotConnect, sidetone.WebhookDidNotConnect}, typesOf(deliveries(t, s, env))); d != "" {
			t.Error(d)
		}
	})
}

// TestWhatIsRolledBackIsNotTold: a transaction that fails queues nothing and wakes nobody.
func TestWhatIsRolledBackIsNotTold(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		hooked(t, s, env, "hook"+env)
		s.SetDeliverer(func(all []sidetone.Endpoint) { t.Errorf("woken for %v", all) })
		fault := errors.New("fault")
		err := s.Write(t.Context(), env, func(tx *store.Tx) error {
			if err := tx.InsertCall(hookedCall(env, "call"+env, "hook"+env)); err != nil {
				return err
			}
			return fault
		})
		if !errors.Is(err, fault) || len(deliveries(t, s, env)) != 0 {
			t.Errorf("%v, and %v is told", err, typesOf(deliveries(t, s, env)))
		}
	})
}

// TestTellingAtTheSameTime lets transactions tell a call's webhook something at the same
// time: none fails, and the sequence has no gap.
func TestTellingAtTheSameTime(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		hooked(t, s, env, "hook"+env)
		c := hookedCall(env, "call"+env, "hook"+env)
		if err := s.StartCall(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				e := sidetone.Event{CallID: c.ID, EnvironmentID: env, Sequence: int64(i + 1), Kind: sidetone.EventCaller, At: day(2), Text: "Hm."}
				for range 10 {
					err := s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.AppendEvents([]sidetone.Event{e}) })
					if err == nil {
						return
					}
					if sidetone.CodeOf(err) != sidetone.Conflict { // it was told to start again too often
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		all := deliveries(t, s, env)
		for i, d := range all {
			if d.Sequence != int64(i+1) {
				t.Errorf("%d has the sequence %d", i, d.Sequence)
			}
		}
		if len(all) != 7 {
			t.Errorf("%d are told", len(all))
		}
	})
}

// due are the ids of what may be sent.
func due(t testing.TB, s *store.Store, e sidetone.Endpoint) []sidetone.Delivery {
	t.Helper()
	out, err := s.DueDeliveries(t.Context(), e, 100)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// settle stores the outcome of a request.
func settle(t testing.TB, s *store.Store, e sidetone.Endpoint, l store.EndpointLease, d sidetone.Delivery, o webhook.Outcome) bool {
	t.Helper()
	l.Health = webhook.Health(l.Health, o)
	held, err := s.SettleDeliveries(t.Context(), e, l, []store.Sent{{Delivery: webhook.After(d, o), Attempt: sidetone.DeliveryAttempt{At: o.At, Status: 200, Failure: o.Failure}}})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func lease(t testing.TB, s *store.Store, e sidetone.Endpoint, node string) store.EndpointLease {
	t.Helper()
	l, err := s.LeaseEndpoint(t.Context(), e, node, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOneNodeSends: of two nodes one has a webhook, until it gives it back, or its lease
// runs out; then what the first one reports does not count twice.
func TestOneNodeSends(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := time.Now()
		s := storetest.Open(t, url, func() time.Time { return now })
		env := account(t, s)
		e := hooked(t, s, env, "hook"+env)
		for _, id := range []string{"a", "b"} {
			if err := s.StartCall(t.Context(), hookedCall(env, id+env, e.WebhookID)); err != nil {
				t.Fatal(err)
			}
		}
		waiting, err := s.WaitingEndpoints(t.Context())
		if err != nil || !slices.Contains(waiting, e) {
			t.Fatalf("%v waits: %v", waiting, err)
		}
		first := lease(t, s, e, "one")
		if first.Webhook.Secret == "" || first.Fence != 1 {
			t.Errorf("leased %+v", first)
		}
		_, err = s.LeaseEndpoint(t.Context(), e, "two", time.Minute)
		wantCode(t, err, sidetone.Conflict, "another node sends to the webhook")
		if waiting, err := s.WaitingEndpoints(t.Context()); err != nil || slices.Contains(waiting, e) {
			t.Errorf("%v waits although a node sends: %v", waiting, err)
		}
		heads := due(t, s, e)
		now = now.Add(2 * time.Minute) // its node was stopped for so long
		second := lease(t, s, e, "two")
		if !settle(t, s, e, second, heads[0], webhook.Outcome{At: now}) {
			t.Error("the node that has the lease lost it")
		}
		if settle(t, s, e, first, heads[0], webhook.Outcome{At: now, Failure: webhook.FailedServer}) {
			t.Error("the node whose lease ran out still has it")
		}
		if got := deliveries(t, s, env)[0]; got.State != sidetone.DeliveryDone || got.Attempts != 1 || got.Failure != "" {
			t.Errorf("the delivery is %+v", got)
		}
		if err := s.ReleaseEndpointsOf(t.Context(), "two"); err != nil {
			t.Fatal(err)
		}
		lease(t, s, e, "three")
	})
}

// TestOrderOfACall: only the first of a call's messages that waits is due, also while it
// waits for its next attempt; another call's is not held up.
func TestOrderOfACall(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		e := hooked(t, s, env, "hook"+env)
		for _, id := range []string{"a", "b"} {
			c := hookedCall(env, id+env, e.WebhookID)
			if err := s.StartCall(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if err := s.FinishCall(t.Context(), env, c.ID, sidetone.CallResult{Status: sidetone.CallError, EndReason: "busy", Ended: day(2)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		heads := due(t, s, e)
		if len(heads) != 2 || heads[0].Sequence != 1 || heads[1].Sequence != 1 {
			t.Fatalf("%+v are due", heads)
		}
		l, at := lease(t, s, e, "node"), time.Now()
		settle(t, s, e, l, heads[0], webhook.Outcome{At: at, Failure: webhook.FailedServer})
		settle(t, s, e, l, heads[1], webhook.Outcome{At: at})
		if got := due(t, s, e); len(got) != 1 || got[0].CallID != heads[1].CallID || got[0].Sequence != 2 {
			t.Errorf("%+v are due", got)
		}
	})
}

// TestAnEndpointThatIsBack hurries what waits; one that is gone is switched off, and what
// waits for it is given up; one that is switched on again starts anew.
func TestAnEndpointThatIsBack(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		e := hooked(t, s, env, "hook"+env)
		for i := range 4 {
			if err := s.StartCall(t.Context(), hookedCall(env, fmt.Sprint(i)+env, e.WebhookID)); err != nil {
				t.Fatal(err)
			}
		}
		heads, l, at := due(t, s, e), lease(t, s, e, "node"), time.Now()
		l.Health.Failures, l.Health.FailingSince = 7, at.Add(-time.Hour)
		settle(t, s, e, l, heads[0], webhook.Outcome{At: at, Failure: webhook.FailedTimeout})
		if len(due(t, s, e)) != 0 {
			t.Fatal("an endpoint that is left alone is sent to")
		}
		l.Health = sidetone.EndpointHealth{}
		settle(t, s, e, l, heads[1], webhook.Outcome{At: at})
		if got := due(t, s, e); len(got) != 3 {
			t.Errorf("%d are due after the endpoint came back", len(got))
		}
		settle(t, s, e, l, due(t, s, e)[0], webhook.Outcome{At: at, Failure: webhook.FailedGone})
		var h sidetone.Webhook
		read(t, s, env, func(tx *store.Tx) (err error) { h, err = tx.Webhook(e.WebhookID); return err })
		if !h.Inactive || h.InactiveReason != sidetone.WebhookGone || len(due(t, s, e)) != 0 {
			t.Errorf("after a 410 the webhook is %+v", h)
		}
		dead := 0
		for _, d := range deliveries(t, s, env) {
			if d.State == sidetone.DeliveryDead {
				dead++
			}
		}
		if dead != 3 {
			t.Errorf("%d are given up", dead)
		}
		if err := s.StartCall(t.Context(), hookedCall(env, "later"+env, e.WebhookID)); err != nil || len(due(t, s, e)) != 0 {
			t.Errorf("a webhook that is off is told something: %v", err)
		}
		write(t, s, env, func(tx *store.Tx) error {
			sidetone.WebhookChange{Active: sidetone.Some(true)}.Apply(&h, day(3))
			return tx.UpdateWebhook(h)
		})
		write(t, s, env, func(tx *store.Tx) error {
			n, more, err := tx.Replay([]sidetone.Filter{{Column: "state", Op: "eq", Values: []any{"dead"}}})
			if n != 3 || more {
				t.Errorf("replayed %d, more %v", n, more)
			}
			return err
		})
		if got := due(t, s, e); len(got) != 3 || got[0].Attempts != 0 {
			t.Errorf("%+v are due after a replay", got)
		}
		settle(t, s, e, l, due(t, s, e)[0], webhook.Outcome{At: time.Now(), Failure: webhook.FailedServer, RetryAfter: time.Hour})
		if len(due(t, s, e)) != 0 {
			t.Fatal("an endpoint that asked for a pause is sent to")
		}
		write(t, s, env, func(tx *store.Tx) error {
			n, _, err := tx.Replay([]sidetone.Filter{{Column: "webhook", Op: "eq", Values: []any{e.WebhookID}}})
			if n != 2 { // one waits for its time, one was delivered
				t.Errorf("replayed %d", n)
			}
			return err
		})
		if got := due(t, s, e); len(got) != 4 {
			t.Errorf("%d are due after a replay of what waits", len(got))
		}
		write(t, s, env, func(tx *store.Tx) error { return tx.DeleteWebhook(e.WebhookID) })
		if len(due(t, s, e)) != 0 {
			t.Error("a deleted webhook is sent to")
		}
	})
}

// TestHopelessEndpoint: what waited for 75 hours for an endpoint that took nothing is given
// up without an attempt of its own; what waits for a shorter time stays.
func TestHopelessEndpoint(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := time.Now()
		s := storetest.Open(t, url, func() time.Time { return now })
		env := account(t, s)
		e := hooked(t, s, env, "hook"+env)
		start := func(id string) {
			t.Helper()
			if err := s.StartCall(t.Context(), hookedCall(env, id+env, e.WebhookID)); err != nil {
				t.Fatal(err)
			}
		}
		start("a")
		start("b")
		now = now.Add(76 * time.Hour)
		start("c")
		heads, l := due(t, s, e), lease(t, s, e, "node")
		l.Health.Failures, l.Health.FailingSince = 30, now.Add(-76*time.Hour)
		settle(t, s, e, l, heads[0], webhook.Outcome{At: now, Failure: webhook.FailedConnect})
		got := map[string]string{}
		for _, d := range deliveries(t, s, env) {
			got[d.CallID[:1]] = string(d.State) + " " + d.Failure
		}
		if d := cmp.Diff(map[string]string{"a": "dead connection", "b": "dead expired", "c": "waiting "}, got); d != "" {
			t.Error(d)
		}
	})
}

// TestDeliveriesBelongToTheirEnvironment: with the same ids in mind, another environment
// finds, leases, replays and settles nothing.
func TestDeliveriesBelongToTheirEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		e := hooked(t, s, env, "hook"+env)
		if err := s.StartCall(t.Context(), hookedCall(env, "a"+env, e.WebhookID)); err != nil {
			t.Fatal(err)
		}
		if err := s.StartCall(t.Context(), hookedCall(other, "a"+other, e.WebhookID)); err != nil { // names another's webhook
			t.Fatal(err)
		}
		theirs := sidetone.Endpoint{EnvironmentID: other, WebhookID: e.WebhookID}
		if len(due(t, s, theirs)) != 0 || len(deliveries(t, s, other)) != 0 {
			t.Error("another environment sees deliveries")
		}
		_, err := s.LeaseEndpoint(t.Context(), theirs, "node", time.Minute)
		wantCode(t, err, sidetone.NotFound, "webhook not found")
		head := due(t, s, e)[0]
		l := lease(t, s, e, "node")
		if settle(t, s, theirs, l, head, webhook.Outcome{At: time.Now()}) {
			t.Error("another environment holds the lease")
		}
		write(t, s, other, func(tx *store.Tx) error {
			if n, _, err := tx.Replay(nil); n != 0 || err != nil {
				t.Errorf("another environment replayed %d: %v", n, err)
			}
			if _, err := tx.Delivery(head.ID); sidetone.CodeOf(err) != sidetone.NotFound {
				t.Errorf("another environment reads a delivery: %v", err)
			}
			return nil
		})
		if got := deliveries(t, s, env)[0]; got.State != sidetone.DeliveryWaiting || got.Attempts != 0 {
			t.Errorf("another environment changed %+v", got)
		}
	})
}

// TestDeliveriesAreForgotten after 30 days, unless they wait.
func TestDeliveriesAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := time.Now()
		s := storetest.Open(t, url, func() time.Time { return now })
		env := account(t, s)
		e := hooked(t, s, env, "hook"+env)
		for _, id := range []string{"a", "b"} {
			if err := s.StartCall(t.Context(), hookedCall(env, id+env, e.WebhookID)); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, s, e, lease(t, s, e, "node"), due(t, s, e)[0], webhook.Outcome{At: now})
		attempts := func() (n int) {
			read(t, s, env, func(tx *store.Tx) error {
				all, err := tx.Deliveries(sidetone.PageQuery{Page: 1, Size: 10})
				for _, d := range all.Items {
					found, err := tx.DeliveryAttempts(d.ID)
					if n += len(found); err != nil {
						return err
					}
				}
				return err
			})
			return n
		}
		for _, step := range []struct {
			later          time.Duration
			kept, attempts int
		}{{29 * 24 * time.Hour, 2, 1}, {2 * 24 * time.Hour, 1, 0}} {
			now = now.Add(step.later)
			if err := s.Tidy(context.Background()); err != nil {
				t.Fatal(err)
			}
			if kept, tries := len(deliveries(t, s, env)), attempts(); kept != step.kept || tries != step.attempts {
				t.Errorf("%d deliveries and %d attempts are kept, want %d and %d", kept, tries, step.kept, step.attempts)
			}
		}
	})
}

// TestShapedWebhook: a webhook in another product's shape is told what that product has, in
// its words, once, and the sequence has no gap.
func TestShapedWebhook(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		for shape, want := range map[string][]string{
			sidetone.ShapeVapi: {sidetone.WebhookEnded}, sidetone.ShapeRetell: {sidetone.WebhookConnected, sidetone.WebhookEnded},
		} {
			id := shape + env
			hooked(t, s, env, id)
			write(t, s, env, func(tx *store.Tx) error {
				h, err := tx.Webhook(id)
				if err != nil {
					return err
				}
				h.Shape = shape
				return tx.UpdateWebhook(h)
			})
			c := hookedCall(env, "call"+id, id)
			if err := s.StartCall(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if _, err := s.MarkCall(t.Context(), env, c.ID, func(c *sidetone.Call) { c.Status, c.Started = sidetone.CallInProgress, day(2) }); err != nil {
				t.Fatal(err)
			}
			events := []sidetone.Event{{CallID: c.ID, Sequence: 1, Kind: sidetone.EventAgent, At: day(2), Text: "Hello."}}
			if err := s.FinishCall(t.Context(), env, c.ID, sidetone.CallResult{Status: sidetone.CallEnded, EndReason: "hangup", Transcript: "x", Ended: day(3)}, events); err != nil {
				t.Fatal(err)
			}
			var got []sidetone.Delivery
			for _, d := range deliveries(t, s, env) {
				if d.WebhookID == id {
					got = append(got, d)
				}
			}
			if d := cmp.Diff(want, typesOf(got)); d != "" {
				t.Fatalf("%s: %s", shape, d)
			}
			last := got[len(got)-1]
			if last.Sequence != int64(len(want)) || !strings.Contains(string(last.Body), "Hello.") {
				t.Errorf("%s: the last is %d: %s", shape, last.Sequence, last.Body)
			}
		}
	})
}
