package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/store/storetest"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodedBodies(t *testing.T) {
	both(t, func(b *bench) {
		send := func(body string, encodings ...string) answer {
			return b.send("POST /v1/prompts/create", body, http.Header{"Authorization": {"Bearer " + b.key}, "Content-Encoding": encodings})
		}
		const body = `{"content":"p"}`
		const broken = "body is cut off or not in the format that Content-Encoding names"
		packed := gzipped(b.t, body)
		for name, got := range map[string]answer{
			"gzip": send(packed, "gzip"), "x-gzip": send(packed, "X-GZIP"), "identity": send(body, "identity"), "a mark": send("\ufeff" + body),
			"a mark within gzip": send(gzipped(b.t, "\ufeff"+body), "gzip"),
		} {
			if got.want(201); got.text("content") != "p" {
				b.t.Errorf("%s: %s", name, got.raw)
			}
		}
		for _, encodings := range [][]string{{"br"}, {"zstd"}, {"gzip", "gzip"}, {"gzip, deflate"}} {
			got := send(packed, encodings...)
			got.fails(415, "Content-Encoding must be gzip or identity")
			if got.header.Get("Accept-Encoding") != "gzip, identity" {
				b.t.Errorf("got Accept-Encoding %q", got.header.Get("Accept-Encoding"))
			}
		}
		send(body, "gzip").fails(400, broken)
		send(packed[:len(packed)-6], "gzip").fails(400, broken)
		send("", "gzip").fails(400, broken)
		send(packed[:len(packed)-6]+"\x00\x00\x00\x00\x00\x00", "gzip").fails(400, broken)
		bomb := gzipped(b.t, `{"content":"`+strings.Repeat("x", 3<<20)+`"}`) // packed, it is with the server before the answer
		send(bomb, "gzip").fails(413, "body must be at most 1048576 bytes")
		send("\ufeff\ufeff" + body).want(400)
	})
}

// Whoever gets a refusal that does not depend on the body gets it before the body
// has arrived, and the connection ends with it.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	both(t, func(b *bench) {
		for target, status := range map[string]int{
			"POST /v1/nothing": 404, "POST /v1//agents": 404, "DELETE /v1/agents/create": 405, "OPTIONS /v1/agents/create": 204,
			"POST /v1/agents/create": 401, "GET /v1/agents/list": 401, "GET /healthz": 200,
		} {
			for _, length := range []string{"Content-Length: 1000\r\n\r\n", "Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfff\r\n"} {
				conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
				if err != nil {
					b.t.Fatal(err)
				}
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
					b.t.Fatal(err)
				}
				if _, err := io.WriteString(conn, target+" HTTP/1.1\r\nHost: a\r\n"+length+"{"); err != nil {
					b.t.Fatal(err)
				}
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					b.t.Errorf("%s: %v", target, err)
					continue
				}
				if res.StatusCode != status || !res.Close {
					b.t.Errorf("%s: %d, the connection ends: %v", target, res.StatusCode, res.Close)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					b.t.Errorf("%s: %v", target, err)
				}
				if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					b.t.Errorf("%s: the connection stays open: %v", target, err)
				}
			}
		}
	})
}

// A request whose body is read leaves its connection open for the next one, also
// when it is refused.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
	var made atomic.Int64
	server := httptest.NewUnstartedServer(b.handler())
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, status := range []int{201, 400, 201} {
		body := map[int]string{201: `{"prompt":{"content":"p"}}`, 400: `{}`}[status]
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/agents/create", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+b.key)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != status {
			t.Errorf("%d, want %d; %v", res.StatusCode, status, err)
		}
		_ = res.Body.Close()
	}
	if made.Load() != 1 {
		t.Errorf("%d connections for 3 requests", made.Load())
	}
}

// The server's read deadline is for requests; it does not end event streams.
func TestStreamsOutliveTheReadDeadline(t *testing.T) {
	both(t, func(b *bench) {
		id := b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+b.number()+`","agent":{"prompt":{"content":"p"}}}`).want(201).text("id")
		server := httptest.NewUnstartedServer(b.handler())
		server.Config.ReadTimeout = 100 * time.Millisecond
		server.Start()
		defer server.Close()
		b.url = server.URL
		stream := b.listen("/v1/calls/"+id+"/events", "")
		for comments := 0; comments < 10; { // of 50 ms each
			block := stream.block()
			if block == nil {
				b.t.Fatalf("the stream ended: %v", stream.lines.Err())
			}
			if strings.HasPrefix(block[0], ":") {
				comments++
			}
		}
		close(b.drain)
		stream.end()
	})
}

// A body that is cut off by the read deadline is the client's fault.
func TestSlowBodies(t *testing.T) {
	both(t, func(b *bench) {
		server := httptest.NewUnstartedServer(b.handler())
		server.Config.ReadTimeout = 200 * time.Millisecond
		server.Start()
		defer server.Close()
		b.url = server.URL
		body, feed := io.Pipe()
		defer feed.Close()
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/v1/prompts/create", body)
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+b.key)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			b.t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); res.StatusCode != http.StatusRequestTimeout || err != nil {
			b.t.Errorf("%d %s %v", res.StatusCode, text, err)
		}
	})
}
