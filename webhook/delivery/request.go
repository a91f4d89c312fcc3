package delivery

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/webhook"
)

const (
	// responseMost is how much of a response is read, and kept.
	responseMost = 4 << 10
	// errorMost is how much of an error's text is kept.
	errorMost = 500
	// retryAfter is the header by which an endpoint asks for a pause.
	retryAfter = "Retry-After"
	mask       = "********"
)

// Try sends a test to a webhook, once, and returns what came of it.
func (w *Worker) Try(ctx context.Context, h sidetone.Webhook) sidetone.DeliveryAttempt {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	now := time.Now()
	d := sidetone.Delivery{ID: "test_" + rand.Text(), EnvironmentID: h.EnvironmentID}
	var err error
	if d.Body, err = webhook.TestBody(d.ID, now); err != nil {
		return sidetone.DeliveryAttempt{At: now, URL: masked(h.URL), Failure: webhook.FailedRefused, Error: err.Error()}
	}
	a := exchange(ctx, w.c.Client(h.EnvironmentID), store.EndpointLease{Webhook: h}, d, now)
	a.At, a.Took = now, time.Since(now)
	return a
}

// send makes one request and returns what came of it. The end of ctx leaves it a little
// time.
func (w *Worker) send(ctx context.Context, l store.EndpointLease, d sidetone.Delivery) store.Sent {
	ending := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	defer context.AfterFunc(ending, func() {
		last := time.AfterFunc(lastTime, cancel)
		<-ctx.Done()
		last.Stop()
	})()
	started := time.Now()
	a := w.caught(func() sidetone.DeliveryAttempt { return exchange(ctx, w.c.Client(d.EnvironmentID), l, d, started) })
	a.At, a.Took = started, time.Since(started)
	w.c.Sent(a.Failure, d.Attempts == 0, started.Sub(d.Queued))
	return store.Sent{Delivery: d, Attempt: a}
}

// caught makes a panic a failed attempt: one message must not end the process.
func (w *Worker) caught(do func() sidetone.DeliveryAttempt) (a sidetone.DeliveryAttempt) {
	defer func() {
		if p := recover(); p != nil {
			w.c.Log.Error("panic in a request to a webhook", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			a = sidetone.DeliveryAttempt{Failure: webhook.FailedConnect, Error: "the server failed while it sent this"}
		}
	}()
	return do()
}

// exchange sends a delivery and reads the response.
func exchange(ctx context.Context, client *http.Client, l store.EndpointLease, d sidetone.Delivery, now time.Time) sidetone.DeliveryAttempt {
	a := sidetone.DeliveryAttempt{URL: masked(l.Webhook.URL)}
	r, err := request(ctx, l, d, now)
	if err != nil {
		a.Failure, a.Error = webhook.FailedRefused, clip(err.Error(), errorMost)
		return a
	}
	a.RequestHeaders = shown(r.Header)
	response, err := client.Do(r)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
		a.Status, a.ResponseHeaders = response.StatusCode, kept(response.Header)
		var body []byte
		body, err = io.ReadAll(io.LimitReader(response.Body, responseMost))
		a.Response = hide(strings.ToValidUTF8(string(body), "\uFFFD"), r.Header)
	}
	if err != nil {
		a.Failure, a.Error = reason(err), clip(hide(outbound.Cause(err).Error(), r.Header), errorMost)
		return a
	}
	a.Failure = webhook.Judge(response.StatusCode)
	return a
}

// request is what is sent of a delivery.
func request(ctx context.Context, l store.EndpointLease, d sidetone.Delivery, now time.Time) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.Webhook.URL, bytes.NewReader(d.Body))
	if err != nil {
		return nil, errors.New("the webhook's url is not one that can be asked")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Sidetone-Webhooks/1")
	if l.Webhook.Shape == sidetone.ShapeRetell {
		webhook.SignRetell(r.Header, now, d.Body, l.Webhook.Secret)
	}
	return r, webhook.Sign(r.Header, d.ID, now, d.Body, l.Webhook.Secrets(now))
}

// reason says why there was no whole response.
func reason(err error) string {
	var refused *outbound.Refused
	var late net.Error
	switch {
	case errors.As(err, &refused):
		return webhook.FailedRefused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return webhook.FailedTimeout
	}
	return webhook.FailedConnect
}

// secretHeaders are those that prove who sent a request.
func secretHeaders() []string {
	return []string{webhook.HeaderSignature, webhook.HeaderVocode, webhook.HeaderRetell, "Authorization"}
}

// shown are the headers of a request for the log.
func shown(h http.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		out[name] = h.Get(name)
	}
	for _, name := range secretHeaders() {
		if out[name] != "" {
			out[name] = mask
		}
	}
	return out
}

// kept are the headers of a response for the log: those that say what became of the
// request, and no others, which may hold what is nobody else's business.
func kept(h http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"Content-Type", "Content-Length", "Date", "Location", "Server", "X-Request-Id", retryAfter} {
		if v := h.Get(name); v != "" {
			if name == "Location" {
				v = masked(v)
			}
			out[name] = clip(v, errorMost)
		}
	}
	return out
}

// hide masks what proves who sent a request where a response repeats it.
func hide(text string, h http.Header) string {
	for _, name := range secretHeaders() {
		for part := range strings.FieldsSeq(h.Get(name)) {
			if part = strings.TrimPrefix(part, "v1,"); len(part) >= 8 {
				text = strings.ReplaceAll(text, part, mask)
			}
		}
	}
	return text
}

// masked is an address without the values of its query.
func masked(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return mask
	}
	u.User = nil
	q := u.Query()
	if len(q) == 0 {
		u.RawQuery = ""
		return u.String()
	}
	for name := range q {
		q[name] = []string{mask}
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), url.QueryEscape(mask), mask)
	return u.String()
}

// clip shortens text to at most n bytes of whole characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
