package store

import "github.com/sidetone/sidetone"

func environmentTable() *table[sidetone.Environment] {
	return newTable("environments", "environment", func(e *sidetone.Environment) []column {
		return []column{
			{name: "id", ref: &e.ID, fixed: true}, {name: "account_id", ref: &e.AccountID, fixed: true},
			{name: "name", ref: &e.Name}, {name: "default_agent_id", ref: &e.DefaultAgentID},
			{name: "created", ref: millis{&e.Created}, fixed: true},
		}
	}, nil)
}

func keyTable() *table[sidetone.APIKey] {
	return newTable("api_keys", "API key", func(k *sidetone.APIKey) []column {
		return []column{
			{name: "id", ref: &k.ID, fixed: true}, {name: "environment_id", ref: &k.EnvironmentID, fixed: true},
			{name: "label", ref: &k.Label}, {name: "hint", ref: &k.Hint, fixed: true}, {name: "hash", ref: digest{&k.Hash}, fixed: true},
			{name: "profile", ref: &k.Profile}, {name: "created", ref: millis{&k.Created}, fixed: true},
			{name: "revoked", ref: millis{&k.Revoked}},
		}
	}, nil)
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
	n, err := t.exec(`UPDATE environments SET default_agent_id = $1 WHERE id = $2`, agentID, t.environment)
	if err == nil && n == 0 {
		return notFound("environment")
	}
	t.change.environment = true
	return err
}
