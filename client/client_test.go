package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

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
	for _, test := range []struct {
		call func() error
		want seen
	}{
		{func() error { _, err := c.Agent(ctx, "a b"); return err }, seen{"GET", "/v1/agents?id=a+b", "", nil}},
		{func() error {
			_, err := c.CreateAgent(ctx, client.Agent{Name: "N", Prompt: &client.Prompt{Content: "p"}})
			return err
		}, seen{"POST", "/v1/agents/create", "", map[string]any{"name": "N", "prompt": map[string]any{"content": "p"}}}},
		{func() error { _, err := c.UpdateAgent(ctx, "a", client.Agent{Language: "de"}); return err },
			seen{"POST", "/v1/agents/update?id=a", "", map[string]any{"language": "de"}}},
		{func() error { _, err := c.Agents(ctx, client.Query{Page: 2, Size: 5, Cursor: "c"}); return err }, seen{"GET", "/v1/agents/list?cursor=c&page=2&size=5", "", nil}},
		{func() error { _, err := c.Voices(ctx, client.Query{}); return err }, seen{"GET", "/v1/voices/list", "", nil}},
		{func() error { _, err := c.Offers(ctx, "202", 3); return err },
			seen{"GET", "/v1/numbers/available?filters=%7B%22area_code%22%3A%22202%22%7D&limit=3", "", nil}},
		{func() error { _, err := c.BuyNumber(ctx, "+1202"); return err }, seen{"POST", "/v1/numbers/buy", "", map[string]any{"phone_number": "+1202"}}},
		{func() error { _, err := c.BuyNumber(ctx, ""); return err }, seen{"POST", "/v1/numbers/buy", "", map[string]any{}}},
		{func() error {
			_, err := c.UpdateNumber(ctx, "+1202", map[string]any{"inbound_agent": nil})
			return err
		}, seen{"POST", "/v1/numbers/update?phone_number=%2B1202", "", map[string]any{"example_context": map[string]any{}, "inbound_agent": nil}}},
		{func() error { _, err := c.CancelNumber(ctx, "+1202"); return err }, seen{"POST", "/v1/numbers/cancel?phone_number=%2B1202", "", nil}},
		{func() error { _, err := c.Number(ctx, "+1202"); return err }, seen{"GET", "/v1/numbers?phone_number=%2B1202", "", nil}},
		{func() error { _, err := c.Numbers(ctx, client.Query{Filters: "{}"}); return err }, seen{"GET", "/v1/numbers/list?filters=%7B%7D", "", nil}},
		{func() error {
			_, err := c.CreateCall(ctx, client.CallRequest{FromNumber: "+1", ToNumber: "+2", Agent: "a"})
			return err
		}, seen{"POST", "/v1/calls/create", "", map[string]any{"from_number": "+1", "to_number": "+2", "agent": "a"}}},
		{func() error { _, err := c.Call(ctx, "c"); return err }, seen{"GET", "/v1/calls?id=c", "", nil}},
		{func() error {
			_, err := c.Calls(ctx, client.Query{SortColumn: "start_time", SortDesc: true})
			return err
		}, seen{"GET", "/v1/calls/list?sort_column=start_time&sort_desc=true", "", nil}},
		{func() error { _, err := c.EndCall(ctx, "c"); return err }, seen{"POST", "/v1/calls/end?id=c", "", nil}},
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
	c, _ := serve(t, 200, `{"items":[{"id":"c1","status":"ended","agent":"a1","start_time":"2026-11-01T10:00:00.500Z"}],"total":1,"has_more":true}`)
	page, err := c.Calls(t.Context(), client.Query{})
	if err != nil {
		t.Fatal(err)
	}
	call := page.Items[0]
	if page.Total != 1 || !page.HasMore || call.ID != "c1" || call.Agent != "a1" || !call.Over() || call.StartTime.Nanosecond() != 5e8 {
		t.Errorf("got %+v", page)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"message":"id names no call","error":"Not Found","statusCode":404}`: "404: id names no call",
		`not ours`: "404: 404 Not Found",
	} {
		c, _ := serve(t, 404, body)
		_, err := c.Call(t.Context(), "x")
		var failure *client.Error
		if !errors.As(err, &failure) || failure.StatusCode != 404 || failure.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	c, _ := serve(t, 200, `{`)
	if _, err := c.Call(t.Context(), "x"); err == nil {
		t.Error("half an answer is no error")
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	stream := ": still here\n\nid: 4\nevent: agent\ndata: {\"sequence\":4,\"type\":\"agent\",\"text\":\"Hello\",\"offset_ms\":12,\"data\":{\"heard\":\"He\"}}\n\n" +
		"id: 5\nevent: ended\ndata: {\"sequence\":5,\"type\":\"ended\"}\n\n"
	c, saw := serve(t, 200, stream)
	var got []client.Event
	for e, err := range c.Events(t.Context(), "c/1", 3) {
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
	for range c.Events(t.Context(), "c", 0) {
		break // leaving early ends the stream
	}
	broken, _ := serve(t, 200, "data: {\n\n")
	for _, err := range broken.Events(t.Context(), "c", 0) {
		if err == nil {
			t.Error("a broken event is no error")
		}
	}
	refused, _ := serve(t, 404, `{"message":"id names no call"}`)
	for _, err := range refused.Events(t.Context(), "c", 0) {
		if err == nil {
			t.Error("a refused stream is no error")
		}
	}
}

func TestRecordingAndDocument(t *testing.T) {
	t.Parallel()
	c, saw := serve(t, 200, "RIFF")
	var wav bytes.Buffer
	if err := c.Recording(t.Context(), "c", &wav); err != nil || wav.String() != "RIFF" {
		t.Errorf("got %q, %v", wav.String(), err)
	}
	if url := saw().URL; url != "/v1/calls/recording?id=c" {
		t.Errorf("got %s", url)
	}
	if raw, err := c.Document(t.Context()); err != nil || string(raw) != "RIFF" {
		t.Errorf("got %q, %v", raw, err)
	}
}
