package api

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// getDelivery shows a delivery with its body and its requests.
func (s *server) getDelivery(r *request) (any, error) {
	var out object
	err := s.read(r, func(w work) error {
		d, err := w.tx.Delivery(r.query.Get("id"))
		if err != nil {
			return named(err, "id", "delivery")
		}
		attempts, err := w.tx.DeliveryAttempts(d.ID)
		out = renderDelivery(d)
		out["body"] = json.RawMessage(d.Body)
		out["requests"] = renderAttempts(attempts)
		return err
	})
	return out, err
}

func (s *server) listDeliveries(r *request) (any, error) {
	return list(s, r, (*store.Tx).Deliveries, func(_ work, page sidetone.Page[sidetone.Delivery]) (object, error) {
		return renderPage(page, renderDelivery), nil
	})
}

func renderDelivery(d sidetone.Delivery) object {
	o := object{"id": d.ID, "webhook": d.WebhookID, "call_id": d.CallID, "type": d.Type, "sequence": d.Sequence, "state": d.State,
		"attempts": d.Attempts}
	setText(o, "failure", d.Failure)
	setTime(o, "created_at", d.Created)
	setTime(o, "queued_at", d.Queued)
	setTime(o, "settled_at", d.Settled)
	if d.State == sidetone.DeliveryWaiting {
		setTime(o, "next_attempt_at", d.Due)
	}
	return o
}

func renderAttempts(all []sidetone.DeliveryAttempt) []object {
	out := make([]object, len(all))
	for i, a := range all {
		out[i] = renderAttempt(a)
	}
	return out
}

func renderAttempt(a sidetone.DeliveryAttempt) object {
	o := object{"url": a.URL, "duration_ms": a.Took.Milliseconds(), "delivered": a.Failure == ""}
	setTime(o, "at", a.At)
	if len(a.RequestHeaders) > 0 {
		o["request_headers"] = a.RequestHeaders
	}
	if a.Status != 0 {
		o["status_code"] = a.Status
	}
	if len(a.ResponseHeaders) > 0 {
		o["response_headers"] = a.ResponseHeaders
	}
	setText(o, "response_body", a.Response)
	setText(o, "failure", a.Failure)
	setText(o, "error", a.Error)
	return o
}

// replayDeliveries queues again what the body selects.
func (s *server) replayDeliveries(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	filters, err := replayFilters(d)
	if err != nil {
		return nil, err
	}
	return s.effect(r, func(w work) (any, error) {
		for _, f := range filters {
			if err := w.replayable(f); err != nil {
				return nil, err
			}
		}
		n, more, err := w.tx.Replay(filters)
		return object{"replayed": n, "more": more}, err
	})
}

// replayFilters reads what is to be queued again. A request that selects nothing is a
// 400: a mistake must not send everything again.
func replayFilters(d *decoder) ([]sidetone.Filter, error) {
	var out []sidetone.Filter
	add := func(column, op string, value any) {
		out = append(out, sidetone.Filter{Column: column, Op: op, Values: []any{value}})
	}
	for _, name := range []string{"id", "webhook", "call_id", "state", "type"} {
		if v := d.Text(name); v.Set && !v.Null {
			add(name, "eq", v.Value)
		}
	}
	since, until := d.Text("since"), d.Text("until")
	if err := d.Err(); err != nil {
		return nil, err
	}
	for name, v := range map[string]sidetone.Optional[string]{"since": since, "until": until} {
		if !v.Set || v.Null {
			continue
		}
		if _, err := time.Parse(time.RFC3339, v.Value); err != nil {
			return nil, invalid("%s must be a time such as 2026-11-30T09:30:00Z", name)
		}
		add("created_at", map[string]string{"since": "gte", "until": "lt"}[name], v.Value)
	}
	if len(out) == 0 {
		return nil, invalid("one of id, webhook, call_id, state, type, since and until is required")
	}
	return out, nil
}

// replayable refuses what names nothing, or cannot be sent again.
func (w work) replayable(f sidetone.Filter) error {
	value, _ := f.Values[0].(string)
	switch f.Column {
	case "id":
		d, err := w.tx.Delivery(value)
		if err != nil {
			return named(err, "id", "delivery")
		}
		return w.sendable(d.WebhookID)
	case "webhook":
		if _, err := w.tx.Webhook(value); err != nil {
			return named(err, "webhook", "webhook")
		}
		return w.sendable(value)
	case "call_id":
		_, err := w.tx.Call(value)
		return named(err, "call_id", "call")
	case "state":
		if !slices.Contains(sidetone.DeliveryStates(), value) {
			return invalid("state must be one of %s", strings.Join(sidetone.DeliveryStates(), ", "))
		}
	case "type":
		if !slices.Contains(sidetone.Subscriptions(), value) {
			return invalid("type must be of %s", strings.Join(sidetone.Subscriptions(), ", "))
		}
	}
	return nil
}

// sendable refuses a webhook that nothing is sent to.
func (w work) sendable(webhookID string) error {
	h, err := w.tx.Webhook(webhookID)
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return sidetone.Errorf(sidetone.Conflict, "the webhook of the delivery was deleted")
	case err == nil && h.Inactive:
		return sidetone.Errorf(sidetone.Conflict, "the webhook is not active")
	}
	return err
}

// maxOverlapHours is how long two secrets may sign.
const maxOverlapHours = 720

// rotateWebhookSecret gives a webhook another secret; the one it had goes on signing for a
// while.
func (s *server) rotateWebhookSecret(r *request) (any, error) {
	overlap := sidetone.SecretOverlap
	if text := r.query.Get("overlap_hours"); text != "" {
		hours, err := strconv.Atoi(text)
		if err != nil || hours < 0 || hours > maxOverlapHours {
			return nil, invalid("overlap_hours must be a number from 0 to %d", maxOverlapHours)
		}
		overlap = time.Duration(hours) * time.Hour
	}
	return s.effect(r, func(w work) (any, error) {
		h, err := w.tx.Webhook(r.query.Get("id"))
		if err != nil {
			return nil, named(err, "id", "webhook")
		}
		h.RotateSecret(sidetone.NewWebhookSecret(), overlap, w.tx.Now())
		h.Updated = w.tx.Now()
		w.newSecrets.add(h.ID, "signature_secret")
		return renderWebhook(r.view, h), w.tx.UpdateWebhook(h)
	})
}

// testWebhook sends a test to a webhook and shows what came of it.
func (s *server) testWebhook(r *request) (any, error) {
	var h sidetone.Webhook
	err := s.readConfiguration(r, func(w work) (err error) {
		h, err = w.tx.Webhook(r.query.Get("id"))
		return named(err, "id", "webhook")
	})
	if err != nil {
		return nil, err
	}
	if s.TryWebhook == nil {
		return nil, sidetone.Errorf(sidetone.Unavailable, "webhooks are tested by a running server only")
	}
	return renderAttempt(s.TryWebhook(r.ctx, h)), nil
}

// triedWebhook adds to the answer of an operation that made a webhook what a test came to.
// The webhook is there whatever that is. An answer that is repeated for an Idempotency-Key
// has none, so that the first one has none either.
func (s *server) triedWebhook(made operation) operation {
	return func(r *request) (any, error) {
		out, err := made(r)
		o, isObject := out.(object)
		if err != nil || !isObject || s.TryWebhook == nil || r.Header.Get(idempotencyHeader) != "" {
			return out, err
		}
		id, _ := o["id"].(string)
		var h sidetone.Webhook
		if err := s.read(r, func(w work) (err error) { h, err = w.tx.Webhook(id); return err }); err != nil {
			return out, nil //nolint:nilerr // it was made, and is gone already
		}
		o["test"] = renderAttempt(s.TryWebhook(r.ctx, h))
		return o, nil
	}
}
