package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/standin/hearing"
)

// customer is an agent as a client of one kind makes it.
type customer struct{ name, sdk, language, body string }

// customers are agents of clients that know nothing of our vendors beyond what
// they were made for.
func customers() (out []customer) {
	for voice, members := range map[string]string{
		"voice_eleven_labs": `"voice_id":"21m00Tcm4TlvDq8ikWAM","stability":0.5,"similarity_boost":0.75`,
		"voice_azure":       `"voice_name":"en-US-SteffanNeural","pitch":0,"rate":15`,
		"voice_rime":        `"speaker":"luna","speed_alpha":1.0`,
	} {
		speaker := `"voice":{"type":"` + voice + `",` + members + `}`
		out = append(out,
			customer{"fluents " + voice, "", "", `{"name":"Survey","label":"Survey","prompt":{"content":"Ask three questions."},"actions":[],"language":"en",
				"provider":"openai","model":"gpt-4o","initial_message":"Hello there.","enable_dynamic_turns":true,"interrupt_sensitivity":"low","llm_temperature":0.2,` + speaker + `}`},
			customer{"vocode-python " + voice, "vocode-api", "Python", `{"name":"Reception","prompt":{"content":"Be kind.","collect_fields":[],"context_endpoint":{}},"language":"en",
				"actions":[],"initial_message":"Hello there.","initial_message_delay":0.2,"webhook":{},` + speaker + `}`},
			customer{"vocode-javascript " + voice, "@vocode/vocode-api", "JavaScript", `{"prompt":{"content":"Be kind.","collectFields":null},"language":"en","actions":[],
				"initial_message":"Hello there.","vector_database":null,"interrupt_sensitivity":"high",` + speaker + `}`})
	}
	return out
}

// TestClientsAgentsTalk lets agents of all kinds of client talk through the vendors
// that they were made for: only keys were configured.
func TestClientsAgentsTalk(t *testing.T) {
	t.Parallel()
	listen(t)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	s := start(t, p.env()...)
	sideBySide(t, atOnce, customers(), func(c customer) string { return c.name }, func(t *testing.T, c customer) {
		ctx := within(t, time.Minute)
		v := s.ring(t, ctx, s.placeID(t, s.createAs(t, c)), toneLine("what is the price", 0))
		if got := strings.Join(toneWords(v.heard), " "); got != "hello there it costs ten dollars" {
			t.Errorf("the caller heard %q", got)
			v.log(t)
		}
	})
	for vendor, part := range map[string]string{"openai": modelPart, "elevenlabs": voicePart, "azure_speech": voicePart, "rime": voicePart} {
		if len(p.control[vendor+" "+part].Ledger()) == 0 {
			t.Errorf("%s was not asked", vendor)
		}
	}
	for _, other := range []string{"anthropic", "google"} {
		if asked := p.control[other+" "+modelPart].Ledger(); len(asked) > 0 {
			t.Errorf("%s was asked", other)
		}
	}
	p.idle(t)
}

// createAs makes an agent with the headers of a client.
func (s *server) createAs(t *testing.T, c customer) (id string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http+"/v1/agents/create", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "application/json")
	if c.sdk != "" {
		r.Header.Set("X-Fern-SDK-Name", c.sdk)
		r.Header.Set("X-Fern-Language", c.language)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var made struct{ ID, Message string }
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("create an agent: %s, %q, %v", res.Status, made.Message, err)
	}
	return made.ID
}
