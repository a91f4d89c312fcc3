package store

import "github.com/sidetone/sidetone"

func dncTable() *table[sidetone.DNCNumber] {
	return newTable("dnc_numbers", "do-not-call number", func(n *sidetone.DNCNumber) []column {
		return []column{
			{name: "id", ref: &n.ID, fixed: true}, {name: "environment_id", ref: &n.EnvironmentID, fixed: true},
			{name: "number", ref: &n.Number, fixed: true}, {name: "reason", ref: &n.Reason}, {name: "version", ref: &n.Version},
			{name: "created", ref: millis{&n.Created}, fixed: true}, {name: "updated", ref: millis{&n.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "phoneNumber": digits("number"), "createdAt": instant("created"), "updatedAt": instant("updated"),
	})
}

// DNCNumber returns the entry with id.
func (t *Tx) DNCNumber(id string) (sidetone.DNCNumber, error) { return t.store.tables.dnc.get(t, id) }

// DNCNumberByPhone returns the entry of the E.164 text; NotFound when it may be
// called.
func (t *Tx) DNCNumberByPhone(e164 string) (sidetone.DNCNumber, error) {
	return t.store.tables.dnc.where(t, "number = $2", e164)
}

// DNCNumbers lists the numbers that must not be called.
func (t *Tx) DNCNumbers(q sidetone.PageQuery) (sidetone.Page[sidetone.DNCNumber], error) {
	return page(t, t.store.tables.dnc, q)
}

// InsertDNCNumber stores a new entry; a number that is listed already is a
// Conflict.
func (t *Tx) InsertDNCNumber(n sidetone.DNCNumber) error { return t.store.tables.dnc.insert(t, &n) }

// UpdateDNCNumber stores n if n.Version is the stored one, else it is a
// Conflict; the stored version grows by one.
func (t *Tx) UpdateDNCNumber(n sidetone.DNCNumber) error { return t.store.tables.dnc.update(t, &n) }

// DeleteDNCNumber removes the entry with id: its number may be called again.
func (t *Tx) DeleteDNCNumber(id string) error { return t.store.tables.dnc.remove(t, id) }
