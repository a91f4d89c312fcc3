package provider

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/sidetone/sidetone"
)

// Client sends requests to one vendor. It is safe for concurrent use.
type Client struct {
	// Vendor names the vendor in failures, such as "openai".
	Vendor string
	// HTTP makes the connections. It must follow no redirects: they would take a
	// credential to another host.
	HTTP *http.Client
	// Authorise adds the credential to the headers of a request; nil: none.
	Authorise func(http.Header)
	// Secrets are put under stars wherever a failure tells what was said.
	Secrets []sidetone.Secret
}

// errorLimit is how many bytes of an error's body are read.
const errorLimit = 16 << 10

// Post sends one request with a body and returns the answer, whose body the
// caller closes. A status other than 2xx is a *Failure. It returns once the
// headers came; ctx also bounds reading the body.
func (c *Client) Post(ctx context.Context, url, contentType string, header http.Header, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, c.Fail(Rejected, "the address is not valid")
	}
	r.Header.Set("Content-Type", contentType)
	return c.send(r, header)
}

// Get sends one request without a body, see Post.
func (c *Client) Get(ctx context.Context, url string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, c.Fail(Rejected, "the address is not valid")
	}
	return c.send(r, header)
}

func (c *Client) send(r *http.Request, header http.Header) (*http.Response, error) {
	for name, values := range header {
		r.Header[name] = values
	}
	if c.Authorise != nil {
		c.Authorise(r.Header)
	}
	response, err := c.metered(r)
	if err != nil {
		return nil, c.reach(err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(response.Body, errorLimit)) // what came of it is enough
	return nil, c.Refusal(response.StatusCode, response.Header, text)
}

// metered sends a request and tells its meter of it, also when no answer came.
func (c *Client) metered(r *http.Request) (*http.Response, error) {
	m := MeterOf(r.Context())
	if m == nil {
		return c.HTTP.Do(r)
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	response, err := c.HTTP.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if sent.Load() {
		m.Sent(r.URL.Hostname())
	}
	if err == nil {
		c.Named(m, c.RequestID(response.Header))
	}
	return response, err
}

// Stream sends one request and yields the server-sent events of its answer, see
// Events. A connection that breaks off is a *Failure. It calls answered, unless
// nil, with the headers of the answer.
func (c *Client) Stream(ctx context.Context, url string, header http.Header, body []byte, answered func(http.Header)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		response, err := c.Post(ctx, url, "application/json", header, body)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		if answered != nil {
			answered(response.Header)
		}
		for e, err := range Events(response.Body) {
			if err != nil {
				err = c.reach(err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
