package api

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// CallController ends live calls. call.Exchange implements it.
type CallController interface {
	// End hangs up a call, or stops it from being dialled, and returns when
	// that was asked for. A call that nobody runs is a NotFound.
	End(ctx context.Context, environmentID, callID string) error
}

// Feed hands out the live events of a call. cluster/local implements it.
type Feed interface {
	// Subscribe returns the events of the call from now on and the function
	// that ends the subscription. A closed channel means that the reader was
	// too slow or the feed is gone; the store has what was missed.
	Subscribe(callID string) (<-chan sidetone.Event, func())
}

// Recordings opens the sound of calls.
type Recordings interface {
	// Open returns the WAV file at path, as a call names it; an error with
	// code NotFound or fs.ErrNotExist when there is none. The caller closes it.
	Open(path string) (io.ReadSeekCloser, error)
}

// Copies opens recordings in another form. recording/mp3 implements it.
type Copies interface {
	// Open returns the copy of the WAV file at path, made when absent; an
	// errors.ErrUnsupported when copies cannot be made here, fs.ErrNotExist when
	// there is no such recording. The caller closes it.
	Open(ctx context.Context, path string) (io.ReadSeekCloser, error)
}

// Config is what the interface needs. Store is required; what else is absent
// is absent in the answers.
type Config struct {
	// Store keeps everything.
	Store *store.Store
	// Calls ends live calls; nil when this node runs none.
	Calls CallController
	// Feed has the live events; nil means that streams read the store only.
	Feed Feed
	// Recordings opens recordings; nil means that there are none.
	Recordings Recordings
	// MP3 opens recordings as MP3; nil means that there are only WAV files.
	MP3 Copies
	// Shops are the carriers that sell numbers, by provider name.
	Shops map[string]telephony.NumberShop
	// DefaultProvider is the shop of a request that names none; "" means
	// simulated.
	DefaultProvider string
	// Tokens checks JSON Web Tokens; nil means that only keys are accepted.
	Tokens TokenVerifier
	// Operator is the bearer of this machine's command line; "" for none.
	Operator sidetone.Secret
	// RotateMaster wraps the data keys with a new master key and says which; nil
	// means that it is not possible here.
	RotateMaster func(context.Context) (MasterRotation, error)
	// Ready says whether the server can take work; nil asks the store.
	Ready func(context.Context) error
	// Drain closes when the server shuts down: event streams then end. Nil
	// never closes.
	Drain <-chan struct{}
	// IDs makes ids; nil makes them from Now.
	IDs *sidetone.IDs
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Poll is how often an event stream looks into the store for events that
	// no live one announced; 0 means a second.
	Poll time.Duration
	// Heartbeat is how often an event stream writes a comment; 0 means 15 s.
	Heartbeat time.Duration
	// Metrics counts requests and is what /metrics shows; nil makes one.
	Metrics *metrics.Registry
	// Log receives one line for each request; nil discards.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.DefaultProvider == "" {
		c.DefaultProvider = "simulated"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.IDs == nil {
		c.IDs = sidetone.NewIDs(c.Now)
	}
	if c.Ready == nil {
		c.Ready = c.Store.Ready
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Metrics == nil {
		c.Metrics = &metrics.Registry{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Calls == nil {
		c.Calls = nobody{}
	}
	return c
}

// nobody is the CallController of a node without calls.
type nobody struct{}

// End knows no call.
func (nobody) End(context.Context, string, string) error {
	return sidetone.Errorf(sidetone.NotFound, "call not found")
}

// server carries out requests.
type server struct {
	Config
	figures figures
	gzips   sync.Pool
	rooms   sync.Pool // of *[]byte
	// operatorHash is that of Operator.
	operatorHash [32]byte
	strangers    *strangers
	// memory has answers about configuration that did not change since.
	memory *memory
	// inflight are the idempotency keys of requests that are being carried out.
	inflight sync.Map
}

// New returns the handler of the whole interface. It panics when the embedded
// document and the list of routes do not fit together, which a test excludes.
func New(c Config) http.Handler {
	doc, err := loadDocument()
	if err != nil {
		panic(err)
	}
	s := &server{Config: c.withDefaults(), operatorHash: c.Operator.Hash(), memory: newMemory(), strangers: newStrangers()}
	s.figures = newFigures(s.Metrics)
	s.gzips.New = func() any { return gzip.NewWriter(io.Discard) }
	paths := map[string]methods{}
	for _, route := range s.routes() {
		method, path, _ := strings.Cut(route.pattern, " ")
		if route.operation, err = operationOf(doc, method, path); err != nil {
			panic(err)
		}
		if err := route.guarded(); err != nil {
			panic(err)
		}
		if paths[path] == nil {
			paths[path] = methods{}
		}
		paths[path][method] = route
	}
	mux := http.NewServeMux()
	for path, methods := range paths {
		mux.Handle(path, s.dispatch(methods))
	}
	mux.Handle("/", http.HandlerFunc(s.unknownRoute))
	return s.outermost(mux)
}

// handler carries out one request. An error that it returns is rendered unless
// something was already written.
type handler func(w http.ResponseWriter, r *request) error

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
	// kept answers depend on nothing but the query, the account and the
	// environment's configuration.
	kept bool
	// stream routes may last as long as the client listens.
	stream    bool
	operation operation
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
		{pattern: "GET /v1/numbers", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, s.getNumber)},
		{pattern: "GET /v1/numbers/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, s.listNumbers)},
		{pattern: "GET /v1/numbers/available", scope: sidetone.ScopeRead, handle: s.answer(200, s.listAvailable)},
		{pattern: "POST /v1/numbers/buy", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.buyNumber)},
		{pattern: "POST /v1/numbers/update", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.updateNumber)},
		{pattern: "POST /v1/numbers/cancel", scope: sidetone.ScopeWrite, handle: s.answer(201, s.cancelNumber)},
		{pattern: "POST /v1/numbers/link", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.linkNumber)},
		{pattern: "POST /v1/numbers/detach", scope: sidetone.ScopeWrite, handle: s.answer(201, s.detachNumber)},

		{pattern: "GET /v1/agents", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, s.getAgent)},
		{pattern: "GET /v1/agents/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, s.listAgents)},
		{pattern: "POST /v1/agents/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.createAgent)},
		{pattern: "POST /v1/agents/update", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.updateAgent)},
		{pattern: "DELETE /v1/agents/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, s.deleteAgent)},

		{pattern: "GET /v1/prompts", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, readablePrompts().get(s))},
		{pattern: "GET /v1/prompts/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, prompts().page(s))},
		{pattern: "POST /v1/prompts/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, prompts().create(s))},
		{pattern: "POST /v1/prompts/update", scope: sidetone.ScopeWrite, handle: s.answer(201, prompts().change(s))},
		{pattern: "DELETE /v1/prompts/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, prompts().delete(s))},

		{pattern: "GET /v1/actions", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, actions().get(s))},
		{pattern: "GET /v1/actions/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, actions().page(s))},
		{pattern: "POST /v1/actions/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, actions().create(s))},
		{pattern: "POST /v1/actions/update", scope: sidetone.ScopeWrite, handle: s.answer(201, actions().change(s))},
		{pattern: "DELETE /v1/actions/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, actions().delete(s))},

		{pattern: "GET /v1/voices", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, voices().get(s))},
		{pattern: "GET /v1/voices/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, voices().page(s))},
		{pattern: "POST /v1/voices/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, voices().create(s))},
		{pattern: "POST /v1/voices/update", scope: sidetone.ScopeWrite, handle: s.answer(201, voices().change(s))},
		{pattern: "DELETE /v1/voices/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, voices().delete(s))},

		{pattern: "GET /v1/webhooks", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, webhooks().get(s))},
		{pattern: "GET /v1/webhooks/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, webhooks().page(s))},
		{pattern: "POST /v1/webhooks/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, webhooks().create(s))},
		{pattern: "POST /v1/webhooks/update", scope: sidetone.ScopeWrite, handle: s.answer(201, webhooks().change(s))},
		{pattern: "DELETE /v1/webhooks/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, webhooks().delete(s))},

		{pattern: "GET /v1/account_connections", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, connections().get(s))},
		{pattern: "GET /v1/account_connections/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, connections().page(s))},
		{pattern: "POST /v1/account_connections/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, connections().create(s))},
		{pattern: "POST /v1/account_connections/update", scope: sidetone.ScopeWrite, handle: s.answer(201, connections().change(s))},
		{pattern: "DELETE /v1/account_connections/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, connections().delete(s))},
		{pattern: "POST /v1/account_connections/add_to_steering_pool", scope: sidetone.ScopeWrite, handle: s.answer(200, addToPool(s))},
		{pattern: "POST /v1/account_connections/remove_from_steering_pool", scope: sidetone.ScopeWrite, handle: s.answer(200, removeFromPool(s))},

		{pattern: "GET /v1/vector_databases", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, vectorDatabases().get(s))},
		{pattern: "GET /v1/vector_databases/list", scope: sidetone.ScopeRead, kept: true, handle: s.answer(200, vectorDatabases().page(s))},
		{pattern: "POST /v1/vector_databases/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(200, vectorDatabases().create(s))},
		{pattern: "POST /v1/vector_databases/update", scope: sidetone.ScopeWrite, handle: s.answer(200, vectorDatabases().change(s))},
		{pattern: "DELETE /v1/vector_databases/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, vectorDatabases().delete(s))},

		{pattern: "POST /v1/dnc_numbers/create", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.createDNC)},
		{pattern: "POST /v1/dnc_numbers/bulk", scope: sidetone.ScopeWrite, repeats: answered, handle: s.answer(201, s.bulkDNC)},
		{pattern: "GET /v1/dnc_numbers/list", scope: sidetone.ScopeRead, handle: s.answer(200, s.listDNC)},
		{pattern: "DELETE /v1/dnc_numbers/delete", scope: sidetone.ScopeWrite, handle: s.answer(200, s.deleteDNC)},

		{pattern: "GET /v1/usage", scope: sidetone.ScopeRead, handle: s.answer(200, s.getUsage)},

		{pattern: "GET /v1/calls", scope: sidetone.ScopeRead, handle: s.answer(200, s.getCall)},
		{pattern: "GET /v1/calls/list", scope: sidetone.ScopeRead, handle: s.answer(200, s.listCalls)},
		{pattern: "POST /v1/calls/create", scope: sidetone.ScopeCalls, repeats: answered, handle: s.answer(201, s.createCall)},
		{pattern: "POST /v1/calls/end", scope: sidetone.ScopeCalls, handle: s.answer(200, s.endCall)},
		{pattern: "GET /v1/calls/recording", scope: sidetone.ScopeRead, handle: s.getRecording, stream: true},
		{pattern: "GET /v1/calls/{id}/events", scope: sidetone.ScopeRead, handle: s.streamEvents, stream: true},

		{pattern: "GET /v1/whoami", scope: anyScope, handle: s.answer(200, s.whoAmI)},
		{pattern: "GET /v1/environments", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.getEnvironment)},
		{pattern: "GET /v1/environments/list", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.listEnvironments)},
		{pattern: "POST /v1/environments/create", scope: sidetone.ScopeAdmin, repeats: answered, handle: s.answer(201, s.createEnvironment)},
		{pattern: "POST /v1/environments/update", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.updateEnvironment)},
		{pattern: "GET /v1/api_keys", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.getKey)},
		{pattern: "GET /v1/api_keys/list", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.listKeys)},
		{pattern: "POST /v1/api_keys/create", scope: sidetone.ScopeAdmin, repeats: shownOnce, handle: s.answer(201, s.createKey)},
		{pattern: "POST /v1/api_keys/import", scope: sidetone.ScopeAdmin, repeats: answered, handle: s.answer(201, s.importKey)},
		{pattern: "POST /v1/api_keys/update", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.updateKey)},
		{pattern: "POST /v1/api_keys/revoke", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.revokeKey)},
		{pattern: "POST /v1/secrets/rotate_environment", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.rotateEnvironment), stream: true},
		{pattern: "POST /v1/secrets/rotate_master", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.rotateMaster), stream: true},
		{pattern: "GET /v1/members", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.getMember)},
		{pattern: "GET /v1/members/list", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.listMembers)},
		{pattern: "POST /v1/members/create", scope: sidetone.ScopeAdmin, repeats: answered, handle: s.answer(201, s.createMember)},
		{pattern: "POST /v1/members/update", scope: sidetone.ScopeAdmin, handle: s.answer(201, s.updateMember)},
		{pattern: "DELETE /v1/members/delete", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.deleteMember)},
		{pattern: "GET /v1/audit_log", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.getAuditEntry)},
		{pattern: "GET /v1/audit_log/list", scope: sidetone.ScopeAdmin, handle: s.answer(200, s.listAuditLog)},

		{pattern: "GET /metrics", scope: sidetone.ScopeMetrics, handle: s.getMetrics},

		{pattern: "GET /openapi.yaml", handle: s.getDocument, open: true},
		{pattern: "GET /docs", handle: s.getDocs, open: true},
		{pattern: "GET /docs/{asset}", handle: s.getDocsAsset, open: true},
		{pattern: "GET /healthz", handle: s.getHealth, open: true},
		{pattern: "GET /readyz", handle: s.getReadiness, open: true},
	}
}

// answer makes a handler of a function that returns what to render as JSON.
func (s *server) answer(status int, fn func(*request) (any, error)) handler {
	return func(w http.ResponseWriter, r *request) error {
		r.status = status
		body, err := fn(r)
		if err != nil {
			return err
		}
		return s.finish(w, r, status, body)
	}
}

func (s *server) getDocument(w http.ResponseWriter, r *request) error {
	w.Header().Set("Content-Type", "application/yaml")
	s.writeBody(w, r.Request, http.StatusOK, []byte(document))
	return nil
}

func (s *server) getHealth(w http.ResponseWriter, r *request) error {
	return s.writeJSON(w, r.Request, http.StatusOK, object{{"status", "ok"}})
}

func (s *server) getReadiness(w http.ResponseWriter, r *request) error {
	if err := s.Ready(r.ctx); err != nil {
		return unavailable("not ready", err)
	}
	return s.writeJSON(w, r.Request, http.StatusOK, object{{"status", "ok"}})
}
