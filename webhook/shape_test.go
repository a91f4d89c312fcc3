package webhook_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// shapedCall is one that was answered and hung up by the caller.
func shapedCall() webhook.Report {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	return webhook.Report{At: at.Add(time.Minute), Address: "https://phones.example", Call: sidetone.Call{ID: "call-1", AgentID: "agent-1", FromNumber: "+12025550199", ToNumber: "+14155550100",
		Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup", Created: at, Started: at.Add(time.Second), Ended: at.Add(31 * time.Second),
		RecordingPath: "/r.wav", Context: []byte(`{"name":"Ann"}`)},
		Events: []sidetone.Event{
			{Kind: sidetone.EventConnected, At: at.Add(time.Second)},
			{Kind: sidetone.EventAgent, At: at.Add(2 * time.Second), Offset: time.Second, Text: "Hello."},
			{Kind: sidetone.EventCaller, At: at.Add(5 * time.Second), Offset: 4 * time.Second, Text: "Hi, when do you open?"},
			{Kind: sidetone.EventAction, At: at.Add(6 * time.Second), Text: "look_up"},
		}}
}

// TestShapes pins what receivers of other products are sent, and that what those products
// do not have is not sent.
func TestShapes(t *testing.T) {
	t.Parallel()
	shaped := func(shape, kind string, r webhook.Report) map[string]any {
		t.Helper()
		body, ok, err := webhook.InShape(shape, kind, r)
		var out map[string]any
		if err != nil || !ok || json.Unmarshal(body, &out) != nil {
			t.Fatalf("%s %s: %v %v %s", shape, kind, ok, err, body)
		}
		return out
	}
	call := map[string]any{"id": "call-1", "type": "inboundPhoneCall", "status": "ended", "endedReason": "customer-ended-call", "endedMessage": "hangup", "assistantId": "agent-1",
		"createdAt": "2026-11-01T10:00:00.000Z", "startedAt": "2026-11-01T10:00:01.000Z", "endedAt": "2026-11-01T10:00:31.000Z",
		"customer": map[string]any{"number": "+12025550199"}, "phoneNumber": map[string]any{"number": "+14155550100"}}
	want := map[string]any{"message": map[string]any{"type": "end-of-call-report", "timestamp": 1793527260000.0, "endedReason": "customer-ended-call", "call": call,
		"customer": call["customer"], "phoneNumber": call["phoneNumber"], "analysis": map[string]any{},
		"startedAt": "2026-11-01T10:00:01.000Z", "endedAt": "2026-11-01T10:00:31.000Z",
		"artifact": map[string]any{"recordingUrl": "https://phones.example/v1/calls/recording?id=call-1", "transcript": "AI: Hello.\nUser: Hi, when do you open?\n",
			"messages": []any{
				map[string]any{"role": "bot", "message": "Hello.", "time": 1793527202000.0, "endTime": 1793527202000.0, "secondsFromStart": 1.0},
				map[string]any{"role": "user", "message": "Hi, when do you open?", "time": 1793527205000.0, "endTime": 1793527205000.0, "secondsFromStart": 4.0},
			}}}}
	if d := cmp.Diff(want, shaped(sidetone.ShapeVapi, sidetone.WebhookEnded, shapedCall())); d != "" {
		t.Error(d)
	}
	want = map[string]any{"event": "call_ended", "call": map[string]any{"call_id": "call-1", "call_type": "phone_call", "agent_id": "agent-1", "agent_version": 0.0, "direction": "inbound",
		"call_status": "ended", "from_number": "+12025550199", "to_number": "+14155550100", "retell_llm_dynamic_variables": map[string]any{"name": "Ann"},
		"start_timestamp": 1793527201000.0, "end_timestamp": 1793527231000.0, "duration_ms": 30000.0, "disconnection_reason": "user_hangup",
		"transcript": "Agent: Hello.\nUser: Hi, when do you open?\n", "recording_url": "https://phones.example/v1/calls/recording?id=call-1",
		"transcript_object": []any{map[string]any{"role": "agent", "content": "Hello."}, map[string]any{"role": "user", "content": "Hi, when do you open?"}}}}
	if d := cmp.Diff(want, shaped(sidetone.ShapeRetell, sidetone.WebhookEnded, shapedCall())); d != "" {
		t.Error(d)
	}
	analysed := shapedCall()
	analysed.Call.Insights = &sidetone.Insights{State: sidetone.InsightsReady, Results: []sidetone.InsightResult{
		{Name: "summary", Kind: sidetone.InsightSummary, Value: []byte(`"They asked for the hours."`)}, {Name: "success", Kind: sidetone.InsightSuccess, Value: []byte(`{"score":80,"successful":true}`)},
		{Name: "mood", Kind: sidetone.InsightSentiment, Value: []byte(`"neutral"`)}, {Name: "visit", Kind: sidetone.InsightData, Value: []byte(`{"day":"Monday"}`)},
		{Name: "why", Kind: sidetone.InsightText, Failure: "none"}}}
	data := map[string]any{"visit": map[string]any{"day": "Monday"}}
	report, _ := shaped(sidetone.ShapeVapi, sidetone.WebhookEnded, analysed)["message"].(map[string]any)
	if d := cmp.Diff(map[string]any{"summary": "They asked for the hours.", "successEvaluation": "true", "structuredData": map[string]any{"day": "Monday"}}, report["analysis"]); d != "" {
		t.Error(d)
	}
	analyzed := shaped(sidetone.ShapeRetell, sidetone.WebhookInsights, analysed)
	if c, _ := analyzed["call"].(map[string]any); analyzed["event"] != "call_analyzed" || !cmp.Equal(c["call_analysis"], map[string]any{
		"call_summary": "They asked for the hours.", "call_successful": true, "user_sentiment": "Neutral", "custom_analysis_data": data}) {
		t.Errorf("%v", analyzed)
	}
	analysed.Call.Insights.State = sidetone.InsightsWaiting
	if _, ok, err := webhook.InShape(sidetone.ShapeVapi, sidetone.WebhookEnded, analysed); ok || err != nil {
		t.Errorf("a report does not wait for its analysis: %v", err)
	}
	live := shapedCall()
	live.Call.Status, live.Call.Outgoing, live.Call.RecordingPath, live.Events = sidetone.CallInProgress, true, "", nil
	started := shaped(sidetone.ShapeRetell, sidetone.WebhookConnected, live)
	if c, _ := started["call"].(map[string]any); started["event"] != "call_started" || c["call_status"] != "ongoing" || c["direction"] != "outbound" || c["end_timestamp"] != nil {
		t.Errorf("%v", started)
	}
	for shape, has := range map[string][]string{sidetone.ShapeVapi: {sidetone.WebhookEnded, sidetone.WebhookDidNotConnect},
		sidetone.ShapeRetell: {sidetone.WebhookConnected, sidetone.WebhookEnded, sidetone.WebhookDidNotConnect, sidetone.WebhookInsights}} {
		var got []string
		for _, kind := range sidetone.Subscriptions() {
			if _, ok, _ := webhook.InShape(shape, kind, shapedCall()); ok {
				got = append(got, kind)
			}
		}
		if d := cmp.Diff(has, got); d != "" {
			t.Errorf("%s: %s", shape, d)
		}
	}
}

// TestReasonsOfShapes: each of our reasons has one of theirs.
func TestReasonsOfShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason       string
		answered     bool
		outgoing     bool
		status       sidetone.CallStatus
		outcome      sidetone.StageOutcome
		vapi, retell string
	}{
		{"hangup", true, false, sidetone.CallEnded, sidetone.OutcomeHumanDisconnected, "customer-ended-call", "user_hangup"},
		{"goodbye", true, false, sidetone.CallEnded, sidetone.OutcomeBotDisconnected, "assistant-ended-call", "agent_hangup"},
		{"idle", true, false, sidetone.CallEnded, sidetone.OutcomeBotDisconnected, "silence-timed-out", "inactivity"},
		{"max_duration", true, false, sidetone.CallEnded, sidetone.OutcomeBotDisconnected, "exceeded-max-duration", "max_duration_reached"},
		{"api", true, false, sidetone.CallEnded, sidetone.OutcomeBotDisconnected, "manually-canceled", "manual_stopped"},
		{"busy", false, true, sidetone.CallError, sidetone.OutcomeDidNotConnect, "customer-busy", "dial_busy"},
		{"no_answer", false, true, sidetone.CallError, sidetone.OutcomeHumanUnanswered, "customer-did-not-answer", "dial_no_answer"},
		{"failure", false, true, sidetone.CallError, sidetone.OutcomeDidNotConnect, "call.in-progress.error-sip-outbound-call-failed-to-connect", "dial_failed"},
		{"unavailable", false, false, sidetone.CallError, sidetone.OutcomeDidNotConnect, "call.in-progress.error-sip-inbound-call-failed-to-connect", "dial_failed"},
		{"server_restart", true, false, sidetone.CallError, sidetone.OutcomeBotDisconnected, "call.in-progress.sip-completed-call", "error_unknown"},
	} {
		r := shapedCall()
		r.Call.EndReason, r.Call.Outgoing, r.Call.Status, r.Call.Outcome = c.reason, c.outgoing, c.status, c.outcome
		if !c.answered {
			r.Call.Started = time.Time{}
		}
		var vapi struct{ Message struct{ EndedReason string } }
		var retell struct {
			Call struct {
				Reason string `json:"disconnection_reason"`
				Status string `json:"call_status"`
			}
		}
		for shape, into := range map[string]any{sidetone.ShapeVapi: &vapi, sidetone.ShapeRetell: &retell} {
			body, _, err := webhook.InShape(shape, sidetone.WebhookEnded, r)
			if err != nil || json.Unmarshal(body, into) != nil {
				t.Fatal(err)
			}
		}
		if vapi.Message.EndedReason != c.vapi || retell.Call.Reason != c.retell {
			t.Errorf("%s: got %s and %s", c.reason, vapi.Message.EndedReason, retell.Call.Reason)
		}
		if connected := retell.Call.Status != "not_connected"; connected != c.answered {
			t.Errorf("%s: the status is %s", c.reason, retell.Call.Status)
		}
	}
}

// TestRetellSignature is what sign of npm's retell-sdk 5.66.1 made of the same.
func TestRetellSignature(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	webhook.SignRetell(h, time.UnixMilli(1793527201000), []byte(`{"event":"call_ended"}`), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	if got, want := h.Get("x-retell-signature"), "v=1793527201000,d=961a22b8985af1aa8b9e1cb36c9e82640927e9227b82193f8e0cc822b9467815"; got != want {
		t.Errorf("got %s", got)
	}
}
