package api

import (
	"encoding/json"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone"
)

// The plain nouns with every field set.

func goldenPrompt() sidetone.Prompt {
	p := sidetone.NewPrompt("prompt-1", "env-1", "Be kind, ${name}.", time.Time{})
	p.Key = "front-desk"
	p.Label, p.Description, p.ContextEndpoint = "label", "description", "https://example.com/prompt"
	p.Tags, p.CollectFields = []string{"tag"}, []byte(`["email",{"name":"phone"}]`)
	p.Template = sidetone.PromptTemplate{ID: "template-1", Label: "label", RequiredKeys: []string{"name"}}
	return p
}

func goldenAction() sidetone.Action {
	a := sidetone.NewAction("action-1", "env-1", time.Time{})
	sidetone.ActionChange{
		Key:  sidetone.Some("look-up"),
		Type: sidetone.Some("action_external"), Label: sidetone.Some("look up"), Description: sidetone.Some("description"),
		Config: sidetone.Some([]byte(`{"name":"look_up","description":"When asked.","url":"https://example.com/look-up",
			"input_schema":{"type":"object"},"speak_on_send":true}`)),
		SignatureSecret: sidetone.Some(sidetone.Secret("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")),
	}.Apply(&a, time.Time{})
	return a
}

func goldenTransfer() sidetone.Action {
	a := sidetone.NewAction("action-2", "env-1", time.Time{})
	sidetone.ActionChange{
		Type: sidetone.Some("action_transfer_call"), Config: sidetone.Some([]byte(`{"phone_number":"+12025550150"}`)),
		Trigger: sidetone.Some([]byte(`{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"one moment",
			"conditions":["phrase_condition_type_contains"]}]}}`)),
	}.Apply(&a, time.Time{})
	return a
}

// goldenVoice has the fields of all types.
func goldenVoice() sidetone.Voice {
	v := sidetone.NewVoice("voice-2", "env-1", time.Time{})
	sidetone.VoiceChange{
		Type: sidetone.Some("voice_eleven_labs"), Label: sidetone.Some("calm"), Description: sidetone.Some("description"),
		APIKey: sidetone.Some(sidetone.Secret("vendor-key-0123456789")),
		Config: sidetone.Some([]byte(`{"voice":"slt","voice_name":"n","pitch":1,"rate":15,"speaker":"s","speed_alpha":1.5,"model_id":"m",
			"voice_id":"v","stability":0.5,"similarity_boost":0.5,"optimize_streaming_latency":3,"experimental_input_streaming":true,
			"api_user_id":"u","version":"2","speed":1.25,"quality":"high","temperature":0.5,"top_p":0.5,"text_guidance":1.5,
			"voice_guidance":1.5,"experimental_remove_silence":true,"fallback":{"type":"voice_flite"}}`)),
	}.Apply(&v, time.Time{})
	return v
}

func goldenWebhook() sidetone.Webhook {
	h := sidetone.NewWebhook("webhook-1", "env-1", time.Time{})
	h.URL, h.Label, h.Description, h.ConnectionID = "https://example.com/webhook", "label", "description", "connection-1"
	h.Subscriptions = []string{"event_message", "event_action", "event_error", "event_phone_call_started"}
	h.Secret, h.Inactive, h.InactiveReason = "whsec_"+"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LQ==", true, sidetone.WebhookGone
	return h
}

// freshWebhook is one whose secret was rotated.
func freshWebhook() sidetone.Webhook {
	h := goldenWebhook()
	h.Inactive, h.InactiveReason = false, ""
	h.RotateSecret("whsec_"+"YW5vdGhlci1zZWNyZXQtYW5vdGhlci1zZWNyZXQt", sidetone.SecretOverlap, time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC))
	return h
}

// testedWebhook is the answer to its making.
func testedWebhook(v view) object {
	o := renderWebhook(v.showing("signature_secret"), freshWebhook())
	o["test"] = renderAttempt(sidetone.DeliveryAttempt{At: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), URL: "https://example.com/webhook", Failure: "connection", Error: "refused"})
	return o
}

// sampleDelivery is one that failed once.
func sampleDelivery() sidetone.Delivery {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	return sidetone.Delivery{ID: "delivery-1", EnvironmentID: "env-1", WebhookID: "webhook-1", CallID: "call-1", Type: sidetone.WebhookEnded, Sequence: 7,
		Body: []byte(`{"type":"event_phone_call_ended","payload":{"conversation_minutes":1.5}}`), State: sidetone.DeliveryWaiting, Attempts: 1,
		Failure: "server_error", Created: at, Queued: at, Due: at.Add(5 * time.Second)}
}

// goldenDelivery is it with its request.
func goldenDelivery() object {
	d := sampleDelivery()
	d.State, d.Settled = sidetone.DeliveryDead, d.Due
	o := renderDelivery(d)
	o["body"] = json.RawMessage(d.Body)
	o["requests"] = renderAttempts([]sidetone.DeliveryAttempt{{At: d.Created, Took: 12 * time.Millisecond, URL: "https://example.com/webhook", Status: 500,
		RequestHeaders: map[string]string{"Webhook-Id": "delivery-1"}, ResponseHeaders: map[string]string{"Content-Type": "text/plain"}, Response: "no", Failure: "server_error"}})
	return o
}

func goldenConnection() sidetone.Connection {
	c := sidetone.NewConnection("connection-1", "env-1", time.Time{})
	c.Type, c.Label, c.Description = "account_connection_twilio", "label", "description"
	c.Credentials = `{"twilio_account_sid":"AC0123456789","twilio_auth_token":"short"}`
	c.Config, c.SteeringPool, c.AnyCallerID, c.Default = []byte(`{"voicemail_detection":{}}`), []string{"+12025550150"}, true, true
	c.State = sidetone.AccountState{State: sidetone.AccountFailed, Since: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), Cause: "refused"}
	return c
}

func goldenVectorDatabase() sidetone.VectorDatabase {
	db := sidetone.NewVectorDatabase("vectors-1", "env-1", time.Time{})
	db.Index, db.APIKey, db.APIEnvironment = "index", "pinecone-key-123", "us-east1-gcp"
	return db
}

// goldenTrunk has everything that the document says of trunks.
func goldenTrunk() sidetone.Trunk {
	t := sidetone.NewTrunk("trunk-1", "env-1", time.Time{})
	t.Name, t.Secrets = "carrier", `{"password":"trunk-password-0123456789"}`
	doc, err := loadDocument()
	if err != nil {
		panic(err)
	}
	settings := sampleOf(doc.Components.Schemas["TrunkDto"].Value, "").(map[string]any)
	for _, name := range []string{"id", "user_id", "name", "password"} {
		delete(settings, name)
	}
	t.Settings, _ = json.Marshal(settings)
	return t
}

// sampleOf is a value of a schema.
func sampleOf(s *openapi3.Schema, name string) any {
	switch {
	case s.Type.Is("object"):
		out := map[string]any{}
		for member, of := range s.Properties {
			out[member] = sampleOf(of.Value, member)
		}
		return out
	case s.Type.Is("array"):
		return []any{sampleOf(s.Items.Value, name)}
	case s.Type.Is("boolean"):
		return true
	case s.Type.Is("integer"), s.Type.Is("number"):
		return 7
	}
	return "a " + name
}

func goldenDNC() sidetone.DNCNumber {
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	return sidetone.DNCNumber{ID: "dnc-1", Number: "+2025550199", Written: "(202) 555-0199", Reason: "asked", Created: at, Updated: at.Add(time.Hour)}
}

// goldenRelations gives a snapshot everything that an agent can name.
func goldenRelations(s *sidetone.Snapshot) {
	h, c, db := goldenWebhook(), goldenConnection(), goldenVectorDatabase()
	s.Actions, s.Webhook, s.ModelAccount, s.VectorDatabase = []sidetone.Action{goldenAction(), goldenTransfer()}, &h, &c, &db
	s.Agent.ActionIDs, s.Agent.WebhookID = []string{"action-1", "action-2"}, h.ID
	s.Agent.ModelAccount, s.Agent.VectorDatabaseID = c.ID, db.ID
}
