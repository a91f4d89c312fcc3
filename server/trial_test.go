package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone"
)

// TestProgramsAreReached: a customer's program is tested by opening its socket, with its
// credential, and told of no call.
func TestProgramsAreReached(t *testing.T) {
	t.Parallel()
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer k" || r.URL.Path != "/llm/test" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if _, got, err := c.Read(r.Context()); err == nil {
			t.Errorf("the program was told %s", got)
		}
	}))
	defer program.Close()
	config := Defaults()
	config.Outbound.Allow = []string{strings.TrimPrefix(program.URL, "http://")}
	p := newProviders(config, newVendors(), testKeyring(config), slog.New(slog.DiscardHandler), func() {})
	for key, want := range map[string]string{"k": "", "other": "401"} {
		c := sidetone.Connection{ID: "c", Type: "account_connection_harness", Config: []byte("{}"),
			Credentials: sidetone.Secret(`{"api_key":"` + key + `","protocol":"retell","base_url":"ws` + strings.TrimPrefix(program.URL, "http") + `/llm"}`)}
		trials, err := p.try(t.Context(), c)
		if err != nil || len(trials) != 1 {
			t.Fatalf("got %v, %v", trials, err)
		}
		if got := trials[0].Err; (got == nil) != (want == "") || got != nil && !strings.Contains(got.Error(), want) {
			t.Errorf("%s: got %v, want %q", key, got, want)
		}
	}
	if got := locale("en") + locale("pt-PT") + locale("ja"); got != "en-USpt-PTja-JP" {
		t.Errorf("got %s", got)
	}
}
