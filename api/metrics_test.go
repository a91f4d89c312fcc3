package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	both(t, func(b *bench) {
		b.do("GET /v1/agents/list", "").want(200)
		b.do("GET /v1/agents/list", "").want(200)
		b.do("GET /v1/agents?id=x", "").want(404)
		b.do("GET /v1/nothing", "").want(404)
		got := b.do("GET /metrics", "").want(200)
		if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
			b.t.Errorf("got %s", kind)
		}
		for _, line := range []string{
			`sidetone_http_requests_total{operation="AgentController_listAgents",code="200"} 2`,
			`sidetone_http_requests_total{operation="AgentController_getAgent",code="404"} 1`,
			`sidetone_http_requests_total{operation="none",code="404"} 1`,
			`# TYPE sidetone_http_request_seconds_total counter`,
			`sidetone_http_request_seconds_total{operation="AgentController_listAgents"} `,
		} {
			if !strings.Contains(string(got.raw), line) {
				b.t.Errorf("%s is missing in\n%s", line, got.raw)
			}
		}
		b.send("GET /metrics", "", nil).want(401)
		poor := b.do("POST /v1/api_keys/create", `{"label":"poor","scopes":["read"]}`).want(201).text("key")
		b.send("GET /metrics", "", http.Header{"Authorization": {"Bearer " + poor}}).want(403)
		watcher := b.do("POST /v1/api_keys/create", `{"label":"watcher","scopes":["metrics"]}`).want(201).text("key")
		as := http.Header{"Authorization": {"Bearer " + watcher}}
		b.send("GET /metrics", "", as).want(200)
		b.send("GET /v1/agents/list", "", as).want(403)
	})
}
