package api

import (
	"net/url"
	"strconv"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
)

// number finds the number a query names by phone_number, by id or by both.
func (w work) number(query url.Values) (sidetone.Number, error) {
	if !query.Has("phone_number") && !query.Has("id") {
		return sidetone.Number{}, invalid("phone_number is required")
	}
	var byID sidetone.Number
	if query.Has("id") {
		var err error
		if byID, err = w.tx.Number(query.Get("id")); err != nil {
			return byID, named(err, "id", "number")
		}
		if !query.Has("phone_number") {
			return byID, nil
		}
	}
	byPhone, err := w.numberByPhone(query.Get("phone_number"), "phone_number")
	if err == nil && byID.ID != "" && byID.ID != byPhone.ID {
		return byPhone, invalid("phone_number and id name different numbers")
	}
	return byPhone, err
}

// placing is the agent that is to answer calls to a number, "" for none, and what
// has to be written for that.
type placing struct {
	agentID string
	draft   draft
	// changed says that the agent itself changes.
	changed bool
}

// plan resolves which agent is to answer calls to a number whose agent is current
// now ("" for none). It writes nothing.
func (w work) plan(p placement, current string) (placing, error) {
	var err error
	switch {
	case !p.ref.Set:
		return placing{agentID: current}, nil
	case p.ref.Null:
		return placing{}, nil
	case p.ref.ByID:
		current, err = w.agentID(p.ref)
	case current == "" && w.isUnassigned(p):
		return placing{}, nil
	case current == "" && !p.ref.Fields.Has("prompt"):
		return placing{}, invalid("inbound_agent.prompt is required")
	case current == "":
		d, err := w.newAgent(p.patch)
		return placing{agentID: d.Agent.ID, draft: d}, below("inbound_agent", err)
	}
	if err != nil || len(p.ref.Fields) == 0 {
		return placing{agentID: current}, err
	}
	agent, err := w.agentSnapshot(current, "inbound_agent")
	if err != nil {
		return placing{}, err
	}
	d, err := w.changedAgent(agent, p.patch)
	return placing{current, d, true}, below("inbound_agent", err)
}

// place carries out what plan resolves.
func (w work) place(p placement, current string) (agentID string, changed bool, err error) {
	planned, err := w.plan(p, current)
	if err == nil {
		err = planned.draft.write()
	}
	return planned.agentID, planned.changed, err
}

// agentID checks the id of a placement; the word default, as a string, stands
// for the environment's default agent.
func (w work) agentID(ref wire.Reference) (string, error) {
	id := ref.ID
	if id == "default" && ref.Fields == nil {
		environment, err := w.tx.Environment()
		if err != nil {
			return "", err
		}
		if id = environment.DefaultAgentID; id == "" {
			return "", invalid("inbound_agent must be an agent's id: the environment has no default agent; set its default_agent with environments/update")
		}
	}
	agent, err := w.tx.Agent(id)
	return agent.ID, named(err, ref.Path("inbound_agent"), "agent")
}

// loadConnection gets the account connection with id ready to be rendered, where
// the view shows it as an object; one that is gone is left out.
func (w work) loadConnection(v *view, id string) error {
	if id == "" || !v.connectionObjects() {
		return nil
	}
	account, err := w.tx.Connection(id)
	if sidetone.CodeOf(err) == sidetone.NotFound {
		return nil
	}
	v.addConnection(account)
	return err
}

// inbound is the agent to show with n, nil for none.
func (w work) inbound(v *view, n sidetone.Number) (*sidetone.Snapshot, error) {
	if err := w.loadConnection(v, n.ConnectionID); err != nil {
		return nil, err
	}
	switch {
	case n.InboundAgentID == "" && v.profile.Unassigned:
		agent, err := w.unassigned()
		return &agent, err
	case n.InboundAgentID == "":
		return nil, nil
	}
	if v.list && !v.expand["inbound_agent"] { // shows id and name
		agent, err := w.tx.Agent(n.InboundAgentID)
		return &sidetone.Snapshot{Agent: agent}, named(err, "inbound_agent", "agent")
	}
	agent, err := w.agentSnapshot(n.InboundAgentID, "inbound_agent")
	return &agent, err
}

func (s *server) getNumber(r *request) (any, error) {
	var out object
	err := s.readConfiguration(r, func(w work) error {
		n, err := w.number(r.query)
		if err != nil {
			return err
		}
		agent, err := w.inbound(&r.view, n)
		out = renderNumber(r.view, n, agent)
		return err
	})
	return out, err
}

func (s *server) listNumbers(r *request) (any, error) {
	return list(s, r, (*store.Tx).Numbers, func(w work, page sidetone.Page[sidetone.Number]) (object, error) {
		item, agents := r.view.item(), map[string]*sidetone.Snapshot{}
		for _, n := range page.Items {
			if _, known := agents[n.InboundAgentID]; known {
				if err := w.loadConnection(&item, n.ConnectionID); err != nil {
					return nil, err
				}
				continue
			}
			agent, err := w.inbound(&item, n)
			if err != nil {
				return nil, err
			}
			agents[n.InboundAgentID] = agent
		}
		return renderPage(page, func(n sidetone.Number) object {
			return renderNumber(item, n, agents[n.InboundAgentID])
		}), nil
	})
}

// updateNumber changes the number, the agent and the agent's prompt in one
// transaction.
func (s *server) updateNumber(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	decodeNumberChange(d)
	where, err := decodePlacement(d)
	if err != nil || d.Err() != nil {
		return nil, firstOf(d.Err(), err)
	}
	var shared int
	out, err := s.effect(r, func(w work) (out any, err error) {
		out, shared, err = w.updateNumber(r, d, where)
		return out, err
	})
	if err == nil && shared > 0 {
		r.header.Set("Sidetone-Agent-Numbers", strconv.Itoa(shared))
	}
	return out, err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// updateNumber returns the rendered number and how many numbers share the
// agent, 0 when that was not changed.
func (w work) updateNumber(r *request, d *decoder, where placement) (object, int, error) {
	n, err := w.number(r.query)
	if err != nil {
		return nil, 0, err
	}
	shown := func() object { return renderNumber(view{profile: d.profile}, n, nil) }
	change := decodeNumberChange(d.inner(d.profile.Changed(r.body, shown)))
	agentID, changed, err := w.place(where, n.InboundAgentID)
	if err != nil {
		return nil, 0, err
	}
	change.InboundAgentID = sidetone.Some(agentID)
	change.Apply(&n, w.tx.Now())
	if err := firstOf(n.Validate(), w.tx.UpdateNumber(n)); err != nil {
		return nil, 0, err
	}
	shared := 0
	if changed {
		if shared, err = w.tx.CountNumbersOfAgent(agentID); err != nil {
			return nil, 0, err
		}
	}
	agent, err := w.inbound(&r.view, n)
	r.agent = agent
	return renderNumber(r.view, n, agent), shared, err
}
