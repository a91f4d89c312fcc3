package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestConnectTestsFirst: a key becomes the default one only when its vendor answered.
func TestConnectTestsFirst(t *testing.T) {
	t.Parallel()
	const (
		create = `POST /v1/account_connections/create {"config":{},"credentials":{},"default":false,"label":"","type":"account_connection_ollama"}`
		test   = "POST /v1/account_connections/test?id=c1 "
		use    = `POST /v1/account_connections/update?id=c1 {"default":true}`
		said   = "ollama: no connection: dial tcp 10.1.2.3:11434: its address is not a public one; the operator can allow it with outbound.allow"
		used   = "connection  c1, which agents of this environment use that name no account\n"
		unused = "connection  c1 is stored, and no agent uses it: `sidetone connections update c1 --set default=true` makes it the default\n"
	)
	for name, c := range map[string]struct {
		args   string
		status int
		answer string // of the test
		code   int
		seen   []string
		out    string
	}{
		"it works":        {"", 201, `{"ok":true,"checks":[{"part":"model","ok":true,"latency_ms":7}]}`, 0, []string{create, test, use}, "model       ok, first answer after 7 ms\n" + used},
		"it is refused":   {"", 201, `{"ok":false,"checks":[{"part":"model","error":"` + said + `"}]}`, 1, []string{create, test}, "model       failed: " + said + "\n" + unused},
		"nobody asks":     {" --no-test", 201, ``, 0, []string{create, use}, used},
		"nothing to ask":  {"", 400, `{"statusCode":400,"message":"it has no driver that could be asked"}`, 0, []string{create, test, use}, used},
		"the server ends": {"", 503, `{"statusCode":503,"message":"over"}`, 1, []string{create, test}, unused},
		"as JSON":         {" -o json", 201, `{"id":"c1","ok":true,"checks":[{"part":"model","ok":true,"latency_ms":7}]}`, 0, []string{create, test, use}, "{\n  \"id\": \"c1\",\n  \"ok\": true,\n  \"checks\": [\n    {\n      \"part\": \"model\",\n      \"ok\": true,\n      \"latency_ms\": 7\n    }\n  ]\n}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // what came of it is compared
				seen = append(seen, r.Method+" "+r.URL.String()+" "+string(body))
				if strings.HasSuffix(r.URL.Path, "/test") {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.answer)
					return
				}
				_, _ = io.WriteString(w, `{"id":"c1"}`)
			}))
			defer server.Close()
			var out, errs bytes.Buffer
			code := run(append(strings.Fields("connect ollama"+c.args), "--url", server.URL, "--key", "sk_x"), &out, &errs)
			if code != c.code || out.String() != c.out || strings.Join(seen, "\n") != strings.Join(c.seen, "\n") {
				t.Errorf("code %d, printed %q, %q, asked %q", code, out.String(), errs.String(), seen)
			}
		})
	}
}

// TestConnectionsTestShowsJSON: as the interface answers.
func TestConnectionsTestShowsJSON(t *testing.T) {
	t.Parallel()
	code, out, _, _ := say(t, `{"id":"c1","ok":false,"checks":[{"part":"voice","error":"no"}]}`, "connections", "test", "c1", "-o", "json")
	if want := "{\n  \"id\": \"c1\",\n  \"ok\": false,\n  \"checks\": [\n    {\n      \"part\": \"voice\",\n      \"ok\": false,\n      \"error\": \"no\"\n    }\n  ]\n}\n"; code != 1 || out != want {
		t.Errorf("code %d, printed %s", code, out)
	}
}
