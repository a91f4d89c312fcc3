package api

import (
	"encoding/json"
	"strings"

	"github.com/sidetone/sidetone"
)

// callRequest is a decoded calls/create.
type callRequest struct {
	to, from string
	// ours is agent_phone_number, "" for from.
	ours            string
	agent           reference
	patch           agentPatch
	context, params []byte
	onNoHuman       string
	runDoNotCall    sidetone.Optional[bool]
	hipaa           bool
	// What is known of the call elsewhere; kept until the call says otherwise.
	carrierID, human, doNotCall string
	metadata                    []byte
}

func decodeCall(p profile, f fields) (callRequest, error) {
	d := &decoder{fields: f, profile: p}
	c := callRequest{
		to: d.text("to_number").Value, from: d.text("from_number").Value, ours: d.text("agent_phone_number").Value,
		agent: d.reference("agent").plain(), context: []byte("{}"), params: []byte("{}"), onNoHuman: "continue",
		runDoNotCall: d.truth("run_do_not_call_detection"), hipaa: d.truth("hipaa_compliant").Value,
		carrierID: d.text("telephony_id").Value, human: d.text("human_detection_result").Value, metadata: []byte("{}"),
		doNotCall: verdict(d.truth("do_not_call_result")),
	}
	d.raw("context").Apply(&c.context, c.context)
	d.raw("telephony_params").Apply(&c.params, c.params)
	d.raw("telephony_metadata").Apply(&c.metadata, c.metadata)
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

// verdict is a yes or no that may be unknown.
func verdict(o sidetone.Optional[bool]) string {
	switch {
	case !o.Set || o.Null:
		return ""
	case o.Value:
		return "yes"
	default:
		return "no"
	}
}

// renderCall renders a call from the snapshot it ran with. transcript is that
// of the events so far while the call is not over; actions are the events of
// actions, for single calls only.
func renderCall(v view, c sidetone.Call, transcript string, actions []sidetone.Event) object {
	o := object{
		{"id", c.ID}, {"user_id", v.account}, {"status", c.Status}, {"recording_available", c.RecordingPath != ""},
		{"to_number", c.ToNumber}, {"from_number", c.FromNumber}, {"agent_phone_number", c.AgentNumber},
		{"telephony_provider", c.Provider}, {"is_outgoing", c.Outgoing}, {"hipaa_compliant", c.HIPAA},
		{"context", jsonObject(c.Context)}, {"telephony_params", jsonObject(c.Params)},
		{"run_do_not_call_detection", c.RunDoNotCall}, {"errors", c.Errors},
	}
	if c.Errors == nil {
		o.set("errors", []string{})
	}
	for name, value := range map[string]string{
		"stage": string(c.Stage), "stage_outcome": string(c.Outcome), "error_message": c.ErrorMessage,
		"telephony_id": c.CarrierID, "human_detection_result": c.HumanDetection,
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
	if c.DoNotCall != "" {
		o.set("do_not_call_result", c.DoNotCall == "yes")
	}
	if metadata := carrierData(c); len(metadata) > 0 {
		o.set("telephony_metadata", metadata)
	}
	if !v.list {
		o.set("action_history", renderActions(actions))
	}
	v.connection(&o, c.ConnectionID)
	o.time(v, "start_time", c.Started)
	o.time(v, "end_time", c.Ended)
	o.time(v, "created_at", c.Created)
	o.set("agent", renderCallAgent(v, c))
	return v.finish("call", o)
}

// carrierData is what is known of the call at the carrier.
func carrierData(c sidetone.Call) object {
	o := object{}
	o.members(c.Metadata)
	if c.CarrierID == "" || c.Stage == sidetone.StageCreated {
		return o // what whoever placed the call said, if anything
	}
	if !o.has("type") {
		o.set("type", "telephony_metadata_"+c.Provider)
	}
	o.set("call_sid", c.CarrierID)
	return o
}

// renderActions renders what the agent did besides talking.
func renderActions(events []sidetone.Event) []object {
	out := make([]object, len(events))
	for i, e := range events {
		o := object{}
		o.members(e.Data)
		entry := object{{"event_type", "action_completed"}, {"timestamp", isoTime.render(e.At)}}
		entry.text("action_label", e.Text)
		for _, name := range []string{"action_id", "action_type", "parameters", "result"} {
			if o.has(name) {
				entry.set(name, o.get(name))
			}
		}
		if !entry.has("result") {
			entry.set("result", actionResult(stringOf(o.get("said"))))
		}
		out[i] = entry
	}
	return out
}

// actionResult is the result of an action that answered in words.
func actionResult(said string) object {
	if fault, failed := strings.CutPrefix(said, "failed: "); failed {
		return object{{"json", object{}}, {"error", fault}}
	}
	return object{{"json", object{{"text", said}}}, {"error", nil}}
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
