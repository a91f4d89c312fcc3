package api

import (
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// dialWithin is how long after its acceptance a call may still be dialled.
const dialWithin = 15 * time.Minute

// createCall commits the call and the intent to dial it together.
func (s *server) createCall(r *request) (any, error) {
	c, err := decodeCall(r.view.profile, r.body)
	if err != nil {
		return nil, err
	}
	return s.effect(r, func(w work) (any, error) {
		made, err := w.createCall(c)
		if err != nil {
			return nil, err
		}
		if err := w.line(r.view, made.ConnectionID); err != nil {
			return nil, err
		}
		return renderCall(r.view, made, "", nil), nil
	})
}

func (w work) createCall(c callRequest) (sidetone.Call, error) {
	number, err := w.numberByPhone(c.from, "from_number")
	if err != nil {
		return sidetone.Call{}, err
	}
	ours := number
	if c.ours != "" {
		if ours, err = w.numberByPhone(c.ours, "agent_phone_number"); err != nil {
			return sidetone.Call{}, err
		}
	}
	if err := w.callable(c.to); err != nil {
		return sidetone.Call{}, err
	}
	snapshot, err := w.callAgent(c)
	if err != nil {
		return sidetone.Call{}, err
	}
	call := sidetone.Call{
		ID: w.ids.New(), EnvironmentID: w.tx.EnvironmentID(), Status: sidetone.CallNotStarted,
		Stage: sidetone.StageCreated, Outgoing: true, FromNumber: number.Number, ToNumber: c.to,
		AgentNumber: ours.Number, AgentID: snapshot.Agent.ID, Provider: number.Provider,
		ConnectionID: number.ConnectionID, Snapshot: snapshot, Context: c.context, Params: c.params,
		OnNoHuman: c.onNoHuman, HIPAA: c.hipaa, RunDoNotCall: snapshot.Agent.RunDoNotCall,
		CarrierID: c.carrierID, HumanDetection: c.human, DoNotCall: c.doNotCall, Metadata: c.metadata,
		Errors: []string{}, Created: w.tx.Now(),
	}
	c.runDoNotCall.Apply(&call.RunDoNotCall, call.RunDoNotCall)
	if err := w.tx.InsertCall(call); err != nil {
		return call, err
	}
	return call, w.tx.InsertIntent(sidetone.DialIntent{
		ID: w.ids.New(), EnvironmentID: call.EnvironmentID, CallID: call.ID, State: store.IntentPlanned,
		NotAfter: w.tx.Now().Add(dialWithin), Created: w.tx.Now(),
	})
}

// callAgent is the configuration a call runs with: a stored agent, the same
// with changes that hold for this call only, or a new one.
func (w work) callAgent(c callRequest) (sidetone.Snapshot, error) {
	if c.agent.null {
		return sidetone.Snapshot{}, invalid("agent must not be null")
	}
	if !c.agent.byID {
		made, err := w.createAgent(c.patch)
		return made, below("agent", err)
	}
	snapshot, err := w.agentSnapshot(c.agent.id, c.agent.path("agent"))
	if err != nil || c.agent.fields == nil {
		return snapshot, err
	}
	d := draft{Snapshot: snapshot}
	patch, err := c.patch.since(snapshot)
	if err == nil {
		err = w.apply(&d, patch)
	}
	return d.Snapshot, below("agent", err)
}

func (s *server) getCall(r *request) (any, error) {
	call, record, err := s.call(r, r.query.Get("id"))
	return renderCall(r.view, call, record.transcript, record.actions), err
}

// record is what the events of a call add to it.
type record struct {
	// transcript is that of the events so far, "" when the call is over and has
	// its own.
	transcript string
	actions    []sidetone.Event
}

// call reads a call and what its events tell.
func (s *server) call(r *request, id string) (call sidetone.Call, record record, err error) {
	err = s.read(r, func(w work) error {
		if call, err = w.tx.Call(id); err != nil {
			return named(err, "id", "call")
		}
		if err := w.line(r.view, call.ConnectionID); err != nil {
			return err
		}
		if call.Started.IsZero() {
			return nil
		}
		if record.actions, err = w.tx.EventsOf(id, sidetone.EventAction); err != nil || call.Status.Terminal() {
			return err
		}
		events, err := w.tx.Events(id, 0)
		record.transcript = sidetone.Transcript(events)
		return err
	})
	return call, record, err
}

func (s *server) listCalls(r *request) (any, error) {
	return list(s, r, (*store.Tx).Calls, func(w work, page sidetone.Page[sidetone.Call]) (object, error) {
		for _, c := range page.Items {
			if err := w.line(r.view.item(), c.ConnectionID); err != nil {
				return nil, err
			}
		}
		return renderPage(page, func(c sidetone.Call) object { return renderCall(r.view.item(), c, "", nil) }), nil
	})
}

// endCall hangs up. A call that nobody runs, because it was not dialled yet or
// its node is gone, is closed in the store.
func (s *server) endCall(r *request) (any, error) {
	id := r.query.Get("id")
	call, _, err := s.call(r, id)
	if err != nil {
		return nil, err
	}
	if !call.Status.Terminal() {
		if err := s.end(r, call); err != nil {
			return nil, err
		}
	}
	return s.getCall(r)
}

func (s *server) end(r *request, call sidetone.Call) error {
	err := s.write(r, func(w work) error { return w.tx.EndingCall(call) })
	if err != nil {
		return err
	}
	err = s.Calls.End(r.ctx, r.who.EnvironmentID, call.ID)
	switch code := sidetone.CodeOf(err); {
	case code != "" && code != sidetone.NotFound:
		return err
	case code == "": // whoever runs or places the call stores its end
		return nil
	}
	if asked, err := s.Store.RequestEnd(r.ctx, r.who.EnvironmentID, call.ID); asked || err != nil {
		return err // another node runs it and stores its end
	}
	var last int64
	err = s.read(r, func(w work) error {
		events, err := w.tx.Events(call.ID, 0)
		if len(events) > 0 {
			last = events[len(events)-1].Sequence
		}
		return err
	})
	if err != nil {
		return err
	}
	now := s.Now()
	result := sidetone.CallResult{
		Status: sidetone.CallEnded, Outcome: sidetone.OutcomeBotDisconnected, EndReason: "api", Errors: []string{}, Ended: now,
	}
	if call.Status == sidetone.CallNotStarted {
		result.Outcome = sidetone.OutcomeDidNotConnect
	}
	return s.Store.FinishCall(r.ctx, r.who.EnvironmentID, call.ID, result, []sidetone.Event{{
		CallID: call.ID, EnvironmentID: r.who.EnvironmentID, Sequence: last + 1, Kind: sidetone.EventEnded,
		At: now, Text: "api", Data: []byte("{}"),
	}})
}
