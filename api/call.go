package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
)

// callRequest is a decoded calls/create.
type callRequest struct {
	to, from        string
	agent           reference
	patch           agentPatch
	context, params []byte
	onNoHuman       string
	runDoNotCall    sidetone.Optional[bool]
	hipaa           bool
}

func decodeCall(p profile, f fields) (callRequest, error) {
	d := &decoder{fields: f, profile: p}
	c := callRequest{
		to: d.text("to_number").Value, from: d.text("from_number").Value, agent: d.reference("agent").plain(),
		context: []byte("{}"), params: []byte("{}"), onNoHuman: "continue",
		runDoNotCall: d.truth("run_do_not_call_detection"), hipaa: d.truth("hipaa_compliant").Value,
	}
	d.raw("context").Apply(&c.context, c.context)
	d.raw("telephony_params").Apply(&c.params, c.params)
	d.text("on_no_human_answer").Apply(&c.onNoHuman, c.onNoHuman)
	e164, ok := sidetone.NormalisePhone(c.to)
	if !ok {
		d.faults = append(d.faults, "to_number must be a phone number with country code")
	}
	c.to = e164
	if err := d.err(); err != nil || c.agent.fields == nil {
		return c, err
	}
	patch, err := decodeAgent(p, c.agent.fields)
	c.patch = patch
	return c, below("agent", err)
}

// renderCall renders a call from the snapshot it ran with. transcript is that
// of the events so far while the call is not over.
func renderCall(v view, c sidetone.Call, transcript string) object {
	o := object{
		"id": c.ID, "user_id": v.account, "status": c.Status, "recording_available": c.RecordingPath != "",
		"to_number": c.ToNumber, "from_number": c.FromNumber, "agent_phone_number": c.AgentNumber,
		"telephony_provider": c.Provider, "is_outgoing": c.Outgoing, "hipaa_compliant": c.HIPAA,
		"context": jsonObject(c.Context), "telephony_params": jsonObject(c.Params),
		"run_do_not_call_detection": c.RunDoNotCall, "errors": c.Errors,
	}
	if c.Errors == nil {
		o["errors"] = []string{}
	}
	for name, value := range map[string]string{
		"stage": string(c.Stage), "stage_outcome": string(c.Outcome), "error_message": c.ErrorMessage,
		"telephony_id": c.CarrierID,
		"on_no_human_answer": c.OnNoHuman, "end_reason": c.EndReason,
	} {
		o.text(name, value)
	}
	if c.Transcript != "" {
		transcript = c.Transcript
	}
	if !c.HIPAA {
		o.text("transcript", transcript)
	}
	v.connection(o, c.ConnectionID)
	o.time(v, "start_time", c.Started)
	o.time(v, "end_time", c.Ended)
	o.time(v, "created_at", c.Created)
	o["agent"] = renderCallAgent(v, c)
	return v.finish("call", o)
}

func renderCallAgent(v view, c sidetone.Call) any {
	if v.list && !v.expand["agent"] {
		return c.AgentID
	}
	v.list = false
	s := c.Snapshot
	if c.HIPAA {
		s.Prompt.Content = "" // what a patient's prompt says is not shown with the call
	}
	return renderAgent(v, s)
}

func jsonObject(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
