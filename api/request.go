package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
)

// Limits of time for a request.
const (
	handleWithin = 30 * time.Second
	writeWithin  = 10 * time.Second
)

// request is a request that passed authentication, normaliser and validator.
type request struct {
	*http.Request
	// query and body are normalised and valid.
	query  url.Values
	body   wire.Object
	ctx    context.Context
	who    sidetone.Principal
	view   view
	header http.Header
	// raw is the body as it came.
	raw []byte
	// status is that of a successful response.
	status int
	// key is the request's idempotency key, nil for none.
	key *idempotencyKey
	// warnings say what of the body does not act, as far as the body alone tells.
	warnings []support.Warning
	// ignored say what of it the handler ignored.
	ignored []support.Warning
	// sent are the members of the body, and unused those that the operation does not
	// set, as decoded JSON. resource is what the body holds.
	resource     string
	sent, unused map[string]any
	// agent is what the operation made, changed or named; nil for none.
	agent *sidetone.Snapshot
	// speaks is the voice of agents that name none, without an id; nil: the built-in one.
	speaks *sidetone.Voice
}

// statusWriter knows the status that was sent, 0 for none.
type statusWriter struct {
	http.ResponseWriter
	status int
	// operation is the request's, the zero value for none.
	operation contract.Operation
	// body is the request's body, nil for none.
	body *requestBody
}

// track returns w and r with what statusWriter needs to know of both.
func track(w http.ResponseWriter, r *http.Request) (*statusWriter, *http.Request) {
	t := &statusWriter{ResponseWriter: w}
	if r.Body != nil && r.Body != http.NoBody {
		t.body = &requestBody{ReadCloser: r.Body}
		r = r.WithContext(r.Context()) // a handler must not modify the request it is given
		r.Body = t.body
	}
	return t, r
}

// requestBody records whether the body was read to its end.
type requestBody struct {
	io.ReadCloser
	ended bool
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

// WriteHeader sends the status.
func (t *statusWriter) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
		t.abandonBody()
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body, after the status 200 if none was sent.
func (t *statusWriter) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
		t.abandonBody()
	}
	return t.ResponseWriter.Write(b)
}

// abandonBody closes the connection behind a response that does not wait for the
// rest of the request. net/http would read it first, before it sends the
// response, for as long as the client cares to go on.
func (t *statusWriter) abandonBody() {
	if t.body == nil || t.body.ended {
		return
	}
	t.Header().Set("Connection", "close")
	_ = http.NewResponseController(t.ResponseWriter).SetReadDeadline(time.Now()) // a recorder in a test has none
}

// Unwrap lets http.ResponseController reach the connection.
func (t *statusWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// observed gives every request an id and a log line, counts it, and turns a panic
// into an error.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.Now()
		id := requestID(r)
		if id == "" {
			id = s.IDs.New()
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		t, r := track(w, r)
		defer func() {
			if p := recover(); p != nil {
				s.panicked(t, r, p)
			}
			took := s.Now().Sub(begun)
			s.counters.count(t.operation.ID, t.status, took)
			if !s.Log.Enabled(r.Context(), slog.LevelInfo) {
				return
			}
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("id", id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", t.status), slog.Duration("took", took))
		}()
		valid := utf8.ValidString(r.URL.Path) && !strings.ContainsRune(r.URL.Path, 0)
		bare := strings.TrimSuffix(r.URL.Path, "/")
		if !valid || bare != "" && bare != path.Clean(bare) { // the mux would send a redirect
			s.unknownRoute(t, r)
			return
		}
		next.ServeHTTP(t, r)
	})
}

func (s *server) panicked(t *statusWriter, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Log.Error("handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if t.status != 0 {
		panic(http.ErrAbortHandler) // what was sent already must not look like a complete response
	}
	s.writeError(t, r, dialect.Of(r.Header, ""), sidetone.Errorf(sidetone.Internal, "internal error"))
}

// requestID is the id the client gave, if it can be repeated safely.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	fits := len(id) <= 128 && !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("-_.", c))
	})
	if !fits {
		return ""
	}
	return id
}

// serve takes a request through its stages: authentication, permission, body,
// normaliser, validator, handler.
func (s *server) serve(w http.ResponseWriter, r *http.Request, route route) {
	if t, ok := w.(*statusWriter); ok {
		t.operation = route.operation
	}
	ctx, stop := r.Context(), func() {}
	control := http.NewResponseController(w) // whose errors mean that a recorder in a test has no deadlines
	if route.stream {
		_ = control.SetWriteDeadline(time.Time{}) // streams set one for each write
	} else {
		end := time.Now().Add(handleWithin)
		_ = control.SetWriteDeadline(end.Add(writeWithin))
		ctx, stop = context.WithDeadline(ctx, end)
	}
	defer stop()
	checked, err := s.check(w, r.WithContext(ctx), route)
	if err == nil {
		// The server's read deadline was for the request. From here on it would end
		// the context, because net/http reads on to notice that the client has left.
		_ = control.SetReadDeadline(time.Time{})
		err = s.handle(w, checked, route)
	}
	if err != nil {
		s.writeError(w, r, checked.view.profile, s.explain(ctx, r, err))
	}
}

// check takes a request through the stages before its handler. The request it
// returns has a profile even when there is an error.
func (s *server) check(w http.ResponseWriter, r *http.Request, route route) (*request, error) {
	out := &request{Request: r, ctx: r.Context(), header: w.Header(), view: view{profile: dialect.Of(r.Header, "")}}
	if !route.open {
		who, err := s.authenticate(r)
		if err != nil {
			if sidetone.CodeOf(err) == sidetone.Unauthenticated {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			return out, err
		}
		out.who = who
		out.view.profile = dialect.Of(r.Header, who.Profile)
		out.ctx = store.WithActor(out.ctx, out.actor())
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return out, invalid("query must be well escaped")
	}
	out.view = newView(out.view.profile, out.who, route.operation.Expand(query))
	if err := route.permit(out.who); err != nil {
		return out, err
	}
	if route.begins && s.stopping() {
		return out, shuttingDown()
	}
	if out.raw, err = readBody(w, r, route.operation); err != nil {
		return out, err
	}
	in, err := contract.Normalise(out.view.profile, route.operation, query, out.raw)
	if err != nil {
		return out, err
	}
	out.query, out.body = in.Query, in.Body
	if err := contract.Validate(out.view.profile, route.operation, in); err != nil {
		return out, err
	}
	s.warnOfRequest(out, route)
	if s.Speaks == nil || !route.showsVoices() {
		return out, nil
	}
	voice, err := s.Speaks(out.ctx, out.who.EnvironmentID)
	out.speaks = &voice
	return out, err
}

// handle carries out a checked request.
func (s *server) handle(w http.ResponseWriter, r *request, route route) error {
	if len(r.Header.Values(idempotencyHeader)) > 0 {
		return s.handleOnce(w, r, route)
	}
	return route.handle(w, r)
}

// actor is who the request's changes are written down to.
func (r *request) actor() sidetone.Actor {
	a := r.who.Actor()
	a.RequestID = r.header.Get("X-Request-Id")
	return a
}

// explain logs what a customer will not see, and tells a deadline from a
// failure.
func (s *server) explain(ctx context.Context, r *http.Request, err error) error {
	if _, known := errors.AsType[*sidetone.Error](err); !known && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = unavailable("the request took too long", err)
	}
	if code := sidetone.CodeOf(err); (code == sidetone.Internal || code == sidetone.Unavailable) && !errors.Is(err, errShuttingDown) {
		s.Log.Error("request failed", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.String("error", fmt.Sprint(err)))
	}
	return err
}

// decoder reads the properties of a request of a profile.
type decoder struct {
	wire.Reader
	profile dialect.Profile
}

func newDecoder(p dialect.Profile, members wire.Object) *decoder {
	return &decoder{Reader: wire.Reader{Members: members}, profile: p}
}

// inner returns a decoder of an inner object.
func (d *decoder) inner(members wire.Object) *decoder { return newDecoder(d.profile, members) }

// only reads the named members as one JSON object; absent when none is there.
func (d *decoder) only(names []string) sidetone.Optional[[]byte] {
	found := d.Members.Only(names...)
	if len(found) == 0 {
		return sidetone.Optional[[]byte]{}
	}
	b, err := wire.Encode(found)
	if err != nil {
		d.Faults = append(d.Faults, "body must be JSON")
		return sidetone.Optional[[]byte]{}
	}
	return sidetone.Some(b)
}

// agentReference reads a relation to an agent. The built-in agent that stands for
// none is null.
func (d *decoder) agentReference(name string) wire.Reference {
	ref := d.Reference(name)
	if ref.ByID && ref.ID == unassignedID {
		return wire.Reference{Set: true, Null: true}
	}
	return ref
}
