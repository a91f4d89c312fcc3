package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

// as sends a request with another bearer.
func (b *bench) as(bearer, target, body string) answer {
	b.t.Helper()
	return b.send(target, body, http.Header{"Authorization": {"Bearer " + bearer}})
}

// keyOf makes a key by the request body and returns id and secret.
func (b *bench) keyOf(body string) (id, secret string) {
	b.t.Helper()
	got := b.do("POST /v1/api_keys/create", body).want(201)
	return got.text("id"), got.text("key")
}

func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	for _, r := range (&server{}).routes() {
		if err := r.guarded(); err != nil {
			t.Error(err)
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		want := sidetone.ScopeWrite
		switch {
		case r.open || r.scope == anyScope || r.scope == sidetone.ScopeMetrics:
			continue
		case slices.ContainsFunc([]string{"/v1/api_keys", "/v1/members", "/v1/environments", "/v1/audit_log", "/v1/secrets"}, func(p string) bool { return strings.HasPrefix(path, p) }):
			want = sidetone.ScopeAdmin
		case method == http.MethodGet:
			want = sidetone.ScopeRead
		case strings.HasPrefix(path, "/v1/calls/"):
			want = sidetone.ScopeCalls
		}
		if r.scope != want {
			t.Errorf("%s needs %s, want %s", r.pattern, r.scope, want)
		}
	}
	for _, bad := range []route{{pattern: "GET /x"}, {pattern: "GET /x", scope: "fly"}, {pattern: "GET /x", scope: sidetone.ScopeRead, open: true}} {
		if bad.guarded() == nil {
			t.Errorf("%+v is guarded", bad)
		}
	}
}

// TestScopes asks every route with keys that have every scope but its own.
func TestScopes(t *testing.T) {
	both(t, func(b *bench) {
		without := map[sidetone.Scope]string{}
		for _, scope := range []sidetone.Scope{sidetone.ScopeRead, sidetone.ScopeWrite, sidetone.ScopeCalls, sidetone.ScopeMetrics, sidetone.ScopeAdmin} {
			rest := sidetone.EveryScope() &^ sidetone.NewScopes(scope)
			_, without[scope] = b.keyOf(`{"scopes":["` + strings.Join(rest.Names(), `","`) + `"]}`)
		}
		for _, r := range (&server{}).routes() {
			if r.open || r.scope == anyScope {
				continue
			}
			method, path, _ := strings.Cut(r.pattern, " ")
			got := b.as(without[r.scope], method+" "+strings.ReplaceAll(path, "{id}", "x"), "")
			got.fails(403, "Forbidden: this needs the scope "+string(r.scope))
			if got.text("error") != "Forbidden" {
				b.t.Errorf("%s: %s", r.pattern, got.raw)
			}
		}
		_, reader := b.keyOf(`{"scopes":["read"]}`)
		b.as(reader, "GET /v1/agents/list", "").want(200)
		who := b.as(reader, "GET /v1/whoami", "").want(200)
		if diff := cmp.Diff([]any{"read"}, who.at("scopes")); diff != "" {
			b.t.Error(diff)
		}
	})
}

func TestAPIKeys(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/api_keys/create", `{"label":"till","scopes":["read","write"],"profile":"vocode"}`).want(201)
		id, secret := made.text("id"), made.text("key")
		if !strings.HasPrefix(secret, sidetone.KeyPrefix) || made.text("ends_in") != secret[len(secret)-4:] {
			b.t.Errorf("key %s", made.raw)
		}
		for _, target := range []string{"GET /v1/api_keys?id=" + id, "GET /v1/api_keys/list", "GET /v1/audit_log/list"} {
			if got := b.do(target, "").want(200); strings.Contains(string(got.raw), secret) {
				b.t.Errorf("%s shows the secret", target)
			}
		}
		if got := b.as(secret, "GET /v1/whoami", "").want(200); got.text("profile") != "vocode" || got.text("id") != id {
			b.t.Errorf("%s", got.raw)
		}
		b.do("POST /v1/api_keys/update?id="+id, `{"profile":null,"scopes":["read"],"label":"tills"}`).want(201)
		if got := b.as(secret, "GET /v1/whoami", "").want(200); got.text("profile") != "fluents" || got.text("label") != "tills" {
			b.t.Errorf("%s", got.raw)
		}
		b.as(secret, "POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(403)
		first := b.do("POST /v1/api_keys/revoke?id="+id, "").want(201)
		again := b.do("POST /v1/api_keys/revoke?id="+id, "").want(201)
		if first.at("active") != false || first.at("revoked_at") != again.at("revoked_at") {
			b.t.Errorf("revoked %s, again %s", first.raw, again.raw)
		}
		b.as(secret, "GET /v1/whoami", "").want(401)
		b.do("POST /v1/api_keys/update?id="+id, `{"label":"x"}`).fails(409, "the API key is revoked")
		for body, message := range map[string]string{
			`{"scopes":[]}`:                  "scopes must have at least 1 items",
			`{"profile":"german"}`:           "profile must be one of fluents, vocode, vocode-python, vocode-javascript",
			`{"scopes":"read"}`:              "scopes must be a list",
			`{"member":"x"}`:                 "",
			`{"account_wide":1}`:             "account_wide must be true or false",
			`{"label":{}}`:                   "label must be a string",
			`{"scopes":["read","fly"]}`:      "",
			`{"member":"x","scopes":["fl"]}`: "",
		} {
			got := b.do("POST /v1/api_keys/create", body)
			if got.status != 400 && got.status != 404 || message != "" && got.text("message") != message {
				b.t.Errorf("%s: %d %s", body, got.status, got.raw)
			}
		}
		for _, target := range []string{"GET /v1/api_keys?id=x", "POST /v1/api_keys/revoke?id=x", "POST /v1/api_keys/update?id=x"} {
			b.do(target, "{}").fails(404, "id names no API key in this environment")
		}
		active := b.do("GET /v1/api_keys/list?filters="+url.QueryEscape(`{"revoked":null}`), "").want(200)
		if active.at("total") != 1.0 {
			b.t.Errorf("active keys: %s", active.raw)
		}
	})
}

func TestImportedKeys(t *testing.T) {
	both(t, func(b *bench) {
		for body, message := range map[string]string{
			`{}`: "key is required", `{"key":"nineteen characters"}`: "key must have at least 20 characters",
			`{"key":"twenty characters, but spaces"}`: "key must consist of visible ASCII characters without spaces",
			`{"key":"äöüäöüäöüäöüäöüäöüäöü"}`:         "key must consist of visible ASCII characters without spaces",
		} {
			got := b.do("POST /v1/api_keys/import", body).want(400)
			if got.text("message") != message {
				b.t.Errorf("%s: %s", body, got.raw)
			}
		}
		// A token of the old system, and a key that looks like ours and is not.
		for _, bearer := range []string{"eyJhbGciOiJIUzI1NiJ9.e30.signature-of-the-old-system", "sk_live_of_another_vendor", "12345678901234567890"} {
			b.as(bearer, "GET /v1/whoami", "").want(401)
			got := b.do("POST /v1/api_keys/import", `{"key":"`+bearer+`","label":"old"}`).want(201)
			if got.at("imported") != true || strings.Contains(string(got.raw), bearer) {
				b.t.Errorf("%s", got.raw)
			}
			b.as(bearer, "GET /v1/agents/list", "").want(200)
			b.do("POST /v1/api_keys/import", `{"key":"`+bearer+`"}`).fails(409, "API key already exists")
		}
	})
}

func TestMembersAndTheirKeys(t *testing.T) {
	both(t, func(b *bench) {
		ada := b.do("POST /v1/members/create", `{"subject":"login|ada","name":"Ada"}`).want(201)
		id := ada.text("id")
		if ada.text("role") != "member" {
			b.t.Errorf("%s", ada.raw)
		}
		b.do("POST /v1/members/create", `{"subject":"login|ada"}`).fails(409, "member already exists")
		b.do("POST /v1/members/create", `{"subject":"x","role":"owner"}`).want(400)
		if got := b.do("POST /v1/members/create", `{"subject":"x","role":null}`).want(201); got.text("role") != "member" {
			b.t.Errorf("%s", got.raw)
		}
		b.do("POST /v1/api_keys/create", `{"member":"nobody"}`).fails(404, "member names no member in this environment")
		b.do("POST /v1/api_keys/create", `{"member":"`+id+`","account_wide":true}`).want(400)
		// The key can do no more than the member.
		_, secret := b.keyOf(`{"member":"` + id + `","scopes":["read","admin"]}`)
		b.as(secret, "GET /v1/agents/list", "").want(200)
		b.as(secret, "GET /v1/members/list", "").want(403)
		b.do("POST /v1/members/update?id="+id, `{"role":"admin","name":null}`).want(201)
		if got := b.as(secret, "GET /v1/members?id="+id, "").want(200); got.text("role") != "admin" || got.at("name") != nil {
			b.t.Errorf("%s", got.raw)
		}
		b.as(secret, "POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(403) // nor more than its scopes
		b.do("DELETE /v1/members/delete?id="+id, "").want(200)
		b.as(secret, "GET /v1/whoami", "").want(401)
		for _, target := range []string{"GET /v1/members?id=", "POST /v1/members/update?id=", "DELETE /v1/members/delete?id="} {
			b.do(target+id, "{}").fails(404, "id names no member in this environment")
		}
	})
}

func TestEnvironmentsOfAnAccount(t *testing.T) {
	both(t, func(b *bench) {
		_, foreign := b.newEnvironment("stranger")
		stranger := b.as(foreign, "GET /v1/whoami", "").want(200).text("environment.id")
		made := b.do("POST /v1/environments/create", `{"name":"staging"}`).want(201)
		staging := made.text("id")
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		there := func(target, body, env, bearer string) answer {
			b.t.Helper()
			return b.send(target, body, http.Header{"Authorization": {"Bearer " + bearer}, "Sidetone-Environment": {env}})
		}
		const unknown = "Sidetone-Environment names no environment of this account"
		if got := there("GET /v1/voices/list", "", staging, b.key).want(200); got.at("total") != 2.0 {
			b.t.Errorf("voices of the new environment: %s", got.raw)
		}
		there("GET /v1/agents?id="+agent, "", staging, b.key).want(404)
		there("GET /v1/agents?id="+agent, "", b.env.ID, b.key).want(200)
		for _, env := range []string{stranger, "nowhere", strings.Repeat("x", 300)} {
			there("GET /v1/voices/list", "", env, b.key).fails(404, unknown)
		}
		// A key of the new environment is good there only, and cannot leave it.
		key := there("POST /v1/api_keys/create", `{"scopes":["read","admin"]}`, staging, b.key).want(201).text("key")
		for _, env := range []string{b.env.ID, stranger, "nowhere"} {
			there("GET /v1/voices/list", "", env, key).fails(404, unknown)
			b.as(key, "GET /v1/environments?id="+env, "").fails(404, "id names no environment in this environment")
			b.as(key, "POST /v1/environments/update?id="+env, `{"name":"x"}`).fails(404, "id names no environment in this environment")
		}
		if got := b.as(key, "GET /v1/environments/list", "").want(200); got.at("total") != 1.0 {
			b.t.Errorf("%s", got.raw)
		}
		if got := b.do("GET /v1/environments/list?size=1&page=2", "").want(200); got.at("total") != 2.0 || got.at("has_more") != false {
			b.t.Errorf("%s", got.raw)
		}
		b.as(key, "POST /v1/environments/create", `{"name":"x"}`).fails(403, "Forbidden: this needs a key with account_wide")
		b.as(key, "POST /v1/api_keys/create", `{"account_wide":true}`).want(403)
		wide := there("POST /v1/api_keys/create", `{"account_wide":true}`, staging, b.key).want(201).text("id")
		b.as(key, "POST /v1/api_keys/revoke?id="+wide, "").want(403)
		b.as(key, "POST /v1/environments/update?id="+staging, `{"name":"test"}`).want(201)
		b.do("POST /v1/environments/update?id="+staging, `{"default_agent":"`+agent+`"}`).fails(404, "default_agent names no agent in this environment")
		got := b.do("POST /v1/environments/update?id="+b.env.ID, `{"default_agent":"`+agent+`"}`).want(201)
		if got.text("default_agent") != agent || got.text("name") != "production" {
			b.t.Errorf("%s", got.raw)
		}
		if got := b.do("GET /v1/environments?id="+staging, "").want(200); got.text("name") != "test" {
			b.t.Errorf("%s", got.raw)
		}
		b.do("POST /v1/environments/create", `{"name":" "}`).want(400)
	})
}

func TestTokensThroughTheAPI(t *testing.T) {
	both(t, func(b *bench) {
		i := newIssuers(b.t)
		server := httptest.NewServer(New(Config{Store: b.store, Tokens: i.verifier}))
		b.t.Cleanup(server.Close)
		b.url = server.URL
		who := func(token string) answer { b.t.Helper(); return b.as(token, "GET /v1/whoami", "") }
		got := who(i.token(b.env.ID, map[string]any{"scope": "read write"})).want(200)
		if diff := cmp.Diff([]any{"read", "write"}, got.at("scopes")); diff != "" || got.text("type") != "jwt" || got.text("id") != "login|ada" ||
			got.text("environment.id") != b.env.ID || got.at("member") != nil {
			b.t.Errorf("%s %s", got.raw, diff)
		}
		staff := map[string]any{"iss": "https://staff.example", "sub": "bob", "scope": nil}
		bob := i.token(b.env.ID, staff)
		who(bob).want(401)
		who(bob).want(401)
		member := b.do("POST /v1/members/create", `{"subject":"staff|bob","name":"Bob","role":"admin"}`).want(201).text("id")
		got = who(bob).want(200) // at once, although the token was refused a moment ago
		if got.text("member.id") != member || len(got.at("scopes").([]any)) != 6 || got.text("label") != "Bob" {
			b.t.Errorf("%s", got.raw)
		}
		staff["scope"] = "read"
		if got := who(i.token(b.env.ID, staff)).want(200); len(got.at("scopes").([]any)) != 1 { // a token can ask for less
			b.t.Errorf("%s", got.raw)
		}
		// What a token changes is written down to its subject; it cannot leave its environment.
		writer := i.token(b.env.ID, map[string]any{"scope": "write"})
		agent := b.as(writer, "POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201).text("id")
		entry := b.do("GET /v1/audit_log/list?filters="+url.QueryEscape(`{"resource_id":"`+agent+`"}`), "").want(200).at("items").([]any)[0].(map[string]any)
		if diff := cmp.Diff(map[string]any{"type": "jwt", "id": "login|ada"}, entry["actor"]); diff != "" {
			b.t.Error(diff)
		}
		other := b.do("POST /v1/environments/create", `{"name":"other"}`).want(201).text("id")
		b.send("GET /v1/whoami", "", http.Header{"Authorization": {"Bearer " + writer}, "Sidetone-Environment": {other}}).want(404)
		b.do("DELETE /v1/members/delete?id="+member, "").want(200)
		who(bob).want(401)
		b.do("POST /v1/members/create", `{"subject":"staff|bob"}`).want(201)
		who(bob).want(200)
	})
}

func TestOperator(t *testing.T) {
	both(t, func(b *bench) {
		secret := sidetone.NewKey()
		server := httptest.NewServer(New(Config{Store: b.store, Operator: secret}))
		b.t.Cleanup(server.Close)
		b.url = server.URL
		foreign, _ := b.newEnvironment("stranger")
		if got := b.as(secret.Reveal(), "GET /v1/whoami", "").want(200); got.text("type") != "operator" || got.text("environment.id") != b.env.ID {
			b.t.Errorf("%s", got.raw)
		}
		header := http.Header{"Authorization": {"Bearer " + secret.Reveal()}, "Sidetone-Environment": {foreign.ID}}
		if got := b.send("GET /v1/whoami", "", header).want(200); got.text("environment.id") != foreign.ID || got.text("user_id") != foreign.AccountID {
			b.t.Errorf("%s", got.raw)
		}
	})
}

// TestAuditLog follows one agent and one key through their lives.
func TestAuditLog(t *testing.T) {
	both(t, func(b *bench) {
		id, secret := b.keyOf(`{"label":"till","scopes":["write","admin"]}`)
		header := http.Header{"Authorization": {"Bearer " + secret}, "X-Request-Id": {"request-1"}}
		agent := b.send("POST /v1/agents/create", `{"name":"Ann","prompt":{"content":"p"}}`, header).want(201).text("id")
		b.send("POST /v1/agents/update?id="+agent, `{"name":"Ben"}`, header).want(201)
		b.send("POST /v1/agents/update?id="+agent, `{"name":"Ben"}`, header).want(201) // changes nothing
		b.do("POST /v1/api_keys/revoke?id="+id, "").want(201)
		filter := func(f string) []any {
			b.t.Helper()
			return b.do("GET /v1/audit_log/list?filters="+url.QueryEscape(f), "").want(200).at("items").([]any)
		}
		entries := filter(`{"resource_id":"` + agent + `"}`)
		if len(entries) != 2 {
			b.t.Fatalf("%d entries: %v", len(entries), entries)
		}
		update := entries[0].(map[string]any)
		entry := b.do("GET /v1/audit_log?id="+update["id"].(string), "").want(200)
		want := map[string]any{
			"id": update["id"], "created_at": update["created_at"], "actor": map[string]any{"type": "api_key", "id": id, "label": "till"},
			"action": "update", "resource": "agent", "resource_id": agent, "request_id": "request-1",
			"before": map[string]any{"name": "Ann"}, "after": map[string]any{"name": "Ben"},
		}
		if diff := cmp.Diff(want, entry.json); diff != "" {
			b.t.Errorf("(-want +got)\n%s", diff)
		}
		creation := entries[1].(map[string]any)
		if len(creation["before"].(map[string]any)) != 0 || creation["after"].(map[string]any)["name"] != "Ann" || creation["action"] != "create" {
			b.t.Errorf("%v", creation)
		}
		revocation := filter(`{"resource":"api_key","action":"update"}`)
		if len(revocation) != 1 || revocation[0].(map[string]any)["before"].(map[string]any)["revoked"] != nil {
			b.t.Errorf("%v", revocation)
		}
		if got := filter(`{"request_id":"request-1","resource":"agent"}`); len(got) != 2 {
			b.t.Errorf("%d entries of the request", len(got))
		}
		if got := filter(`{"actor_id":"` + id + `"}`); len(got) < 2 {
			b.t.Errorf("%d entries of the key", len(got))
		}
		if got := filter(`{"actor_type":"system","resource":"environment"}`); len(got) != 1 {
			b.t.Errorf("%d environments were made", len(got))
		}
		// Another environment sees none of it.
		_, foreign := b.newEnvironment("other")
		b.as(foreign, "GET /v1/audit_log?id="+update["id"].(string), "").fails(404, "id names no audit entry in this environment")
		if got := b.as(foreign, "GET /v1/audit_log/list?filters="+url.QueryEscape(`{"resource_id":"`+agent+`"}`), "").want(200); got.at("total") != 0.0 {
			b.t.Errorf("%s", got.raw)
		}
	})
}

// TestEveryChangeIsAudited sends a valid request to every route that changes
// something: the audit log must say who it was, in which request, and what is
// different.
func TestEveryChangeIsAudited(t *testing.T) {
	both(t, func(b *bench) {
		changes := map[string]sample{}
		for pattern, s := range b.samples() {
			if path, ok := strings.CutSuffix(pattern, "/create"); ok {
				noun := strings.TrimPrefix(path, "POST ")
				if _, ok := deletions()[noun]; ok {
					changes["DELETE "+noun+"/delete"] = sample{query: "?id=" + b.do(pattern, unlike(s.body)).made().text("id")}
				}
			}
			changes[pattern] = s
		}
		who := b.do("GET /v1/whoami", "").want(200).text("id")
		for _, r := range (&server{}).routes() {
			method, _, _ := strings.Cut(r.pattern, " ")
			if method == http.MethodGet || r.pattern == "POST /v1/secrets/rotate_master" || r.pattern == "POST /v1/trunks/test" || r.pattern == "POST /v1/webhooks/test" { // which has a test of its own, and changes nothing
				continue
			}
			s, ok := changes[r.pattern]
			switch { // samples of updates repeat what is there
			case !ok:
				b.t.Errorf("%s has no sample", r.pattern)
				continue
			case r.pattern == "POST /v1/trunks/update":
				s.body = `{"name":"third"}`
			case r.pattern == "POST /v1/vector_databases/update":
				s.body = `{"index":"another"}`
			case r.pattern != "POST /v1/environments/update" && strings.HasSuffix(r.pattern, "/update") && strings.HasPrefix(s.query, "?id="):
				s.body = `{"label":"another","name":"another"}`
			}
			id := "audit-" + strings.ReplaceAll(r.operation.ID+r.pattern[strings.LastIndex(r.pattern, "/")+1:], "/", "-") + sidetone.NewKey().Hint()
			header := http.Header{"Authorization": {"Bearer " + b.key}, "X-Request-Id": {id}}
			done := b.send(r.pattern+s.query, s.body, header)
			if done.status >= 300 {
				b.t.Errorf("%s answers %d %s", r.pattern, done.status, done.raw)
				continue
			}
			header = http.Header{"Authorization": {"Bearer " + b.key}}
			if r.pattern == "POST /v1/environments/create" { // what is made there is written down there
				header.Set("Sidetone-Environment", done.text("id"))
			}
			log := b.send("GET /v1/audit_log/list?filters="+url.QueryEscape(`{"request_id":"`+id+`"}`), "", header).want(200)
			entries, _ := log.at("items").([]any)
			if len(entries) == 0 {
				b.t.Errorf("%s is not in the audit log", r.pattern)
			}
			for _, e := range entries {
				entry, _ := e.(map[string]any)
				actor, _ := entry["actor"].(map[string]any)
				before, after := fmt.Sprint(entry["before"]), fmt.Sprint(entry["after"])
				if actor["type"] != "api_key" || actor["id"] != who || before == after || entry["resource_id"] == "" {
					b.t.Errorf("%s is audited as %v", r.pattern, entry)
				}
			}
		}
	})
}

// deletions are the nouns that can be deleted.
func deletions() map[string]bool {
	out := map[string]bool{}
	for _, r := range (&server{}).routes() {
		if path, ok := strings.CutPrefix(r.pattern, "DELETE "); ok {
			out[strings.TrimSuffix(path, "/delete")] = true
		}
	}
	return out
}

// unlike is a sample's body without what can be there once only.
func unlike(body string) string {
	return strings.NewReplacer(`"someone"`, `"somebody else"`, `"name":"carrier"`, `"name":"fourth"`, "+12025550170", "+12025550179").Replace(body)
}
