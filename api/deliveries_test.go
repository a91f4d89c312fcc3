package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// delivery stores a call of an environment whose webhook was told that it begins, and took
// it.
func (b *bench) delivery(env string) sidetone.Delivery {
	b.t.Helper()
	ids := sidetone.NewIDs(time.Now)
	h := sidetone.NewWebhook(ids.New(), env, time.Now())
	sidetone.WebhookChange{URL: sidetone.Some("https://hook.example/in"), Subscriptions: sidetone.Some([]string{sidetone.WebhookStarted})}.Apply(&h, time.Now())
	if err := b.store.Write(b.t.Context(), env, func(tx *store.Tx) error { return tx.InsertWebhook(h) }); err != nil {
		b.t.Fatal(err)
	}
	err := b.store.StartCall(b.t.Context(), sidetone.Call{ID: ids.New(), EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: "+12025550199", ToNumber: "+12025550142", Created: time.Now(), Snapshot: sidetone.Snapshot{Webhook: &h}})
	if err != nil {
		b.t.Fatal(err)
	}
	e := sidetone.Endpoint{EnvironmentID: env, WebhookID: h.ID}
	due, err := b.store.DueDeliveries(b.t.Context(), e, 1)
	if err != nil || len(due) != 1 {
		b.t.Fatalf("%d deliveries are due: %v", len(due), err)
	}
	l, err := b.store.LeaseEndpoint(b.t.Context(), e, "node", time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	d := due[0]
	d.State, d.Attempts, d.Settled = sidetone.DeliveryDone, 1, time.Now()
	attempt := sidetone.DeliveryAttempt{At: time.Now(), URL: h.URL, Status: 204, RequestHeaders: map[string]string{"Webhook-Id": d.ID}}
	if _, err := b.store.SettleDeliveries(b.t.Context(), e, l, []store.Sent{{Delivery: d, Attempt: attempt}}); err != nil {
		b.t.Fatal(err)
	}
	return d
}

// TestReplay queues deliveries again by each thing that selects them.
func TestReplay(t *testing.T) {
	both(t, func(b *bench) {
		d := b.delivery(b.env.ID)
		shown := b.do("GET /v1/webhook_deliveries?id="+d.ID, "").want(200)
		if shown.text("state") != "delivered" || shown.text("body.id") != d.ID || len(shown.at("requests").([]any)) != 1 {
			t.Errorf("a delivery is shown as %s", shown.raw)
		}
		settle := func() { // as if it had been delivered
			t.Helper()
			err := b.store.Write(t.Context(), b.env.ID, func(tx *store.Tx) error {
				h, err := tx.Webhook(d.WebhookID)
				if err != nil {
					return err
				}
				h.Inactive = true
				if err := tx.UpdateWebhook(h); err != nil {
					return err
				}
				h.Version, h.Inactive = h.Version+1, false
				return tx.UpdateWebhook(h)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		hour := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		if again := b.do("POST /v1/webhook_deliveries/replay", `{"state":"delivered"}`).want(201); again.at("replayed") != 1.0 {
			t.Errorf("what was delivered is not sent again: %s", again.raw)
		}
		for body, want := range map[string]float64{
			`{"id":"` + d.ID + `"}`: 1, `{"webhook":"` + d.WebhookID + `"}`: 1, `{"call_id":"` + d.CallID + `"}`: 1,
			`{"state":"dead"}`: 1, `{"state":"delivered"}`: 0, `{"state":"waiting"}`: 0, `{"type":"event_phone_call_started"}`: 1, `{"type":"event_error"}`: 0,
			`{"since":"` + hour(-time.Hour) + `"}`: 1, `{"since":"` + hour(time.Hour) + `"}`: 0,
			`{"until":"` + hour(time.Hour) + `"}`: 1, `{"until":"` + hour(-time.Hour) + `"}`: 0,
			`{"id":"` + d.ID + `","state":"delivered"}`: 0,
		} {
			settle()
			got := b.do("POST /v1/webhook_deliveries/replay", body).want(201)
			if got.at("replayed") != want || got.at("more") != false {
				t.Errorf("%s: %s", body, got.raw)
			}
			if again := b.do("POST /v1/webhook_deliveries/replay", body).want(201); again.at("replayed") != 0.0 {
				t.Errorf("%s queues what waits: %s", body, again.raw)
			}
		}
		b.do("POST /v1/webhook_deliveries/replay", `{}`).fails(400, "one of id, webhook, call_id, state, type, since and until is required")
		b.do("POST /v1/webhook_deliveries/replay", `{"since":"yesterday"}`).fails(400, "since must be a time such as 2026-11-30T09:30:00Z")
		b.do("POST /v1/webhook_deliveries/replay", `{"type":"event"}`).want(400)
		b.do("POST /v1/webhook_deliveries/replay", `{"id":"none"}`).fails(404, "id names no delivery in this environment")
		b.do("POST /v1/webhooks/update?id="+d.WebhookID, `{"active":false}`).want(201)
		b.do("POST /v1/webhook_deliveries/replay", `{"id":"`+d.ID+`"}`).fails(409, "the webhook is not active")
		b.do("DELETE /v1/webhooks/delete?id="+d.WebhookID, "").want(200)
		b.do("POST /v1/webhook_deliveries/replay", `{"id":"`+d.ID+`"}`).fails(409, "the webhook of the delivery was deleted")
	})
}

// TestRotateWebhookSecret shows a secret once, keeps the one before for as long as was
// asked, and takes one of the client's own.
func TestRotateWebhookSecret(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/webhooks/create", `{"url":"https://hook.example/in","subscriptions":[]}`).want(201)
		id, first := made.text("id"), made.text("signature_secret")
		if !strings.HasPrefix(first, "whsec_") {
			t.Fatalf("the first secret is %q", first)
		}
		if shown := b.do("GET /v1/webhooks?id="+id, "").want(200).text("signature_secret"); !strings.HasPrefix(shown, "****") {
			t.Errorf("it is shown again: %q", shown)
		}
		secrets := func() (out []string) {
			t.Helper()
			err := b.store.Read(t.Context(), b.env.ID, func(tx *store.Tx) error {
				h, err := tx.Webhook(id)
				for _, s := range h.Secrets(time.Now().Add(30 * time.Hour)) {
					out = append(out, s.Reveal())
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		second := b.do("POST /v1/webhooks/rotate_secret?overlap_hours=48&id="+id, "").want(201)
		if got := secrets(); len(got) != 2 || got[0] != second.text("signature_secret") || got[1] != first || second.text("previous_secret_until") == "" {
			t.Errorf("after 30 of 48 hours %d secrets sign", len(got))
		}
		for _, query := range []string{"overlap_hours=0&", ""} {
			if b.do("POST /v1/webhooks/rotate_secret?"+query+"id="+id, "").want(201); len(secrets()) != 1 {
				t.Errorf("%s: after 30 hours two secrets sign", query)
			}
		}
		own := "whsec_" + "b3duLXNlY3JldC1vd24tc2VjcmV0LW93bi1zZWNyZXQ="
		b.do("POST /v1/webhooks/update?id="+id, `{"signature_secret":"`+own+`"}`).want(201)
		if got := secrets(); got[0] != own {
			t.Error("the client's own secret does not sign")
		}
		b.do("POST /v1/webhooks/update?id="+id, `{"signature_secret":"short"}`).fails(400, "signature_secret must be whsec_ and base64 of 24 to 64 bytes")
		b.do("POST /v1/webhooks/rotate_secret?overlap_hours=-1&id="+id, "").want(400)
	})
}

// TestWebhookIsTested when it is made, whatever comes of it, and when it is asked for.
func TestWebhookIsTested(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/webhooks/create", `{"url":"https://hook.example/in","subscriptions":[]}`).want(201)
		if made.text("test.failure") != "connection" || made.at("test.delivered") != false {
			t.Errorf("made with the test %v", made.at("test"))
		}
		if got := b.do("POST /v1/webhooks/test?id="+made.text("id"), "").want(200); got.at("delivered") != false || got.text("error") != "nobody is there" {
			t.Errorf("the test answers %s", got.raw)
		}
		b.do("POST /v1/webhooks/test?id=none", "").want(404)
	})
}

// noEndpoint is a webhook that nobody listens at.
func noEndpoint(_ context.Context, h sidetone.Webhook) sidetone.DeliveryAttempt {
	return sidetone.DeliveryAttempt{At: time.Now(), URL: h.URL, Failure: "connection", Error: "nobody is there"}
}
