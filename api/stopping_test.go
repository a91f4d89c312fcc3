package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// A server that shuts down is not ready, begins no call and no purchase, and goes
// on with everything else.
func TestNothingBeginsWhileStopping(t *testing.T) {
	both(t, func(b *bench) {
		from := b.number()
		stopping := make(chan struct{})
		h := New(Config{Store: b.store, Stopping: stopping, Shops: map[string]telephony.NumberShop{"simulated": b.shop}})
		ask := func(target, body string) *httptest.ResponseRecorder {
			method, path, _ := strings.Cut(target, " ")
			w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+b.key)
			h.ServeHTTP(w, r)
			return w
		}
		if got := ask("GET /readyz", ""); got.Code != http.StatusOK {
			b.t.Errorf("ready: %d %s", got.Code, got.Body)
		}
		close(stopping)
		for target, body := range map[string]string{
			"GET /readyz":           "",
			"POST /v1/calls/create": `{"to_number":"+12025550199","from_number":"` + from + `","agent":{"prompt":{"content":"p"}}}`,
			"POST /v1/numbers/buy":  `{}`,
		} {
			got := ask(target, body)
			if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), "the server is shutting down") {
				b.t.Errorf("%s: %d %v %s", target, got.Code, got.Header(), got.Body)
			}
		}
		for target, body := range map[string]string{"GET /healthz": "", "GET /v1/agents/list": "", "POST /v1/prompts/create": `{"content":"p"}`} {
			if got := ask(target, body); got.Code/100 != 2 {
				b.t.Errorf("%s: %d %s", target, got.Code, got.Body)
			}
		}
		if got := b.do("GET /v1/calls/list", "").at("total"); got != 0.0 {
			b.t.Errorf("%v calls", got)
		}
	})
}

// While a server shuts down its log has what fails, and not what it refuses for that
// reason.
func TestWhatIsLoggedWhileStopping(t *testing.T) {
	both(t, func(b *bench) {
		var log strings.Builder
		stopping := make(chan struct{})
		close(stopping)
		h := New(Config{Store: b.store, Stopping: stopping, Shops: map[string]telephony.NumberShop{"simulated": b.shop},
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
		ask := func(method, path, body string) int {
			w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+b.key)
			h.ServeHTTP(w, r)
			return w.Code
		}
		if status := ask("POST", "/v1/numbers/buy", `{}`); status != http.StatusServiceUnavailable || log.String() != "" {
			b.t.Errorf("a purchase: %d, logged %q", status, log.String())
		}
		b.shop.breakDown(errors.New("the line is cut"))
		if status := ask("GET", "/v1/numbers/available", ""); status != http.StatusServiceUnavailable || !strings.Contains(log.String(), "the line is cut") {
			b.t.Errorf("a carrier that fails: %d, logged %q", status, log.String())
		}
	})
}

// What a store says about itself reaches whoever asks for readiness.
func TestReadinessNamesTheReason(t *testing.T) {
	t.Parallel()
	full := sidetone.Errorf(sidetone.Unavailable, "the disk of the data directory is full")
	w := httptest.NewRecorder()
	New(Config{Ready: func(context.Context) error { return full }}).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "the disk of the data directory is full") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
