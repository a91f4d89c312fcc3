package api

import "testing"

func TestSpellings(t *testing.T) {
	t.Parallel()
	s := newSpellings([]string{"/v1/agents", "/v1/agents/list", "/v1/calls/{id}/events", "/docs/{asset}", "/docs"})
	for path, want := range map[string]string{
		"/v1/agents": "/v1/agents", "/v1/agents/": "/v1/agents", "/V1/Agents/LIST": "/v1/agents/list", "/v1/Agents/list/": "/v1/agents/list",
		"/V1/calls/AbC/EVENTS/": "/v1/calls/AbC/events", "/docs/": "/docs", "/DOCS/Start.js": "/docs/Start.js",
		"/v1/nothing/": "/v1/nothing/", "/v1/agents//": "/v1/agents//", "/": "/", "": "", "/v1/calls/a/b/events": "/v1/calls/a/b/events",
	} {
		if got := s.find(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

// Every operation is found with another spelling of its path.
func TestPathsInOtherSpellings(t *testing.T) {
	both(t, func(b *bench) {
		for _, path := range []string{"/v1/agents/list", "/v1/agents/list/", "/V1/AGENTS/LIST", "/v1/Agents/List/"} {
			b.do("GET "+path, "").want(200)
		}
		b.do("POST /V1/Prompts/Create/", `{"content":"p"}`).want(201)
		if got := b.do("DELETE /V1/AGENTS/", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			b.t.Errorf("got %d, Allow %q", got.status, got.header.Get("Allow"))
		}
	})
}
