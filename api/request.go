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
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// Limits of time for a request.
const (
	handleWithin = 30 * time.Second
	writeWithin  = 10 * time.Second
)

// request is a request that passed the stages.
type request struct {
	*http.Request
	input
	ctx    context.Context
	who    sidetone.Principal
	view   view
	header http.Header
	// raw is the body as it came.
	raw []byte
	// status is what success answers.
	status int
	// kept is the answer if memory has it, keep where it may go else.
	kept []byte
	keep *keep
	// key is the request's idempotency key, nil for none.
	key *once
}

// tracked remembers whether an answer was begun.
type tracked struct {
	http.ResponseWriter
	status int
	// operation is the id of the operation that answers, "" for none.
	operation string
}

// WriteHeader remembers the status.
func (t *tracked) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write begins an answer with 200 unless one was begun.
func (t *tracked) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// outermost gives every request an id, a log line and a net below it.
func (s *server) outermost(next *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.Now()
		id := requestID(r)
		if id == "" {
			id = s.IDs.New()
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		t := &tracked{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				s.panicked(t, r, p)
			}
			took := s.Now().Sub(begun)
			s.figures.count(t.operation, t.status, took)
			if !s.Log.Enabled(r.Context(), slog.LevelInfo) {
				return
			}
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("id", id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", t.status), slog.Duration("took", took))
		}()
		text := utf8.ValidString(r.URL.Path) && !strings.ContainsRune(r.URL.Path, 0)
		if !text || r.URL.Path != path.Clean(r.URL.Path) { // the mux would answer with a redirect
			s.unknownRoute(t, r)
			return
		}
		next.ServeHTTP(t, r)
	})
}

func (s *server) panicked(t *tracked, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Log.Error("handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if t.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
	s.writeError(t, r, profileOf(r, sidetone.Principal{}), sidetone.Errorf(sidetone.Internal, "internal error"))
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
			s.writeError(w, r, profileOf(r, sidetone.Principal{}), sidetone.Errorf(methodNotAllowed, "%s is not possible here", clip(r.Method)))
		}
	})
}

func (s *server) unknownRoute(w http.ResponseWriter, r *http.Request) {
	s.writeError(w, r, profileOf(r, sidetone.Principal{}), sidetone.Errorf(sidetone.NotFound, "there is no %s", clip(r.URL.Path)))
}

// serve takes a request through the stages to its handler.
func (s *server) serve(w http.ResponseWriter, r *http.Request, route route) {
	if t, ok := w.(*tracked); ok {
		t.operation = route.operation.id
	}
	ctx, stop := r.Context(), func() {}
	control := http.NewResponseController(w)
	if route.stream {
		_ = control.SetWriteDeadline(time.Time{}) // streams set one for each write
	} else {
		// A recorder in a test has no deadlines; then the context alone holds.
		end := time.Now().Add(handleWithin)
		_ = control.SetReadDeadline(end)
		_ = control.SetWriteDeadline(end.Add(writeWithin))
		ctx, stop = withDeadline(ctx, end)
	}
	defer stop()
	checked, err := s.check(w, r.WithContext(ctx), route)
	switch {
	case err == nil && checked.kept != nil:
		s.writeEncoded(w, r, http.StatusOK, checked.kept)
	case err == nil:
		err = s.handle(w, checked, route)
	}
	if err != nil {
		s.writeError(w, r, checked.view.profile, s.explain(ctx, r, err))
	}
}

// check authenticates, normalises and validates. The request it returns has a
// profile even when there is an error.
func (s *server) check(w http.ResponseWriter, r *http.Request, route route) (*request, error) {
	out := &request{Request: r, ctx: r.Context(), header: w.Header(), view: view{profile: profileOf(r, sidetone.Principal{})}}
	if !route.open {
		who, err := s.authenticate(r)
		if err != nil {
			if sidetone.CodeOf(err) == sidetone.Unauthenticated {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			return out, err
		}
		out.who = who
		out.view = view{profile: profileOf(r, who), secrets: who.Has(sidetone.ScopeSecrets)}
		if out.kept = s.remember(out, route); out.kept != nil {
			return out, nil
		}
		out.ctx = store.WithActor(out.ctx, out.actor())
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return out, invalid("query must be well escaped")
	}
	out.view = newView(out.view.profile, out.who, route.operation.expand(query))
	if err := route.permit(out.who); err != nil {
		return out, err
	}
	body, err := readBody(w, r, route.operation)
	if err != nil {
		return out, err
	}
	out.raw = body
	if out.input, err = normalise(out.view.profile, route.operation, query, body); err != nil {
		return out, err
	}
	return out, validate(out.view.profile, route.operation, out.input)
}

// actor is who the request's changes are written down to.
func (r *request) actor() sidetone.Actor {
	a := r.who.Actor()
	a.RequestID = r.header.Get("X-Request-Id")
	return a
}

func readBody(w http.ResponseWriter, r *http.Request, op operation) ([]byte, error) {
	if op.body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, sidetone.Errorf(sidetone.TooLarge, "body must be at most %d bytes", maxBody)
	case err != nil:
		return nil, &sidetone.Error{Code: sidetone.Invalid, Message: "body could not be read", Cause: err}
	}
	return body, nil
}

// explain logs what a customer will not see, and tells a deadline from a
// failure.
func (s *server) explain(ctx context.Context, r *http.Request, err error) error {
	if _, known := errors.AsType[*sidetone.Error](err); !known && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = unavailable("the request took too long", err)
	}
	if code := sidetone.CodeOf(err); code == sidetone.Internal || code == sidetone.Unavailable {
		s.Log.Error("request failed", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.String("error", fmt.Sprint(err)))
	}
	return err
}
