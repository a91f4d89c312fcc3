package standin_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vendor is a stand-in that answers with three events, over TLS.
func vendor(t *testing.T) (*standin.Control, *standin.Server, *http.Client) {
	t.Helper()
	c := &standin.Control{}
	h := c.Handler("k", func(w http.ResponseWriter, status int, reason string) {
		standin.WriteJSON(w, status, map[string]string{"reason": reason})
	},
		func(w http.ResponseWriter, r *standin.Request) {
			body, err := standin.ReadBody(r.Request)
			if err != nil {
				return
			}
			r.Note(body)
			e := standin.OpenEvents(w, r)
			e.Error = func() (string, any) { return "error", "bad" }
			for _, n := range []int{1, 2, 3} {
				if !e.Send("n", n) {
					return
				}
			}
		})
	s, err := standin.Start("127.0.0.1:0", c.Admin(h), true)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, s, &http.Client{Transport: transport}
}

// ask sends a request and returns status and body; what broke off is "broken".
func ask(t *testing.T, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer k")
	response, err := client.Do(r)
	if err != nil {
		return 0, "broken"
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return response.StatusCode, string(raw) + "broken"
	}
	return response.StatusCode, string(raw)
}

func TestFaultsOverTheControl(t *testing.T) {
	t.Parallel()
	_, s, client := vendor(t)
	three := "event: n\ndata: 1\n\nevent: n\ndata: 2\n\nevent: n\ndata: 3\n\n"
	one := "event: n\ndata: 1\n\n"
	for _, c := range []struct {
		fault  string
		status int
		body   string
	}{
		{"unknown?times=1", 200, three}, {"slow?delay=1ms&times=1", 200, three}, {"status?status=429&reason=much&retry-after=1s&times=1", 429, `{"reason":"much"}`},
		{"refuse?times=1", 0, "broken"}, {"reset?after=1&times=1", 200, one + "broken"}, {"malformed?after=1&times=1", 200, one + "data: {\"this is\": not JSON\n\n"},
		{"in-band?after=1&times=1", 200, one + "event: error\ndata: \"bad\"\n\n"},
	} {
		if status, body := ask(t, client, "POST", s.URL+"/standin/faults", c.fault); status != 204 {
			t.Fatalf("inject %s: %d %s", c.fault, status, body)
		}
		if status, body := ask(t, client, "POST", s.URL+"/x", "hello"); status != c.status || body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.fault, status, body, c.status, c.body)
		}
		if status, body := ask(t, client, "POST", s.URL+"/x", "hello"); status != 200 || body != three {
			t.Errorf("after %s: %d %q", c.fault, status, body)
		}
	}
	if status, body := ask(t, client, "POST", s.URL+"/standin/faults", "nonsense"); status != 400 || !strings.Contains(body, "no such kind") {
		t.Errorf("a fault that there is not: %d %s", status, body)
	}
	ask(t, client, "POST", s.URL+"/standin/faults", "refuse\nmute")
	if status, _ := ask(t, client, "DELETE", s.URL+"/standin/faults", ""); status != 204 {
		t.Errorf("clear: %d", status)
	}
	if status, _ := ask(t, client, "POST", s.URL+"/x", "hello"); status != 200 {
		t.Errorf("after clear: %d", status)
	}
}

func TestLedgerOverTheControl(t *testing.T) {
	t.Parallel()
	_, s, client := vendor(t)
	ask(t, client, "POST", s.URL+"/x?key=k&a=b", "hello")
	_, raw := ask(t, client, "GET", s.URL+"/standin/ledger", "")
	var ledger []struct {
		Method, Path, Credential, Fault string
		Query, Header                   map[string][]string
		Body                            []string
	}
	if err := json.Unmarshal([]byte(raw), &ledger); err != nil || len(ledger) != 1 {
		t.Fatalf("ledger %s: %v", raw, err)
	}
	e := ledger[0]
	if e.Method != "POST" || e.Path != "/x" || e.Credential != "k" || len(e.Body) != 1 || e.Body[0] != "hello" || len(e.Query) != 1 || e.Header["Authorization"] != nil {
		t.Errorf("entry %+v", e)
	}
	if _, body := ask(t, client, "GET", s.URL+"/standin/active", ""); body != "0" {
		t.Errorf("active %s", body)
	}
}

// A client that leaves ends the faults that wait for it.
func TestWaitingFaultsEndWithTheirClient(t *testing.T) {
	t.Parallel()
	control, s, client := vendor(t)
	for _, kind := range []standin.Kind{standin.HalfOpen, standin.Mute, standin.Slow} {
		control.Inject(standin.Fault{Kind: kind, Times: 1, Delay: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/x", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer k")
		if response, err := client.Do(r); err == nil {
			_, _ = io.ReadAll(response.Body)
			_ = response.Body.Close()
		}
		cancel()
		for end := time.Now().Add(5 * time.Second); control.Active() > 0; <-time.After(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s goes on without its client", kind)
			}
		}
	}
}
