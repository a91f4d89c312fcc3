package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/client"
)

// seen is a request as the server saw it.
type seen struct {
	Method, URL, Key string
	Body             any
}

// serve answers every request with status and body, and reports what it saw.
func serve(t *testing.T, status int, body string) (*client.Client, func() seen) {
	t.Helper()
	requests := make(chan seen, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := seen{Method: r.Method, URL: r.URL.String(), Key: r.Header.Get("Authorization")}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &s.Body); err != nil {
				t.Errorf("the body is no JSON: %s", raw)
			}
		}
		requests <- s
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return client.New(server.URL+"/", "secret"), func() seen { return <-requests }
}

func TestRequests(t *testing.T) {
	t.Parallel()
	c, saw := serve(t, 200, `{"id":"x","items":[{"id":"y"}]}`)
	ctx := t.Context()
	const id = "019a0000-0000-7000-8000-000000000001"
	for _, test := range []struct {
		call func() error
		want seen
	}{
		{func() error { _, err := c.Agents().Get(ctx, "a b"); return err }, seen{"GET", "/v1/agents?id=a+b", "", nil}},
		{func() error {
			_, err := c.Agents().Create(ctx, client.Agent{Name: "N", Prompt: &client.Prompt{Content: "p"}, WaitForGreeting: new(false)})
			return err
		}, seen{"POST", "/v1/agents/create", "", map[string]any{"name": "N", "prompt": map[string]any{"content": "p"}, "wait_for_greeting": false}}},
		{func() error {
			_, err := c.Agents().Update(ctx, "a", client.Change{"language": "de", "webhook": nil, "prompt": client.Change{"content": "q"}})
			return err
		}, seen{"POST", "/v1/agents/update?id=a", "", map[string]any{"language": "de", "webhook": nil, "prompt": map[string]any{"content": "q"}}}},
		{func() error {
			_, err := c.Agents().List(ctx, client.Query{Page: 2, Size: 5, Cursor: "c"})
			return err
		}, seen{"GET", "/v1/agents/list?cursor=c&page=2&size=5", "", nil}},
		{func() error { _, err := c.Voices().List(ctx, client.Query{}); return err }, seen{"GET", "/v1/voices/list", "", nil}},
		{func() error { _, err := c.Voices().Delete(ctx, "v"); return err }, seen{"DELETE", "/v1/voices/delete?id=v", "", nil}},
		{func() error {
			_, err := c.Voices().Create(ctx, client.Voice{Type: "voice_rime", APIKey: "open", Pitch: new(0)})
			return err
		}, seen{"POST", "/v1/voices/create", "", map[string]any{"type": "voice_rime", "api_key": "open", "pitch": 0.0}}},
		{func() error {
			_, err := c.Numbers().Available(ctx, client.OfferQuery{AreaCode: "202", Limit: 3})
			return err
		}, seen{"GET", "/v1/numbers/available?filters=%7B%22area_code%22%3A%22202%22%7D&limit=3", "", nil}},
		{func() error { _, err := c.Numbers().Buy(ctx, client.Purchase{PhoneNumber: "+1202"}); return err },
			seen{"POST", "/v1/numbers/buy", "", map[string]any{"phone_number": "+1202"}}},
		{func() error { _, err := c.Numbers().Buy(ctx, client.Purchase{}); return err }, seen{"POST", "/v1/numbers/buy", "", map[string]any{}}},
		{func() error { _, err := c.Numbers().Cancel(ctx, "+1202"); return err }, seen{"POST", "/v1/numbers/cancel?phone_number=%2B1202", "", nil}},
		{func() error { _, err := c.Numbers().Get(ctx, "+1202"); return err }, seen{"GET", "/v1/numbers?phone_number=%2B1202", "", nil}},
		{func() error { _, err := c.Numbers().Detach(ctx, id); return err }, seen{"POST", "/v1/numbers/detach?id=" + id, "", nil}},
		{func() error {
			_, err := c.Numbers().List(ctx, client.Query{Filters: "{}", Expand: []string{"inbound_agent", "telephony_account_connection"}})
			return err
		}, seen{"GET", "/v1/numbers/list?expand=inbound_agent%2Ctelephony_account_connection&filters=%7B%7D", "", nil}},
		{func() error {
			_, err := c.Calls().Create(ctx, client.CallRequest{FromNumber: "+1", ToNumber: "+2", Agent: "a"})
			return err
		}, seen{"POST", "/v1/calls/create", "", map[string]any{"from_number": "+1", "to_number": "+2", "agent": "a"}}},
		{func() error { _, err := c.Calls().Get(ctx, "c"); return err }, seen{"GET", "/v1/calls?id=c", "", nil}},
		{func() error {
			_, err := c.Calls().List(ctx, client.Query{SortColumn: "start_time", SortDesc: true})
			return err
		}, seen{"GET", "/v1/calls/list?sort_column=start_time&sort_desc=true", "", nil}},
		{func() error { _, err := c.Calls().End(ctx, "c"); return err }, seen{"POST", "/v1/calls/end?id=c", "", nil}},
		{func() error {
			_, err := c.Calls().EndWith(ctx, "c", client.Ending{HeadersOut: map[string]string{"X-A": "b"}})
			return err
		}, seen{"POST", "/v1/calls/end?id=c", "", map[string]any{"headers_out": map[string]any{"X-A": "b"}}}},
		{func() error { return c.Ready(ctx) }, seen{"GET", "/readyz", "", nil}},
	} {
		if err := test.call(); err != nil {
			t.Errorf("%s: %v", test.want.URL, err)
		}
		test.want.Key = "Bearer secret"
		if diff := cmp.Diff(test.want, saw()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestAnswersAreDecoded(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, 200, `{"items":[{"id":"c1","status":"ended","agent":"a1","start_time":"2026-11-01T10:00:00.500Z"},
		{"id":"c2","agent":{"id":"a2","name":"N"}}],"total":1,"has_more":true}`)
	page, err := c.Calls().List(t.Context(), client.Query{})
	if err != nil {
		t.Fatal(err)
	}
	call, expanded := page.Items[0], page.Items[1].Agent
	if page.Total != 1 || !page.HasMore || call.ID != "c1" || call.Agent.ID != "a1" || call.Agent.Object != nil || !call.Over() || call.StartTime.Nanosecond() != 5e8 {
		t.Errorf("got %+v", page)
	}
	if expanded.ID != "a2" || expanded.Object == nil || expanded.Object.Name != "N" {
		t.Errorf("got %+v", expanded)
	}
}

// TestNumberUpdateKeepsTheContext: the API wants example_context in each
// update, and replaces what is there.
func TestNumberUpdateKeepsTheContext(t *testing.T) {
	t.Parallel()
	const id = "019a0000-0000-7000-8000-000000000001"
	for name, test := range map[string]struct {
		number, stored string
		change         client.Change
		reads          bool
		want           map[string]any
	}{
		"sent back":    {"+1202", `{"name":"Ann"}`, client.Change{"label": "L"}, true, map[string]any{"label": "L", "example_context": map[string]any{"name": "Ann"}}},
		"none":         {"+1202", `{}`, client.Change{"inbound_agent": nil}, true, map[string]any{"inbound_agent": nil, "example_context": map[string]any{}}},
		"no change":    {"+1202", `{"a":1}`, nil, true, map[string]any{"example_context": map[string]any{"a": 1.0}}},
		"given":        {"+1202", `{"name":"Ann"}`, client.Change{"example_context": map[string]any{"b": true}}, false, map[string]any{"example_context": map[string]any{"b": true}}},
		"given, by id": {id, `{"name":"Ann"}`, client.Change{"example_context": map[string]any{}}, true, map[string]any{"example_context": map[string]any{}}},
	} {
		c, saw := serve(t, 200, `{"number":"+1202","example_context":`+test.stored+`}`)
		before := len(test.change)
		if _, err := c.Numbers().Update(t.Context(), test.number, test.change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if test.reads {
			if read := saw(); read.Method != "GET" {
				t.Errorf("%s: got %+v", name, read)
			}
		}
		if diff := cmp.Diff(seen{"POST", "/v1/numbers/update?phone_number=%2B1202", "Bearer secret", test.want}, saw()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if len(test.change) != before {
			t.Errorf("%s: the caller's map was changed", name)
		}
	}
	refused, _ := serve(t, 404, `{"message":"phone_number names no number"}`)
	if _, err := refused.Numbers().Update(t.Context(), "+1202", nil); err == nil {
		t.Error("a number that cannot be read is updated")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"message":"id names no call","error":"Not Found","statusCode":404}`: "404: id names no call",
		`not ours`: "404: 404 Not Found",
	} {
		c, _ := serve(t, 404, body)
		_, err := c.Calls().Get(t.Context(), "x")
		var failure *client.Error
		if !errors.As(err, &failure) || failure.StatusCode != 404 || failure.Error() != want || failure.RetryAfter != 0 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	c, _ := serve(t, 200, `{`)
	if _, err := c.Calls().Get(t.Context(), "x"); err == nil {
		t.Error("half an answer is no error")
	}
	if _, err := c.Agents().Update(t.Context(), "x", client.Change{"name": func() {}}); err == nil {
		t.Error("a body that cannot be encoded is no error")
	}
}

// script answers each request with the next of its answers; "" is none at all.
type script struct {
	answers []string
	keys    []string
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	next := s.answers[0]
	s.answers = s.answers[1:]
	if next == "" {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	var status, after int
	fmt.Sscan(next, &status, &after) // the second may be missing
	if after > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(after))
	}
	w.WriteHeader(status)
	fmt.Fprint(w, `{"message":"m","error":"k"}`)
	return w.Result(), nil
}

func TestRetries(t *testing.T) {
	t.Parallel()
	get := func(t *testing.T, c *client.Client) error { _, err := c.Agents().Get(t.Context(), "a"); return err }
	buy := func(options ...client.Option) func(*testing.T, *client.Client) error {
		return func(t *testing.T, c *client.Client) error {
			_, err := c.Numbers().Buy(t.Context(), client.Purchase{}, options...)
			return err
		}
	}
	for name, test := range map[string]struct {
		retries int
		do      func(*testing.T, *client.Client) error
		answers []string
		left    int
		took    time.Duration
		fails   bool
	}{
		"not unless asked":         {0, get, []string{"503 1", "200"}, 1, 0, true},
		"reads":                    {2, get, []string{"503", "", "200"}, 0, 750 * time.Millisecond, false},
		"as the server wishes":     {2, get, []string{"429 7", "200"}, 0, 7 * time.Second, false},
		"not for ever":             {2, get, []string{"503", "503", "503 9", "200"}, 1, 750 * time.Millisecond, true},
		"not what stays wrong":     {2, get, []string{"404", "200"}, 1, 0, true},
		"not what has effects":     {2, buy(), []string{"503 1", "201"}, 1, 0, true},
		"effects with a key":       {2, buy(client.IdempotencyKey("k")), []string{"", "409 1", "201"}, 0, 1250 * time.Millisecond, false},
		"no conflict without wait": {2, buy(client.IdempotencyKey("k")), []string{"409", "201"}, 1, 0, true},
		"patience is bounded":      {7, get, []string{"", "", "", "", "", "", "", "200"}, 0, 23750 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: test.answers}
				c := client.New("http://server", "secret")
				c.HTTP, c.Retries = &http.Client{Transport: s}, test.retries
				begun := time.Now()
				err := test.do(t, c)
				if (err != nil) != test.fails || len(s.answers) != test.left || time.Since(begun) != test.took {
					t.Errorf("%v after %s, %d answers left", err, time.Since(begun), len(s.answers))
				}
				for _, key := range s.keys {
					if key != s.keys[0] {
						t.Errorf("the keys are %q", s.keys)
					}
				}
			})
		})
	}
}

func TestRetriesEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client.New("http://server", "secret")
		c.HTTP, c.Retries = &http.Client{Transport: &script{answers: []string{"503 60"}}}, 1
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Agents().Get(ctx, "a")
		var failure *client.Error
		if !errors.As(err, &failure) || failure.RetryAfter != time.Minute || failure.Kind != "k" || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			t.Errorf("got %v", err)
		}
	})
}

// TestAll follows cursors, or page numbers where a list has none.
func TestAll(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string]map[string]string{
		"cursor": {
			"size=100":          `{"items":[{"id":"1"},{"id":"2"}],"has_more":true,"page":1,"next_cursor":"A"}`,
			"cursor=A&size=100": `{"items":[{"id":"3"}],"has_more":false,"page":1}`,
		},
		"page": {
			"size=100":        `{"items":[{"id":"1"},{"id":"2"}],"has_more":true,"page":1}`,
			"page=2&size=100": `{"items":[{"id":"3"}],"has_more":false,"page":2}`,
		},
		"broken": {"size=100": `{"items":[{"id":"1"},{"id":"2"},{"id":"3"}],"has_more":true,"next_cursor":"gone"}`},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, known := pages[r.URL.RawQuery]
			if !known {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(w, body)
		}))
		c := client.New(server.URL, "secret")
		var got []string
		var failed error
		for e, err := range c.Environments().All(t.Context(), client.Query{}) {
			if failed = err; err == nil {
				got = append(got, e.ID)
			}
		}
		if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" || (failed != nil) != (name == "broken") {
			t.Errorf("%s: %v (-want +got)\n%s", name, failed, diff)
		}
		for range c.Environments().All(t.Context(), client.Query{}) {
			break // leaving early asks for nothing more
		}
		server.Close()
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	t.Parallel()
	v := client.Voice{APIKey: "open sesame"}
	for _, text := range []string{fmt.Sprintf("%v %+v %s %q %x %#v", v, v, v.APIKey, v.APIKey, v.APIKey, v), v.APIKey.String(), v.APIKey.GoString(), v.APIKey.LogValue().String()} {
		if strings.Contains(text, "open") || strings.Contains(text, "6f70656e") {
			t.Errorf("got %s", text)
		}
	}
	if v.APIKey.Reveal() != "open sesame" {
		t.Error("it cannot be revealed")
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	stream := ": still here\n\nid: 4\nevent: agent\ndata: {\"sequence\":4,\"type\":\"agent\",\"text\":\"Hello\",\"offset_ms\":12,\"data\":{\"heard\":\"He\"}}\n\n" +
		"id: 5\nevent: ended\ndata: {\"sequence\":5,\"type\":\"ended\"}\n\n"
	c, saw := serve(t, 200, stream)
	var got []client.Event
	for e, err := range c.Calls().Events(t.Context(), "c/1", 3) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	want := []client.Event{
		{Sequence: 4, Type: "agent", Text: "Hello", OffsetMS: 12, Data: map[string]any{"heard": "He"}}, {Sequence: 5, Type: "ended"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if url := saw().URL; url != "/v1/calls/c%2F1/events" {
		t.Errorf("got %s", url)
	}
	for range c.Calls().Events(t.Context(), "c", 0) {
		break // leaving early ends the stream
	}
	broken, _ := serve(t, 200, "data: {\n\n")
	for _, err := range broken.Calls().Events(t.Context(), "c", 0) {
		if err == nil {
			t.Error("a broken event is no error")
		}
	}
	refused, _ := serve(t, 404, `{"message":"id names no call"}`)
	for _, err := range refused.Calls().Events(t.Context(), "c", 0) {
		if err == nil {
			t.Error("a refused stream is no error")
		}
	}
}

func TestRecordingAndDocument(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{client.WAV, client.MP3} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.Header.Get("Accept"))
			fmt.Fprint(w, "sound")
		}))
		var sound bytes.Buffer
		c := client.New(server.URL, "secret")
		if got, err := c.Calls().Recording(t.Context(), "c", accept, &sound); err != nil || sound.String() != "sound" || got != accept {
			t.Errorf("got %q as %s, %v", sound.String(), got, err)
		}
		server.Close()
	}
	c, _ := serve(t, 200, "openapi: 3.0.3")
	if raw, err := c.Document(t.Context()); err != nil || string(raw) != "openapi: 3.0.3" {
		t.Errorf("got %q, %v", raw, err)
	}
	gone, _ := serve(t, 404, "{}")
	if _, err := gone.Calls().Recording(t.Context(), "c", client.WAV, io.Discard); err == nil {
		t.Error("a recording that is not there is no error")
	}
	if _, err := gone.Document(t.Context()); err == nil {
		t.Error("a document that is not there is no error")
	}
}

// A stream of anything is read to its end or to an error, and each event comes
// once.
func FuzzReadEvents(f *testing.F) {
	f.Add(": hello\n\nid: 1\ndata: {\"sequence\":1,\"type\":\"caller\",\"text\":\"hi\"}\n\ndata: {\"type\":\"ended\"}\r\n")
	f.Add("data: {\ndata: null\ndata: []")
	f.Fuzz(func(t *testing.T, stream string) {
		n := 0
		var err error
		c := client.New("http://127.0.0.1", "sk_x")
		c.HTTP = &http.Client{Transport: answering(func() io.ReadCloser { return io.NopCloser(strings.NewReader(stream)) })}
		for _, e := range c.Calls().Events(t.Context(), "c", 0) {
			if err = e; err == nil {
				n++
			}
		}
		if all := strings.Count("\n"+stream, "\ndata: "); n > all || err == nil && n != all {
			t.Errorf("%d of %d events are read, %v", n, all, err)
		}
	})
}

// answering answers every request with 200 and a body.
type answering func() io.ReadCloser

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: a(), Request: r}, nil
}
