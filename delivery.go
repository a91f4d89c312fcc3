package sidetone

import "time"

// DeliveryState is how far the delivery of a webhook's message has come.
type DeliveryState string

// The states.
const (
	// DeliveryWaiting is to be sent, or sent again.
	DeliveryWaiting DeliveryState = "waiting"
	// DeliveryDone was taken by the endpoint: it answered 2xx.
	DeliveryDone DeliveryState = "delivered"
	// DeliveryDead was given up. It is kept for its time and can be replayed.
	DeliveryDead DeliveryState = "dead"
)

// DeliveryStates lists the states.
func DeliveryStates() []string {
	return []string{string(DeliveryWaiting), string(DeliveryDone), string(DeliveryDead)}
}

// Delivery is one message to one webhook. Its row is written in the transaction
// of what it tells, and its body never changes.
type Delivery struct {
	// ID is the message's webhook-id, the same in every attempt.
	ID            string
	EnvironmentID string
	WebhookID     string
	CallID        string
	// Type is what is told, one of Subscriptions().
	Type string
	// Sequence counts the call's messages to the webhook from 1, without gaps.
	Sequence int64
	// Body is the JSON that is sent.
	Body  []byte
	State DeliveryState
	// Attempts is how often it was sent since it was queued.
	Attempts int
	// Failure says why the last attempt failed, see package webhook; "" when it did
	// not.
	Failure string
	// Due is when the next attempt may be made.
	Due time.Time
	// Created is when it happened, Queued when it was put into the queue: at first, or
	// by the last replay. Settled is when it was delivered or given up; zero before.
	Created, Queued, Settled time.Time
	Version                  int64
}

// DeliveryAttempt is one request of a delivery, without secrets.
type DeliveryAttempt struct {
	ID            string
	EnvironmentID string
	DeliveryID    string
	// At is when it was sent, Took how long until there was an outcome.
	At   time.Time
	Took time.Duration
	// URL is where it was sent; the values of its query are masked.
	URL string
	// RequestHeaders and ResponseHeaders are those worth looking at; signatures and
	// authorizations are masked.
	RequestHeaders, ResponseHeaders map[string]string
	// Status is the HTTP status; 0 when there was no response.
	Status int
	// Response is the beginning of the response's body.
	Response string
	// Failure is as in Delivery, Error the cause in words; both "" of a success.
	Failure, Error string
	Version        int64
}

// Endpoint is a webhook that has something waiting.
type Endpoint struct{ EnvironmentID, WebhookID string }

// EndpointHealth is what is known of a webhook's endpoint from its last requests.
type EndpointHealth struct {
	// Failures is how many requests in a row failed; FailingSince when the first of
	// them did, zero when the last one succeeded.
	Failures     int
	FailingSince time.Time
	// PausedUntil is when it may be asked again; zero or past: now.
	PausedUntil time.Time
}
