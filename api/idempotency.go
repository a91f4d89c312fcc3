package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// idempotencyHeader names a request, so that a client that got no response can send
// it again without a second effect.
const idempotencyHeader = "Idempotency-Key"

const (
	// begunStatus is the status of a response that is not known yet; after
	// cutOffAfter it never will be.
	begunStatus = 0
	cutOffAfter = handleWithin + 2*writeWithin
)

// repeats says what a route does with an idempotency key.
type repeats string

const (
	// ignored: the route has no effect that a repetition would double.
	ignored repeats = ""
	// replayed: a repetition gets the stored response.
	replayed repeats = "replayed"
	// shownOnce: the response is not shown again, so that a repetition is a conflict.
	shownOnce repeats = "shown once"
)

// idempotencyKey is that of one request.
type idempotencyKey struct {
	id, operation string
	hash          [32]byte
	mode          repeats
}

// idempotencyKey reads the key of a POST request; nil for none, and for a route that
// does not heed it.
func (r *request) idempotencyKey(route route) (*idempotencyKey, error) {
	keys := r.Header.Values(idempotencyHeader)
	if r.Method != http.MethodPost || len(keys) == 0 {
		return nil, nil
	}
	key := strings.TrimSpace(keys[0])
	switch {
	case len(keys) > 1:
		return nil, invalid("%s must be given once", idempotencyHeader)
	case key == "":
		return nil, invalid("%s must not be blank", idempotencyHeader)
	case len(key) > 255:
		return nil, invalid("%s must have at most 255 bytes", idempotencyHeader)
	case route.repeats == ignored:
		return nil, nil
	}
	name := sha256.Sum256([]byte(route.operation.ID + "\n" + key))
	o := &idempotencyKey{id: hex.EncodeToString(name[:]), operation: route.operation.ID, mode: route.repeats}
	o.hash = sha256.Sum256(append([]byte(r.URL.RawQuery+"\n"), canonical(r.raw)...))
	return o, nil
}

// canonical returns a JSON body without white space and with sorted members, so
// that equal bodies have equal bytes. Numbers stay as they are written.
func canonical(body []byte) []byte {
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return body // the empty one: every other was validated
	}
	out, err := json.Marshal(value)
	if err != nil {
		return body
	}
	return out
}

// handleOnce carries out a request with an idempotency key, or replays the response
// that it got before.
func (s *server) handleOnce(w http.ResponseWriter, r *request, route route) error {
	o, err := r.idempotencyKey(route)
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
	if found, err := s.replay(w, r, o); found || err != nil {
		return err
	}
	r.key = o
	err = route.handle(w, r)
	if !errors.Is(err, store.ErrRepeated) {
		return err
	}
	// A request at another node was faster.
	if found, err := s.replay(w, r, o); found || err != nil {
		return err
	}
	return s.inProgress(r)
}

func (s *server) inProgress(r *request) error {
	r.header.Set("Retry-After", "1")
	return sidetone.Errorf(sidetone.Conflict, "a request with this %s is in progress", idempotencyHeader)
}

// replay writes the stored response, if there is one.
func (s *server) replay(w http.ResponseWriter, r *request, o *idempotencyKey) (found bool, err error) {
	var a store.StoredResponse
	err = s.read(r, func(w work) (err error) {
		a, err = w.tx.StoredResponse(o.id)
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
	r.warn(strings.Split(a.Warnings, "\n"))
	s.writeEncoded(w, r.Request, a.Status, []byte(a.Body.Reveal()))
	return true, nil
}

// storeResponse stores the response to the request.
func (o *idempotencyKey) storeResponse(w work, status int, response any, warnings []string) error {
	a := store.StoredResponse{ID: o.id, Operation: o.operation, RequestHash: o.hash, Status: status, Warnings: strings.Join(warnings, "\n")}
	if o.mode == replayed {
		body, err := encodeBody(response)
		if err != nil {
			return err
		}
		a.Body = sidetone.Secret(body)
	}
	return w.tx.InsertStoredResponse(a)
}

// reserveResponse stores that the request has begun, where it takes more than one
// transaction.
func (r *request) reserveResponse(w work) error {
	if r.key == nil {
		return nil
	}
	return w.tx.InsertStoredResponse(store.StoredResponse{ID: r.key.id, Operation: r.key.operation, RequestHash: r.key.hash, Status: begunStatus})
}

// releaseResponse deletes what reserveResponse stored.
func (r *request) releaseResponse(w work) error {
	if r.key == nil {
		return nil
	}
	return w.tx.DeleteStoredResponse(r.key.id)
}

// outsideTransaction runs fn, whose effect is outside of the request's environment
// and so of its transactions. For a request with an idempotency key the response is
// reserved before: what is cut off in between is not repeated.
func (s *server) outsideTransaction(r *request, fn func() (any, error)) (any, error) {
	if r.key == nil {
		return fn()
	}
	if err := s.write(r, r.reserveResponse); err != nil {
		return nil, err
	}
	out, err := fn()
	late, stop := r.late()
	defer stop()
	if err != nil {
		return nil, errors.Join(err, s.write(late, r.releaseResponse))
	}
	return s.effect(late, func(w work) (any, error) { return out, r.releaseResponse(w) })
}
