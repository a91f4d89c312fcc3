package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// handler carries out one request. An error that it returns is rendered unless
// something was already written.
type handler func(w http.ResponseWriter, r *request) error

// operation carries out one request and returns what to render as JSON.
type operation func(*request) (any, error)

// respond makes a handler of a function that returns what to render as JSON.
func (s *server) respond(status int, fn operation) handler {
	return func(w http.ResponseWriter, r *request) error {
		r.status = status
		body, err := fn(r)
		if err != nil {
			return err
		}
		warnings, err := s.allWarnings(r, body)
		if err != nil {
			return err
		}
		r.warn(warnings)
		return s.writeJSON(w, r.Request, status, body)
	}
}

// route is one operation of the interface.
type route struct {
	pattern string
	handle  handler
	// open routes need no key.
	open bool
	// scope is what a key must have for the route; every route that is not open
	// names one.
	scope sidetone.Scope
	// repeats says what an Idempotency-Key does.
	repeats repeats
	// begins says that the route begins what a server that shuts down cannot finish.
	begins bool
	// stream routes may last as long as the client listens.
	stream    bool
	operation contract.Operation
}

// showsVoices says that the route shows what agents speak with that name no voice.
func (r route) showsVoices() bool {
	_, path, _ := strings.Cut(r.pattern, " ")
	return path == "/v1/voices" || path == "/v1/calls/create" || strings.HasPrefix(path, "/v1/agents") || strings.HasPrefix(path, "/v1/numbers")
}

// anyScope is the scope of routes that every valid key or token may use.
const anyScope sidetone.Scope = "any"

// guarded checks that the route says who may use it.
func (r route) guarded() error {
	if known := sidetone.NewScopes(r.scope) != 0 || r.scope == anyScope; known == r.open {
		return fmt.Errorf("%s must be open or name one scope", r.pattern)
	}
	return nil
}

// permit refuses who lacks the route's scope.
func (r route) permit(who sidetone.Principal) error {
	if r.open || r.scope == anyScope || who.Has(r.scope) {
		return nil
	}
	return sidetone.Errorf(sidetone.Forbidden, "Forbidden: this needs the scope %s", r.scope)
}

// routes is the whole interface.
func (s *server) routes() []route {
	return []route{
		{pattern: "GET /v1/numbers", scope: sidetone.ScopeRead, handle: s.respond(200, s.getNumber)},
		{pattern: "GET /v1/numbers/list", scope: sidetone.ScopeRead, handle: s.respond(200, s.listNumbers)},
		{pattern: "GET /v1/numbers/available", scope: sidetone.ScopeRead, handle: s.respond(200, s.listAvailable)},
		{pattern: "POST /v1/numbers/buy", scope: sidetone.ScopeWrite, repeats: replayed, begins: true, handle: s.respond(201, s.buyNumber)},
		{pattern: "POST /v1/numbers/update", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.updateNumber)},
		{pattern: "POST /v1/numbers/cancel", scope: sidetone.ScopeWrite, handle: s.respond(201, s.cancelNumber)},
		{pattern: "POST /v1/numbers/link", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.linkNumber)},
		{pattern: "POST /v1/numbers/detach", scope: sidetone.ScopeWrite, handle: s.respond(201, s.detachNumber)},

		{pattern: "GET /v1/agents", scope: sidetone.ScopeRead, handle: s.respond(200, s.getAgent)},
		{pattern: "GET /v1/agents/list", scope: sidetone.ScopeRead, handle: s.respond(200, s.listAgents)},
		{pattern: "POST /v1/agents/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.createAgent)},
		{pattern: "POST /v1/agents/update", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.updateAgent)},
		{pattern: "DELETE /v1/agents/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, s.deleteAgent)},

		{pattern: "GET /v1/prompts", scope: sidetone.ScopeRead, handle: s.respond(200, readablePrompts().get(s))},
		{pattern: "GET /v1/prompts/list", scope: sidetone.ScopeRead, handle: s.respond(200, prompts().page(s))},
		{pattern: "POST /v1/prompts/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, prompts().create(s))},
		{pattern: "POST /v1/prompts/update", scope: sidetone.ScopeWrite, handle: s.respond(201, prompts().change(s))},
		{pattern: "DELETE /v1/prompts/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, prompts().delete(s))},

		{pattern: "GET /v1/actions", scope: sidetone.ScopeRead, handle: s.respond(200, actions().get(s))},
		{pattern: "GET /v1/actions/list", scope: sidetone.ScopeRead, handle: s.respond(200, actions().page(s))},
		{pattern: "POST /v1/actions/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, actions().create(s))},
		{pattern: "POST /v1/actions/update", scope: sidetone.ScopeWrite, handle: s.respond(201, actions().change(s))},
		{pattern: "DELETE /v1/actions/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, actions().delete(s))},

		{pattern: "GET /v1/voices", scope: sidetone.ScopeRead, handle: s.respond(200, s.getVoice)},
		{pattern: "GET /v1/voices/list", scope: sidetone.ScopeRead, handle: s.respond(200, voices().page(s))},
		{pattern: "POST /v1/voices/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, voices().create(s))},
		{pattern: "POST /v1/voices/update", scope: sidetone.ScopeWrite, handle: s.respond(201, voices().change(s))},
		{pattern: "DELETE /v1/voices/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, voices().delete(s))},

		{pattern: "GET /v1/webhooks", scope: sidetone.ScopeRead, handle: s.respond(200, webhooks().get(s))},
		{pattern: "GET /v1/webhooks/list", scope: sidetone.ScopeRead, handle: s.respond(200, webhooks().page(s))},
		{pattern: "POST /v1/webhooks/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.triedWebhook(webhooks().create(s)))},
		{pattern: "POST /v1/webhooks/update", scope: sidetone.ScopeWrite, handle: s.respond(201, webhooks().change(s))},
		{pattern: "DELETE /v1/webhooks/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, webhooks().delete(s))},
		{pattern: "POST /v1/webhooks/rotate_secret", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.rotateWebhookSecret)},
		{pattern: "POST /v1/webhooks/test", scope: sidetone.ScopeWrite, handle: s.respond(200, s.testWebhook)},
		{pattern: "GET /v1/webhook_deliveries", scope: sidetone.ScopeRead, handle: s.respond(200, s.getDelivery)},
		{pattern: "GET /v1/webhook_deliveries/list", scope: sidetone.ScopeRead, handle: s.respond(200, s.listDeliveries)},
		{pattern: "POST /v1/webhook_deliveries/replay", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.replayDeliveries)},

		{pattern: "GET /v1/account_connections", scope: sidetone.ScopeRead, handle: s.respond(200, connections().get(s))},
		{pattern: "GET /v1/account_connections/list", scope: sidetone.ScopeRead, handle: s.respond(200, connections().page(s))},
		{pattern: "POST /v1/account_connections/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, connections().create(s))},
		{pattern: "POST /v1/account_connections/update", scope: sidetone.ScopeWrite, handle: s.respond(201, connections().change(s))},
		{pattern: "DELETE /v1/account_connections/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, connections().delete(s))},
		{pattern: "POST /v1/account_connections/test", scope: sidetone.ScopeWrite, handle: s.respond(200, s.testConnection)},
		{pattern: "POST /v1/account_connections/add_to_steering_pool", scope: sidetone.ScopeWrite, handle: s.respond(200, addToPool(s))},
		{pattern: "POST /v1/account_connections/remove_from_steering_pool", scope: sidetone.ScopeWrite, handle: s.respond(200, removeFromPool(s))},

		{pattern: "GET /v1/vector_databases", scope: sidetone.ScopeRead, handle: s.respond(200, vectorDatabases().get(s))},
		{pattern: "GET /v1/vector_databases/list", scope: sidetone.ScopeRead, handle: s.respond(200, vectorDatabases().page(s))},
		{pattern: "POST /v1/vector_databases/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(200, vectorDatabases().create(s))},
		{pattern: "POST /v1/vector_databases/update", scope: sidetone.ScopeWrite, handle: s.respond(200, vectorDatabases().change(s))},
		{pattern: "DELETE /v1/vector_databases/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, vectorDatabases().delete(s))},

		{pattern: "GET /v1/trunks", scope: sidetone.ScopeRead, handle: s.respond(200, s.byName(trunks().get(s)))},
		{pattern: "GET /v1/trunks/list", scope: sidetone.ScopeRead, handle: s.respond(200, trunks().page(s))},
		{pattern: "POST /v1/trunks/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.acting(trunks().create(s)))},
		{pattern: "POST /v1/trunks/update", scope: sidetone.ScopeWrite, handle: s.respond(201, s.byName(s.acting(trunks().change(s))))},
		{pattern: "DELETE /v1/trunks/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, s.byName(s.acting(s.deleteTrunk)))},
		{pattern: "POST /v1/trunks/test", scope: sidetone.ScopeWrite, handle: s.respond(200, s.testTrunk)},

		{pattern: "POST /v1/dnc_numbers/create", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.createDNC)},
		{pattern: "POST /v1/dnc_numbers/bulk", scope: sidetone.ScopeWrite, repeats: replayed, handle: s.respond(201, s.bulkDNC)},
		{pattern: "GET /v1/dnc_numbers/list", scope: sidetone.ScopeRead, handle: s.respond(200, s.listDNC)},
		{pattern: "POST /v1/dnc_numbers/decide", scope: sidetone.ScopeWrite, handle: s.respond(201, s.decideDNC)},
		{pattern: "DELETE /v1/dnc_numbers/delete", scope: sidetone.ScopeWrite, handle: s.respond(200, s.deleteDNC)},

		{pattern: "GET /v1/support", scope: sidetone.ScopeRead, handle: s.respond(200, s.getSupport)},
		{pattern: "GET /v1/usage", scope: sidetone.ScopeRead, handle: s.respond(200, s.getUsage)},

		{pattern: "GET /v1/calls", scope: sidetone.ScopeRead, handle: s.respond(200, s.getCall)},
		{pattern: "GET /v1/calls/list", scope: sidetone.ScopeRead, handle: s.respond(200, s.listCalls)},
		{pattern: "GET /v1/calls/export", scope: sidetone.ScopeRead, handle: s.exportCalls, stream: true},
		{pattern: "POST /v1/calls/create", scope: sidetone.ScopeCalls, repeats: replayed, begins: true, handle: s.respond(201, s.createCall)},
		{pattern: "POST /v1/calls/end", scope: sidetone.ScopeCalls, handle: s.respond(200, s.endCall)},
		{pattern: "POST /v1/calls/recording", scope: sidetone.ScopeCalls, handle: s.respond(200, s.pauseRecording)},
		{pattern: "GET /v1/calls/recording", scope: sidetone.ScopeRead, handle: s.getRecording, stream: true},
		{pattern: "GET /v1/calls/{id}/ladder", scope: sidetone.ScopeRead, handle: s.respond(200, s.getLadder)},
		{pattern: "GET /v1/calls/{id}/turns", scope: sidetone.ScopeRead, handle: s.respond(200, s.getTurns)},
		{pattern: "GET /v1/calls/{id}/pcap", scope: sidetone.ScopeRead, handle: s.getPCAP},
		{pattern: "GET /v1/calls/{id}/journal", scope: sidetone.ScopeRead, handle: s.getJournal},
		{pattern: "GET /v1/calls/{id}/events", scope: sidetone.ScopeRead, handle: s.streamEvents, stream: true},
		{pattern: "GET /v1/refusals", scope: sidetone.ScopeRead, handle: s.respond(200, s.listRefusals)},

		{pattern: "GET /v1/whoami", scope: anyScope, handle: s.respond(200, s.whoAmI)},
		{pattern: "GET /v1/environments", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.getEnvironment)},
		{pattern: "GET /v1/environments/list", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.listEnvironments)},
		{pattern: "POST /v1/environments/create", scope: sidetone.ScopeAdmin, repeats: replayed, handle: s.respond(201, s.createEnvironment)},
		{pattern: "POST /v1/environments/update", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.updateEnvironment)},
		{pattern: "GET /v1/api_keys", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.getKey)},
		{pattern: "GET /v1/api_keys/list", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.listKeys)},
		{pattern: "POST /v1/api_keys/create", scope: sidetone.ScopeAdmin, repeats: shownOnce, handle: s.respond(201, s.createKey)},
		{pattern: "POST /v1/api_keys/import", scope: sidetone.ScopeAdmin, repeats: replayed, handle: s.respond(201, s.importKey)},
		{pattern: "POST /v1/api_keys/update", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.updateKey)},
		{pattern: "POST /v1/api_keys/revoke", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.revokeKey)},
		{pattern: "POST /v1/secrets/rotate_environment", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.rotateEnvironment), stream: true},
		{pattern: "POST /v1/secrets/rotate_master", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.rotateMaster), stream: true},
		{pattern: "GET /v1/members", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.getMember)},
		{pattern: "GET /v1/members/list", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.listMembers)},
		{pattern: "POST /v1/members/create", scope: sidetone.ScopeAdmin, repeats: replayed, handle: s.respond(201, s.createMember)},
		{pattern: "POST /v1/members/update", scope: sidetone.ScopeAdmin, handle: s.respond(201, s.updateMember)},
		{pattern: "DELETE /v1/members/delete", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.deleteMember)},
		{pattern: "GET /v1/audit_log", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.getAuditEntry)},
		{pattern: "GET /v1/audit_log/list", scope: sidetone.ScopeAdmin, handle: s.respond(200, s.listAuditLog)},

		{pattern: "GET /metrics", scope: sidetone.ScopeMetrics, handle: s.getMetrics},

		{pattern: "GET /openapi.yaml", handle: s.getDocument, open: true},
		{pattern: "GET /docs", handle: s.getDocs, open: true},
		{pattern: "GET /docs/{asset}", handle: s.getDocsAsset, open: true},
		{pattern: "GET /healthz", handle: s.getHealth, open: true},
		{pattern: "GET /readyz", handle: s.getReadiness, open: true},
	}
}

// methods are the routes of one path.
type methods map[string]route

// allow lists the methods a path takes.
func (m methods) allow() string {
	names := []string{http.MethodOptions}
	for name := range m {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// dispatch chooses the route by method.
func (s *server) dispatch(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet // net/http drops the body
		}
		route, ok := m[method]
		switch {
		case ok:
			s.serve(w, r, route)
		case method == http.MethodOptions:
			w.Header().Set("Allow", m.allow())
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", m.allow())
			s.writeError(w, r, dialect.Of(r.Header, ""), sidetone.Errorf(methodNotAllowed, "%s is not possible here", wire.Clip(r.Method)))
		}
	})
}

func (s *server) unknownRoute(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, dialect.Of(r.Header, ""), sidetone.Errorf(sidetone.NotFound, "there is no %s", wire.Clip(r.URL.Path)))
}
