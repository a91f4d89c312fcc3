package call_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
)

// contextSource answers after a time.
type contextSource struct {
	after time.Duration
	json  string
	err   error
	asked string
}

// Context implements call.Contexts.
func (s *contextSource) Context(ctx context.Context, endpoint string, c sidetone.Call) ([]byte, error) {
	s.asked = endpoint + " " + c.FromNumber
	select {
	case <-time.After(s.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return []byte(s.json), s.err
}

// The endpoint is asked while the call rings, and fills placeholders; a call goes on
// without it.
func TestContextIsAskedWhileItRings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source  contextSource
		answers time.Duration
		greets  string
		limit   string
	}{
		"in time": {contextSource{after: time.Second, json: `{"name":"ann"}`}, time.Second, "hello ann", ""},
		"late":    {contextSource{after: time.Minute}, 2 * time.Second, "hello", "context_endpoint: no answer within 2 s"},
		"failing": {contextSource{err: errors.New("it answered with status 503")}, 0, "hello", "context_endpoint: it answered with status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, cfg *call.Config) {
					cfg.Contexts = &c.source
					w.snapshot.Agent.InitialMessage = "hello ${name}"
					w.snapshot.Prompt.ContextEndpoint = "https://who.example"
				})
				defer w.stop()
				began := time.Now()
				far := w.ring()
				<-far.Answered()
				if took := time.Since(began); took != c.answers {
					t.Errorf("answered after %s, want %s", took, c.answers)
				}
				time.Sleep(3 * time.Second)
				if got := heard(far); got != c.greets {
					t.Errorf("greeting: %q", got)
				}
				far.Hangup()
				r, _ := w.result()
				if c.source.asked == "" || !strings.HasPrefix(c.source.asked, "https://who.example ") {
					t.Errorf("asked: %q", c.source.asked)
				}
				if got := strings.Join(r.Errors, "; "); !strings.HasPrefix(got, c.limit) || c.limit == "" && got != "" {
					t.Errorf("errors: %q", got)
				}
			})
		})
	}
}
