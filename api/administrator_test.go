package api

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sidetone/sidetone"
)

const (
	lastAdministrator = "this is the last administrator of the environment: make another key with the scope admin first, or use `sidetone token` on the server's machine"
	lastWideKey       = "this is the last key with account_wide and the scope admin: make another one first, or use `sidetone token` on the server's machine"
)

// in sends a request with a bearer to another environment.
func (b *bench) in(environment, bearer, target, body string) answer {
	b.t.Helper()
	return b.send(target, body, http.Header{"Authorization": {"Bearer " + bearer}, "Sidetone-Environment": {environment}})
}

// keyIn makes a key in another environment and returns id and secret.
func (b *bench) keyIn(environment, body string) (id, secret string) {
	b.t.Helper()
	made := b.in(environment, b.key, "POST /v1/api_keys/create", body).want(201)
	return made.text("id"), made.text("key")
}

// TestTheLastKeyStays takes the rights of keys away until one is left.
func TestTheLastKeyStays(t *testing.T) {
	both(t, func(b *bench) {
		first := b.do("GET /v1/whoami", "").want(200).text("id")
		b.do("POST /v1/api_keys/revoke?id="+first, "").fails(409, lastWideKey)
		id, secret := b.keyOf(`{"scopes":["admin"]}`)
		b.do("POST /v1/api_keys/revoke?id="+first, "").fails(409, lastWideKey)
		b.do("POST /v1/api_keys/update?id="+first, `{"scopes":["read"]}`).fails(409, lastWideKey)
		b.do("POST /v1/api_keys/update?id="+first, `{"scopes":null}`).fails(409, lastWideKey)
		b.do("POST /v1/api_keys/update?id="+first, `{"scopes":["read","admin"],"label":"till"}`).want(201)
		b.as(secret, "POST /v1/api_keys/revoke?id="+id, "").want(201)
		if total := b.do("GET /v1/audit_log/list?filters="+`%7B%22resource_id%22%3A%22`+first+`%22%7D`, "").want(200).at("total"); total != 2.0 {
			b.t.Errorf("%v changes of the first key are in the audit log", total)
		}
		_, second := b.keyOf(`{"scopes":["admin"],"account_wide":true}`)
		b.do("POST /v1/api_keys/revoke?id="+first, "").want(201)
		b.key = second
		b.do("GET /v1/members/list", "").want(200)
	})
}

// TestTheLastAdministratorStays looks at an environment without an account-wide
// key, whose only key is a member's, and at whom the rule does not bind.
func TestTheLastAdministratorStays(t *testing.T) {
	both(t, func(b *bench) {
		staging := b.do("POST /v1/environments/create", `{"name":"staging"}`).want(201).text("id")
		member := b.in(staging, b.key, "POST /v1/members/create", `{"subject":"login|ada","role":"admin"}`).want(201).text("id")
		_, ada := b.keyIn(staging, `{"scopes":["read","admin"],"member":"`+member+`"}`)
		demote := func(role string) answer {
			b.t.Helper()
			return b.as(ada, "POST /v1/members/update?id="+member, `{"role":"`+role+`"}`)
		}
		demote("member").fails(409, lastAdministrator)
		b.as(ada, "DELETE /v1/members/delete?id="+member, "").fails(409, lastAdministrator)
		demote("admin").want(201)
		plain, _ := b.keyIn(staging, `{"scopes":["read"]}`)
		b.as(ada, "POST /v1/api_keys/revoke?id="+plain, "").want(201)
		// A second administrator, whose key goes with its scope.
		other, secret := b.keyIn(staging, `{"scopes":["admin"]}`)
		b.as(ada, "POST /v1/api_keys/update?id="+other, `{"scopes":["read"]}`).want(201)
		b.as(secret, "GET /v1/members/list", "").want(403)
		demote("member").fails(409, lastAdministrator)
		// An account-wide key of another environment remains, and so does whoever signs tokens.
		b.in(staging, b.key, "DELETE /v1/members/delete?id="+member, "").want(200)
		b.as(ada, "GET /v1/whoami", "").want(401)
		i := newIssuers(b.t)
		b.tokens = i.verifier
		b.url = b.node()
		other, _ = b.keyIn(staging, `{"scopes":["admin"]}`)
		b.as(i.token(staging, map[string]any{"scope": "admin"}), "POST /v1/api_keys/revoke?id="+other, "").want(201)
		// With tokens a member needs no key.
		other, secret = b.keyIn(staging, `{"scopes":["admin"]}`)
		b.as(secret, "POST /v1/api_keys/revoke?id="+other, "").fails(409, lastAdministrator)
		b.in(staging, b.key, "POST /v1/members/create", `{"subject":"login|ada","role":"admin"}`).want(201)
		b.as(secret, "POST /v1/api_keys/revoke?id="+other, "").want(201)
	})
}

// TestTheOperatorMayRevokeTheLastKey is what the command line on the server's
// machine does.
func TestTheOperatorMayRevokeTheLastKey(t *testing.T) {
	both(t, func(b *bench) {
		first := b.do("GET /v1/whoami", "").want(200).text("id")
		secret := sidetone.NewKey()
		b.operator = secret
		b.url = b.node()
		b.as(secret.Reveal(), "POST /v1/api_keys/revoke?id="+first, "").want(201)
		b.do("GET /v1/whoami", "").want(401)
	})
}

// side is one of two who take each other's rights away.
type side struct{ bearer, target, body, environment string }

// rivals makes, in a new environment, two sides.
func rivals() map[string]func(b *bench, away string) [2]side {
	keys := func(b *bench, away string) (ids, bearers [2]string) {
		for i := range ids {
			ids[i], bearers[i] = b.keyIn(away, `{"scopes":["admin"]}`)
		}
		return ids, bearers
	}
	return map[string]func(*bench, string) [2]side{
		"keys": func(b *bench, away string) [2]side {
			ids, bearers := keys(b, away)
			return [2]side{{bearers[0], "POST /v1/api_keys/revoke?id=" + ids[1], "", away}, {bearers[1], "POST /v1/api_keys/update?id=" + ids[0], `{"scopes":["read"]}`, away}}
		},
		"themselves": func(b *bench, away string) [2]side {
			ids, bearers := keys(b, away)
			return [2]side{{bearers[0], "POST /v1/api_keys/revoke?id=" + ids[0], "", away}, {bearers[1], "POST /v1/api_keys/revoke?id=" + ids[1], "", away}}
		},
		"account-wide": func(b *bench, away string) [2]side {
			me := b.do("GET /v1/whoami", "").want(200)
			two, second := b.keyIn(away, `{"scopes":["admin"],"account_wide":true}`)
			return [2]side{{b.key, "POST /v1/api_keys/revoke?id=" + two, "", away}, {second, "POST /v1/api_keys/revoke?id=" + me.text("id"), "", me.text("environment.id")}}
		},
		"members": func(b *bench, away string) (sides [2]side) {
			var ids [2]string
			for i := range sides {
				ids[i] = b.in(away, b.key, "POST /v1/members/create", fmt.Sprintf(`{"subject":"%d","role":"admin"}`, i)).want(201).text("id")
				_, sides[i].bearer = b.keyIn(away, `{"scopes":["admin"],"member":"`+ids[i]+`"}`)
				sides[i].environment = away
			}
			sides[0].target = "DELETE /v1/members/delete?id=" + ids[1]
			sides[1].target, sides[1].body = "POST /v1/members/update?id="+ids[0], `{"role":"member"}`
			return sides
		},
	}
}

// TestTwoAdministratorsAtOnce lets two take rights away at the same time: one
// must stay, whether they are of one environment or two, keys or members.
func TestTwoAdministratorsAtOnce(t *testing.T) {
	for name, rivals := range rivals() {
		t.Run(name, func(t *testing.T) {
			both(t, func(b *bench) {
				for round := range 4 {
					away := b.do("POST /v1/environments/create", fmt.Sprintf(`{"name":"staging %d"}`, round)).want(201).text("id")
					b.rival(rivals(b, away))
				}
			})
		})
	}
}

func (b *bench) rival(sides [2]side) {
	b.t.Helper()
	var answers [2]answer
	var wg sync.WaitGroup
	for i, s := range sides {
		wg.Go(func() { answers[i] = b.in(s.environment, s.bearer, s.target, s.body) })
	}
	wg.Wait()
	done := slices.IndexFunc(answers[:], func(a answer) bool { return a.status < 300 })
	if done < 0 {
		b.t.Fatalf("neither was done: %s and %s", answers[0].raw, answers[1].raw)
	}
	// The other was refused, or found that it had no right any more.
	if other := answers[1-done]; other.status != 409 && other.status != 401 && other.status != 403 && other.status != 404 {
		b.t.Errorf("both were done, or %d %s", other.status, other.raw)
	}
	b.stays(sides[0].bearer, sides[1].bearer)
}

// stays takes the one of two bearers that may administrate still; the bench goes
// on with it where it was the bench's own that is gone.
func (b *bench) stays(bearers ...string) {
	b.t.Helper()
	for _, bearer := range bearers {
		if b.as(bearer, "GET /v1/audit_log/list", "").status == 200 {
			if b.do("GET /v1/whoami", "").status == 401 {
				b.key = bearer
			}
			return
		}
	}
	b.t.Fatal("nobody is left")
}
