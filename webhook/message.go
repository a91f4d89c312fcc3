package webhook

import (
	"cmp"
	"encoding/json"
	"net/url"
	"time"

	"github.com/sidetone/sidetone"
)

// Message is something that a webhook may be told.
type Message struct {
	// Type is one of sidetone.Subscriptions().
	Type string
	// Once says that a call has at most one message of the type.
	Once bool
	// Payload becomes a JSON object.
	Payload map[string]any
}

// Test is the type of the message that shows whether a webhook can be reached.
const Test = "event_test"

// TestBody is what is sent of it.
func TestBody(id string, at time.Time) ([]byte, error) {
	return Body(sidetone.Delivery{ID: id, Type: Test, Created: at}, map[string]any{"message": "This is a test. Nothing happened."})
}

// Started tells that a call begins: one that came in rings, or one that is to be placed
// was accepted.
func Started(c sidetone.Call) Message {
	payload := parties(c)
	payload["direction"] = "inbound"
	if c.Outgoing {
		payload["direction"] = "outbound"
	}
	setText(payload, "agent_id", c.AgentID)
	return Message{Type: sidetone.WebhookStarted, Once: true, Payload: payload}
}

// Connected tells that a call was answered. The names of its payload's members are those
// of the event in https://github.com/vocodedev/vocode-core, vocode/streaming/models/events.py.
func Connected(c sidetone.Call) Message {
	return Message{Type: sidetone.WebhookConnected, Once: true, Payload: parties(c)}
}

// Said tells what an entry of a call's record tells, if webhooks are told of it. An entry
// without text, of a call that must leave no trace of what was said, is not.
func Said(e sidetone.Event) (Message, bool) {
	if e.Text == "" {
		return Message{}, false
	}
	at := instant(e.At)
	switch e.Kind {
	case sidetone.EventCaller:
		return Message{Type: sidetone.WebhookMessage, Payload: map[string]any{"text": e.Text, "sender": "human", "timestamp": at}}, true
	case sidetone.EventAgent:
		return Message{Type: sidetone.WebhookMessage, Payload: map[string]any{"text": e.Text, "sender": "bot", "timestamp": at}}, true
	case sidetone.EventAction:
		var data struct {
			Said    string          `json:"said"`
			Input   json.RawMessage `json:"parameters"`
			Outcome string          `json:"outcome"`
			ID      string          `json:"action_id"`
			Type    string          `json:"action_type"`
		}
		_ = json.Unmarshal(e.Data, &data) // without data nothing is known of the outcome
		payload := map[string]any{"action": e.Text, "timestamp": at}
		setText(payload, "action_output", data.Said)
		setText(payload, "outcome", data.Outcome)
		setText(payload, "action_id", data.ID)
		setText(payload, "action_type", data.Type)
		if data.Input != nil {
			payload["action_input"] = data.Input
		}
		return Message{Type: sidetone.WebhookAction, Payload: payload}, true
	case sidetone.EventError:
		return Message{Type: sidetone.WebhookError, Payload: map[string]any{"message": e.Text, "timestamp": at}}, true
	}
	return Message{}, false
}

// Over tells the end of a call: the conversation and the recording where there are any,
// then whether it had been answered. c is the call as its end is stored; base is the
// address of the interface, in front of the recording's path, or ""; collected are the
// values of the prompt's fields.
func Over(c sidetone.Call, base string, collected map[string]string) []Message {
	if c.Started.IsZero() {
		payload := parties(c)
		payload["telephony_status"] = cmp.Or(c.EndReason, string(c.Outcome))
		setText(payload, "error_message", c.ErrorMessage)
		return []Message{{Type: sidetone.WebhookDidNotConnect, Once: true, Payload: payload}}
	}
	var out []Message
	if c.Transcript != "" {
		out = append(out, Message{Type: sidetone.WebhookTranscript, Once: true, Payload: map[string]any{"transcript": c.Transcript}})
	}
	if c.RecordingPath != "" {
		out = append(out, Message{Type: sidetone.WebhookRecording, Once: true, Payload: map[string]any{"recording_url": RecordingURL(c.ID, base)}})
	}
	payload := parties(c)
	payload["conversation_minutes"] = c.Ended.Sub(c.Started).Minutes()
	payload["status"], payload["stage_outcome"] = c.Status, c.Outcome
	payload["start_time"], payload["end_time"] = instant(c.Started), instant(c.Ended)
	setText(payload, "end_reason", c.EndReason)
	setText(payload, "error_message", c.ErrorMessage)
	if len(collected) > 0 {
		payload["collected_fields"] = collected
	}
	return append(out, Message{Type: sidetone.WebhookEnded, Once: true, Payload: payload})
}

// Analysed tells what was found out after a call, or why nothing was.
func Analysed(c sidetone.Call) Message {
	payload := parties(c)
	if c.DoNotCall != "" {
		payload["do_not_call_result"] = c.DoNotCall == "yes"
	}
	if i := c.Insights; i != nil {
		payload["status"] = i.State
		setText(payload, "error", i.Failure)
		results := make([]map[string]any, len(i.Results))
		for n, r := range i.Results {
			results[n] = map[string]any{"name": r.Name, "type": r.Kind}
			if r.Value != nil {
				results[n]["value"] = r.Value
			}
			setText(results[n], "error", r.Failure)
		}
		payload["results"] = results
	}
	return Message{Type: sidetone.WebhookInsights, Once: true, Payload: payload}
}

// RecordingURL is where a call's recording is fetched, with a key of the interface.
func RecordingURL(callID, base string) string {
	return base + "/v1/calls/recording?id=" + url.QueryEscape(callID)
}

// parties are the two numbers of a call.
func parties(c sidetone.Call) map[string]any {
	return map[string]any{"from_phone_number": c.FromNumber, "to_phone_number": c.ToNumber}
}

func setText(o map[string]any, name, text string) {
	if text != "" {
		o[name] = text
	}
}

// instant is a time as the interface shows times.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Body is what is sent of a delivery: the contract's envelope {type, call_id, payload},
// and ours beside it.
func Body(d sidetone.Delivery, payload map[string]any) ([]byte, error) {
	return json.Marshal(struct {
		Type      string         `json:"type"`
		CallID    string         `json:"call_id"`
		Payload   map[string]any `json:"payload"`
		ID        string         `json:"id"`
		Sequence  int64          `json:"sequence"`
		CreatedAt string         `json:"created_at"`
	}{d.Type, d.CallID, payload, d.ID, d.Sequence, instant(d.Created)})
}
