package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	difference "github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
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
		Extra: sidetone.Some([]byte(`{"llm_fallback":{"provider":"azure","model_name":"gpt-4"},"deepgram_keywords":["k"],"transcriber":{},"post_call_actions":[{}],"post_call_insights":[],"transfer_on_failure":"+12025550123","transfer":"refer","ai_disclosure":{"mode":"auto","text":"You are speaking with a machine.","texts":{"DE":"Sie sprechen mit einer Maschine."}}}`)),
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
	n.Carrier = sidetone.AccountState{State: sidetone.AccountFailed, Since: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), Cause: "refused"}
	n.MaxCalls, n.Config = 3, []byte(`{"forward_to":"desk"}`)
	return n
}

func goldenCall() sidetone.Call {
	at := time.Date(2026, 11, 1, 11, 0, 0, 123456789, time.FixedZone("CET", 3600))
	return sidetone.Call{
		ID: "call-1", Status: sidetone.CallEnded, Stage: sidetone.StagePickedUp, Outcome: sidetone.OutcomeHumanDisconnected,
		Outgoing: true, FromNumber: "+12025550101", ToNumber: "+12025550199", AgentNumber: "+12025550101", AgentID: "agent-1",
		Provider: "twilio", ConnectionID: "trunk-1", CarrierID: "sip-1", Snapshot: goldenSnapshot(), Context: []byte(`{"name":"Ada"}`),
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
		{Kind: sidetone.EventCollected, At: at, Text: "pin", Data: []byte(`{"value":"****"}`)},
	}
}

// rendering is one golden file: the schema of our document that it must fit,
// and the type of the ancestor's SDKs, "" when they have none for it.
type rendering struct {
	schema, sdk string
	value       object
}

// renderings are what the golden files of a profile hold.
func renderings(p dialect.Profile) map[string]rendering {
	v := newView(p, sidetone.Principal{AccountID: "account-1"}, "")
	wide := newView(p, sidetone.Principal{AccountID: "account-1"}, "inbound_agent, agent").item()
	full, bare := goldenSnapshot(), sidetone.NewNumber("number-2", "env-1", "+12025550102", "simulated", time.Time{})
	plain := sidetone.Snapshot{Agent: sidetone.NewAgent("agent-2", "env-1", "prompt-2", time.Time{}),
		Prompt: sidetone.NewPrompt("prompt-2", "env-1", "x", time.Time{}), Voice: sidetone.Voice{ID: "voice-1", Type: "voice_flite"}}
	var nobody *sidetone.Snapshot
	if unassigned := unassignedAgent("env-1", full.Voice); p.Unassigned {
		nobody = &unassigned
	}
	hipaa := goldenCall()
	hipaa.HIPAA = true
	metered := goldenCall()
	metered.Used = []sidetone.Used{
		{Part: "model", Vendor: "openai", Account: "server", Hosts: []string{"api.openai.com"}, Requests: 3, Units: map[string]float64{"input_tokens": 812}},
		{Part: "voice", Vendor: "local", Requests: 4}}
	metered.Line = &sidetone.LineQuality{RoundTrip: 41250 * time.Microsecond,
		Near: &sidetone.Reception{Packets: 1500, Lost: 7, Jitter: 1360 * time.Microsecond, JitterMax: 9 * time.Millisecond, MOS: 4.34}}
	analysed := goldenCall()
	analysed.Insights = &sidetone.Insights{State: sidetone.InsightsReady, Attempts: 1, Settled: analysed.Ended, Results: []sidetone.InsightResult{
		{Name: "summary", Kind: sidetone.InsightSummary, Value: []byte(`"They booked."`)}, {Name: "success", Kind: sidetone.InsightSuccess, Value: []byte(`{"score":90,"successful":true}`)},
		{Name: "day", Kind: sidetone.InsightData, Failure: "the model's answer was not usable: it is missing"}}}
	signalled := goldenCall()
	signalled.HeadersOut = map[string]string{"X-Campaign": "42"}
	signalled.Signalling = sidetone.Signalling{Said: map[string]string{"customer": "4711"}, Attestation: map[string]string{"P-Attestation-Indicator": "A"},
		Parts: []sidetone.BodyPart{{Type: "application/pidf+xml", Content: "<presence/>"}, {Type: "image/x", Content: "AAH/", Encoding: "base64", Truncated: true}}}
	nobodys := sidetone.RefusedCall{ID: "refused-1", Trunk: "carrier", Source: "198.51.100.7:5060", CarrierID: "c@carrier", FromNumber: "2025550199", ToNumber: "4155550123",
		Number: "+14155550123", Tried: []string{"+4155550123", "+14155550123"}, Cause: "unknown_number", Reason: "no environment has the number", Count: 2,
		Exchange: sampleLadder().Messages, Created: goldenCall().Created, Last: goldenCall().Created}
	waiting := sidetone.Call{ID: "call-2", Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated, FromNumber: "+12025550101",
		ToNumber: "+12025550198", AgentNumber: "+12025550101", AgentID: "agent-2", Provider: "simulated", Snapshot: plain}
	refused := waiting
	refused.ID, refused.Status, refused.Outcome, refused.EndReason, refused.RefusedCount = "call-3", sidetone.CallError, sidetone.OutcomeDidNotConnect, "unavailable", 17
	refused.ErrorMessage, refused.Errors = "the number has no agent", []string{"the number has no agent"}
	refused.Created, refused.Ended = goldenCall().Created, goldenCall().Created
	offer := telephony.AvailableNumber{Number: "+12025550103", Locality: "Washington", Country: "US"}
	azure := sidetone.Voice{ID: "voice-2", Type: "voice_azure", Config: []byte(`{"voice_name":"en-US-JennyNeural","pitch":0,"rate":15}`)}
	moment := sidetone.Event{CallID: "call-1", Sequence: 3, Kind: sidetone.EventTurn, At: goldenCall().Created, Offset: 1500 * time.Millisecond,
		Text: "t", Data: []byte(`{"gap_ms":41}`)}
	warm := sidetone.Action{ID: "action-3", Type: "action_warm_transfer", Label: "to a colleague", Config: []byte(`{}`), Trigger: []byte(`{"type":"action_trigger_function_call","config":{}}`)}
	model := sidetone.Connection{ID: "connection-2", Type: "account_connection_google", Credentials: `{"google_api_key":"AIza0123456789"}`, Config: []byte(`{}`), SteeringPool: []string{}}
	i := v.item()
	return map[string]rendering{
		"agent":              {"AgentDto", "Agent", renderAgent(v, full)},
		"agent-plain":        {"AgentDto", "Agent", renderAgent(v, plain)},
		"agent-list":         {"AgentPage", "AgentPage", goldenPage(renderAgent(i, full), renderAgent(i, plain))},
		"number":             {"NormalizedNumberDto", "PhoneNumber", renderNumber(v, goldenNumber(), &full)},
		"number-plain":       {"NormalizedNumberDto", "PhoneNumber", renderNumber(v, bare, nobody)},
		"number-list":        {"NumberPage", "PhoneNumberPage", goldenPage(renderNumber(i, goldenNumber(), &full), renderNumber(i, bare, nobody))},
		"number-list-wide":   {"NumberPage", "", goldenPage(renderNumber(wide, goldenNumber(), &full))},
		"number-for-sale":    {"AvailableNumberPage", "", without(goldenPage(renderAvailable(v, "simulated", offer)), "next_cursor")},
		"call":               {"CallDto", "Call", renderCall(v, goldenCall(), "", goldenActions())},
		"call-plain":         {"CallDto", "Call", renderCall(v, waiting, "", nil)},
		"call-hipaa":         {"CallDto", "Call", renderCall(v, hipaa, "", goldenActions())},
		"call-list":          {"CallPage", "CallPage", goldenPage(renderCall(i, goldenCall(), "", nil), renderCall(i, waiting, "", nil))},
		"call-refused":       {"CallDto", "Call", renderCall(v, refused, "", nil)},
		"call-usage":         {"CallDto", "Call", renderCall(v, metered, "", nil)},
		"call-insights":      {"CallDto", "Call", renderCall(v, analysed, "", nil)},
		"call-list-insights": {"CallPage", "CallPage", goldenPage(renderCall(i, analysed, "", nil))},
		"call-signalling":    {"CallDto", "Call", renderCall(v, signalled, "", nil)},
		"call-list-headers":  {"CallPage", "CallPage", goldenPage(renderCall(i, signalled, "", nil))},
		"refusals":           {"RefusalPage", "", goldenPage(renderRefusal(nobodys))},
		"call-list-refused":  {"CallPage", "CallPage", goldenPage(renderCall(i, refused, "", nil))},
		"call-list-wide":     {"CallPage", "", goldenPage(renderCall(wide, goldenCall(), "", nil))},
		"ladder":             {"CallLadder", "", renderLadder(sampleLadder())},
		"turns":              {"CallTurns", "", goldenTurns()},
		"event":              {"CallEvent", "", renderEvent(v, moment)},
		"voice":              {"VoiceDto", "Voice", renderVoice(v, full.Voice)},
		"voice-vendor":       {"VoiceDto", "Voice", renderVoice(v, goldenVoice())},
		"voice-list":         {"VoicePage", "VoicePage", goldenPage(renderVoice(i, full.Voice), renderVoice(i, goldenVoice()), renderVoice(i, azure))},
		"prompt":             {"PromptDto", "Prompt", renderPrompt(v, goldenPrompt())},
		"prompt-list":        {"PromptPage", "PromptPage", goldenPage(renderPrompt(i, goldenPrompt()), renderPrompt(i, plain.Prompt))},
		"action":             {"ActionDto", "Action", renderAction(v, goldenAction())},
		"action-warm":        {"ActionDto", "Action", renderAction(v, warm)},
		"action-list":        {"ActionPage", "ActionPage", goldenPage(renderAction(i, goldenAction()), renderAction(i, goldenTransfer()), renderAction(i, warm))},
		"webhook":            {"WebhookDto", "Webhook", renderWebhook(v, goldenWebhook())},
		"webhook-fresh":      {"WebhookDto", "Webhook", testedWebhook(v)},
		"delivery":           {"WebhookDeliveryDto", "", goldenDelivery()},
		"delivery-list":      {"WebhookDeliveryPage", "", goldenPage(renderDelivery(sampleDelivery()))},
		"webhook-list":       {"WebhookPage", "WebhookPage", goldenPage(renderWebhook(i, goldenWebhook()))},
		"connection":         {"AccountConnectionDto", "AccountConnection", renderConnection(v, goldenConnection())},
		"connection-list":    {"AccountConnectionPage", "AccountConnectionPage", goldenPage(renderConnection(i, goldenConnection()), renderConnection(i, model))},
		"vectors":            {"VectorDatabaseDto", "PineconeVectorDatabase", renderVectorDatabase(v, goldenVectorDatabase())},
		"vectors-list":       {"VectorDatabasePage", "VectorDatabasePage", goldenPage(renderVectorDatabase(i, goldenVectorDatabase()))},
		"trunk":              {"TrunkDto", "", renderTrunk(v, goldenTrunk())},
		"trunk-list":         {"TrunkPage", "", goldenPage(renderTrunk(i, goldenTrunk()))},
		"dnc":                {"DncNumberDto", "", renderDNC(v, goldenDNC(), []string{"US"})},
		"dnc-list":           {"DncNumberPage", "", goldenPage(renderDNC(i, goldenDNC(), []string{"US"}))},
	}
}

func goldenPage(items ...object) object {
	page := sidetone.Page[object]{Items: items, Page: 1, Size: 10, HasMore: true, NextCursor: "cursor-1", Total: 12}
	return renderPage(page, func(o object) object { return o })
}

func without(o object, name string) object {
	delete(o, name)
	return o
}

// goldenDir is where the golden files of a profile are.
func goldenDir(p dialect.Profile) string {
	if language, isVocode := strings.CutPrefix(p.Name, "vocode"); isVocode {
		return filepath.Join("testdata", "vocode", cmp.Or(strings.TrimPrefix(language, "-"), "neutral"))
	}
	return filepath.Join("testdata", p.Name)
}

// TestGoldenRenderings compares with the golden files of each profile; with
// UPDATE_GOLDEN=1 it writes them instead.
func TestGoldenRenderings(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("it starts no goroutine: make test runs it without the race detector")
	}
	doc := strictDocument(t)
	for _, p := range dialect.Profiles() {
		schemas := sdkSchemas(t, p)
		for name, r := range renderings(p) {
			text := indented(t, r.value)
			var value any
			if err := json.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			if err := answerSchema(t, doc, r.schema, p).VisitJSON(value, openapi3.MultiErrors()); err != nil {
				t.Errorf("%s: %s does not fit %s: %v", p.Name, name, r.schema, err)
			}
			if p.Name != "fluents" && r.sdk != "" {
				if err := schemas(r.sdk).Validate(value); err != nil {
					t.Errorf("%s: the SDK refuses %s as %s: %v", p.Name, name, r.sdk, err)
				}
			}
			compareGolden(t, filepath.Join(goldenDir(p), name+".json"), text)
		}
	}
}

// answerSchema is the schema that stands for the named one in a profile.
func answerSchema(t *testing.T, doc *openapi3.T, name string, p dialect.Profile) *openapi3.Schema {
	t.Helper()
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				media := response.Value.Content.Get("application/json")
				if media != nil && media.Schema.Ref == "#/components/schemas/"+name {
					return schemaFor(doc, media, p)
				}
			}
		}
	}
	return doc.Components.Schemas[name].Value
}

func indented(t *testing.T, value any) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, got, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", path, diff)
	}
}

// sdkSchemas finds the schemas of what the SDK of a profile accepts by the name
// of a type; fluents clients have none.
func sdkSchemas(t *testing.T, p dialect.Profile) func(string) *jsonschema.Schema {
	t.Helper()
	path := filepath.Join("testdata", "vocode", "schemas", p.Name+".json")
	return func(name string) *jsonschema.Schema {
		t.Helper()
		schema, err := jsonschema.NewCompiler().Compile(path + "#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return schema
	}
}

// TestSDKSchemasHoldTheMatrix asks the transcribed schemas about what each SDK
// was seen to accept and to refuse: schemas that take everything prove nothing.
func TestSDKSchemasHoldTheMatrix(t *testing.T) {
	t.Parallel()
	python, javaScript := dialect.VocodePython(), dialect.VocodeJavaScript()
	for _, test := range []struct {
		p           dialect.Profile
		golden, sdk string
		change      func(map[string]any)
		accepted    bool
	}{
		{python, "agent", "Agent", func(o map[string]any) { o["voice"].(map[string]any)["type"] = "voice_flite" }, false},
		{javaScript, "agent", "Agent", func(o map[string]any) { o["voice"].(map[string]any)["type"] = "voice_flite" }, true},
		{python, "agent", "Agent", func(o map[string]any) { o["prompt"] = "prompt-1" }, false},
		{python, "agent", "Agent", func(o map[string]any) { o["language"], o["new"] = "xx", 1.0 }, true},
		{python, "agent", "NormalizedAgent", func(map[string]any) {}, false},
		{javaScript, "agent", "NormalizedAgent", func(map[string]any) {}, false},
		{python, "agent", "Agent", func(o map[string]any) { o["prompt"].(map[string]any)["collect_fields"] = []any{"email"} }, false},
		{python, "number", "PhoneNumber", func(o map[string]any) { o["inbound_agent"] = nil }, true},
		{javaScript, "number", "PhoneNumber", func(o map[string]any) { o["inbound_agent"] = nil }, false},
		{javaScript, "number", "PhoneNumber", func(o map[string]any) { delete(o, "inbound_agent") }, false},
		{python, "number", "PhoneNumber", func(o map[string]any) { o["inbound_agent"] = "agent-1" }, false},
		{python, "number", "PhoneNumber", func(o map[string]any) { o["telephony_account_connection"] = "trunk-1" }, false},
		{javaScript, "number", "PhoneNumber", func(o map[string]any) { o["telephony_account_connection"] = "trunk-1" }, false},
		{python, "number", "NormalizedPhoneNumber", func(map[string]any) {}, false},
		{javaScript, "call", "Call", func(o map[string]any) { o["start_time"] = 1738837800.12 }, false},
		{javaScript, "call", "Call", func(o map[string]any) { o["start_time"] = "1738837800.12" }, false},
		{javaScript, "call", "Call", func(o map[string]any) { o["start_time"] = nil }, true},
		{python, "call", "Call", func(o map[string]any) { o["agent"] = "agent-1" }, false},
		{python, "call", "NormalizedCall", func(map[string]any) {}, false},
		{python, "call-list", "CallPage", func(o map[string]any) { firstItem(o)["start_time"] = "2025-02-06T10:30:00.123Z" }, false},
		{python, "call-list", "CallPage", func(o map[string]any) { firstItem(o)["start_time"] = "1738837800.12" }, true},
		{javaScript, "call-list", "CallPage", func(o map[string]any) { firstItem(o)["start_time"] = 1738837800.12 }, false},
		{javaScript, "call-list", "CallPage", func(o map[string]any) { firstItem(o)["start_time"] = nil }, true},
		{python, "call", "Call", func(o map[string]any) { o["telephony_provider"] = "telnyx" }, true},
		{python, "call", "Call", func(o map[string]any) { o["context"] = map[string]any{"n": 1.0} }, false},
	} {
		raw, err := os.ReadFile(filepath.Join(goldenDir(test.p), test.golden+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var value map[string]any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatal(err)
		}
		test.change(value)
		if err := sdkSchemas(t, test.p)(test.sdk).Validate(value); (err == nil) != test.accepted {
			t.Errorf("%s: %s as %s: got %v, accepted should be %v", test.p.Name, test.golden, test.sdk, err, test.accepted)
		}
	}
}

func firstItem(page map[string]any) map[string]any {
	return page["items"].([]any)[0].(map[string]any)
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
	see := func(schema string, o object) {
		if seen[schema] == nil {
			seen[schema] = map[string]bool{}
		}
		for name := range o {
			seen[schema][name] = true
		}
	}
	for _, r := range renderings(dialect.Fluents()) {
		see(r.schema, r.value)
		if items, isPage := r.value["items"].([]object); isPage {
			for _, item := range items {
				see(itemSchema(doc.Components.Schemas[r.schema].Value), item)
			}
		}
	}
	for schema, names := range seen {
		for name := range doc.Components.Schemas[schema].Value.Properties {
			if !names[name] {
				t.Errorf("%s.%s is declared and never rendered", schema, name)
			}
		}
	}
}

// itemSchema is the name of the schema of a page's items.
func itemSchema(page *openapi3.Schema) string {
	return strings.TrimPrefix(page.Properties["items"].Value.Items.Ref, "#/components/schemas/")
}

// goldenTurns are a greeting that was cut off and the answer to what did that.
func goldenTurns() object {
	turns, err := renderTurns([]sidetone.Event{
		{CallID: "call-1", Data: []byte(`{"number":1,"kind":"unasked","from_ms":0,"to_ms":2100.5,"interrupted":true,"barge_in_ms":96.2,"silence_ms":120.1,"stages":{"voice":110,"playout":10.1},"vendors":{"voice":"local"}}`)},
		{CallID: "call-1", Data: []byte(`{"number":2,"kind":"reply","from_ms":2100.5,"to_ms":6000,"rule":"short","wait_ms":500,"final_ms":420,"commit_ms":500,"model_first_ms":900,"say_ms":910,"gap_ms":1200.2,` +
			`"silence_ms":1200.2,"stages":{"endpoint_wait":500,"model":410,"voice":280.2,"playout":10},"vendors":{"recogniser":"deepgram","model":"openai","voice":"elevenlabs"}}`)},
	})
	if err != nil {
		panic(err)
	}
	return turns
}
