package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func renderAuditEntry(e sidetone.AuditEntry) object {
	actor := object{"type": string(e.Actor.Kind)}
	setText(actor, "id", e.Actor.ID)
	setText(actor, "label", e.Actor.Label)
	o := object{
		"id": e.ID, "actor": actor, "action": string(e.Action), "resource": e.Noun, "resource_id": e.ResourceID,
		"before": json.RawMessage(e.Before), "after": json.RawMessage(e.After),
	}
	setText(o, "request_id", e.Actor.RequestID)
	setTime(o, "created_at", e.Created)
	return o
}

func (s *server) getAuditEntry(r *request) (any, error) {
	var e sidetone.AuditEntry
	err := s.read(r, func(w work) (err error) {
		e, err = w.tx.AuditEntry(r.query.Get("id"))
		return named(err, "id", "audit entry")
	})
	return renderAuditEntry(e), err
}

func (s *server) listAuditLog(r *request) (any, error) {
	return list(s, r, (*store.Tx).AuditLog, func(_ work, page sidetone.Page[sidetone.AuditEntry]) (object, error) {
		return renderPage(page, renderAuditEntry), nil
	})
}
