package otlp_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/otlp"
)

// collector answers requests in memory.
type collector struct {
	bodies  chan string
	headers chan http.Header
	status  atomic.Int64
	hang    chan struct{} // closed: requests are answered
}

func newCollector() *collector {
	c := &collector{bodies: make(chan string, 100), headers: make(chan http.Header, 100), hang: make(chan struct{})}
	c.status.Store(200)
	close(c.hang)
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-c.hang:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.bodies <- r.Method + " " + r.URL.String() + " " + string(body)
	c.headers <- r.Header
	code := int(c.status.Load())
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func (c *collector) exporter(dropped *atomic.Int64) *otlp.Exporter {
	return otlp.New(otlp.Config{Endpoint: "http://collector.example:4318/", Headers: map[string]string{"X-Key": "k"}, Client: &http.Client{Transport: c},
		Service: map[string]any{"service.name": "sidetone"}, Version: "v1", Dropped: func(n int) { dropped.Add(int64(n)) }, Log: slog.New(slog.DiscardHandler)})
}

func sample() []otlp.Span {
	at := time.Unix(1_700_000_000, 5).UTC()
	return []otlp.Span{
		{Trace: [16]byte{1: 0xab}, ID: [8]byte{7: 1}, Name: "turn", From: at, To: at.Add(time.Second),
			Attributes: map[string]any{"s": "text", "b": true, "i": int64(-7), "f": 1.5, "other": struct{}{}}},
		{Trace: [16]byte{1: 0xab}, ID: [8]byte{7: 2}, Parent: [8]byte{7: 1}, Name: "model", From: at, To: at},
	}
}

// The form is that of the specification's JSON: ids hexadecimal, 64-bit numbers strings.
func TestForm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int64
		c := newCollector()
		e := c.exporter(&dropped)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { e.Run(ctx); close(done) }()
		e.Add(sample())
		got, isPost := strings.CutPrefix(<-c.bodies, "POST http://collector.example:4318/v1/traces ")
		if h := <-c.headers; !isPost || h.Get("X-Key") != "k" || h.Get("Content-Type") != "application/json" {
			t.Errorf("request %q with %v", got, h)
		}
		const want = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"sidetone"}}]},
			"scopeSpans":[{"scope":{"name":"sidetone","version":"v1"},"spans":[
			{"traceId":"00ab0000000000000000000000000000","spanId":"0000000000000001","name":"turn","kind":1,
			"startTimeUnixNano":"1700000000000000005","endTimeUnixNano":"1700000001000000005","attributes":[
			{"key":"b","value":{"boolValue":true}},{"key":"f","value":{"doubleValue":1.5}},{"key":"i","value":{"intValue":"-7"}},{"key":"s","value":{"stringValue":"text"}}]},
			{"traceId":"00ab0000000000000000000000000000","spanId":"0000000000000002","parentSpanId":"0000000000000001","name":"model","kind":1,
			"startTimeUnixNano":"1700000000000000005","endTimeUnixNano":"1700000000000000005"}]}]}]}`
		if diff := cmp.Diff(decoded(t, want), decoded(t, got)); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		stop()
		<-done
		if dropped.Load() != 0 {
			t.Errorf("%d spans were dropped", dropped.Load())
		}
	})
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A collector that is busy is asked again, one that refuses is not.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ requests, dropped int }{200: {1, 0}, 503: {3, 2}, 400: {1, 2}} {
		synctest.Test(t, func(t *testing.T) {
			var dropped atomic.Int64
			c := newCollector()
			c.status.Store(int64(status))
			e := c.exporter(&dropped)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { e.Run(ctx); close(done) }()
			e.Add(sample())
			time.Sleep(time.Minute)
			if got := len(c.bodies); got != want.requests || int(dropped.Load()) != want.dropped {
				t.Errorf("%d: %d requests and %d spans dropped, want %+v", status, got, dropped.Load(), want)
			}
			stop()
			<-done
		})
	}
}

// A collector that hangs holds nobody up: what is too much is dropped and counted.
func TestAddNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int64
		c := newCollector()
		c.hang = make(chan struct{})
		e := c.exporter(&dropped)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { e.Run(ctx); close(done) }()
		began := time.Now()
		for range 5000 {
			e.Add(sample())
		}
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
		if n := dropped.Load(); n < 2*3500 || n > 2*4000 {
			t.Errorf("%d of 10000 spans were dropped", n)
		}
		stop()
		<-done // although the collector still hangs
		if waited := time.Since(began); waited > 5*time.Second {
			t.Errorf("the end took %v", waited)
		}
	})
}

// What waits when the server ends is sent.
func TestLastWords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int64
		c := newCollector()
		e := c.exporter(&dropped)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		e.Add(sample())
		e.Add(sample())
		e.Run(ctx)
		if len(c.bodies) == 0 || strings.Count(<-c.bodies, `"traceId"`) != 4 || dropped.Load() != 0 {
			t.Errorf("%d requests, %d dropped", len(c.bodies), dropped.Load())
		}
	})
}
