package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/webhook"
)

// told is a message that a receiver took.
type told struct {
	kind, call string
	verified   error
}

// receiving is a receiver of webhooks on this machine.
func receiving(t *testing.T, secret sidetone.Secret) (address string, got <-chan told) {
	t.Helper()
	out := make(chan told, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent struct {
			Type   string
			CallID string `json:"call_id"`
		}
		if err == nil {
			err = json.Unmarshal(body, &sent)
		}
		if err == nil {
			err = webhook.Verify(r.Header, body, secret, time.Now())
		}
		out <- told{sent.Type, sent.CallID, err}
	}))
	t.Cleanup(s.Close)
	return s.URL, out
}

// TestWebhooksAreToldAfterACrash: the process that ran a call died while it held the
// webhook; the next one tells at once what was queued before, and how the call ended.
func TestWebhooksAreToldAfterACrash(t *testing.T) {
	t.Parallel()
	c, secret := testConfig(t), sidetone.NewWebhookSecret()
	c.Outbound.Allow = []string{"127.0.0.1"}
	address, got := receiving(t, secret)
	run(t, c).end() // makes the master key
	key := sidetone.NewKey()
	err := WithStore(t.Context(), c, func(s *store.Store) error {
		e, err := s.CreateAccount(t.Context(), "a", "e")
		if err != nil {
			return err
		}
		now := time.Now()
		if err := insertKey(t.Context(), s, e.ID, "k", key, now); err != nil {
			return err
		}
		h := sidetone.NewWebhook("hook", e.ID, now)
		sidetone.WebhookChange{URL: sidetone.Some(address), Secret: sidetone.Some(secret), Subscriptions: sidetone.Some(sidetone.Subscriptions())}.Apply(&h, now)
		if err := s.Write(t.Context(), e.ID, func(tx *store.Tx) error { return tx.InsertWebhook(h) }); err != nil {
			return err
		}
		err = s.StartCall(t.Context(), sidetone.Call{ID: "call", EnvironmentID: e.ID, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, FromNumber: "+12025550199",
			ToNumber: "+14155550100", Created: now, Started: now, Node: "dead", Lease: now.Add(10 * time.Second), Snapshot: sidetone.Snapshot{Webhook: &h}})
		if err != nil {
			return err
		}
		_, err = s.LeaseEndpoint(t.Context(), sidetone.Endpoint{EnvironmentID: e.ID, WebhookID: h.ID}, "dead", time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	died := &server{config: c, node: "dead"}
	if err := died.signNode(died.node); err != nil {
		t.Fatal(err)
	}
	r := run(t, c)
	for _, want := range []string{sidetone.WebhookStarted, sidetone.WebhookConnected, sidetone.WebhookEnded} {
		select {
		case one := <-got:
			if one.kind != want || one.call != "call" || one.verified != nil {
				t.Errorf("told %+v, want %s", one, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s was not told\n%s", want, r.log)
		}
	}
	api := r.client(key.Reveal())
	made, err := api.Webhooks().Create(t.Context(), client.Webhook{URL: address, Subscriptions: []string{sidetone.WebhookError}})
	if err != nil || made.Test == nil || !made.Test.Delivered || made.Test.StatusCode != 200 {
		t.Errorf("made %+v: %v", made.Test, err)
	}
	if one := <-got; one.kind != webhook.Test {
		t.Errorf("told %+v", one)
	}
	figures, err := api.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`sidetone_webhook_requests_total{outcome="delivered"} 3`, "sidetone_webhook_deliveries_waiting 0", "sidetone_webhook_oldest_waiting_seconds 0"} {
		if !strings.Contains(string(figures), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// TestWebhooksStayWithinTheGuard: a webhook that leads to this machine is made, and nothing
// is sent there unless the operator allows it.
func TestWebhooksStayWithinTheGuard(t *testing.T) {
	t.Parallel()
	address, got := receiving(t, sidetone.NewWebhookSecret())
	r := run(t, testConfig(t))
	made, err := r.client(r.ready.APIKey).Webhooks().Create(t.Context(), client.Webhook{URL: address, Subscriptions: []string{sidetone.WebhookError}})
	if err != nil || made.Test == nil || made.Test.Failure != webhook.FailedRefused || !strings.Contains(made.Test.Error, "outbound.allow") {
		t.Errorf("made %+v: %v", made.Test, err)
	}
	if len(got) > 0 {
		t.Error("something was sent")
	}
}
