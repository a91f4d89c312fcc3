// Package client is a Go client of Sidetone's HTTP API, for the command line,
// the demo and the end-to-end tests.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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
	// Kind is the status in words.
	Kind string `json:"error"`
}

// Error returns status and message.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.StatusCode, e.Message) }

// Page is one page of a list.
type Page[T any] struct {
	// Items are newest first unless sorted otherwise.
	Items []T `json:"items"`
	// Page counts from 1; Size is the most items.
	Page int `json:"page"`
	// Size is the most items of the page.
	Size int `json:"size"`
	// HasMore says that a later page exists.
	HasMore bool `json:"has_more"`
	// Total counts all items; an estimate above 10,000.
	Total int64 `json:"total"`
	// NextCursor leads to the next page as Query.Cursor; empty on the last.
	NextCursor string `json:"next_cursor"`
}

// get asks for path and decodes the answer into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.Do(ctx, http.MethodGet, path, query, nil, out)
}

// post sends body (nil for none) and decodes the answer into out.
func (c *Client) post(ctx context.Context, path string, query url.Values, body, out any) error {
	return c.Do(ctx, http.MethodPost, path, query, body, out)
}

// Do sends one request for an operation that has no method of its own: body is
// sent as JSON unless it is nil, and the answer is decoded into out unless that
// is nil. A refusal is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	res, err := c.send(ctx, method, path, query, payload, http.Header{"Content-Type": {"application/json"}})
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
// *Error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	if c.Environment != "" {
		req.Header.Set("Sidetone-Environment", c.Environment)
	}
	req.URL.RawQuery = query.Encode()
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	failure := &Error{}
	if json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(failure) != nil || failure.Message == "" {
		failure.Message = res.Status
	}
	failure.StatusCode = res.StatusCode
	return nil, failure
}

// Document returns the server's OpenAPI document, as YAML.
func (c *Client) Document(ctx context.Context) ([]byte, error) {
	res, err := c.send(ctx, http.MethodGet, "/openapi.yaml", nil, nil, http.Header{})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	return io.ReadAll(res.Body)
}

// Ready returns nil when the server can do its work.
func (c *Client) Ready(ctx context.Context) error {
	var answer struct{}
	return c.get(ctx, "/readyz", nil, &answer)
}
