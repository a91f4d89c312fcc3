package api

import (
	"github.com/sidetone/sidetone"
)

// listRefusals lists the incoming calls to the environment's numbers that were
// refused. Calls to numbers that nobody has belong to no environment: only who runs
// the server sees them.
func (s *server) listRefusals(r *request) (any, error) {
	q, err := pageQuery(r.query)
	if err != nil {
		return nil, err
	}
	nobodys, err := s.runsServer(r)
	if err != nil {
		return nil, err
	}
	page, err := s.Store.RefusedCalls(r.ctx, r.who.EnvironmentID, nobodys, q)
	return renderPage(page, renderRefusal), err
}

// runsServer says that a request comes from who runs the server: its command line,
// or an administrator of all environments of the server's first account.
func (s *server) runsServer(r *request) (bool, error) {
	if r.who.Operator {
		return true, nil
	}
	if !r.who.AccountWide || !r.who.Has(sidetone.ScopeAdmin) {
		return false, nil
	}
	all, err := s.Store.Environments(r.ctx)
	return len(all) > 0 && all[0].AccountID == r.who.AccountID, err
}

func renderRefusal(c sidetone.RefusedCall) object {
	o := object{"id": c.ID, "from_number": c.FromNumber, "to_number": c.ToNumber, "trunk": c.Trunk, "source": c.Source,
		"cause": c.Cause, "reason": c.Reason, "tried": append([]string{}, c.Tried...), "count": c.Count}
	setText(o, "phone_number", c.Number)
	setText(o, "telephony_id", c.CarrierID)
	setTime(o, "created_at", c.Created)
	setTime(o, "last_at", c.Last)
	if len(c.Exchange) > 0 {
		o["messages"] = renderMessages(c.Exchange)
	}
	return o
}

// renderSignalling renders what a call's signalling said.
func renderSignalling(s sidetone.Signalling) object {
	o := object{}
	if len(s.Said) > 0 {
		o["caller_said"] = s.Said
	}
	if len(s.Attestation) > 0 {
		o["attestation"] = s.Attestation
	}
	if len(s.Parts) == 0 {
		return o
	}
	parts := make([]object, len(s.Parts))
	for i, p := range s.Parts {
		parts[i] = object{"type": p.Type, "content": p.Content, "truncated": p.Truncated}
		setText(parts[i], "encoding", p.Encoding)
	}
	o["parts"] = parts
	return o
}
