package store

import (
	"fmt"

	"github.com/sidetone/sidetone"
)

func environmentTable() *table[sidetone.Environment] {
	return newTable("environments", "environment", func(e *sidetone.Environment) []column {
		return []column{
			{name: "id", ref: &e.ID, fixed: true}, {name: "account_id", ref: &e.AccountID, fixed: true},
			{name: "name", ref: &e.Name}, {name: "default_agent_id", ref: &e.DefaultAgentID},
			{name: "created", ref: millis{&e.Created}, fixed: true},
		}
	}, map[string]listed{"id": text("id"), "name": text("name"), "created": instant("created")})
}

func keyTable() *table[sidetone.APIKey] {
	return newTable("api_keys", "API key", func(k *sidetone.APIKey) []column {
		return []column{
			{name: "id", ref: &k.ID, fixed: true}, {name: "environment_id", ref: &k.EnvironmentID, fixed: true},
			{name: "label", ref: &k.Label}, {name: "hint", ref: &k.Hint, fixed: true}, {name: "hash", ref: digest{&k.Hash}, fixed: true, secret: true},
			{name: "profile", ref: &k.Profile}, {name: "scopes", ref: scopes{&k.Scopes}},
			{name: "account_wide", ref: &k.AccountWide, fixed: true}, {name: "imported", ref: &k.Imported, fixed: true},
			{name: "member_id", ref: &k.MemberID, fixed: true}, {name: "version", ref: &k.Version},
			{name: "created", ref: millis{&k.Created}, fixed: true}, {name: "updated", ref: millis{&k.Updated}},
			{name: "revoked", ref: millis{&k.Revoked}},
		}
	}, map[string]listed{
		"id": text("id"), "label": text("label"), "created": instant("created"),
		"revoked": filterOnly(instant("revoked")), "member": filterOnly(text("member_id")),
	})
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

// UpdateEnvironment stores the name and the default agent of the transaction's
// environment.
func (t *Tx) UpdateEnvironment(e sidetone.Environment) error {
	tb := t.store.tables.environments
	old, err := t.Environment()
	if err != nil {
		return err
	}
	e.ID = t.environment
	if _, err := t.exec(`UPDATE environments SET name = $1, default_agent_id = $2 WHERE id = $3`, e.Name, e.DefaultAgentID, t.environment); err != nil {
		return fmt.Errorf("update environment: %w", err)
	}
	t.change.environment = true
	return tb.record(t, tb.columns(&old), tb.columns(&e))
}
