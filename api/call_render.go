package api

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// renderCall renders a call from the snapshot it ran with. transcript is that
// of the events so far while the call is not over; told are the events of
// actions and of fields that were collected, for single calls only.
func renderCall(v view, c sidetone.Call, transcript string, told []sidetone.Event) object {
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
		"telephony_id": c.CarrierID, "human_detection_result": c.HumanDetection,
		"on_no_human_answer": c.OnNoHuman, "end_reason": c.EndReason,
	} {
		setText(o, name, value)
	}
	if c.RefusedCount > 0 {
		o["refused_count"] = c.RefusedCount
	}
	if c.Transcript != "" {
		transcript = c.Transcript
	}
	if !c.HIPAA {
		setText(o, "transcript", transcript)
	}
	if c.DoNotCall != "" {
		o["do_not_call_result"] = c.DoNotCall == "yes"
	}
	if c.Insights != nil {
		o["insights"] = renderInsights(*c.Insights)
	}
	if metadata := carrierData(c); len(metadata) > 0 {
		o["telephony_metadata"] = metadata
	}
	if len(c.HeadersOut) > 0 {
		o["headers_out"] = c.HeadersOut
	}
	if !v.list {
		if !c.Signalling.Empty() {
			o["signalling"] = renderSignalling(c.Signalling)
		}
		o["action_history"] = renderActions(told)
		if collected := sidetone.CollectedFields(told); collected != nil {
			o["collected_fields"] = collected
		}
		if len(c.Used) > 0 {
			o["usage"] = renderUsed(c.Used)
		}
		if c.Line != nil {
			o["line_quality"] = renderLine(*c.Line)
		}
	}
	v.setConnection(o, c.ConnectionID)
	v.setTime(o, "start_time", c.Started)
	v.setTime(o, "end_time", c.Ended)
	v.setTime(o, "created_at", c.Created)
	o["agent"] = renderCallAgent(v, c)
	return v.profile.Adapt(dialect.Call(), o)
}

// renderUsed renders what vendors were used for. A recogniser gets the caller's sound,
// every other part gets text.
func renderUsed(used []sidetone.Used) []object {
	out := make([]object, len(used))
	for i, u := range used {
		out[i] = object{"part": u.Part, "vendor": u.Vendor, "hosts": append([]string{}, u.Hosts...), "received": "text", "requests": u.Requests, "units": u.Units}
		if u.Part == "recogniser" {
			out[i]["received"] = "audio"
		}
		if u.Units == nil {
			out[i]["units"] = object{}
		}
		setText(out[i], "account", u.Account)
	}
	return out
}

// renderInsights renders what was found out after a call.
func renderInsights(i sidetone.Insights) object {
	results := make([]object, len(i.Results))
	for n, r := range i.Results {
		results[n] = object{"name": r.Name, "type": r.Kind}
		if r.Value != nil {
			results[n]["value"] = r.Value
		}
		setText(results[n], "error", r.Failure)
	}
	o := object{"status": i.State, "attempts": i.Attempts, "results": results}
	setText(o, "error", i.Failure)
	setTime(o, "completed_at", i.Settled)
	return o
}

// renderLine renders how good a call's line was.
func renderLine(q sidetone.LineQuality) object {
	o := object{}
	for name, r := range map[string]*sidetone.Reception{"near": q.Near, "far": q.Far} {
		if r != nil {
			o[name] = object{"packets": r.Packets, "lost": r.Lost, "loss_percent": math.Round(r.Loss()*100) / 100,
				"jitter_ms": milliseconds(r.Jitter), "jitter_max_ms": milliseconds(r.JitterMax), "mos": r.MOS}
		}
	}
	if q.RoundTrip > 0 {
		o["round_trip_ms"] = milliseconds(q.RoundTrip)
	}
	return o
}

// milliseconds is a duration in milliseconds, to a tenth.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e5) / 10 }

// carrierData is what is known of the call at the carrier.
func carrierData(c sidetone.Call) object {
	o := object{}
	setMembers(o, c.Metadata)
	if c.CarrierID == "" || c.Stage == sidetone.StageCreated {
		return o // what whoever placed the call said, if anything
	}
	if o["type"] == nil {
		o["type"] = "telephony_metadata_" + c.Provider
	}
	o["call_sid"] = c.CarrierID
	return o
}

// renderActions renders what the agent did besides talking.
func renderActions(events []sidetone.Event) []object {
	out := []object{}
	for _, e := range events {
		if e.Kind != sidetone.EventAction {
			continue
		}
		o := object{}
		setMembers(o, e.Data)
		entry := object{"event_type": "action_completed", "timestamp": dialect.ISOTime.Render(e.At)}
		setText(entry, "action_label", e.Text)
		for _, name := range []string{"action_id", "action_type", "parameters", "result"} {
			if value, ok := o[name]; ok {
				entry[name] = value
			}
		}
		if _, ok := entry["result"]; !ok {
			var said string
			if raw, ok := o["said"].(json.RawMessage); ok {
				_ = json.Unmarshal(raw, &said) // an event of another form says nothing
			}
			entry["result"] = actionResult(said)
		}
		out = append(out, entry)
	}
	return out
}

// actionResult is the result of an action that returned text.
func actionResult(said string) object {
	if fault, failed := strings.CutPrefix(said, "failed: "); failed {
		return object{"json": object{}, "error": fault}
	}
	return object{"json": object{"text": said}, "error": nil}
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
