package api

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// goldenSnapshot has every field set.
func goldenSnapshot() sidetone.Snapshot {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	agent := sidetone.NewAgent("agent-1", "env-1", "prompt-1", at)
	change := sidetone.AgentChange{
		Key: sidetone.Some("reception"), Name: sidetone.Some("Reception"), Label: sidetone.Some("label"), Description: sidetone.Some("description"),
		InitialMessage: sidetone.Some("Good morning."), InitialMessageDelay: sidetone.Some(800 * time.Millisecond),
		ContextEndpoint: sidetone.Some("https://example.com/context"), IdleTime: sidetone.Some(15 * time.Second),
		CallDuration: sidetone.Some(10 * time.Minute), Provider: sidetone.Some("openai"), Model: sidetone.Some("model"),
		ModelOverride: sidetone.Some("override"), Temperature: sidetone.Some(0.5),
		Extra: sidetone.Some([]byte(`{"llm_fallback":{"provider":"azure"},"deepgram_keywords":["k"],"transcriber":{},"post_call_actions":[{}],"post_call_insights":[]}`)),
	}
	change.Apply(&agent, at)
	voice := sidetone.Voice{ID: "voice-1", Type: "voice_flite", Label: "slt", Description: "built in", Config: []byte(`{"voice_name":"slt"}`)}
	s := sidetone.Snapshot{Agent: agent, Prompt: goldenPrompt(), Voice: voice}
	goldenRelations(&s)
	return s
}

func goldenNumber() sidetone.Number {
	n := sidetone.NewNumber("number-1", "env-1", "+12025550101", "sip", time.Time{})
	n.Label, n.Description, n.ConnectionID, n.InboundAgentID = "Front desk", "main line", "trunk-1", "agent-1"
	n.ExampleContext, n.Tags = []byte(`{"name":"Ada"}`), []string{"tag"}
	n.MaxCalls = 3
	return n
}

func goldenCall() sidetone.Call {
	at := time.Date(2026, 11, 1, 11, 0, 0, 123456789, time.FixedZone("CET", 3600))
	return sidetone.Call{
		ID: "call-1", Status: sidetone.CallEnded, Stage: sidetone.StagePickedUp, Outcome: sidetone.OutcomeHumanDisconnected,
		Outgoing: true, FromNumber: "+12025550101", ToNumber: "+12025550199", AgentNumber: "+12025550101", AgentID: "agent-1",
		Provider: "sip", ConnectionID: "trunk-1", CarrierID: "sip-1", Snapshot: goldenSnapshot(), Context: []byte(`{"name":"Ada"}`),
		Params: []byte(`{"x":1}`), OnNoHuman: "hangup", RecordingPath: "/rec/1", Transcript: "[00:01.00] BOT: Hello",
		ErrorMessage: "the recogniser died", Errors: []string{"the recogniser died"}, EndReason: "hangup",
		HumanDetection: "human", DoNotCall: "no", Metadata: []byte(`{"call_status":"completed"}`),
		Created: at, Started: at.Add(time.Second), Ended: at.Add(time.Minute),
	}
}

func goldenActions() []sidetone.Event {
	at := goldenCall().Started.Add(5 * time.Second)
	return []sidetone.Event{
		{Kind: sidetone.EventAction, At: at, Text: "look_up", Data: []byte(`{"said":"no such name"}`)},
		{Kind: sidetone.EventAction, At: at, Text: "book", Data: []byte(`{"said":"failed: timeout"}`)},
		{Kind: sidetone.EventAction, At: at, Text: "Book Appointment", Data: []byte(`{"action_id":"action-1","action_type":"action_external",
			"parameters":{"day":"Monday"},"result":{"json":{"ok":true},"http_status_code":200,"error":null}}`)},
	}
}

// renderings are what the golden files hold, with the schema each must fit.
func renderings(p profile) map[string]struct {
	schema string
	value  object
} {
	v := newView(p, sidetone.Principal{AccountID: "account-1"}, "")
	wide := newView(p, sidetone.Principal{AccountID: "account-1"}, "inbound_agent, agent")
	snapshot, bare := goldenSnapshot(), sidetone.NewNumber("number-2", "env-1", "+12025550102", "simulated", time.Time{})
	plain := sidetone.Snapshot{Agent: sidetone.NewAgent("agent-2", "env-1", "prompt-2", time.Time{}),
		Prompt: sidetone.NewPrompt("prompt-2", "env-1", "x", time.Time{}), Voice: sidetone.Voice{ID: "voice-1", Type: "voice_flite"}}
	hipaa := goldenCall()
	hipaa.HIPAA = true
	return map[string]struct {
		schema string
		value  object
	}{
		"agent":            {"AgentDto", renderAgent(v, snapshot)},
		"agent-plain":      {"AgentDto", renderAgent(v, plain)},
		"number":           {"NormalizedNumberDto", renderNumber(v, goldenNumber(), &snapshot)},
		"number-plain":     {"NormalizedNumberDto", renderNumber(v, bare, nil)},
		"number-item":      {"NumberItem", renderNumber(v.item(), goldenNumber(), &snapshot)},
		"number-item-wide": {"NumberItem", renderNumber(wide.item(), goldenNumber(), &snapshot)},
		"number-for-sale":  {"AvailableNumber", renderAvailable(v, "simulated", telephony.AvailableNumber{Number: "+12025550103", Locality: "Washington", Country: "US"})},
		"call":             {"CallDto", renderCall(v, goldenCall(), "", goldenActions())},
		"call-hipaa":       {"CallDto", renderCall(v, hipaa, "", goldenActions())},
		"call-item":        {"CallItem", renderCall(v.item(), goldenCall(), "", goldenActions())},
		"call-item-wide":   {"CallItem", renderCall(wide.item(), goldenCall(), "", goldenActions())},
		"event":            {"CallEvent", renderEvent(v, sidetone.Event{CallID: "call-1", Sequence: 3, Kind: sidetone.EventTurn, At: goldenCall().Created, Offset: 1500 * time.Millisecond, Text: "t", Data: []byte(`{"gap_ms":41}`)})},
		"voice":            {"VoiceDto", renderVoice(v, snapshot.Voice)},
		"voice-vendor":     {"VoiceDto", renderVoice(v, goldenVoice())},
		"voice-item":       {"VoiceDto", renderVoice(v.item(), goldenVoice())},
		"prompt":           {"PromptDto", renderPrompt(v, goldenPrompt())},
		"prompt-item":      {"PromptDto", renderPrompt(v.item(), goldenPrompt())},
		"action":           {"ActionDto", renderAction(v, goldenAction())},
		"action-item":      {"ActionDto", renderAction(v.item(), goldenTransfer())},
		"webhook":          {"WebhookDto", renderWebhook(v, goldenWebhook())},
		"webhook-item":     {"WebhookDto", renderWebhook(v.item(), goldenWebhook())},
		"connection":       {"AccountConnectionDto", renderConnection(v, goldenConnection())},
		"connection-item":  {"AccountConnectionDto", renderConnection(v.item(), goldenConnection())},
		"vectors":          {"VectorDatabaseDto", renderVectorDatabase(v, goldenVectorDatabase())},
		"vectors-item":     {"VectorDatabaseDto", renderVectorDatabase(v.item(), goldenVectorDatabase())},
		"agent-item":       {"AgentDto", renderAgent(v.item(), snapshot)},
	}
}

// TestGoldenRenderings compares with testdata/PROFILE/NAME.json; with
// UPDATE_GOLDEN=1 it writes the files instead.
func TestGoldenRenderings(t *testing.T) {
	t.Parallel()
	doc := strictDocument(t)
	for name, r := range renderings(fluents()) {
		var got bytes.Buffer
		encoder := json.NewEncoder(&got)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r.value); err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(got.Bytes(), &plain); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas[r.schema].Value.VisitJSON(plain, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s does not fit %s: %v", name, r.schema, err)
		}
		path := filepath.Join("testdata", "fluents", name+".json")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// TestEveryDeclaredPropertyIsRendered finds properties that the document
// promises and nothing ever fills.
func TestEveryDeclaredPropertyIsRendered(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[string]bool{}
	see := func(schema string, o map[string]any) {
		if seen[schema] == nil {
			seen[schema] = map[string]bool{}
		}
		for name := range o {
			seen[schema][name] = true
		}
	}
	for _, r := range renderings(fluents()) {
		see(r.schema, r.value)
	}
	for schema, names := range seen {
		for name := range doc.Components.Schemas[schema].Value.Properties {
			if !names[name] {
				t.Errorf("%s.%s is declared and never rendered", schema, name)
			}
		}
	}
}
