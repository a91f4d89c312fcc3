package provider

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A connection with TLS that was opened ahead serves the first request; nothing is
// asked for with it, and no credential is shown.
func TestWarm(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var asked []string
			var connections atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
				w.WriteHeader(http.StatusNotFound)
			}))
			server.EnableHTTP2 = http2
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					connections.Add(1)
				}
			}
			server.StartTLS()
			defer server.Close()
			c := client(server)
			c.Warm(t.Context(), server.URL+"/v1")
			_, err := c.Post(t.Context(), server.URL+"/v1/answers", "text/plain", nil, nil)
			if KindOf(err) != Missing || connections.Load() != 1 {
				t.Errorf("%v, %d connections, want 1", err, connections.Load())
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff([]string{"HEAD /v1 ", "POST /v1/answers Bearer " + canary.Reveal()}, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingToWarm(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a server without TLS was asked") }))
	defer server.Close()
	c := client(server)
	c.Warm(t.Context(), server.URL)
	c.Warm(t.Context(), "https://\x00")
	c.Warm(t.Context(), "")
	server.Close()
	c.Warm(t.Context(), strings.Replace(server.URL, "http", "https", 1)) // gone
}
