package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// dialWithin is how long after its acceptance a call may still be dialled.
const dialWithin = 15 * time.Minute

// callRequest is a decoded calls/create.
type callRequest struct {
	profile  dialect.Profile
	to, from string
	// ours is agent_phone_number, "" for from.
	ours            string
	agent           wire.Reference
	patch           agentPatch
	context, params []byte
	onNoHuman       string
	runDoNotCall    sidetone.Optional[bool]
	hipaa           bool
	// What the client says is known of the call elsewhere; the call itself replaces it.
	carrierID, human, doNotCall string
	metadata                    []byte
	headers                     map[string]string
}

func decodeCall(p dialect.Profile, body wire.Object) (callRequest, error) {
	d := newDecoder(p, body)
	c := callRequest{
		profile: p, to: d.Text("to_number").Value, from: d.Text("from_number").Value, ours: d.Text("agent_phone_number").Value,
		agent: d.agentReference("agent"), context: []byte("{}"), params: []byte("{}"), onNoHuman: "continue",
		runDoNotCall: d.Bool("run_do_not_call_detection"), hipaa: d.Bool("hipaa_compliant").Value,
		carrierID: d.Text("telephony_id").Value, human: d.Text("human_detection_result").Value, metadata: []byte("{}"),
		doNotCall: yesOrNo(d.Bool("do_not_call_result")), headers: d.headersOut("headers_out"),
	}
	d.JSON("context").Apply(&c.context, c.context)
	d.JSON("telephony_params").Apply(&c.params, c.params)
	d.JSON("telephony_metadata").Apply(&c.metadata, c.metadata)
	d.Text("on_no_human_answer").Apply(&c.onNoHuman, c.onNoHuman)
	if err := d.Err(); err != nil || c.agent.Fields == nil {
		return c, err
	}
	patch, err := decodeAgent(p, c.agent.Fields)
	c.patch = patch
	return c, below("agent", err)
}

// yesOrNo is how a decision that may be unknown is stored.
func yesOrNo(o sidetone.Optional[bool]) string {
	switch {
	case !o.Set || o.Null:
		return ""
	case o.Value:
		return "yes"
	default:
		return "no"
	}
}

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
		r.agent = &made.Snapshot
		if err := w.loadConnection(&r.view, made.ConnectionID); err != nil {
			return nil, err
		}
		return renderCall(r.view, made, "", nil), nil
	})
}

func (w work) createCall(c callRequest) (sidetone.Call, error) {
	p, err := w.parties(c)
	if err != nil {
		return sidetone.Call{}, err
	}
	to, err := w.callable(c)
	if err != nil {
		return sidetone.Call{}, err
	}
	snapshot, err := w.callAgent(c)
	if err != nil {
		return sidetone.Call{}, err
	}
	if err := complete(snapshot.Prompt.Template, c.context); err != nil {
		return sidetone.Call{}, err
	}
	call := sidetone.Call{
		ID: w.ids.New(), EnvironmentID: w.tx.EnvironmentID(), Status: sidetone.CallNotStarted,
		Stage: sidetone.StageCreated, Outgoing: true, FromNumber: p.shown, ToNumber: to,
		AgentNumber: p.ours, AgentID: snapshot.Agent.ID, Provider: p.line.Provider, HeadersOut: c.headers,
		ConnectionID: p.line.ConnectionID, Snapshot: snapshot, Context: c.context, Params: c.params,
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

// callable reads whom to call and refuses a number that must not be called.
func (w work) callable(c callRequest) (e164 string, err error) {
	if e164, err = w.phone(c.profile, "to_number", c.to); err != nil {
		return "", err
	}
	e164, err = w.tx.MayCall(e164)
	return e164, forbidden("to_number", err)
}

// complete checks that a call's context has what the prompt's template requires.
func complete(t sidetone.PromptTemplate, context []byte) error {
	values := map[string]any{}
	_ = json.Unmarshal(context, &values) // what is no object has no keys
	var lacking []string
	for _, key := range t.RequiredKeys {
		if values[key] == nil {
			lacking = append(lacking, key)
		}
	}
	if len(lacking) > 0 {
		return invalid("context must have %s: the prompt's template requires it", strings.Join(lacking, ", "))
	}
	return nil
}

// callAgent is the configuration a call runs with: a stored agent, the same
// with changes that hold for this call only, or a new one.
func (w work) callAgent(c callRequest) (sidetone.Snapshot, error) {
	if c.agent.Null {
		return sidetone.Snapshot{}, invalid("agent must not be null")
	}
	if !c.agent.ByID {
		return w.inlineAgent(c)
	}
	snapshot, err := w.agentSnapshot(c.agent.ID, c.agent.Path("agent"))
	if err != nil || c.agent.Fields == nil {
		return snapshot, err
	}
	return w.agentOfCall(snapshot, c)
}

// inlineAgent is the configuration of a call with an agent without id: a new agent,
// or, when there are masks in it, the stored one that it was read from.
func (w work) inlineAgent(c callRequest) (sidetone.Snapshot, error) {
	if hasMask(c.agent.Fields.Only(withSecrets()...)) {
		snapshot, found, err := w.agentReadAs(c.profile, c.agent.Fields)
		if err != nil {
			return snapshot, err
		}
		if found {
			return w.agentOfCall(snapshot, c)
		}
	}
	made, err := w.createAgent(c.patch)
	return made, below("agent", err)
}

// agentOfCall is a stored agent with the changes that hold for this call only.
func (w work) agentOfCall(snapshot sidetone.Snapshot, c callRequest) (sidetone.Snapshot, error) {
	d := draft{Snapshot: snapshot}
	patch, err := c.patch.since(snapshot)
	if err == nil {
		err = w.apply(&d, patch)
	}
	return d.Snapshot, below("agent", err)
}

func (s *server) getCall(r *request) (any, error) {
	call, record, err := s.call(r, r.query.Get("id"))
	return renderCall(r.view, call, record.transcript, record.told), err
}

// record is what the events of a call add to it.
type record struct {
	// transcript is that of the events so far, "" when the call is over and has
	// its own.
	transcript string
	// told are the events of actions and of fields that were collected.
	told []sidetone.Event
}

// call reads a call and what its events tell.
func (s *server) call(r *request, id string) (call sidetone.Call, record record, err error) {
	err = s.read(r, func(w work) error {
		if call, err = w.tx.Call(id); err != nil {
			return named(err, "id", "call")
		}
		if err := w.loadConnection(&r.view, call.ConnectionID); err != nil {
			return err
		}
		if call.Started.IsZero() {
			return nil
		}
		var collected []sidetone.Event
		if collected, err = w.tx.EventsOf(id, sidetone.EventCollected); err != nil {
			return err
		}
		actions, err := w.tx.EventsOf(id, sidetone.EventAction)
		record.told = append(actions, collected...)
		if err != nil || call.Status.Terminal() {
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
		item := r.view.item()
		for _, c := range page.Items {
			if err := w.loadConnection(&item, c.ConnectionID); err != nil {
				return nil, err
			}
		}
		return renderPage(page, func(c sidetone.Call) object { return renderCall(item, c, "", nil) }), nil
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
	if call.HeadersOut, err = endingHeaders(r, call.HeadersOut); err != nil {
		return nil, err
	}
	if !call.Status.Terminal() {
		if err := s.end(r, call); err != nil {
			return nil, err
		}
	}
	return s.getCall(r)
}

// endingHeaders are the headers of a call with those that a request to end it gives.
func endingHeaders(r *request, before map[string]string) (map[string]string, error) {
	d := newDecoder(r.view.profile, r.body)
	given := d.headersOut("headers_out")
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !telephony.HangupHeader(name) {
			d.Faults = append(d.Faults, fmt.Sprintf("headers_out[%q] must be X- and a name, or User-to-User: a hang-up has no others", name))
		}
	}
	if err := d.Err(); err != nil || len(given) == 0 {
		return before, err
	}
	all := maps.Clone(given)
	for name, value := range before {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(given)), func(other string) bool { return strings.EqualFold(name, other) }) {
			all[name] = value
		}
	}
	if err := telephony.CheckHeaders(all); err != nil {
		return nil, invalid("headers_out%s, with those of the call", err)
	}
	return all, nil
}

func (s *server) end(r *request, call sidetone.Call) error {
	err := s.write(r, func(w work) error { return w.tx.EndingCall(call) })
	if err != nil {
		return err
	}
	err = s.Calls.End(r.ctx, r.who.EnvironmentID, sidetone.Ending{CallID: call.ID, HeadersOut: call.HeadersOut})
	switch code := sidetone.CodeOf(err); {
	case code != "" && code != sidetone.NotFound:
		return err
	case code == "": // whoever runs or places the call stores its end
		return nil
	}
	if asked, err := s.Store.RequestEnd(r.ctx, r.who.EnvironmentID, call.ID); asked || err != nil {
		return err // another node runs it and stores its end
	}
	result := sidetone.CallResult{
		Status: sidetone.CallEnded, Outcome: sidetone.OutcomeBotDisconnected, EndReason: "api", Errors: []string{}, Ended: s.Now(),
	}
	if call.Status == sidetone.CallNotStarted {
		result.Outcome = sidetone.OutcomeDidNotConnect
	}
	return s.Store.FinishCall(r.ctx, r.who.EnvironmentID, call.ID, result, nil)
}
