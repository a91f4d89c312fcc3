package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

const canary sidetone.Secret = "canaryQwErTyUiOp"

// client asks server with the canary.
func client(server *httptest.Server) *Client {
	return &Client{Vendor: "acme", HTTP: server.Client(), Secrets: []sidetone.Secret{canary},
		Authorise: func(h http.Header) { h.Set("Authorization", "Bearer "+canary.Reveal()) }}
}

// all collects a stream of events as "name=data".
func all(r io.Reader) (out []string, err error) {
	for e, err := range Events(r) {
		if err != nil {
			return out, err
		}
		out = append(out, e.Name+"="+string(e.Data))
	}
	return out, nil
}

func TestEventsAreReadHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	const stream = ": a comment\n\nevent: first\r\ndata: one\r\ndata: two\r\n\r\ndata:three\rid: 7\r\rdata\n\nretry: 5\n\ndata: last"
	want := []string{"first=one\ntwo", "=three", "=", "=last"}
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(stream), "byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
		"halves": iotest.HalfReader(strings.NewReader(stream))} {
		got, err := all(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestEventsThatAreTooLongOrBreakOff(t *testing.T) {
	t.Parallel()
	if _, err := all(strings.NewReader("data: " + strings.Repeat("x", EventLimit))); !errors.Is(err, errTooLong) {
		t.Errorf("a long line: %v", err)
	}
	if _, err := all(strings.NewReader(strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 5))); !errors.Is(err, errTooLong) {
		t.Errorf("many lines: %v", err)
	}
	broken := errors.New("broken")
	got, err := all(io.MultiReader(strings.NewReader("data: one\n\ndata: tw"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: a\ndata: b\n\n"))
	f.Add([]byte("data: {\"x\":1}\r\n\r\ndata: [DONE]\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := all(strings.NewReader(string(data)))
		cut, errCut := all(iotest.OneByteReader(strings.NewReader(string(data))))
		if diff := cmp.Diff(whole, cut); diff != "" || (err == nil) != (errCut == nil) {
			t.Errorf("%v, %v\n%s", err, errCut, diff)
		}
	})
}

// TestFailuresOfRequests: a failure has the kind, the vendor's words and the request's
// name, and shows no secret.
func TestFailuresOfRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   Failure
	}{
		"OpenAI's shape":     {401, `{"error":{"message":"Incorrect API key provided: canaryQwErTyUiOp","code":"invalid_api_key"}}`, Failure{Kind: Unauthorised, Message: "Incorrect API key provided: ********"}},
		"no quota left":      {429, `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`, Failure{Kind: Exhausted, Message: "You exceeded your current quota"}},
		"Deepgram's shape":   {402, `{"err_code":"ASR_PAYMENT_REQUIRED","err_msg":"Project does not have enough credits"}`, Failure{Kind: Exhausted, Message: "Project does not have enough credits"}},
		"ElevenLabs' shape":  {404, `{"detail":{"status":"voice_not_found","message":"A voice was not found."}}`, Failure{Kind: Missing, Message: "A voice was not found."}},
		"a text":             {503, "upstream is down\n", Failure{Kind: Broken, Message: "upstream is down"}},
		"Anthropic's shape":  {529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, Failure{Kind: Limited, Message: "Overloaded"}},
		"too many":           {429, `{"error":"slow down"}`, Failure{Kind: Limited, Message: "slow down"}},
		"a wrong request":    {400, `{"error":{"message":null},"title":7}`, Failure{Kind: Rejected, Message: `{"error":{"message":null},"title":7}`}},
		"no body":            {500, "", Failure{Kind: Broken}},
		"a redirect":         {302, "", Failure{Kind: Broken}},
		"a long text":        {500, strings.Repeat("é", 500), Failure{Kind: Broken, Message: strings.Repeat("é", 500)}},
		"a longer one":       {500, strings.Repeat("é", 400) + strings.Repeat("ü", 400), Failure{Kind: Broken, Message: strings.Repeat("é", 250) + "…" + strings.Repeat("ü", 249)}},
		"a key at the cut":   {500, strings.Repeat("-", 240) + "canaryQwErTyUiOp" + strings.Repeat("-", 400), Failure{Kind: Broken, Message: strings.Repeat("-", 240) + "********--…" + strings.Repeat("-", 249)}},
		"a forbidden model":  {403, `{"detail":"no access"}`, Failure{Kind: Unauthorised, Message: "no access"}},
		"a gateway's timout": {504, "", Failure{Kind: Late}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Request-Id", "r1")
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			_, err := client(server).Post(t.Context(), server.URL, "application/json", nil, []byte("{}"))
			var got *Failure
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			want := c.want
			want.Vendor, want.Status, want.RequestID, want.RetryAfter = "acme", c.status, "r1", 2*time.Second
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoSecretInAnyError: addresses and answers may hold the key.
func TestNoSecretInAnyError(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("Authorization"))
		http.Error(w, r.Header.Get("Authorization"), http.StatusUnauthorized)
	}))
	c := client(server)
	_, err := c.Get(t.Context(), server.URL+"?key="+canary.Reveal(), nil)
	errs := []error{err}
	_, err = c.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"?key="+canary.Reveal(), nil)
	errs = append(errs, err)
	server.Close()
	_, err = c.Get(t.Context(), server.URL+"?key="+canary.Reveal(), nil)
	errs = append(errs, err)
	_, err = c.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"?key="+canary.Reveal(), nil)
	errs = append(errs, err)
	_, err = c.Get(t.Context(), "http://"+canary.Reveal()+"\n", nil)
	errs = append(errs, err)
	for i, err := range errs {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%v %+v %#v", err, err, c); strings.Contains(err.Error(), canary.Reveal()) || i < 2 && strings.Contains(text, canary.Reveal()) {
				t.Errorf("%d: %s", i, text)
			}
			if _, ours := err.(hidden); ours { //nolint:errorlint // this very error
				break // what lies behind it is for errors.Is only
			}
		}
	}
}

func TestLateAndCancelled(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client(server).Get(ctx, server.URL, nil); KindOf(err) != Late {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := client(server).Get(ctx, server.URL, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An upgrade that was refused was a request all the same: its address may say something
// of the call. One that never left counts for nothing, one that succeeded when it is used.
func TestRefusedUpgradesCount(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("dg-request-id", "r3")
		if r.URL.Path == "/fine" {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				_ = conn.CloseNow()
			}
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	c, base := client(server), "ws"+strings.TrimPrefix(server.URL, "http")
	dial := func(path string) (*Meter, *Socket) {
		m := &Meter{}
		s, _ := c.Dial(WithMeter(t.Context(), m), base+path, nil)
		return m, s
	}
	m, _ := dial("/refused?keyterm=surname")
	if got, news := m.Total(), m.News(); got.Requests != 1 || !slices.Equal(got.Hosts, []string{"127.0.0.1"}) || !slices.Equal(news.Requests, []string{"r3"}) {
		t.Errorf("refused: %+v, news %+v", got, news)
	}
	m, s := dial("/fine")
	if got := m.Total(); got.Requests != 0 || s == nil {
		t.Errorf("accepted: %+v", got)
	} else {
		s.Close()
	}
	server.Close()
	if m, _ := dial("/gone"); m.Total().Requests != 0 {
		t.Errorf("nobody there: %+v", m.Total())
	}
	var nobody *Meter
	if _, err := c.Dial(WithMeter(t.Context(), nobody), base, nil); err == nil {
		t.Error("a closed server accepted")
	}
}

func TestSocketTellsHowItEnded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("dg-request-id", "r2")
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		kind, data, err := conn.Read(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Write(r.Context(), kind, data)
		_ = conn.Close(1011, "NET-0001 "+canary.Reveal())
	}))
	defer server.Close()
	s, err := client(server).Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Binary(t.Context(), []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	data, binary, err := s.Read(t.Context())
	if err != nil || !binary || len(data) != 2 || s.RequestID() != "r2" {
		t.Errorf("got %v, %v, %v, %q", data, binary, err, s.RequestID())
	}
	_, _, err = s.Read(t.Context())
	want := &Failure{Vendor: "acme", Kind: Broken, Status: 1011, Message: "NET-0001 ********", RequestID: "r2"}
	var got *Failure
	if !errors.As(err, &got) || cmp.Diff(want, got) != "" {
		t.Errorf("got %v", err)
	}
	if err := s.Text(t.Context(), nil); err == nil {
		t.Error("a write after the end succeeded")
	}
}
