package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/webhook"
)

// contextBench answers a request for a context.
func contextBench(t *testing.T, allow bool, answer http.HandlerFunc) (contexts, string) {
	t.Helper()
	endpoint := httptest.NewServer(answer)
	t.Cleanup(endpoint.Close)
	var o outbound.Options
	if allow {
		o.Allow = []string{"127.0.0.1"}
	}
	guard, err := outbound.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	return contexts{client: guard.Client, now: time.Now}, endpoint.URL
}

func contextCall() sidetone.Call {
	h := sidetone.NewWebhook("w", "env", time.Now())
	h.Secret = sidetone.NewWebhookSecret()
	return sidetone.Call{ID: "call", EnvironmentID: "env", FromNumber: "+12025550123", Snapshot: sidetone.Snapshot{Webhook: &h}}
}

func TestContextEndpoint(t *testing.T) {
	t.Parallel()
	c := contextCall()
	source, address := contextBench(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Query().Get("phone_number") != "+12025550123" || r.URL.Query().Get("tenant") != "7" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if err := webhook.Verify(r.Header, []byte(r.URL.RawQuery), c.Snapshot.Webhook.Secret, time.Now()); err != nil {
			t.Errorf("the signature: %v", err)
		}
		_, _ = io.WriteString(w, `{"name":"Ann","orders":2}`) // the other end notices
	})
	got, err := source.Context(t.Context(), address+"/who?tenant=7", c)
	if err != nil || string(got) != `{"name":"Ann","orders":2}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestContextEndpointThatFails(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]http.HandlerFunc{
		"it answered with status 503":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"it answered with status 302":          func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
		"it did not answer with a JSON object": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `["a"]`) },
		"it answered with more than 64 KiB":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 65<<10)) },
	} {
		source, address := contextBench(t, true, answer)
		if _, err := source.Context(t.Context(), address+"/secret", contextCall()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	source, address := contextBench(t, false, func(http.ResponseWriter, *http.Request) { t.Error("a private address was asked") })
	_, err := source.Context(t.Context(), address+"/secret", contextCall())
	if err == nil || !strings.Contains(err.Error(), "must not be reached") || strings.Contains(err.Error(), "/secret") {
		t.Errorf("got %v", err)
	}
}
