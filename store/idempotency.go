package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
)

// ErrRepeated says that another request with the same idempotency key was
// faster.
const ErrRepeated Error = "the request was carried out already"

// ResponseAge is how long the response to a request with an idempotency key is
// stored.
const ResponseAge = 24 * time.Hour

// StoredResponse is the response to a request with an idempotency key.
type StoredResponse struct {
	// ID names the operation and the key within the environment.
	ID            string
	EnvironmentID string
	// Operation is the operation's id in the API's document.
	Operation string
	// RequestHash is the SHA-256 of the request.
	RequestHash [32]byte
	// Status is that of HTTP.
	Status int
	// Body is stored encrypted; "" when it must not be shown again.
	Body sidetone.Secret
	// Warnings are the warnings of the response, a line each.
	Warnings string
	Created  time.Time
}

func responseTable() *table[StoredResponse] {
	return newTable("answers", "stored response", func(a *StoredResponse) []column {
		return []column{
			{name: "id", ref: &a.ID, fixed: true}, {name: "environment_id", ref: &a.EnvironmentID, fixed: true},
			{name: "operation", ref: &a.Operation, fixed: true}, {name: "request_hash", ref: digest{&a.RequestHash}, fixed: true},
			{name: "status", ref: &a.Status, fixed: true}, {name: "body", ref: sealed{&a.Body}},
			{name: "warnings", ref: &a.Warnings, fixed: true}, {name: "created", ref: millis{&a.Created}, fixed: true},
		}
	}, nil).quiet()
}

// StoredResponse returns the response with id unless it is too old; otherwise
// NotFound.
func (t *Tx) StoredResponse(id string) (StoredResponse, error) {
	return t.store.tables.responses.where(t, "id = $2 AND created > $3", id, toMillis(t.now.Add(-ResponseAge)))
}

// InsertStoredResponse stores the response to what the transaction does. When
// there is one already, the transaction ends with ErrRepeated.
func (t *Tx) InsertStoredResponse(a StoredResponse) error {
	a.EnvironmentID, a.Created = t.environment, t.now
	_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND id = $2 AND created <= $3`, t.environment, a.ID, toMillis(t.now.Add(-ResponseAge)))
	if err != nil {
		return fmt.Errorf("delete old response: %w", err)
	}
	tb := t.store.tables.responses
	args, err := tb.bind(t, tb.columns(&a))
	if err != nil {
		return err
	}
	_, err = t.exec(tb.insertText, args...)
	if isUnique(err) {
		return t.refuse(fmt.Errorf("insert response: %w", ErrRepeated))
	}
	if err != nil {
		return fmt.Errorf("insert response: %w", err)
	}
	return nil
}

// DeleteStoredResponse removes the response of a request whose effect did not
// happen.
func (t *Tx) DeleteStoredResponse(id string) error {
	_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND id = $2`, t.environment, id)
	return err
}

// secretsAge is how long the secrets of a call are stored at most when nobody runs
// it and its end is not known.
const secretsAge = 24 * time.Hour

// Tidy deletes what is stored for a time only: responses older than ResponseAge,
// the secrets of old calls that nobody runs, refused calls, runs of actions, and data keys that a
// newer one replaced and no stored value needs.
func (s *Store) Tidy(ctx context.Context) error {
	if err := s.writeAcross(ctx, (*Tx).forgetRefusedCalls); err != nil { // nobody's
		return fmt.Errorf("tidy: %w", err)
	}
	return s.eachEnvironment(ctx, func(e sidetone.Environment) error {
		err := s.Write(ctx, e.ID, func(t *Tx) error {
			_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND created <= $2`, t.environment, toMillis(t.now.Add(-ResponseAge)))
			if err != nil {
				return err
			}
			_, err = t.exec(`UPDATE calls SET secrets = '' WHERE environment_id = $1 AND secrets <> '' AND created <= $2 AND lease < $3`,
				t.environment, toMillis(t.now.Add(-secretsAge)), toMillis(t.now))
			if err != nil {
				return err
			}
			return errors.Join(t.forgetRefusedCalls(), t.forgetActionRuns())
		})
		for more := true; more && err == nil; {
			err = s.Write(ctx, e.ID, func(t *Tx) (err error) {
				more, err = t.forgetDeliveries()
				return err
			})
		}
		if err == nil {
			_, err = s.retire(ctx, e.ID)
		}
		if err != nil {
			return fmt.Errorf("tidy environment %s: %w", e.ID, err)
		}
		return nil
	})
}
