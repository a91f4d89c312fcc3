// Package client is a Go client of Sidetone's HTTP API.
//
// A Client has a method for each kind of resource (Agents, Numbers, Calls and
// so on), whose value has the operations. Every operation takes a context and
// sends one request; a refusal is an *Error. Nothing is tried twice unless
// Client.Retries asks for it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// Client talks to one server as one environment. It may be used concurrently.
type Client struct {
	base string
	key  sidetone.Secret
	// HTTP carries the requests. It has no overall timeout, because event
	// streams last as long as their call: bound requests by their contexts.
	HTTP *http.Client
	// Environment names another environment of the account, for keys that may
	// act in all of them; "" is the key's own. It is set before the first
	// request.
	Environment string
	// Retries is how often a request is sent again that got no answer, or one
	// that asks for patience (429, 502, 503, 504, or any with Retry-After). Only
	// requests that cannot have a second effect are: reads, and those with an
	// IdempotencyKey. The wait is Retry-After, or 250 ms that double up to 8 s;
	// the context ends it. 0, the default, tries once. It is set before the
	// first request.
	Retries int
	// Warned is told each warning of an answer: a part of the request that was
	// stored and does not act, as "property; reason; sentence". Nil drops them. It is
	// set before the first request and called by whoever sends one.
	Warned func(text string)
}

// New returns a client of the server at base (http://host:port) with the API
// key.
func New(base string, key sidetone.Secret) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), key: key, HTTP: &http.Client{}}
}

// Error is an answer that is no success.
type Error struct {
	// StatusCode is the HTTP status.
	StatusCode int `json:"statusCode"`
	// Message says what is wrong, with the property's path.
	Message string `json:"message"`
	// Kind is the status in words, such as "Not Found".
	Kind string `json:"error"`
	// RetryAfter is how long the server asks to wait before the same request
	// can succeed (RFC 9110, section 10.2.3); 0 when it does not say so in
	// seconds.
	RetryAfter time.Duration `json:"-"`
}

// Error returns status and message.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.StatusCode, e.Message) }

// Option changes one request.
type Option func(http.Header)

// IdempotencyKey names a request, with up to 255 bytes of the caller's choice:
// the same request with the same key within 24 hours has no second effect and
// gets the first one's answer. With another body it is refused (422), and one
// whose answer holds a secret is not repeated (409).
func IdempotencyKey(key string) Option {
	return func(h http.Header) { h.Set("Idempotency-Key", key) }
}

// request is what send sends.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	header       http.Header
}

// repeatable reports whether a request has no second effect.
func (r request) repeatable() bool {
	return r.method == http.MethodGet || r.header.Get("Idempotency-Key") != ""
}

// get asks for path and decodes the answer into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.Do(ctx, http.MethodGet, path, query, nil, out)
}

// post sends body (nil for none) and decodes the answer into out.
func (c *Client) post(ctx context.Context, path string, query url.Values, body, out any, options ...Option) error {
	return c.Do(ctx, http.MethodPost, path, query, body, out, options...)
}

// Do sends one request for an operation that has no method of its own: body is
// sent as JSON unless it is nil, and the answer is decoded into out unless that
// is nil. A refusal is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any, options ...Option) error {
	r := request{method: method, path: path, query: query, header: http.Header{"Content-Type": {"application/json"}}}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		r.body = raw
	}
	for _, change := range options {
		change(r.header)
	}
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", path, err)
	}
	return nil
}

// send returns a successful answer, whose body the caller closes, or an
// *Error. It tries as often as Retries allows.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		res, err := c.once(ctx, r)
		if err == nil || attempt >= c.Retries || !r.repeatable() || ctx.Err() != nil {
			return res, err
		}
		wait, worthIt := patience(err, attempt)
		if !worthIt {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// patience returns how long to wait after a failure, and whether it may pass.
func patience(err error, attempt int) (time.Duration, bool) {
	backoff := 250 * time.Millisecond << min(attempt, 5)
	var refused *Error
	if !errors.As(err, &refused) {
		return backoff, true
	}
	if refused.RetryAfter > 0 {
		return refused.RetryAfter, true
	}
	switch refused.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return backoff, true
	}
	return 0, false
}

// once sends a request once.
func (c *Client) once(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header = r.header.Clone()
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	if c.Environment != "" {
		req.Header.Set("Sidetone-Environment", c.Environment)
	}
	req.URL.RawQuery = r.query.Encode()
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 {
		for _, text := range res.Header.Values("Sidetone-Warning") {
			if c.Warned != nil {
				c.Warned(text)
			}
		}
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	return nil, refusal(res)
}

// refusal reads an answer that is no success.
func refusal(res *http.Response) *Error {
	e := &Error{}
	if json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(e) != nil || e.Message == "" {
		e.Message = res.Status
	}
	e.StatusCode = res.StatusCode
	if seconds, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// text returns an answer that is no JSON.
func (c *Client) text(ctx context.Context, path string) ([]byte, error) {
	res, err := c.send(ctx, request{method: http.MethodGet, path: path, header: http.Header{}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	return io.ReadAll(res.Body)
}

// Document returns the server's OpenAPI document, as YAML.
func (c *Client) Document(ctx context.Context) ([]byte, error) { return c.text(ctx, "/openapi.yaml") }

// Metrics returns the server's figures in the text format of Prometheus. The
// key needs the scope metrics.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) { return c.text(ctx, "/metrics") }

// Health is how a server is.
type Health struct {
	// Status is ok or unavailable.
	Status string `json:"status,omitempty"`
}

// Alive returns how the process is; any answer means that it lives.
func (c *Client) Alive(ctx context.Context) (Health, error) {
	var out Health
	err := c.get(ctx, "/healthz", nil, &out)
	return out, err
}

// Ready returns nil when the server can do its work.
func (c *Client) Ready(ctx context.Context) error {
	var out Health
	return c.get(ctx, "/readyz", nil, &out)
}

// SupportEntry says what becomes of a property, or of one of its values.
type SupportEntry struct {
	// Resource has the property: agent, voice, call and so on.
	Resource string `json:"resource,omitempty"`
	// Property is its path, with [] for the items of a list.
	Property string `json:"property,omitempty"`
	// Value is one of its values; "" for the property itself.
	Value string `json:"value,omitempty"`
	// Status is acts, kept or refused.
	Status string `json:"status,omitempty"`
	// Test is the test that shows what acts.
	Test string `json:"test,omitempty"`
	// Reason says in a word why it does not act, Sentence for people; of what acts,
	// Sentence says what it leaves out.
	Reason   string `json:"reason,omitempty"`
	Sentence string `json:"sentence,omitempty"`
}

// Support is what acts and what is only kept.
type Support struct {
	Entries []SupportEntry `json:"entries"`
}

// Support returns what acts; with the id of an agent, what of it does not.
func (c *Client) Support(ctx context.Context, agentID string) (Support, error) {
	var out Support
	query := url.Values{}
	if agentID != "" {
		query.Set("agent", agentID)
	}
	err := c.get(ctx, "/v1/support", query, &out)
	return out, err
}

// Usage is what was used in the month so far.
type Usage struct {
	// UserID is the account.
	UserID string `json:"user_id,omitempty"`
	// PlanType is plan_free, plan_developer, plan_enterprise or plan_unlimited.
	PlanType string `json:"plan_type,omitempty"`
	// MonthlyUsageMinutes are the minutes of calls since the month began.
	MonthlyUsageMinutes int64 `json:"monthly_usage_minutes"`
	// MonthlyUsageLimitMinutes is the most there may be; nil for no limit.
	MonthlyUsageLimitMinutes *int64 `json:"monthly_usage_limit_minutes"`
}

// Usage returns what was used in the month so far.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var out Usage
	err := c.get(ctx, "/v1/usage", nil, &out)
	return out, err
}
