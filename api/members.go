package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func renderMember(m sidetone.Member) object {
	o := object{"id": m.ID, "subject": m.Subject, "role": string(m.Role)}
	setText(o, "name", m.Name)
	setTime(o, "created_at", m.Created)
	setTime(o, "updated_at", m.Updated)
	return o
}

// member runs do with the member whose id the query names and renders it.
func (s *server) member(r *request, run func(*request, func(work) error) error, do func(*store.Tx, *sidetone.Member) error) (any, error) {
	var m sidetone.Member
	err := run(r, func(w work) (err error) {
		if m, err = w.tx.Member(r.query.Get("id")); err != nil {
			return named(err, "id", "member")
		}
		return do(w.tx, &m)
	})
	return renderMember(m), err
}

func (s *server) getMember(r *request) (any, error) {
	return s.member(r, s.read, func(*store.Tx, *sidetone.Member) error { return nil })
}

func (s *server) listMembers(r *request) (any, error) {
	return list(s, r, (*store.Tx).Members, func(_ work, page sidetone.Page[sidetone.Member]) (object, error) {
		return renderPage(page, renderMember), nil
	})
}

func (s *server) createMember(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	subject, name, role := d.Text("subject"), d.Text("name"), d.Text("role")
	if err := d.Err(); err != nil {
		return nil, err
	}
	m := sidetone.Member{ID: s.IDs.New(), Subject: subject.Value, Role: sidetone.RoleMember}
	name.Apply(&m.Name, "")
	role.Apply((*string)(&m.Role), string(sidetone.RoleMember))
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return s.effect(r, func(w work) (any, error) {
		m.Created, m.Updated = w.tx.Now(), w.tx.Now()
		return renderMember(m), w.tx.InsertMember(m)
	})
}

func (s *server) updateMember(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	name, role := d.Text("name"), d.Text("role")
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s.member(r, s.write, func(tx *store.Tx, m *sidetone.Member) error {
		was := m.Role
		name.Apply(&m.Name, "")
		role.Apply((*string)(&m.Role), string(sidetone.RoleMember))
		m.Updated = tx.Now()
		if err := m.Validate(); err != nil {
			return err
		}
		if err := tx.UpdateMember(*m); err != nil || was != sidetone.RoleAdmin || m.Role == was {
			return err
		}
		return s.requireAdministrator(r, tx, false)
	})
}

// deleteMember removes a member, whose keys are revoked in the same
// transaction.
func (s *server) deleteMember(r *request) (any, error) {
	return s.member(r, s.write, func(tx *store.Tx, m *sidetone.Member) error {
		if err := tx.RemoveMember(m.ID); err != nil || m.Role != sidetone.RoleAdmin {
			return err
		}
		return s.requireAdministrator(r, tx, false)
	})
}
