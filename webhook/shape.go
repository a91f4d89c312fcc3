package webhook

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// Report is all that the shapes of other products are made of.
type Report struct {
	Call sidetone.Call
	// Events is the call's record, in order.
	Events []sidetone.Event
	// Address is that of the interface, or "".
	Address string
	// At is when the message was made.
	At time.Time
}

// InShape is a message's body in the shape of another product; false when that product has
// no such message.
func InShape(shape, kind string, r Report) (body []byte, ok bool, err error) {
	var out map[string]any
	over := kind == sidetone.WebhookEnded || kind == sidetone.WebhookDidNotConnect
	waits := r.Call.Insights != nil && r.Call.Insights.State == sidetone.InsightsWaiting
	switch {
	case shape == sidetone.ShapeVapi && over && !waits: // the report has the analysis in it
		out = vapiReport(r)
	case shape == sidetone.ShapeRetell && kind == sidetone.WebhookInsights && !waits:
		call := retellCall(r)
		call["call_analysis"] = retellAnalysis(r.Call)
		out = map[string]any{"event": "call_analyzed", "call": call}
	case shape == sidetone.ShapeRetell && over:
		out = map[string]any{"event": "call_ended", "call": retellCall(r)}
	case shape == sidetone.ShapeRetell && kind == sidetone.WebhookConnected:
		out = map[string]any{"event": "call_started", "call": retellCall(r)}
	default:
		return nil, false, nil
	}
	body, err = json.Marshal(out)
	return body, err == nil, err
}

// vapiReport is an end-of-call-report, see https://docs.vapi.ai/server-url/end-of-call-report
// (read 2026-11-30). The names and values are those of ServerMessageEndOfCallReport in npm's
// @vapi-ai/server-sdk. Costs are not there: nothing makes them.
func vapiReport(r Report) map[string]any {
	c := r.Call
	caller, ours := c.FromNumber, c.ToNumber
	kind := "inboundPhoneCall"
	if c.Outgoing {
		caller, ours, kind = c.ToNumber, c.FromNumber, "outboundPhoneCall"
	}
	reason := vapiReason(c)
	call := map[string]any{"id": c.ID, "type": kind, "status": "ended", "endedReason": reason, "createdAt": instant(c.Created),
		"customer": map[string]any{"number": caller}, "phoneNumber": map[string]any{"number": ours}}
	setText(call, "assistantId", c.AgentID)
	setText(call, "endedMessage", c.EndReason)
	artifact := map[string]any{"messages": vapiMessages(r), "transcript": spoken(r.Events, "AI", "User")}
	message := map[string]any{"type": "end-of-call-report", "timestamp": r.At.UnixMilli(), "endedReason": reason, "call": call,
		"customer": call["customer"], "phoneNumber": call["phoneNumber"], "artifact": artifact, "analysis": vapiAnalysis(c),
		"endedAt": instant(c.Ended)}
	if !c.Started.IsZero() {
		call["startedAt"], message["startedAt"] = instant(c.Started), instant(c.Started)
	}
	call["endedAt"] = instant(c.Ended)
	if c.RecordingPath != "" {
		artifact["recordingUrl"] = RecordingURL(c.ID, r.Address)
	}
	return map[string]any{"message": message}
}

// vapiAnalysis is Analysis of npm's @vapi-ai/server-sdk: a summary, the values of data, and
// whether the call was a success, as that product's rubric PassFail has it.
func vapiAnalysis(c sidetone.Call) map[string]any {
	out := map[string]any{}
	setText(out, "summary", c.Insights.Summary())
	if s, ok := c.Insights.Success(); ok {
		out["successEvaluation"] = strconv.FormatBool(s.Successful)
	}
	data := namedValues(c)
	if len(data) > 0 {
		out["structuredData"] = data
	}
	if only := c.Insights.Result(sidetone.InsightData); len(data) == 1 && only != nil && only[0] == '{' {
		out["structuredData"] = only // that product has one schema, without a name
	}
	return out
}

// retellAnalysis is CallAnalysis of npm's retell-sdk 5.66.1.
func retellAnalysis(c sidetone.Call) map[string]any {
	out := map[string]any{"custom_analysis_data": namedValues(c)}
	setText(out, "call_summary", c.Insights.Summary())
	out["user_sentiment"] = cmp.Or(map[string]string{"positive": "Positive", "neutral": "Neutral", "negative": "Negative"}[c.Insights.Sentiment()], "Unknown")
	if s, ok := c.Insights.Success(); ok {
		out["call_successful"] = s.Successful
	}
	return out
}

// namedValues are the values of what the customer asked for by a prompt or a schema, by name.
func namedValues(c sidetone.Call) map[string]any {
	out := map[string]any{}
	if c.Insights == nil {
		return out
	}
	for _, r := range c.Insights.Results {
		if r.Value != nil && (r.Kind == sidetone.InsightText || r.Kind == sidetone.InsightData) {
			out[r.Name] = r.Value
		}
	}
	return out
}

// vapiReason is the nearest of that product's reasons; ours is in endedMessage.
func vapiReason(c sidetone.Call) string {
	answered := !c.Started.IsZero()
	known := map[string]string{"busy": "customer-busy", "declined": "customer-busy", "no_answer": "customer-did-not-answer", "idle": "silence-timed-out",
		"max_duration": "exceeded-max-duration", "api": "manually-canceled", "cancelled": "manually-canceled", "goodbye": "assistant-ended-call"}
	switch reason := known[c.EndReason]; {
	case reason != "":
		return reason
	case answered && c.Outcome == sidetone.OutcomeHumanDisconnected && c.Status == sidetone.CallEnded:
		return "customer-ended-call"
	case answered && c.Outcome == sidetone.OutcomeBotDisconnected && c.Status == sidetone.CallEnded:
		return "assistant-ended-call"
	case answered:
		return "call.in-progress.sip-completed-call"
	case c.Outgoing:
		return "call.in-progress.error-sip-outbound-call-failed-to-connect"
	}
	return "call.in-progress.error-sip-inbound-call-failed-to-connect"
}

// vapiMessages are what was said; the length of a message is not known, so that it ends
// when it begins.
func vapiMessages(r Report) []map[string]any {
	out := []map[string]any{}
	for _, e := range r.Events {
		role := map[sidetone.EventKind]string{sidetone.EventAgent: "bot", sidetone.EventCaller: "user"}[e.Kind]
		if role != "" && e.Text != "" {
			out = append(out, map[string]any{"role": role, "message": e.Text, "time": e.At.UnixMilli(), "endTime": e.At.UnixMilli(),
				"secondsFromStart": e.Offset.Seconds()})
		}
	}
	return out
}

// retellCall is a call as in https://docs.retellai.com/features/webhook (read 2026-11-30).
// The names and values are those of PhoneCallResponse in npm's retell-sdk 5.66.1.
func retellCall(r Report) map[string]any {
	c := r.Call
	out := map[string]any{"call_id": c.ID, "call_type": "phone_call", "agent_id": c.AgentID, "direction": "inbound", "call_status": "ongoing",
		"from_number": c.FromNumber, "to_number": c.ToNumber, "agent_version": c.Snapshot.Agent.Version}
	if c.Outgoing {
		out["direction"] = "outbound"
	}
	if json.Valid(c.Context) && len(c.Context) > 0 {
		out["retell_llm_dynamic_variables"] = json.RawMessage(c.Context)
	}
	if !c.Started.IsZero() {
		out["start_timestamp"] = c.Started.UnixMilli()
	}
	if !c.Status.Terminal() {
		return out
	}
	out["call_status"], out["end_timestamp"] = "ended", c.Ended.UnixMilli()
	switch {
	case c.Started.IsZero():
		out["call_status"] = "not_connected"
	case c.Status == sidetone.CallError:
		out["call_status"] = "error"
	}
	if !c.Started.IsZero() {
		out["duration_ms"] = c.Ended.Sub(c.Started).Milliseconds()
	}
	out["disconnection_reason"] = retellReason(c)
	out["transcript"], out["transcript_object"] = spoken(r.Events, "Agent", "User"), retellTurns(r.Events)
	if c.RecordingPath != "" {
		out["recording_url"] = RecordingURL(c.ID, r.Address)
	}
	return out
}

func retellReason(c sidetone.Call) string {
	known := map[string]string{"busy": "dial_busy", "declined": "user_declined", "no_answer": "dial_no_answer", "idle": "inactivity",
		"max_duration": "max_duration_reached", "api": "manual_stopped", "goodbye": "agent_hangup", "overload": "concurrency_limit_reached"}
	switch reason := known[c.EndReason]; {
	case reason != "":
		return reason
	case c.Started.IsZero():
		return "dial_failed"
	case c.Status == sidetone.CallError:
		return "error_unknown"
	case c.Outcome == sidetone.OutcomeHumanDisconnected:
		return "user_hangup"
	}
	return "agent_hangup"
}

func retellTurns(events []sidetone.Event) []map[string]any {
	out := []map[string]any{}
	for _, e := range events {
		role := map[sidetone.EventKind]string{sidetone.EventAgent: "agent", sidetone.EventCaller: "user"}[e.Kind]
		if role != "" && e.Text != "" {
			out = append(out, map[string]any{"role": role, "content": e.Text})
		}
	}
	return out
}

// spoken is the conversation, a line for each thing that was said.
func spoken(events []sidetone.Event, agent, caller string) string {
	var out strings.Builder
	for _, e := range events {
		name := map[sidetone.EventKind]string{sidetone.EventAgent: agent, sidetone.EventCaller: caller}[e.Kind]
		if name != "" && e.Text != "" {
			out.WriteString(name + ": " + e.Text + "\n")
		}
	}
	return out.String()
}

// HeaderRetell is the signature that Retell's own libraries verify, with the secret as it is
// shown in the place of their API key.
const HeaderRetell = "X-Retell-Signature"

// SignRetell sets that header: the hexadecimal HMAC-SHA256 of the body and the time in
// milliseconds, see webhook_auth in npm's retell-sdk 5.66.1.
func SignRetell(h http.Header, at time.Time, body []byte, secret sidetone.Secret) {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	_, _ = m.Write(body) // a hash takes everything
	_, _ = m.Write([]byte(stamp))
	h.Set(HeaderRetell, "v="+stamp+",d="+hex.EncodeToString(m.Sum(nil)))
}
