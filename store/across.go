package store

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidetone/sidetone"
)

// lostBatch is the most calls LostCalls returns at once.
const lostBatch = 1000

// CreateAccount stores an account with one environment and the environment's
// built-in voices, and returns the environment.
func (s *Store) CreateAccount(ctx context.Context, accountName, environmentName string) (sidetone.Environment, error) {
	accountID := s.ids.New()
	return s.createEnvironment(ctx, accountID, environmentName, func(t *Tx) error {
		_, err := t.exec(`INSERT INTO accounts (id, name, created) VALUES ($1, $2, $3)`, accountID, accountName, toMillis(t.now))
		return err
	})
}

// CreateEnvironment stores another environment of the account, with the
// built-in voices, and returns it. An account that does not exist is NotFound.
func (s *Store) CreateEnvironment(ctx context.Context, accountID, name string) (sidetone.Environment, error) {
	return s.createEnvironment(ctx, accountID, name, func(t *Tx) error {
		var id string
		return absent(t.one([]any{&id}, `SELECT id FROM accounts WHERE id = $1`, accountID), "account")
	})
}

func (s *Store) createEnvironment(ctx context.Context, accountID, name string, before func(*Tx) error) (sidetone.Environment, error) {
	e := sidetone.Environment{ID: s.ids.New(), AccountID: accountID, Name: name, Created: fromMillis(toMillis(s.now()))}
	voices := s.builtInVoices()
	err := s.Write(ctx, e.ID, func(t *Tx) error {
		if err := before(t); err != nil {
			return err
		}
		t.change.keys = true // tokens can name it from now on
		tb := s.tables.environments
		if _, err := t.exec(tb.insertText, refs(tb.columns(&e))...); err != nil {
			return err
		}
		if err := tb.record(t, nil, tb.columns(&e)); err != nil {
			return err
		}
		for _, v := range voices {
			if err := t.InsertVoice(v); err != nil {
				return err
			}
		}
		return nil
	})
	return e, err
}

// EnvironmentsOf lists the environments of an account; onlyID, unless it is "",
// leaves that one alone.
func (s *Store) EnvironmentsOf(ctx context.Context, accountID, onlyID string, q sidetone.PageQuery) (sidetone.Page[sidetone.Environment], error) {
	var own []condition
	if onlyID != "" {
		own = append(own, condition{"id", onlyID})
	}
	var out sidetone.Page[sidetone.Environment]
	err := s.readAcross(ctx, func(t *Tx) (err error) {
		out, err = pageOf(t, s.tables.environments, q, condition{"account_id", accountID}, own...)
		return err
	})
	return out, err
}

// EnvironmentByID returns an environment of whichever account.
func (s *Store) EnvironmentByID(ctx context.Context, id string) (sidetone.Environment, error) {
	if id == "" || !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // Postgres takes no such texts
		return sidetone.Environment{}, notFound("environment")
	}
	var e sidetone.Environment
	err := s.Read(ctx, id, func(t *Tx) error {
		var err error
		e, err = t.Environment()
		return err
	})
	return e, err
}

// Environments returns every environment, oldest first.
func (s *Store) Environments(ctx context.Context) ([]sidetone.Environment, error) {
	var out []sidetone.Environment
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.environments.all(t, "ORDER BY created, id")
		return err
	})
	return out, err
}

// RenewLeases says that node still runs the calls until the given time, and
// returns those that it must end: somebody asked for that through another node,
// or the record says that they are over. Calls that are over or run elsewhere
// stay as they are.
func (s *Store) RenewLeases(ctx context.Context, node string, callIDs []string, until time.Time) ([]string, error) {
	const batch = 500
	var end []string
	for len(callIDs) > 0 {
		n := min(len(callIDs), batch)
		ids := make([]any, n)
		for i, id := range callIDs[:n] {
			ids[i] = id
		}
		among := "%s" + strings.Repeat(", %s", n-1) + ")"
		renew, ended := query{}, query{}
		renew.add("UPDATE calls SET lease = %s WHERE node = %s AND terminal = %s AND id IN (", toMillis(until), node, false)
		renew.add(among, ids...)
		ended.add("SELECT id FROM calls WHERE (terminal = %s OR ending = %s) AND id IN (", true, true)
		ended.add(among, ids...)
		var told []string
		err := s.writeAcross(ctx, func(t *Tx) error {
			_, err := t.exec(renew.text, renew.args...)
			if err == nil {
				told, err = t.texts(ended)
			}
			return err
		})
		if err != nil {
			return end, fmt.Errorf("renew leases: %w", err)
		}
		end = append(end, told...)
		callIDs = callIDs[n:]
	}
	return end, nil
}

// LostCalls returns calls that are not over though nobody has held them since
// before now, oldest first, at most 1000. Calls that wait to be dialled, or that
// are being dialled under a claim that lasts until now, are not lost.
func (s *Store) LostCalls(ctx context.Context, now time.Time) ([]sidetone.Call, error) {
	var out []sidetone.Call
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.calls.all(t, `WHERE terminal = $1 AND lease < $2 AND NOT EXISTS (
			SELECT 1 FROM dial_intents i WHERE i.call_id = calls.id AND (i.state = $3 OR i.state = $4 AND i.lease >= $2))
			ORDER BY lease, id LIMIT $5`, false, toMillis(now), IntentPlanned, IntentDialling, lostBatch)
		return err
	})
	return out, err
}

// CutOffPurchases returns the active numbers whose purchase began before the
// given time and is not over, oldest first: whoever bought them is gone, and
// whether the carrier sold them is not known.
func (s *Store) CutOffPurchases(ctx context.Context, before time.Time) ([]sidetone.Number, error) {
	var out []sidetone.Number
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.numbers.all(t, "WHERE reserved > 0 AND reserved < $1 AND active = $2 ORDER BY reserved, id", toMillis(before), true)
		return err
	})
	return out, err
}

// PendingIntents declares claimed intents whose lease ended before now unknown
// and returns the wake-ups of those still planned, oldest first.
func (s *Store) PendingIntents(ctx context.Context, now time.Time) ([]sidetone.DialJob, error) {
	var out []sidetone.DialJob
	err := s.writeAcross(ctx, func(t *Tx) error {
		_, err := t.exec(`UPDATE dial_intents SET state = $1, lease = 0 WHERE state = $2 AND lease < $3`,
			IntentUnknown, IntentDialling, toMillis(now))
		if err != nil {
			return err
		}
		rows, err := s.tables.intents.all(t, "WHERE state = $1 ORDER BY created, id", IntentPlanned)
		out = make([]sidetone.DialJob, len(rows))
		for i, r := range rows {
			out[i] = sidetone.DialJob{EnvironmentID: r.EnvironmentID, IntentID: r.ID}
		}
		return err
	})
	return out, err
}
