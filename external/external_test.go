package external_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/external"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/schemasize"
	"github.com/sidetone/sidetone/webhook"
)

const secret = sidetone.Secret("c2l4dGVlbiBieXRlcyBvciBtb3JlIGFuZCBtb3Jl")

// got is a request that a server had.
type got struct {
	method, path, query, body string
	header                    http.Header
}

// toolServer answers each request alike, and keeps what it was asked.
type toolServer struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []got
	status int
	answer string
}

func serve(t *testing.T, status int, answer string) *toolServer {
	t.Helper()
	s := &toolServer{status: status, answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, got{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header})
		if s.status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, strings.ReplaceAll(s.answer, "SECRET", r.Header.Get("Authorization")))
	}))
	t.Cleanup(s.Close)
	return s
}

// action makes one of a configuration; URL is in the place of its address.
func action(t *testing.T, client *http.Client, url, config string, key sidetone.Secret) *external.Action {
	t.Helper()
	a := sidetone.NewAction("a", "env", time.Time{})
	sidetone.ActionChange{Type: sidetone.Some("action_external"), SignatureSecret: sidetone.Some(key),
		Config: sidetone.Some(sidetone.MergeJSON([]byte(`{"name":"book","description":"Books.","input_schema":{"type":"object","properties":{"day":{"type":"string"}},"required":["day"]}}`),
			[]byte(strings.ReplaceAll(config, "URL", url))))}.Apply(&a, time.Time{})
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := a.External()
	if err != nil {
		t.Fatal(err)
	}
	made, err := external.New(e, key, client, func() time.Time { return time.Unix(1796000000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func run(args string) external.Run {
	return external.Run{Key: "call-1:3", ID: "toolu_1", Name: "book", Args: json.RawMessage(args), Report: webhook.Report{At: time.UnixMilli(1796000000123),
		Call:   sidetone.Call{ID: "call-1", AgentID: "agent-1", FromNumber: "+12025550199", ToNumber: "+14155550100", Status: sidetone.CallInProgress},
		Events: []sidetone.Event{{Kind: sidetone.EventAgent, Text: "Hello."}, {Kind: sidetone.EventCaller, Text: "Book me in."}}}}
}

func noRedirects() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TestSignature: the request is the contract's, and both signatures are right.
func TestSignature(t *testing.T) {
	t.Parallel()
	s := serve(t, 200, `{"result":{"booked":true},"agent_message":"It is done."}`)
	answer, err := action(t, noRedirects(), s.URL, `{"url":"URL/book?x=1"}`, secret).Do(t.Context(), run(`{"day":"Friday"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := external.Answer{Text: `{"booked":true}`, Say: "It is done.", JSON: json.RawMessage(`{"booked":true}`), Status: 200}
	if d := cmp.Diff(want, answer); d != "" {
		t.Error(d)
	}
	r := s.asked[0]
	if r.method != "POST" || r.path != "/book" || r.query != "x=1" || r.body != `{"call_id":"call-1","payload":{"day":"Friday"}}` || r.header.Get("Idempotency-Key") != "call-1:3" {
		t.Errorf("%+v", r)
	}
	key, _ := base64.StdEncoding.DecodeString(secret.Reveal())
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, r.body)
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.header.Get("X-Vocode-Signature") != want {
		t.Errorf("x-vocode-signature is %q, want %q", r.header.Get("X-Vocode-Signature"), want)
	}
	library, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if err := library.VerifyIgnoringTimestamp([]byte(r.body), r.header); err != nil || r.header.Get("Webhook-Timestamp") != "1796000000" {
		t.Errorf("%v, %v", err, r.header)
	}
}

// TestWires: requests are as the servers of other products know them, and their answers are
// understood.
func TestWires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config, args, answer string
		method, path, query  string
		body                 string // "" is judged by has
		has                  map[string]any
		text                 string
		header, value        string
	}{
		"vapi": {config: `{"url":"URL/hook","wire":"vapi"}`, args: `{"day":"Friday"}`, answer: `{"results":[{"toolCallId":"other","result":"x"},{"toolCallId":"toolu_1","result":"Booked."}]}`,
			method: "POST", path: "/hook", text: "Booked.", header: "X-Vapi-Secret", value: secret.Reveal(),
			has: map[string]any{"message.type": "tool-calls", "message.toolCallList.0.id": "toolu_1", "message.toolCallList.0.name": "book", "message.toolCallList.0.arguments.day": "Friday",
				"message.toolCallList.0.function.name": "book", "message.toolCallList.0.function.arguments.day": "Friday", "message.toolWithToolCallList.0.toolCall.function.name": "book",
				"message.toolWithToolCallList.0.name": "book", "message.call.id": "call-1", "message.customer.number": "+12025550199", "message.artifact.messages.1.message": "Book me in."}},
		"vapi object": {config: `{"url":"URL","wire":"vapi","secret_header":"Authorization"}`, args: `{"day":"Friday"}`, answer: `{"results":[{"toolCallId":"toolu_1","result":{"slot":9}}]}`,
			method: "POST", path: "/", text: `{"slot":9}`, header: "Authorization", value: secret.Reveal(), has: map[string]any{"message.timestamp": 1796000000123.0}},
		"retell": {config: `{"url":"URL/fn","wire":"retell"}`, args: `{"day":"<Friday>"}`, answer: `"25f and sunny"`, method: "POST", path: "/fn", text: "25f and sunny",
			has: map[string]any{"name": "book", "args.day": "<Friday>", "call.call_id": "call-1", "call.call_status": "ongoing", "call.transcript": "Agent: Hello.\nUser: Book me in.\n",
				"call.transcript_object.1.content": "Book me in."}},
		"elevenlabs": {config: `{"url":"URL/v1/{day}/book?kind={kind}","wire":"elevenlabs","secret_header":"Authorization","headers":{"Cal-Api-Version":"2024-08-13"}}`,
			args: `{"day":"a/b ?","kind":"x&y","guests":2}`, answer: "ok", method: "POST", path: "/v1/a%2Fb%20%3F/book", query: "kind=x%26y", body: `{"guests":2}`, text: "ok",
			header: "Cal-Api-Version", value: "2024-08-13"},
		"elevenlabs get": {config: `{"url":"URL/v1?a=1","wire":"elevenlabs","method":"GET"}`, args: `{"day":"Friday & so"}`, answer: `[1, 2]`, method: "GET", path: "/v1",
			query: "a=1&day=Friday+%26+so", text: "[1,2]", header: "Idempotency-Key", value: "call-1:3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 200, c.answer)
			answer, err := action(t, noRedirects(), s.URL, c.config, secret).Do(t.Context(), run(c.args))
			if err != nil || answer.Text != c.text {
				t.Fatalf("%+v, %v", answer, err)
			}
			r := s.asked[0]
			if r.method != c.method || r.path != c.path || r.query != c.query || c.has == nil && r.body != c.body {
				t.Errorf("%+v", r)
			}
			if c.header != "" && r.header.Get(c.header) != c.value {
				t.Errorf("%s is %q", c.header, r.header.Get(c.header))
			}
			for path, want := range c.has {
				if got := at(t, r.body, path); got != want {
					t.Errorf("%s is %v, want %v", path, got, want)
				}
			}
			if name == "retell" {
				h := http.Header{}
				webhook.SignRetell(h, time.Unix(1796000000, 0), []byte(r.body), secret)
				if r.header.Get(webhook.HeaderRetell) != h.Get(webhook.HeaderRetell) || !strings.Contains(r.body, "<Friday>") {
					t.Errorf("signature %q of %s", r.header.Get(webhook.HeaderRetell), r.body)
				}
			}
		})
	}
}

// at is the value that a path of members and places leads to.
func at(t *testing.T, text, path string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			if i := int(part[0] - '0'); i < len(v) {
				value = v[i]
			} else {
				return nil
			}
		default:
			return nil
		}
	}
	return value
}

// TestFailures: what fails is told apart from what nobody knows, and what the model reads
// is bounded.
func TestFailures(t *testing.T) {
	t.Parallel()
	const plain = `{"url":"URL"}`
	long := strings.Repeat("x", 65<<10)
	for name, c := range map[string]struct {
		status       int
		answer, conf string
		kind         external.Kind
		reason       string
	}{
		"refused":           {status: 422, answer: "no such day\x00", kind: external.Failed, reason: "the server refused it with status 422: no such day"},
		"long complaint":    {status: 500, answer: long, kind: external.Failed, reason: "the server failed with status 500: " + long[:1<<10]},
		"unavailable":       {status: 503, kind: external.Failed, reason: "the server failed with status 503"},
		"gateway":           {status: 504, answer: "x", kind: external.Unknown, reason: "the server is behind another that did not reach it: it is not known whether it was done"},
		"credentials":       {status: 401, answer: "x", kind: external.Failed, reason: "the server does not accept our credentials: do not call it again"},
		"redirect":          {status: 307, kind: external.Failed, reason: "the server answered with a redirect, which is not followed"},
		"no result":         {status: 200, answer: `{}`, kind: external.Unknown, reason: "the answer is not {result: object}: it is not known whether it was done"},
		"text":              {status: 200, answer: "ok", kind: external.Unknown, reason: "the answer is not {result: object}: it is not known whether it was done"},
		"list":              {status: 200, answer: `{"result":[1]}`, kind: external.Unknown, reason: "the answer is not {result: object}: it is not known whether it was done"},
		"too long":          {status: 200, answer: `{"result":{"x":"` + long + `"}}`, kind: external.Unknown, reason: "the answer is longer than 64 KiB: it is not known whether it was done"},
		"vapi error":        {status: 200, conf: `{"url":"URL","wire":"vapi"}`, answer: `{"results":[{"toolCallId":"toolu_1","error":"full"}]}`, kind: external.Failed, reason: "the server says: full"},
		"vapi other":        {status: 200, conf: `{"url":"URL","wire":"vapi"}`, answer: `{"results":[{"toolCallId":"x","result":1}]}`, kind: external.Unknown, reason: "the answer has no result for this call: it is not known whether it was done"},
		"echo of a secret":  {status: 400, conf: `{"url":"URL","wire":"elevenlabs","secret_header":"Authorization"}`, answer: "bad key SECRET", kind: external.Failed, reason: "the server refused it with status 400: bad key ********"},
		"arguments as path": {conf: `{"url":"URL/{day}","wire":"elevenlabs"}`, kind: external.Misused, reason: "the argument day is needed for the address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, max(c.status, 200), c.answer)
			config, args := c.conf, `{"day":"Friday"}`
			if config == "" {
				config = plain
			}
			if c.kind == external.Misused {
				args = `{"day":".."}`
			}
			_, err := action(t, noRedirects(), s.URL, config, secret).Do(t.Context(), run(args))
			var f *external.Failure
			if !errors.As(err, &f) || f.Kind != c.kind || f.Reason != c.reason {
				t.Errorf("got %.200v, want %.200s", err, c.reason)
			}
			if n := len(s.asked); n > 1 || n == 0 != (c.kind == external.Misused) {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestSentOnce: a request whose connection breaks, or that is not answered in time, is not
// sent again; nobody knows whether it was done. One that found nobody was not sent.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	requests := 0
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		requests++
		n := requests
		mu.Unlock()
		switch n {
		case 1: // the connection stays, for the next one
			_, _ = io.WriteString(w, `{"result":{}}`)
		case 2:
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		default:
			<-r.Context().Done()
		}
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(listener) })
	client := noRedirects()
	client.Transport = &http.Transport{}
	a := action(t, client, "http://"+listener.Addr().String(), `{"url":"URL"}`, secret)
	if _, err := a.Do(t.Context(), run(`{"day":"1"}`)); err != nil {
		t.Fatal(err)
	}
	failure := func(ctx context.Context) external.Failure {
		_, err := a.Do(ctx, run(`{"day":"2"}`))
		var f *external.Failure
		if !errors.As(err, &f) {
			t.Fatalf("%v", err)
		}
		return *f
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
	if f := failure(t.Context()); f.Kind != external.Unknown || count() != 2 {
		t.Errorf("after a break: %+v, %d requests", f, count())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if f := failure(ctx); f.Kind != external.Unknown || !strings.Contains(f.Reason, "in time") {
		t.Errorf("without an answer: %+v", f)
	}
	_ = server.Close()
	wg.Wait()
	if f := failure(t.Context()); f.Kind != external.Failed || f.Reason != "the server could not be reached" {
		t.Errorf("without a server: %+v", f)
	}
	if n := count(); n > 3 {
		t.Errorf("%d requests", n)
	}
}

// TestGuarded: an action cannot reach what the operator does not allow.
func TestGuarded(t *testing.T) {
	t.Parallel()
	guard, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	s := serve(t, 200, `{"result":{}}`)
	_, err = action(t, guard.Client("env"), s.URL, `{"url":"URL"}`, secret).Do(t.Context(), run(`{"day":"1"}`))
	var f *external.Failure
	if !errors.As(err, &f) || f.Kind != external.Failed || !strings.Contains(f.Reason, "must not be reached") || len(s.asked) > 0 {
		t.Errorf("%v, %d requests", err, len(s.asked))
	}
}

// TestSchema: what the model gives is held against the schema, a fault goes back twice, and
// a schema cannot lead out of itself.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := serve(t, 200, `{"result":{}}`)
	a := action(t, noRedirects(), s.URL, `{"url":"URL","speak_on_send":true,"input_schema":{"properties":{"day":{"enum":["mon","tue"]},"n":{"type":"integer","maximum":9}},"required":["day"],"additionalProperties":false}}`, secret)
	if want := `{"additionalProperties":false,"properties":{"day":{"enum":["mon","tue"]},"n":{"type":"integer","maximum":9},"user_message":{"type":"string","description":"What you say to the caller before this is done, such as: One moment, I will look that up."}},"required":["day","user_message"],"type":"object"}`; string(a.Schema()) != want {
		t.Errorf("shown: %s", a.Schema())
	}
	for i, c := range []struct{ args, want string }{
		{`{"user_message":"One moment."}`, "the arguments do not fit, call it again with others: missing property 'day'"},
		{`{"day":"sun","n":10,"x":1}`, "the arguments do not fit, call it again with others: day: value must be one of 'mon', 'tue'; n: maximum: got 10, want 9; additional properties 'x' not allowed"},
		{`{"day":`, "the arguments did not fit 3 times: do not call it again, say that it cannot be done now"},
		{`{"day":"mon","user_message":"One moment."}`, ""},
		{`[]`, "the arguments do not fit, call it again with others: the arguments are not a JSON object"},
	} {
		_, err := a.Do(t.Context(), run(c.args))
		var f *external.Failure
		if errors.As(err, &f); c.want == "" != (err == nil) || err != nil && (f.Kind != external.Misused || !sameSentences(f.Reason, c.want)) {
			t.Errorf("%d: got %v, want %s", i, err, c.want)
		}
	}
	if len(s.asked) != 1 || s.asked[0].body != `{"call_id":"call-1","payload":{"day":"mon"}}` {
		t.Errorf("%+v", s.asked)
	}
	for text, want := range map[string]string{
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}`: "",
		`{"type":"objects"}`: "type:",
		`{"properties":{"a":{"$ref":"https://example.com/schema.json"}}}`: "path of a part of the same schema",
		`{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`:              "path of a part of the same schema",
		`{"$schema":"https://example.com/meta","properties":{"a":{}}}`:    "must lead into the schema itself",
		`{"properties":{"a":{"type":"string","pattern":"(a+)+$("}}}`:      "pattern",
		`{"properties":{"a":{"$ref":"#/$defs/nothing"}}}`:                 "nothing",
	} {
		_, err := external.NewSchema(json.RawMessage(text))
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	// Each part refers to the next one twice: it would take years to hold a value against it.
	var bomb strings.Builder
	for i := range 40 {
		fmt.Fprintf(&bomb, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	text := `{"$ref":"#/$defs/d0","$defs":{` + bomb.String() + `"d40":{"type":"object"}}}`
	if _, err := external.NewSchema(json.RawMessage(text)); !errors.Is(err, schemasize.ErrTooLarge) {
		t.Errorf("a schema that takes for ever: %v", err)
	}
	loop, err := external.NewSchema(json.RawMessage(`{"$ref":"#"}`))
	if err == nil && len(loop.Check(json.RawMessage(`{}`))) == 0 {
		t.Error("a schema that leads to itself takes everything")
	}
}

// sameSentences compares two lists of sentences in any order.
func sameSentences(a, b string) bool {
	lead, _, _ := strings.Cut(b, ": ")
	if !strings.HasPrefix(a, lead) || len(a) != len(b) {
		return false
	}
	for _, one := range strings.Split(strings.TrimPrefix(b, lead), "; ") {
		if !strings.Contains(a, strings.TrimPrefix(one, ": ")) {
			return false
		}
	}
	return true
}

// FuzzSchema holds texts against texts: nothing panics, and no schema hangs.
func FuzzSchema(f *testing.F) {
	f.Add(`{"properties":{"day":{"type":"string"}}}`, `{"day":1}`)
	f.Add(`{"$ref":"#"}`, `{}`)
	f.Fuzz(func(_ *testing.T, schema, args string) {
		if s, err := external.NewSchema(json.RawMessage(schema)); err == nil {
			s.Check(json.RawMessage(args))
		}
	})
}

// FuzzAnswer reads what a server may answer.
func FuzzAnswer(f *testing.F) {
	f.Add("vapi", `{"results":[{"toolCallId":"toolu_1","result":null}]}`)
	f.Add("contract", `{"result":{"a":"\ud800"},"agent_message":"x"}`)
	f.Fuzz(func(t *testing.T, wire, body string) {
		client := &http.Client{Transport: answers(body)}
		e := sidetone.ExternalAction{URL: "http://a", Method: "POST", Wire: wire, InputSchema: json.RawMessage(`{}`)}
		a, err := external.New(e, "", client, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := a.Do(t.Context(), run(`{}`))
		if err == nil && (answer.JSON != nil && !json.Valid(answer.JSON) || len(answer.Text) > 512<<10) {
			t.Errorf("%+v", answer)
		}
	})
}

type answers string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(a))), Header: http.Header{}}, nil
}

// TestSentOnceWithoutABody: what has no body is not sent again either when a connection breaks
// that was used before.
func TestSentOnceWithoutABody(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 || r.Method != method || r.Header.Get("Transfer-Encoding") != "" || r.ContentLength != 0 {
					t.Errorf("%s with %q of %d bytes, %v", r.Method, body, r.ContentLength, err)
				}
				if requests.Add(1) == 1 { // the connection stays, for the next one
					_, _ = io.WriteString(w, `{}`)
					return
				}
				if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
					_ = conn.Close()
				}
			}))
			defer server.Close()
			client := noRedirects()
			client.Transport = &http.Transport{}
			a := action(t, client, server.URL, `{"url":"URL","wire":"elevenlabs","method":"`+method+`"}`, secret)
			if _, err := a.Do(t.Context(), run(`{"day":"1"}`)); err != nil {
				t.Fatal(err)
			}
			_, err := a.Do(t.Context(), run(`{"day":"2"}`))
			var f *external.Failure
			if n := requests.Load(); !errors.As(err, &f) || f.Kind != external.Unknown || n != 2 {
				t.Errorf("after a break: %v, %d requests", err, n)
			}
		})
	}
}
