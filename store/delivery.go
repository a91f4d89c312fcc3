package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// deliveryAge is how long deliveries and their attempts are kept.
const deliveryAge = 30 * 24 * time.Hour

func deliveryTable() *table[sidetone.Delivery] {
	return newTable("webhook_deliveries", "delivery", func(d *sidetone.Delivery) []column {
		return []column{
			{name: "id", ref: &d.ID, fixed: true}, {name: "environment_id", ref: &d.EnvironmentID, fixed: true},
			{name: "webhook_id", ref: &d.WebhookID, fixed: true}, {name: "call_id", ref: &d.CallID, fixed: true},
			{name: "type", ref: &d.Type, fixed: true}, {name: "sequence", ref: &d.Sequence, fixed: true},
			{name: "body", ref: raw{&d.Body, "{}"}, fixed: true}, {name: "state", ref: (*string)(&d.State)},
			{name: "attempts", ref: &d.Attempts}, {name: "failure", ref: &d.Failure}, {name: "due", ref: millis{&d.Due}},
			{name: "created", ref: millis{&d.Created}, fixed: true}, {name: "queued", ref: millis{&d.Queued}},
			{name: "settled", ref: millis{&d.Settled}}, {name: "version", ref: &d.Version},
		}
	}, map[string]listed{
		"id": text("id"), "created": instant("created"), "created_at": instant("created"), "webhook": filterOnly(text("webhook_id")),
		"call_id": filterOnly(text("call_id")), "state": filterOnly(text("state")), "type": filterOnly(text("type")),
	}).quiet()
}

func attemptTable() *table[sidetone.DeliveryAttempt] {
	return newTable("webhook_attempts", "attempt", func(a *sidetone.DeliveryAttempt) []column {
		return []column{
			{name: "id", ref: &a.ID, fixed: true}, {name: "environment_id", ref: &a.EnvironmentID, fixed: true},
			{name: "delivery_id", ref: &a.DeliveryID, fixed: true}, {name: "happened", ref: millis{&a.At}, fixed: true},
			{name: "took", ref: durationMillis{&a.Took}, fixed: true}, {name: "url", ref: &a.URL, fixed: true},
			{name: "request_headers", ref: document{&a.RequestHeaders}, fixed: true}, {name: "status", ref: &a.Status, fixed: true},
			{name: "response_headers", ref: document{&a.ResponseHeaders}, fixed: true}, {name: "response", ref: &a.Response, fixed: true},
			{name: "failure", ref: &a.Failure, fixed: true}, {name: "error", ref: &a.Error, fixed: true}, {name: "version", ref: &a.Version},
		}
	}, nil).quiet()
}

// announce queues messages about a call for its webhook, those that it subscribes to, in
// the transaction of what they tell. Of a message that a call has once, later ones are
// left out. webhookID "" is a call that nobody is told of.
func (t *Tx) announce(callID, webhookID string, messages ...webhook.Message) error {
	if webhookID == "" || len(messages) == 0 {
		return nil
	}
	wants, err := t.subscriptions(webhookID)
	if err != nil {
		return err
	}
	messages = slices.DeleteFunc(messages, func(m webhook.Message) bool { return !slices.Contains(wants.types, m.Type) })
	if len(messages) == 0 {
		return nil
	}
	last, err := t.lastDelivery(callID, webhookID)
	if err != nil {
		return err
	}
	first := last
	for _, m := range messages {
		d := sidetone.Delivery{ID: t.store.ids.New(), EnvironmentID: t.environment, WebhookID: webhookID, CallID: callID, Type: m.Type,
			Sequence: last + 1, Created: t.now}
		queued, err := t.announceOne(d, m, wants.shape)
		if err != nil {
			return err
		}
		if queued {
			last++
		}
	}
	if last > first {
		t.change.webhooks = append(t.change.webhooks, sidetone.Endpoint{EnvironmentID: t.environment, WebhookID: webhookID})
	}
	return nil
}

// announceOne queues a message unless the call had it, or the shape has none.
func (t *Tx) announceOne(d sidetone.Delivery, m webhook.Message, shape string) (queued bool, err error) {
	if m.Once && d.Sequence > 1 {
		told, err := t.told(d.CallID, d.WebhookID, m.Type)
		if err != nil || told {
			return false, err
		}
	}
	ok, err := t.fill(&d, m, shape)
	if err != nil || !ok {
		return false, err
	}
	return true, t.queue(d)
}

// wanted is what a webhook wants to be told, and how.
type wanted struct {
	types []string
	shape string
}

// subscriptions are what an active webhook wants to be told. It reads no secret: a call
// must not fail because one cannot be decrypted.
func (t *Tx) subscriptions(webhookID string) (wanted, error) {
	var out wanted
	err := t.one([]any{list{&out.types}, &out.shape}, `SELECT subscriptions, shape FROM webhooks WHERE id = $1 AND environment_id = $2 AND inactive = $3`,
		webhookID, t.environment, false)
	if errors.Is(err, sql.ErrNoRows) { // deleted, or switched off
		return wanted{}, nil
	}
	return out, err
}

// fill makes the body of a delivery. False means that the shape has no such message.
func (t *Tx) fill(d *sidetone.Delivery, m webhook.Message, shape string) (ok bool, err error) {
	if shape == sidetone.ShapeContract {
		d.Body, err = webhook.Body(*d, m.Payload)
		return err == nil, err
	}
	r := webhook.Report{Address: t.store.address, At: t.now}
	if r.Call, err = t.Call(d.CallID); err != nil {
		return false, err
	}
	if r.Events, err = t.Events(d.CallID, 0); err != nil {
		return false, err
	}
	d.Body, ok, err = webhook.InShape(shape, m.Type, r)
	return ok, err
}

// lastDelivery returns the sequence of the last message about a call, 0 when there is none.
func (t *Tx) lastDelivery(callID, webhookID string) (sequence int64, err error) {
	err = t.one([]any{&sequence}, `SELECT sequence FROM webhook_deliveries WHERE webhook_id = $1 AND call_id = $2 AND environment_id = $3
		ORDER BY sequence DESC LIMIT 1`, webhookID, callID, t.environment)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return sequence, err
}

// told says whether there is a message of a type about a call.
func (t *Tx) told(callID, webhookID, kind string) (bool, error) {
	var one int
	err := t.one([]any{&one}, `SELECT 1 FROM webhook_deliveries WHERE webhook_id = $1 AND call_id = $2 AND environment_id = $3 AND type = $4 LIMIT 1`,
		webhookID, callID, t.environment, kind)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// queue stores a new delivery.
func (t *Tx) queue(d sidetone.Delivery) error {
	d.State, d.Version, d.Queued, d.Due = sidetone.DeliveryWaiting, 1, t.now, t.now
	tb := t.store.tables.deliveries
	_, err := t.exec(tb.insertText, refs(tb.columns(&d))...)
	if isUnique(err) { // another transaction told the call's webhook something: this one starts again
		return t.refuse(stale("delivery"))
	}
	return err
}

// tell queues what events of a call tell, in their order.
func (t *Tx) tell(c sidetone.Call, webhookID string, events []sidetone.Event) error {
	var out []webhook.Message
	for _, e := range events {
		if e.Kind == sidetone.EventConnected {
			out = append(out, webhook.Connected(c))
		} else if m, ok := webhook.Said(e); ok {
			out = append(out, m)
		}
	}
	return t.announce(c.ID, webhookID, out...)
}

// tellEnd queues what the end of a call tells.
func (t *Tx) tellEnd(callID string) error {
	var webhookID string
	err := t.one([]any{&webhookID}, `SELECT webhook_id FROM calls WHERE id = $1 AND environment_id = $2`, callID, t.environment)
	if err != nil || webhookID == "" {
		return err
	}
	c, err := t.Call(callID)
	if err != nil {
		return err
	}
	collected, err := t.EventsOf(callID, sidetone.EventCollected)
	if err != nil {
		return err
	}
	var out []webhook.Message
	if !c.Started.IsZero() {
		out = append(out, webhook.Connected(c)) // unless it was told
	}
	return t.announce(callID, webhookID, append(out, webhook.Over(c, t.store.address, sidetone.CollectedFields(collected))...)...)
}

// abandonDeliveries gives up what waits for a webhook.
func (t *Tx) abandonDeliveries(webhookID string) error {
	_, err := t.exec(`UPDATE webhook_deliveries SET state = $1, failure = $2, settled = $3, version = version + 1
		WHERE webhook_id = $4 AND environment_id = $5 AND state = 'waiting'`,
		string(sidetone.DeliveryDead), webhook.FailedInactive, toMillis(t.now), webhookID, t.environment)
	return err
}

// freshEndpoint forgets how a webhook's endpoint did, and lets what waits for it be sent.
func (t *Tx) freshEndpoint(webhookID string) error {
	if err := t.trust(webhookID); err != nil {
		return err
	}
	return t.hurry(webhookID)
}

// trust forgets how a webhook's endpoint did.
func (t *Tx) trust(webhookID string) error {
	_, err := t.exec(`UPDATE webhook_endpoints SET failures = 0, failing_since = 0, paused_until = 0 WHERE id = $1 AND environment_id = $2`,
		webhookID, t.environment)
	return err
}

// hurry makes the attempts due that wait for their time.
func (t *Tx) hurry(webhookID string) error {
	n, err := t.exec(`UPDATE webhook_deliveries SET due = $1 WHERE webhook_id = $2 AND environment_id = $3 AND state = 'waiting' AND due > $1`,
		toMillis(t.now), webhookID, t.environment)
	if n > 0 {
		t.change.webhooks = append(t.change.webhooks, sidetone.Endpoint{EnvironmentID: t.environment, WebhookID: webhookID})
	}
	return err
}

// SetDeliverer names the receiver of the webhooks that a commit queued something for. It
// must not wait: other writes may wait for it. It is called once, before the first
// call; without one deliveries are found by WaitingEndpoints alone.
func (s *Store) SetDeliverer(wake func([]sidetone.Endpoint)) { s.deliverer.Store(&wake) }

// WaitingEndpoints returns the webhooks for which something is due that nobody works on,
// of all environments. It looks at each webhook with something waiting once, however
// much waits for it.
func (s *Store) WaitingEndpoints(ctx context.Context) ([]sidetone.Endpoint, error) {
	var out []sidetone.Endpoint
	err := s.readAcross(ctx, func(t *Tx) error {
		out = nil
		return t.each(func(r *sql.Rows) error {
			var e sidetone.Endpoint
			err := r.Scan(&e.EnvironmentID, &e.WebhookID)
			out = append(out, e)
			return err
		}, `WITH RECURSIVE waiting (id) AS (
				SELECT (SELECT min(webhook_id) FROM webhook_deliveries WHERE state = 'waiting')
				UNION ALL SELECT (SELECT min(d.webhook_id) FROM webhook_deliveries d WHERE d.state = 'waiting' AND d.webhook_id > waiting.id)
				FROM waiting WHERE waiting.id IS NOT NULL)
			SELECT w.environment_id, w.id FROM waiting JOIN webhooks w ON w.id = waiting.id LEFT JOIN webhook_endpoints e ON e.id = w.id
			WHERE coalesce(e.paused_until, 0) <= $1 AND coalesce(e.lease, 0) <= $1
			AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.due <= $1)
			ORDER BY w.id`, toMillis(t.now))
	})
	return out, err
}

// DeliveriesWaiting returns how much waits in all environments, and since when what waits
// longest does; zero when nothing does.
func (s *Store) DeliveriesWaiting(ctx context.Context) (count int64, oldest time.Time, err error) {
	err = s.readAcross(ctx, func(t *Tx) error {
		return t.one([]any{&count, millis{&oldest}}, `SELECT count(*), coalesce(min(queued), 0) FROM webhook_deliveries WHERE state = 'waiting'`)
	})
	return count, oldest, err
}

// DueDeliveries returns deliveries to a webhook that may be sent now, the longest due
// first, at most limit: of each call only the first that waits, and nothing while the
// endpoint is left alone.
func (s *Store) DueDeliveries(ctx context.Context, e sidetone.Endpoint, limit int) ([]sidetone.Delivery, error) {
	var out []sidetone.Delivery
	err := s.Read(ctx, e.EnvironmentID, func(t *Tx) error {
		var err error
		out, err = s.tables.deliveries.all(t, `AS d WHERE d.environment_id = $1 AND d.webhook_id = $2 AND d.state = 'waiting' AND d.due <= $3
			AND NOT EXISTS (SELECT 1 FROM webhook_deliveries b WHERE b.webhook_id = d.webhook_id AND b.call_id = d.call_id
				AND b.state = 'waiting' AND b.sequence < d.sequence)
			AND NOT EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.id = d.webhook_id AND e.paused_until > $3)
			ORDER BY d.due, d.id LIMIT $4`, t.environment, e.WebhookID, toMillis(t.now), limit)
		return err
	})
	return out, err
}

// EndpointLease is a node's right to send to a webhook until Until.
type EndpointLease struct {
	Webhook sidetone.Webhook
	Health  sidetone.EndpointHealth
	// Fence grows with each lease of the webhook.
	Fence int64
	Until time.Time
}

// LeaseEndpoint gives node the right to send to a webhook for a time. It is a Conflict
// when another has it, and NotFound when the webhook is gone.
func (s *Store) LeaseEndpoint(ctx context.Context, e sidetone.Endpoint, node string, length time.Duration) (EndpointLease, error) {
	var out EndpointLease
	err := s.Write(ctx, e.EnvironmentID, func(t *Tx) error {
		out = EndpointLease{Until: t.now.Add(length)}
		var err error
		if out.Webhook, err = t.signed(e.WebhookID); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO webhook_endpoints (id, environment_id, node, fence, lease, failures, failing_since, paused_until)
			VALUES ($1, $2, '', 0, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING`, e.WebhookID, t.environment)
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE webhook_endpoints SET node = $1, fence = fence + 1, lease = $2 WHERE id = $3 AND environment_id = $4 AND lease <= $5`,
			node, toMillis(out.Until), e.WebhookID, t.environment, toMillis(t.now))
		if err != nil {
			return err
		}
		if n == 0 {
			return sidetone.Errorf(sidetone.Conflict, "another node sends to the webhook")
		}
		return t.one([]any{&out.Fence, &out.Health.Failures, millis{&out.Health.FailingSince}, millis{&out.Health.PausedUntil}},
			`SELECT fence, failures, failing_since, paused_until FROM webhook_endpoints WHERE id = $1 AND environment_id = $2`, e.WebhookID, t.environment)
	})
	return out, err
}

// signed returns a webhook, and gives one that was stored before there were secrets its
// own.
func (t *Tx) signed(id string) (sidetone.Webhook, error) {
	h, err := t.Webhook(id)
	if err != nil || h.Secret != "" {
		return h, err
	}
	h.RotateSecret(sidetone.NewWebhookSecret(), 0, t.now)
	if err := t.store.tables.webhooks.update(t, h); err != nil {
		return h, err
	}
	return t.Webhook(id)
}

// Sent is a delivery after a request, and the request.
type Sent struct {
	// Delivery's version is that before the request.
	Delivery sidetone.Delivery
	Attempt  sidetone.DeliveryAttempt
}

// SettleDeliveries stores what came of requests to a webhook, and how its endpoint does,
// and renews the lease. A delivery that was changed meanwhile, because the lease ran out
// or the webhook was switched off, stays as it is. False means that the lease is lost.
func (s *Store) SettleDeliveries(ctx context.Context, e sidetone.Endpoint, l EndpointLease, sent []Sent) (bool, error) {
	held := false
	err := s.Write(ctx, e.EnvironmentID, func(t *Tx) error {
		for i := range sent {
			if err := t.settle(&sent[i]); err != nil {
				return err
			}
		}
		was := sidetone.EndpointHealth{}
		err := t.one([]any{&was.Failures}, `SELECT failures FROM webhook_endpoints WHERE id = $1 AND environment_id = $2`, e.WebhookID, t.environment)
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // deleted meanwhile
			return err
		}
		n, err := t.exec(`UPDATE webhook_endpoints SET lease = $1, failures = $2, failing_since = $3, paused_until = $4
			WHERE id = $5 AND environment_id = $6 AND fence = $7`, toMillis(l.Until), l.Health.Failures,
			toMillis(l.Health.FailingSince), toMillis(l.Health.PausedUntil), e.WebhookID, t.environment, l.Fence)
		held = n == 1
		if err != nil || !held {
			return err
		}
		return t.follow(e.WebhookID, was, l.Health, sent)
	})
	return held, err
}

// follow carries out what the health of an endpoint means for what waits for it.
func (t *Tx) follow(webhookID string, was, is sidetone.EndpointHealth, sent []Sent) error {
	switch gone := slices.ContainsFunc(sent, func(s Sent) bool { return s.Delivery.Failure == webhook.FailedGone }); {
	case gone:
		return t.deactivate(webhookID)
	case webhook.Broken(was) && is.Failures == 0: // it is back: nobody waits for a later attempt
		return t.hurry(webhookID)
	case webhook.Hopeless(is, t.now):
		return t.expire(webhookID)
	}
	return nil
}

// deactivate switches off a webhook whose endpoint is gone.
func (t *Tx) deactivate(webhookID string) error {
	h, err := t.Webhook(webhookID)
	if sidetone.CodeOf(err) == sidetone.NotFound || err == nil && h.Inactive {
		return nil
	}
	if err != nil {
		return err
	}
	h.Inactive, h.InactiveReason = true, sidetone.WebhookGone
	return t.UpdateWebhook(h)
}

// expire gives up what has waited as long as a message is tried for an endpoint that took
// nothing meanwhile.
func (t *Tx) expire(webhookID string) error {
	_, err := t.exec(`UPDATE webhook_deliveries SET state = $1, failure = $2, settled = $3, version = version + 1
		WHERE webhook_id = $4 AND environment_id = $5 AND state = 'waiting' AND queued <= $6`, string(sidetone.DeliveryDead),
		webhook.FailedExpired, toMillis(t.now), webhookID, t.environment, toMillis(t.now.Add(-webhook.TriedFor)))
	return err
}

// settle stores one delivery after a request, and the request.
func (t *Tx) settle(one *Sent) error {
	tb, d := t.store.tables.attempts, one.Delivery
	one.Attempt.ID, one.Attempt.EnvironmentID, one.Attempt.DeliveryID = t.store.ids.New(), t.environment, d.ID
	one.Attempt.Version = 1
	if _, err := t.exec(tb.insertText, refs(tb.columns(&one.Attempt))...); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE webhook_deliveries SET state = $1, attempts = $2, failure = $3, due = $4, settled = $5, version = version + 1
		WHERE id = $6 AND environment_id = $7 AND state = 'waiting' AND version = $8`,
		string(d.State), d.Attempts, d.Failure, millis{&d.Due}, millis{&d.Settled}, d.ID, t.environment, d.Version)
	return err
}

// ReleaseEndpoint gives a lease back.
func (s *Store) ReleaseEndpoint(ctx context.Context, e sidetone.Endpoint, fence int64) error {
	return s.Write(ctx, e.EnvironmentID, func(t *Tx) error {
		_, err := t.exec(`UPDATE webhook_endpoints SET lease = 0 WHERE id = $1 AND environment_id = $2 AND fence = $3`, e.WebhookID, t.environment, fence)
		return err
	})
}

// ReleaseEndpointsOf gives back what a node that is gone held.
func (s *Store) ReleaseEndpointsOf(ctx context.Context, node string) error {
	return s.writeAcross(ctx, func(t *Tx) error {
		_, err := t.exec(`UPDATE webhook_endpoints SET lease = 0 WHERE node = $1 AND lease > 0`, node)
		return err
	})
}

// Delivery returns the delivery with id.
func (t *Tx) Delivery(id string) (sidetone.Delivery, error) {
	return t.store.tables.deliveries.get(t, id)
}

// Deliveries lists the deliveries.
func (t *Tx) Deliveries(q sidetone.PageQuery) (sidetone.Page[sidetone.Delivery], error) {
	return page(t, t.store.tables.deliveries, q)
}

// DeliveryAttempts returns the requests of a delivery, in order.
func (t *Tx) DeliveryAttempts(deliveryID string) ([]sidetone.DeliveryAttempt, error) {
	return t.store.tables.attempts.all(t, `WHERE environment_id = $1 AND delivery_id = $2 ORDER BY happened, id`, t.environment, deliveryID)
}

// ReplayMost is how many deliveries one replay queues.
const ReplayMost = 1000

// Replay queues again the deliveries that filters select, oldest first, at most
// ReplayMost, with the same webhook-id; what waits for its time is sent at once, and an
// endpoint that was left alone is not any more. It returns how many it queued, and whether
// there are more.
func (t *Tx) Replay(filters []sidetone.Filter) (count int, more bool, err error) {
	tb := t.store.tables.deliveries
	q, err := listCondition(t.store.items, tb.listed, filters, condition{"environment_id", t.environment})
	if err != nil {
		return 0, false, err
	}
	q.text = "SELECT id, webhook_id FROM webhook_deliveries WHERE " + q.text
	q.add(" AND (state <> 'waiting' OR due > %s)", toMillis(t.now))
	q.add(" AND EXISTS (SELECT 1 FROM webhooks w WHERE w.id = webhook_deliveries.webhook_id AND w.environment_id = %s AND w.inactive = %s)",
		t.environment, false)
	q.add(" ORDER BY created, id LIMIT %s", ReplayMost+1)
	var ids []string
	webhooks := map[string]int{}
	err = t.each(func(r *sql.Rows) error {
		var id, of string
		err := r.Scan(&id, &of)
		if ids = append(ids, id); len(ids) <= ReplayMost {
			webhooks[of]++
		}
		return err
	}, q.text, q.args...)
	if err != nil {
		return 0, false, err
	}
	if more = len(ids) > ReplayMost; more {
		ids = ids[:ReplayMost]
	}
	for _, id := range ids {
		if err := t.requeue(id); err != nil {
			return 0, false, err
		}
	}
	for of := range webhooks {
		if err := t.trust(of); err != nil {
			return 0, false, err
		}
		err := t.audit(sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: "webhook", ResourceID: of}, map[string]any{"replayed": 0}, map[string]any{"replayed": webhooks[of]})
		if err != nil {
			return 0, false, err
		}
		t.change.webhooks = append(t.change.webhooks, sidetone.Endpoint{EnvironmentID: t.environment, WebhookID: of})
	}
	return len(ids), more, nil
}

// requeue lets a delivery that is settled wait again, and one that waits for its time no
// longer.
func (t *Tx) requeue(id string) error {
	_, err := t.exec(`UPDATE webhook_deliveries SET state = $1, attempts = 0, failure = '', due = $2, queued = $2, settled = 0, version = version + 1
		WHERE id = $3 AND environment_id = $4`, string(sidetone.DeliveryWaiting), toMillis(t.now), id, t.environment)
	return err
}

// forgetDeliveries deletes what need not be kept any more, a part at a time; it says
// whether there is more.
func (t *Tx) forgetDeliveries() (bool, error) {
	const most = 2000
	before := toMillis(t.now.Add(-deliveryAge))
	attempts, err := t.exec(`DELETE FROM webhook_attempts WHERE environment_id = $1 AND id IN
		(SELECT id FROM webhook_attempts WHERE environment_id = $1 AND happened <= $2 LIMIT $3)`, t.environment, before, most)
	if err != nil {
		return false, err
	}
	deliveries, err := t.exec(`DELETE FROM webhook_deliveries WHERE environment_id = $1 AND id IN
		(SELECT id FROM webhook_deliveries WHERE environment_id = $1 AND created <= $2 AND state <> 'waiting' AND settled <= $2 LIMIT $3)`,
		t.environment, before, most)
	return attempts == most || deliveries == most, err
}
