package store

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sidetone/sidetone"
)

func environmentTable() *table[sidetone.Environment] {
	return newTable("environments", "environment", func(e *sidetone.Environment) []column {
		return []column{
			{name: "id", ref: &e.ID, fixed: true}, {name: "account_id", ref: &e.AccountID, fixed: true},
			{name: "name", ref: &e.Name}, {name: "default_agent_id", ref: &e.DefaultAgentID},
			{name: "default_country", ref: &e.DefaultCountry},
			{name: "default_model", ref: &e.DefaultModel}, {name: "default_voice", ref: &e.DefaultVoice},
			{name: "default_transcriber", ref: &e.DefaultTranscriber}, {name: "fallback_model", ref: &e.FallbackModel},
			{name: "fallback_voice", ref: &e.FallbackVoice}, {name: "fallback_transcriber", ref: &e.FallbackTranscriber},
			{name: "dial_countries", ref: list{&e.DialCountries}}, {name: "record_transfers", ref: &e.RecordTransfers},
			{name: "created", ref: millis{&e.Created}, fixed: true},
		}
	}, map[string]listed{"id": text("id"), "name": text("name"), "created": instant("created"), "created_at": instant("created")})
}

// Environment returns the transaction's environment.
func (t *Tx) Environment() (sidetone.Environment, error) {
	rows, err := t.store.tables.environments.all(t, "WHERE id = $1", t.environment)
	if err != nil {
		return sidetone.Environment{}, err
	}
	if len(rows) == 0 {
		return sidetone.Environment{}, notFound("environment")
	}
	return rows[0], nil
}

// SetDefaultAgent makes an agent of the environment its default; "" removes it.
func (t *Tx) SetDefaultAgent(agentID string) error {
	if agentID != "" {
		if _, err := t.Agent(agentID); err != nil {
			return err
		}
	}
	e, err := t.Environment()
	if err != nil {
		return err
	}
	e.DefaultAgentID = agentID
	return t.UpdateEnvironment(e)
}

// UpdateEnvironment stores the name and the settings of the transaction's
// environment.
func (t *Tx) UpdateEnvironment(e sidetone.Environment) error {
	tb := t.store.tables.environments
	old, err := t.Environment()
	if err != nil {
		return err
	}
	e.ID = t.environment
	_, err = t.exec(`UPDATE environments SET name = $1, default_agent_id = $2, default_country = $3, default_model = $4, default_voice = $5,
		default_transcriber = $6, fallback_model = $7, fallback_voice = $8, fallback_transcriber = $9,
		dial_countries = $10, record_transfers = $11 WHERE id = $12`,
		e.Name, e.DefaultAgentID, e.DefaultCountry, e.DefaultModel, e.DefaultVoice, e.DefaultTranscriber,
		e.FallbackModel, e.FallbackVoice, e.FallbackTranscriber, list{&e.DialCountries}, e.RecordTransfers, t.environment)
	if err != nil {
		return fmt.Errorf("update environment: %w", err)
	}
	t.change.environment = true
	return tb.record(t, tb.columns(&old), tb.columns(&e))
}

// CreateAccount stores an account with one environment and the environment's
// built-in voices, and returns the environment.
func (s *Store) CreateAccount(ctx context.Context, accountName, environmentName string) (sidetone.Environment, error) {
	accountID := s.ids.New()
	return s.createEnvironment(ctx, sidetone.Environment{AccountID: accountID, Name: environmentName}, func(t *Tx) error {
		_, err := t.exec(`INSERT INTO accounts (id, name, created) VALUES ($1, $2, $3)`, accountID, accountName, toMillis(t.now))
		return err
	})
}

// CreateEnvironment stores another environment of the account that e names, with
// the built-in voices, and returns it with its id. An account that does not exist
// is NotFound.
func (s *Store) CreateEnvironment(ctx context.Context, e sidetone.Environment) (sidetone.Environment, error) {
	return s.createEnvironment(ctx, e, func(t *Tx) error {
		var id string
		return absent(t.one([]any{&id}, `SELECT id FROM accounts WHERE id = $1`, e.AccountID), "account")
	})
}

func (s *Store) createEnvironment(ctx context.Context, e sidetone.Environment, before func(*Tx) error) (sidetone.Environment, error) {
	e.ID, e.Created = s.ids.New(), fromMillis(toMillis(s.now()))
	e.DialCountries = append([]string{}, e.DialCountries...) // as it is read
	voices := s.builtInVoices()
	err := s.Write(ctx, e.ID, func(t *Tx) error {
		if err := before(t); err != nil {
			return err
		}
		t.change.access = true // tokens can name it from now on
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

// SoleEnvironment reports whether there is one environment and no other. As in
// ReadConfiguration memory answers, and always the database on Postgres.
func (s *Store) SoleEnvironment(ctx context.Context) (bool, error) {
	if !s.shared() {
		if n, ok := s.memory.Environments(ctx); ok {
			return n == 1, nil
		}
	}
	n := 0
	err := s.readAcross(ctx, func(t *Tx) error {
		return t.one([]any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM environments LIMIT 2) AS two")
	})
	return n == 1, err
}
