package client

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// Webhook is a URL that hears of calls.
type Webhook struct {
	// ID names the webhook.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// URL is what is requested; creating a webhook needs it.
	URL string `json:"url,omitempty"`
	// Method is POST, or GET, which is kept and not used; empty is POST.
	Method string `json:"method,omitempty"`
	// Subscriptions are the events it hears of, such as
	// event_phone_call_ended.
	Subscriptions []string `json:"subscriptions,omitempty"`
	// AccountConnectionID is an account; it is kept.
	AccountConnectionID string `json:"account_connection_id,omitempty"`
	// Shape is whose messages are sent: contract, vapi or retell.
	Shape string `json:"shape,omitempty"`
	// Active says that events are sent; nil is true. InactiveReason says why not, when it
	// was not a client's wish: gone, the endpoint answered 410.
	Active         *bool  `json:"active,omitempty"`
	InactiveReason string `json:"inactive_reason,omitempty"`
	// SignatureSecret signs what is sent; answers show it once.
	SignatureSecret string `json:"signature_secret,omitempty"`
	// PreviousSecretUntil is until when the secret before it signs, too.
	PreviousSecretUntil time.Time `json:"previous_secret_until,omitzero"`
	// Test is what came of the test that was sent when it was made.
	Test *WebhookRequest `json:"test,omitempty"`
}

// WebhookRequest is one request to a webhook.
type WebhookRequest struct {
	// At is when it was sent; it took DurationMS milliseconds.
	At         time.Time `json:"at,omitzero"`
	DurationMS int64     `json:"duration_ms"`
	// URL is where it was sent; the values of its query are masked.
	URL string `json:"url"`
	// RequestHeaders are what was sent, signatures masked.
	RequestHeaders map[string]string `json:"request_headers,omitempty"`
	// StatusCode is the response's; 0 without one.
	StatusCode      int               `json:"status_code,omitempty"`
	ResponseHeaders map[string]string `json:"response_headers,omitempty"`
	// ResponseBody is its beginning.
	ResponseBody string `json:"response_body,omitempty"`
	// Delivered says that the response was a 2xx. Failure and Error say why not.
	Delivered bool   `json:"delivered"`
	Failure   string `json:"failure,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Webhooks are the webhooks of an environment.
type Webhooks struct {
	Resource[Webhook]
}

// Webhooks are the operations of webhooks.
func (c *Client) Webhooks() Webhooks { return Webhooks{resourceAt[Webhook](c, "/v1/webhooks")} }

// RotateSecret gives the webhook with id another secret, which the answer shows once; the
// one before it signs beside it for overlapHours.
func (w Webhooks) RotateSecret(ctx context.Context, id string, overlapHours int, options ...Option) (Webhook, error) {
	var out Webhook
	query := byID(id)
	query.Set("overlap_hours", strconv.Itoa(overlapHours))
	err := w.c.post(ctx, w.path+"/rotate_secret", query, Change{}, &out, options...)
	return out, err
}

// Test sends a test to the webhook with id.
func (w Webhooks) Test(ctx context.Context, id string) (WebhookRequest, error) {
	var out WebhookRequest
	err := w.c.post(ctx, w.path+"/test", byID(id), nil, &out)
	return out, err
}

// WebhookDelivery is one message to one webhook.
type WebhookDelivery struct {
	// ID is the webhook-id of its requests.
	ID      string `json:"id"`
	Webhook string `json:"webhook"`
	CallID  string `json:"call_id"`
	// Type is the event; Sequence counts those about the call from 1.
	Type     string `json:"type"`
	Sequence int64  `json:"sequence"`
	// State is waiting, delivered or dead; Failure why it is not delivered.
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Failure  string `json:"failure,omitempty"`
	// CreatedAt is when it happened, QueuedAt when it was queued last, NextAttemptAt when it is
	// sent at the earliest, SettledAt when it was delivered or given up.
	CreatedAt     time.Time `json:"created_at,omitzero"`
	QueuedAt      time.Time `json:"queued_at,omitzero"`
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	SettledAt     time.Time `json:"settled_at,omitzero"`
	// Body is what is sent, Requests are the requests; Get alone has them.
	Body     json.RawMessage  `json:"body,omitempty"`
	Requests []WebhookRequest `json:"requests,omitempty"`
}

// WebhookDeliveries are what webhooks were to be told in the last 30 days.
type WebhookDeliveries struct {
	Reader[WebhookDelivery]
}

// WebhookDeliveries are the operations of deliveries.
func (c *Client) WebhookDeliveries() WebhookDeliveries {
	return WebhookDeliveries{readerAt[WebhookDelivery](c, "/v1/webhook_deliveries")}
}

// Replay selects deliveries: those that fulfil all that is set, of which there must be
// something.
type Replay struct {
	ID      string    `json:"id,omitempty"`
	Webhook string    `json:"webhook,omitempty"`
	CallID  string    `json:"call_id,omitempty"`
	State   string    `json:"state,omitempty"`
	Type    string    `json:"type,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
}

// Replayed is how many deliveries were queued again, and whether there are more.
type Replayed struct {
	Replayed int  `json:"replayed"`
	More     bool `json:"more"`
}

// Replay queues deliveries again, at most 1000.
func (d WebhookDeliveries) Replay(ctx context.Context, what Replay, options ...Option) (Replayed, error) {
	var out Replayed
	err := d.c.post(ctx, d.path+"/replay", nil, what, &out, options...)
	return out, err
}
