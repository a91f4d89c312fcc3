package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// listener reads a stream of server-sent events as a browser does.
type listener struct {
	t     *testing.T
	doc   *openapi3.T
	lines *bufio.Scanner
}

func (b *bench) listen(path, lastEventID string) *listener {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		raw, _ := io.ReadAll(res.Body)
		b.t.Fatalf("got %d %s", res.StatusCode, raw)
	}
	return &listener{t: b.t, doc: b.doc, lines: bufio.NewScanner(res.Body)}
}

// block reads up to the next empty line; nil at the end of the stream.
func (l *listener) block() []string {
	var block []string
	for l.lines.Scan() {
		if l.lines.Text() == "" {
			return block
		}
		block = append(block, l.lines.Text())
	}
	return nil
}

// next checks the next event, over comments.
func (l *listener) next(sequence int, kind string) {
	l.t.Helper()
	block := l.block()
	for len(block) > 0 && strings.HasPrefix(block[0], ":") {
		block = l.block()
	}
	if len(block) != 3 || block[0] != fmt.Sprintf("id: %d", sequence) || block[1] != "event: "+kind {
		l.t.Fatalf("got %q, want event %d, %s", block, sequence, kind)
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(block[2], "data: ")), &data); err != nil {
		l.t.Fatal(err)
	}
	if err := l.doc.Components.Schemas["CallEvent"].Value.VisitJSON(data, openapi3.MultiErrors()); err != nil {
		l.t.Errorf("%s: %v", block[2], err)
	}
	if data["sequence"] != float64(sequence) || data["type"] != kind {
		l.t.Errorf("got data %v", data)
	}
}

// comment waits for a heartbeat.
func (l *listener) comment() {
	l.t.Helper()
	if block := l.block(); len(block) != 1 || !strings.HasPrefix(block[0], ":") {
		l.t.Fatalf("got %q, want a comment", block)
	}
}

// end checks that nothing follows.
func (l *listener) end() {
	l.t.Helper()
	for block := l.block(); block != nil; block = l.block() {
		if !strings.HasPrefix(block[0], ":") {
			l.t.Fatalf("got %q, want the end", block)
		}
	}
	if err := l.lines.Err(); err != nil {
		l.t.Fatalf("the stream was cut off: %v", err)
	}
}
