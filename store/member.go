package store

import "github.com/sidetone/sidetone"

func memberTable() *table[sidetone.Member] {
	return newTable("members", "member", func(m *sidetone.Member) []column {
		return []column{
			{name: "id", ref: &m.ID, fixed: true}, {name: "environment_id", ref: &m.EnvironmentID, fixed: true},
			{name: "subject", ref: &m.Subject, fixed: true}, {name: "name", ref: &m.Name}, {name: "name_folded", ref: folded(m.Name)},
			{name: "role", ref: (*string)(&m.Role)}, {name: "version", ref: &m.Version},
			{name: "created", ref: millis{&m.Created}, fixed: true}, {name: "updated", ref: millis{&m.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "name": search("name", "name_folded"), "subject": filterOnly(text("subject")),
		"role": filterOnly(text("role")), "created": instant("created"), "updated": instant("updated"),
		"created_at": instant("created"), "updated_at": instant("updated"),
	})
}

// Member returns the member with id.
func (t *Tx) Member(id string) (sidetone.Member, error) { return t.store.tables.members.get(t, id) }

// MemberBySubject returns the member whom tokens call by subject.
func (t *Tx) MemberBySubject(subject string) (sidetone.Member, error) {
	return t.store.tables.members.where(t, "subject = $2", subject)
}

// Members lists the members.
func (t *Tx) Members(q sidetone.PageQuery) (sidetone.Page[sidetone.Member], error) {
	return page(t, t.store.tables.members, q)
}

// InsertMember stores a new member. One with the same subject is a Conflict.
func (t *Tx) InsertMember(m sidetone.Member) error {
	t.change.access = true
	return t.store.tables.members.insert(t, &m)
}

// UpdateMember stores the member's name and role if m.Version is the stored
// one, else it is a Conflict. The member's keys follow the role.
func (t *Tx) UpdateMember(m sidetone.Member) error {
	t.change.access = true
	return t.store.tables.members.update(t, &m)
}

// RemoveMember deletes a member and revokes the member's keys.
func (t *Tx) RemoveMember(id string) error {
	if err := t.store.tables.members.remove(t, id); err != nil {
		return err
	}
	keys, err := t.store.tables.keys.all(t, "WHERE environment_id = $1 AND member_id = $2 AND revoked = 0", t.environment, id)
	if err != nil {
		return err
	}
	t.change.access = true
	for _, k := range keys {
		if _, err := t.RevokeAPIKey(k.ID); err != nil {
			return err
		}
	}
	return nil
}
