package store

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func numberTable() *table[sidetone.Number] {
	return newTable("numbers", "number", numberColumns, map[string]listed{
		"id": text("id"), "number": digits("number"), "label": search("label", "label_folded"),
		"created": instant("created"), "updated": instant("updated"),
		"telephony_provider": filterOnly(text("provider")), "telephony_account_connection": filterOnly(text("connection_id")),
		"inbound_agent": filterOnly(text("inbound_agent_id")), "outbound_only": filterOnly(boolean("outbound_only")),
		"active": filterOnly(boolean("active")), "tags": tags("tags"), "carrier_state": filterOnly(text("carrier_state")),
	}).heldIn(func(e *configuration.Environment) map[string]sidetone.Number { return e.Numbers })
}

func numberColumns(n *sidetone.Number) []column {
	return []column{
		{name: "id", ref: &n.ID, fixed: true}, {name: "environment_id", ref: &n.EnvironmentID, fixed: true},
		{name: "number", ref: &n.Number, fixed: true}, {name: "active", ref: &n.Active},
		{name: "detached", ref: &n.Detached},
		{name: "label", ref: &n.Label}, {name: "label_folded", ref: folded(n.Label)},
		{name: "description", ref: &n.Description},
		{name: "inbound_agent_id", ref: &n.InboundAgentID}, {name: "outbound_only", ref: &n.OutboundOnly},
		{name: "max_calls", ref: &n.MaxCalls},
		{name: "example_context", ref: raw{&n.ExampleContext, "{}"}},
		{name: "config", ref: raw{&n.Config, "{}"}},
		{name: "provider", ref: &n.Provider}, {name: "connection_id", ref: &n.ConnectionID},
		{name: "carrier_state", ref: &n.Carrier.State}, {name: "carrier_cause", ref: &n.Carrier.Cause}, {name: "carrier_since", ref: millis{&n.Carrier.Since}},
		{name: "reserved", ref: millis{&n.Reserved}},
		{name: "tags", ref: list{&n.Tags}}, {name: "version", ref: &n.Version},
		{name: "created", ref: millis{&n.Created}, fixed: true}, {name: "updated", ref: millis{&n.Updated}},
	}
}

// Number returns the active number with id; another is NotFound.
func (t *Tx) Number(id string) (sidetone.Number, error) {
	if t.memory != nil {
		return t.store.tables.numbers.get(t, id)
	}
	return t.store.tables.numbers.where(t, "id = $2 AND active = $3", id, true)
}

// NumberByPhone returns the active number with the E.164 text; another is
// NotFound.
func (t *Tx) NumberByPhone(e164 string) (sidetone.Number, error) {
	return t.store.tables.numbers.where(t, "number = $2 AND active = $3", e164, true)
}

// DetachedNumber returns the newest row of the E.164 text that was detached and
// not linked again.
func (t *Tx) DetachedNumber(e164 string) (sidetone.Number, error) {
	return t.store.tables.numbers.where(t, "number = $2 AND active = $3 AND detached = $4 ORDER BY created DESC, id DESC LIMIT 1",
		e164, false, true)
}

// DetachedNumbers returns the numbers, in E.164 form, that are still rented from
// carriers for the environment although it does not use them.
func (t *Tx) DetachedNumbers() ([]string, error) {
	q := query{}
	q.add("SELECT number FROM numbers WHERE environment_id = %s AND active = %s AND detached = %s", t.environment, false, true)
	return t.strings(q)
}

// Numbers lists the active numbers.
func (t *Tx) Numbers(q sidetone.PageQuery) (sidetone.Page[sidetone.Number], error) {
	return page(t, t.store.tables.numbers, q, condition{"active", true})
}

// InsertNumber stores a new number. A number that is active anywhere, in
// whichever environment, is a Conflict.
func (t *Tx) InsertNumber(n sidetone.Number) error {
	if err := t.store.tables.numbers.insert(t, &n); err != nil {
		return err
	}
	t.numberChanged(n)
	return nil
}

// UpdateNumber stores n if n.Version is the stored one, else it is a Conflict;
// the stored version grows by one. Active false gives the number up.
func (t *Tx) UpdateNumber(n sidetone.Number) error {
	if err := t.store.tables.numbers.update(t, &n); err != nil {
		return err
	}
	t.numberChanged(n)
	return nil
}

// CountNumbersOfAgent returns how many active numbers the agent answers.
func (t *Tx) CountNumbersOfAgent(agentID string) (int, error) {
	var n int
	err := t.one([]any{&n}, `SELECT count(*) FROM numbers WHERE environment_id = $1 AND inbound_agent_id = $2 AND active = $3`,
		t.environment, agentID, true)
	return n, err
}
