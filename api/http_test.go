package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/wire"
)

func TestAuthentication(t *testing.T) {
	both(t, func(b *bench) {
		const message = "Unauthorized: a known API key is needed as Authorization: Bearer KEY"
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer nonsense", "Basic " + b.key, b.key} {
			got := b.send("GET /v1/agents/list", "", http.Header{"Authorization": {header}})
			got.fails(401, message)
			if got.header.Get("WWW-Authenticate") != "Bearer" {
				b.t.Error("WWW-Authenticate is missing")
			}
		}
		b.send("GET /v1/agents/list", "", http.Header{"Authorization": {"bearer " + b.key}}).want(200)
		// An unknown route tells nobody whether a key is good; open routes need none.
		b.send("GET /v1/nothing", "", nil).fails(404, "there is no /v1/nothing")
		b.send("GET /healthz", "", nil).want(200)
		b.send("GET /readyz", "", nil).want(200)
		if got := b.send("GET /openapi.yaml", "", nil).want(200); string(got.raw) != contract.Text() {
			b.t.Error("/openapi.yaml is not the document")
		}
	})
}

func TestMethodsAndRoutes(t *testing.T) {
	both(t, func(b *bench) {
		got := b.do("DELETE /v1/agents", "")
		got.fails(405, "DELETE is not possible here")
		if allow := got.header.Get("Allow"); allow != "GET, HEAD, OPTIONS" {
			b.t.Errorf("got Allow %q", allow)
		}
		got = b.do("OPTIONS /v1/agents/create", "").want(204)
		if allow := got.header.Get("Allow"); allow != "OPTIONS, POST" {
			b.t.Errorf("got Allow %q", allow)
		}
		if got := b.do("HEAD /v1/agents/list", "").want(200); len(got.raw) != 0 || got.header.Get("Content-Length") == "" {
			b.t.Errorf("HEAD answers %q", got.raw)
		}
		b.do("GET /v1//agents", "").fails(404, "there is no /v1//agents")
		b.do("GET /v1/agents//", "").fails(404, "there is no /v1/agents//")
		b.do("GET /v1/agents?id=%zz", "").fails(400, "query must be well escaped")
	})
}

func TestBodies(t *testing.T) {
	both(t, func(b *bench) {
		for body, message := range map[string]string{
			`{"prompt":"p","prompt":"q"}`:       "prompt must be given once",
			`{"prompt":{"content":"p"}} {}`:     "body must hold one JSON value",
			`[]`:                                "body must be a JSON object",
			`{"prompt":`:                        "body must be complete JSON",
			`{"prompt":{"content":"a\u0000b"}}`: "body must not contain the character U+0000",
			`{"prompt":{"content":"p"},"initial_message_delay":20000}`: "initial_message_delay must be between 0 and 10000 milliseconds (10 seconds)",
			`null`: "prompt is required",
			``:     "prompt is required",
		} {
			b.do("POST /v1/agents/create", body).fails(400, message)
		}
		b.do("POST /v1/agents/create", `{"prompt":{"content":"`+strings.Repeat("x", wire.MaxBody)+`"}}`).
			fails(413, "body must be at most 1048576 bytes")
		// Whatever the content type says, and wherever unknown properties stand.
		header := http.Header{"Authorization": {"Bearer " + b.key}, "Content-Type": {"application/x-www-form-urlencoded"}}
		b.send("POST /v1/agents/create", `{"prompt":{"content":"p","x":1},"Language":"xx","y":{}}`, header).want(201)
	})
}

func TestRequestIDs(t *testing.T) {
	both(t, func(b *bench) {
		for given, kept := range map[string]bool{"abc-1.2_Z": true, "": false, "two words": false, strings.Repeat("x", 129): false} {
			got := b.send("GET /healthz", "", http.Header{"X-Request-Id": {given}}).header.Get("X-Request-Id")
			if got == "" || (got == given) != kept {
				b.t.Errorf("got request id %q for %q", got, given)
			}
		}
	})
}

func TestCompression(t *testing.T) {
	both(t, func(b *bench) {
		header := func() http.Header {
			return http.Header{"Authorization": {"Bearer " + b.key}, "Accept-Encoding": {"gzip"}}
		}
		if got := b.send("GET /healthz", "", header()); got.header.Get("Content-Encoding") != "" {
			b.t.Error("a small answer is compressed")
		}
		got := b.send("GET /openapi.yaml", "", header())
		z, err := gzip.NewReader(strings.NewReader(string(got.raw)))
		if err != nil {
			b.t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != contract.Text() {
			b.t.Errorf("the compressed document differs: %v", err)
		}
	})
}

func TestEnvironmentsAreIsolated(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		number := b.number()
		own := b.key
		_, b.key = b.newEnvironment("rival")
		b.do("GET /v1/agents?id="+agent, "").fails(404, "id names no agent in this environment")
		b.do("GET /v1/numbers?phone_number="+number[1:], "").fails(404, "phone_number names no number in this environment")
		b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{}}`).want(404)
		b.do("POST /v1/numbers/cancel?phone_number="+number[1:], "").want(404)
		b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+number+`","agent":"`+agent+`"}`).
			fails(404, "from_number names no number in this environment")
		b.do("POST /v1/numbers/buy", `{"phone_number":"`+number+`"}`).fails(404, "phone_number names no number for sale")
		if got := b.do("GET /v1/agents/list", "").at("total"); got != float64(0) {
			b.t.Errorf("the rival sees %v agents", got)
		}
		b.key = own
		b.do("GET /v1/numbers?phone_number="+number[1:], "").want(200)
	})
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	h := New(Config{Ready: func(context.Context) error { return errors.New("disk full: /dev/sda1") }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code != 503 || strings.Contains(w.Body.String(), "disk") || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestPanicsBecomeAnswers(t *testing.T) {
	t.Parallel()
	h := New(Config{Ready: func(context.Context) error { panic("lost") }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if want := `{"error":"Internal Server Error","message":"internal error","statusCode":500}` + "\n"; w.Body.String() != want {
		t.Errorf("got %s", w.Body)
	}
}

func TestSlowHandlersAreUnavailable(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	s := &server{Config: Config{Ready: func(context.Context) error { return nil }}.withDefaults()}
	err := s.explain(ctx, httptest.NewRequest("GET", "/", nil), context.DeadlineExceeded)
	if got := sidetone.CodeOf(err); got != sidetone.Unavailable {
		t.Errorf("got %q", got)
	}
}
