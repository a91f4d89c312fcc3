package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/webhook"
)

// contexts asks the endpoints of customers for the contexts of calls.
type contexts struct {
	client func(environmentID string) *http.Client
	now    func() time.Time
}

// contextMost bounds the context of a call, in bytes.
const contextMost = 64 << 10

// Context implements call.Contexts. The request is signed with the secret of the agent's
// webhook, if it has one: the query stands for the body.
func (c contexts) Context(ctx context.Context, endpoint string, call sidetone.Call) ([]byte, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	q := u.Query()
	q.Set("phone_number", call.FromNumber)
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Sidetone-Context/1")
	if h := call.Snapshot.Webhook; h != nil && h.Secret != "" {
		now := c.now()
		if err := webhook.Sign(r.Header, call.ID, now, []byte(u.RawQuery), h.Secrets(now)); err != nil {
			return nil, fmt.Errorf("sign the request: %w", err)
		}
	}
	response, err := c.client(call.EnvironmentID).Do(r)
	if err != nil {
		return nil, outbound.Cause(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	return readContext(response)
}

// readContext reads what an endpoint answered.
func readContext(response *http.Response) ([]byte, error) {
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, contextMost+1))
	switch {
	case err != nil:
		return nil, outbound.Cause(err)
	case len(body) > contextMost:
		return nil, fmt.Errorf("it answered with more than %d KiB", contextMost>>10)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return nil, errors.New("it did not answer with a JSON object")
	}
	return body, nil
}
