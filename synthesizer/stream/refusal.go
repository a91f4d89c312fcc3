package stream

import (
	"errors"
	"strings"

	"github.com/sidetone/sidetone/provider"
)

// Refusal is the failure that a vendor reported inside a stream, as a JSON object;
// status is an HTTP status that it named, 0 for none.
func Refusal(c *provider.Client, status int, body []byte) *provider.Failure {
	f := c.Refusal(status, nil, body)
	if status < 400 {
		_, code := provider.Words(body)
		f.Kind = kindOf(code + " " + f.Message)
	}
	return f
}

// Judge gives the failure of a WebSocket that a vendor closed the kind that its
// reason tells; other errors are returned as they are.
func Judge(err error) error {
	f := (*provider.Failure)(nil)
	if !errors.As(err, &f) || f.Status == 0 || f.Message == "" {
		return err
	}
	if kind := kindOf(f.Message); kind != provider.Broken {
		judged := *f
		judged.Kind = kind
		return &judged
	}
	return err
}

// kindOf reads a vendor's code or words; Broken when they tell nothing.
func kindOf(words string) provider.Kind {
	words = strings.ToLower(strings.NewReplacer("_", " ", "-", " ").Replace(words))
	for _, known := range []struct {
		kind  provider.Kind
		parts []string
	}{
		{provider.Rejected, []string{"characters"}},
		{provider.Exhausted, []string{"quota", "credits", "billing", "payment", "balance"}},
		{provider.Unauthorised, []string{"api key", "unauthori", "authenticat", "forbidden", "permission"}},
		{provider.Limited, []string{"rate limit", "too many", "concurren", "busy", "overloaded", "throttl"}},
		{provider.Missing, []string{"not found", "does not exist", "no such"}},
		{provider.Late, []string{"timeout", "timed out"}},
		{provider.Rejected, []string{"invalid", "unsupported", "validation", "exceed", "too long", "bad request", "maximum"}},
	} {
		for _, part := range known.parts {
			if strings.Contains(words, part) {
				return known.kind
			}
		}
	}
	return provider.Broken
}
