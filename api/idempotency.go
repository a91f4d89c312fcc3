package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// idempotencyHeader names a request, so that a client that got no answer can ask
// again without a second effect.
const idempotencyHeader = "Idempotency-Key"

const (
	// begunStatus is the status of an answer that is not known yet; after
	// cutOffAfter it will not be.
	begunStatus = 0
	cutOffAfter = handleWithin + 2*writeWithin
)

// repeats says what a route does with an idempotency key.
type repeats string

const (
	// ignored: the route has no effect that a repetition would double.
	ignored repeats = ""
	// answered: a repetition gets the stored answer.
	answered repeats = "answered"
	// shownOnce: what was answered is not shown again, so that a repetition is a
	// conflict.
	shownOnce repeats = "shown once"
)

// once is the idempotency key of one request.
type once struct {
	id, operation string
	hash          [32]byte
	mode          repeats
}

// once reads the key of a request to a route that heeds it; nil for none.
func (r *request) once(route route) (*once, error) {
	key := r.Header.Get(idempotencyHeader)
	switch {
	case route.repeats == ignored || key == "":
		return nil, nil
	case len(key) > 255:
		return nil, invalid("%s must have at most 255 bytes", idempotencyHeader)
	}
	name := sha256.Sum256([]byte(route.operation.id + "\n" + key))
	o := &once{id: hex.EncodeToString(name[:]), operation: route.operation.id, mode: route.repeats}
	o.hash = sha256.Sum256(append([]byte(r.URL.RawQuery+"\n"), r.raw...))
	return o, nil
}

// handle carries a request out, or repeats the answer it got before.
func (s *server) handle(w http.ResponseWriter, r *request, route route) error {
	o, err := r.once(route)
	if err != nil {
		return err
	}
	if o == nil {
		return route.handle(w, r)
	}
	busy := r.who.EnvironmentID + " " + o.id
	if _, taken := s.inflight.LoadOrStore(busy, true); taken {
		return s.inProgress(r)
	}
	defer s.inflight.Delete(busy)
	if found, err := s.repeat(w, r, o); found || err != nil {
		return err
	}
	r.key = o
	err = route.handle(w, r)
	if !errors.Is(err, store.ErrRepeated) {
		return err
	}
	// A request at another node was faster.
	if found, err := s.repeat(w, r, o); found || err != nil {
		return err
	}
	return s.inProgress(r)
}

func (s *server) inProgress(r *request) error {
	r.header.Set("Retry-After", "1")
	return sidetone.Errorf(sidetone.Conflict, "a request with this %s is in progress", idempotencyHeader)
}

// repeat writes the stored answer, if there is one.
func (s *server) repeat(w http.ResponseWriter, r *request, o *once) (found bool, err error) {
	var a store.Answer
	err = s.read(r, func(w work) (err error) {
		a, err = w.tx.Answer(o.id)
		return err
	})
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return false, nil
	case err != nil:
		return false, err
	case a.RequestHash != o.hash:
		return true, sidetone.Errorf(sidetone.Unprocessable, "%s was used for another request", idempotencyHeader)
	case a.Status == begunStatus && s.Now().Sub(a.Created) < cutOffAfter:
		return true, s.inProgress(r)
	case a.Status == begunStatus:
		return true, sidetone.Errorf(sidetone.Conflict, "the request with this %s was cut off; look for its effect before you repeat it with another key", idempotencyHeader)
	case o.mode == shownOnce:
		return true, sidetone.Errorf(sidetone.Conflict, "already created, and its secret was shown once")
	}
	r.header.Set("Idempotency-Replayed", "true")
	s.writeEncoded(w, r.Request, a.Status, []byte(a.Body.Reveal()))
	return true, nil
}

// effect runs fn, which makes or spends something, in a write transaction and
// returns what fn answers. For a request with an idempotency key the answer is
// stored in the same transaction.
func (s *server) effect(r *request, fn func(work) (any, error)) (any, error) {
	var out any
	err := s.write(r, func(w work) (err error) {
		if out, err = fn(w); err != nil || r.key == nil {
			return err
		}
		return r.key.keep(w, r.status, out)
	})
	return out, err
}

// keep stores the answer to the request.
func (o *once) keep(w work, status int, answer any) error {
	a := store.Answer{ID: o.id, Operation: o.operation, RequestHash: o.hash, Status: status}
	if o.mode == answered {
		body, err := encodeJSON(answer)
		if err != nil {
			return err
		}
		a.Body = sidetone.Secret(body)
	}
	return w.tx.InsertAnswer(a)
}

// begun keeps the place of the answer to what takes more than one transaction.
func (r *request) begun(w work) error {
	if r.key == nil {
		return nil
	}
	return w.tx.InsertAnswer(store.Answer{ID: r.key.id, Operation: r.key.operation, RequestHash: r.key.hash, Status: begunStatus})
}

// undone forgets the answer to what did not come about after all.
func (r *request) undone(w work) error {
	if r.key == nil {
		return nil
	}
	return w.tx.DeleteAnswer(r.key.id)
}

// apart runs fn, whose effect is outside of the request's environment and so of
// its transactions. For a request with an idempotency key the place of the
// answer is kept before: what is cut off in between is not repeated.
func (s *server) apart(r *request, fn func() (any, error)) (any, error) {
	if r.key == nil {
		return fn()
	}
	if err := s.write(r, r.begun); err != nil {
		return nil, err
	}
	out, err := fn()
	late, stop := r.late()
	defer stop()
	if err != nil {
		return nil, errors.Join(err, s.write(late, r.undone))
	}
	return s.effect(late, func(w work) (any, error) { return out, r.undone(w) })
}
