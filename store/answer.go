package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
)

// ErrRepeated says that another request with the same idempotency key was
// faster.
const ErrRepeated Error = "the request was carried out already"

// AnswerAge is how long the answer to a request with an idempotency key is
// kept.
const AnswerAge = 24 * time.Hour

// Answer is what a request with an idempotency key was answered.
type Answer struct {
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
	Body    sidetone.Secret
	Created time.Time
}

func answerTable() *table[Answer] {
	return newTable("answers", "answer", func(a *Answer) []column {
		return []column{
			{name: "id", ref: &a.ID, fixed: true}, {name: "environment_id", ref: &a.EnvironmentID, fixed: true},
			{name: "operation", ref: &a.Operation, fixed: true}, {name: "request_hash", ref: digest{&a.RequestHash}, fixed: true},
			{name: "status", ref: &a.Status, fixed: true}, {name: "body", ref: sealed{&a.Body}}, {name: "created", ref: millis{&a.Created}, fixed: true},
		}
	}, nil).quiet()
}

// Answer returns the answer with id unless it is too old; otherwise NotFound.
func (t *Tx) Answer(id string) (Answer, error) {
	return t.store.tables.answers.where(t, "id = $2 AND created > $3", id, toMillis(t.now.Add(-AnswerAge)))
}

// InsertAnswer stores the answer to what the transaction does, now. When there
// is one already, the transaction ends with ErrRepeated.
func (t *Tx) InsertAnswer(a Answer) error {
	a.EnvironmentID, a.Created = t.environment, t.now
	_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND id = $2 AND created <= $3`, t.environment, a.ID, toMillis(t.now.Add(-AnswerAge)))
	if err != nil {
		return fmt.Errorf("delete old answer: %w", err)
	}
	tb := t.store.tables.answers
	args, err := tb.bind(t, tb.columns(&a))
	if err != nil {
		return err
	}
	_, err = t.exec(tb.insertText, args...)
	if isUnique(err) {
		return t.refuse(fmt.Errorf("insert answer: %w", ErrRepeated))
	}
	if err != nil {
		return fmt.Errorf("insert answer: %w", err)
	}
	return nil
}

// DeleteAnswer removes an answer to what did not come about after all.
func (t *Tx) DeleteAnswer(id string) error {
	_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND id = $2`, t.environment, id)
	return err
}

// Tidy deletes what is kept for a time only: answers of AnswerAge, and data keys
// that a newer one replaced and nothing needs.
func (s *Store) Tidy(ctx context.Context) error {
	return s.eachEnvironment(ctx, func(e sidetone.Environment) error {
		err := s.Write(ctx, e.ID, func(t *Tx) error {
			_, err := t.exec(`DELETE FROM answers WHERE environment_id = $1 AND created <= $2`, t.environment, toMillis(t.now.Add(-AnswerAge)))
			return err
		})
		if err == nil {
			_, err = s.retire(ctx, e.ID)
		}
		if err != nil {
			return fmt.Errorf("tidy environment %s: %w", e.ID, err)
		}
		return nil
	})
}
