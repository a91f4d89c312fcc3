package sidetone_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

// external is an external action with all that it needs.
func external() sidetone.Action {
	a := sidetone.NewAction("a", "e", time.Time{})
	sidetone.ActionChange{Type: sidetone.Some("action_external"), Config: sidetone.Some([]byte(`{"name":"n","description":"d",
		"url":"https://example.com/x","input_schema":{"type":"object"}}`))}.Apply(&a, time.Time{})
	return a
}

func TestActionDefaults(t *testing.T) {
	t.Parallel()
	a := external()
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	want := `{"description":"d","input_schema":{"type":"object"},"name":"n","processing_mode":"muted","speak_on_receive":false,"speak_on_send":false,"url":"https://example.com/x"}`
	if diff := cmp.Diff(want, string(a.Config)); diff != "" {
		t.Error(diff)
	}
	secret := a.SignatureSecret
	if len(secret.Reveal()) != 44 || secret == external().SignatureSecret {
		t.Error("the secret is not 32 random bytes in base64")
	}
	change := func(c sidetone.ActionChange) { c.Apply(&a, time.Time{}) }
	change(sidetone.ActionChange{Config: sidetone.Some([]byte(`{"speak_on_send":"One moment.","description":null}`))})
	if !strings.Contains(string(a.Config), `"One moment."`) || strings.Contains(string(a.Config), "description") || a.SignatureSecret != secret {
		t.Errorf("got %s", a.Config)
	}
	change(sidetone.ActionChange{SignatureSecret: sidetone.None[sidetone.Secret]()})
	if a.SignatureSecret == secret || a.SignatureSecret == "" {
		t.Error("null makes no other secret")
	}
	change(sidetone.ActionChange{Type: sidetone.Some("action_end_conversation"), Trigger: sidetone.Some([]byte(`{}`))})
	if string(a.Config) != "{}" || a.SignatureSecret != "" || !strings.Contains(string(a.Trigger), "action_trigger_function_call") {
		t.Errorf("another type keeps %s, %s", a.Config, a.Trigger)
	}
}

func TestActionValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, config, trigger, want string }{
		{"action_end_conversation", `{}`, ``, ""},
		{"action_warm_transfer", `{"anything":[1]}`, ``, ""},
		{"fly", `{}`, ``, "type must be one of " + strings.Join(sidetone.ActionTypes(), ", ")},
		{"action_transfer_call", `{"Phone_number":"+12025550100"}`, ``, "config.phone_number is required"},
		{"action_transfer_call", `{"phone_number":7}`, ``, "config.phone_number must be a phone number with plus and country code"},
		{"action_add_to_conference", `{"phone_number":"+12025550100"}`, ``, ""},
		{"action_add_to_conference", `{"phone_number":"+12025550100","place_primary_on_hold":1}`, ``, "config.place_primary_on_hold must be true or false"},
		{"action_external", `{"name":"n","description":"d"}`, ``, "config.url is required"},
		{"action_external", `{"name":1}`, ``, "config.name must be a string"},
		{"action_external", `{"name":"n","description":"d","url":"ftp://x"}`, ``, "config.url must be an address such as https://example.com/path, without a user"},
		{"action_external", `{"name":"n","description":"d","url":"https://u:p@x"}`, ``, "config.url must be an address such as https://example.com/path, without a user"},
		{"action_external", `{"name":"n","description":"d","url":"https://x"}`, ``, "config.input_schema is required"},
		{"action_external", `{"name":"n","description":"d","url":"https://x","input_schema":{"type":"array"}}`, ``, "config.input_schema must be the JSON Schema of an object"},
		{"action_external", `{"name":"n","description":"d","url":"https://x","input_schema":{},"speak_on_send":1}`, ``, "config.speak_on_send must be true, false, a sentence or a list of sentences"},
		{"action_external", `{"name":"n","description":"d","url":"https://x","input_schema":{},"processing_mode":"loud"}`, ``, "config.processing_mode must be one of muted, normal"},
		{"action_external", least(`"speak_on_send":["One moment.","Let me see."],"speak_on_receive":"Done.","speak_on_wait":"Still here.","wait_seconds":2,"speak_on_failure":false`), ``, ""},
		{"action_external", least(`"speak_on_send":[]`), ``, "config.speak_on_send must be true, false, a sentence or a list of sentences"},
		{"action_external", least(`"speak_on_receive":["x",1]`), ``, "config.speak_on_receive must have sentences that say something"},
		{"action_external", least(`"speak_on_failure":true`), ``, "config.speak_on_failure must be a sentence or a list of sentences"},
		{"action_external", least(`"wait_seconds":2`), ``, ""},
		{"action_external", least(`"wait_seconds":4`), ``, "config.wait_seconds must be a number of seconds from 0.5 to 3"},
		{"action_external", least(`"timeout_seconds":26`), ``, "config.timeout_seconds must be a number of seconds from 0.5 to 25"},
		{"action_external", least(`"repeatable":"yes"`), ``, "config.repeatable must be true or false"},
		{"action_external", least(`"claims":{"en":["booked"]},"otherwise":{"en":"It is not booked."}`), ``, ""},
		{"action_external", least(`"claims":{"en":["booked"]}`), ``, "config.otherwise.en is required, what is said when a claim would not be true"},
		{"action_external", least(`"otherwise":{"en":"It is not booked."}`), ``, "config.otherwise.en needs config.claims.en"},
		{"action_external", least(`"claims":{"xx":["booked"]},"otherwise":{}`), ``, "config.claims must have languages of " + strings.Join(sidetone.Languages(), ", ")},
		{"action_external", least(`"claims":{"en":[]},"otherwise":{"en":"x"}`), ``, "config.claims.en must be a list of 1 to 100 words"},
		{"action_external", least(`"wire":"fax"`), ``, "config.wire must be one of contract, vapi, retell, elevenlabs"},
		{"action_external", least(`"method":"GET"`), ``, "config.method must be POST unless config.wire is elevenlabs"},
		{"action_external", least(`"wire":"elevenlabs","method":"GET","secret_header":"Authorization","headers":{"X-Team":"7"}`), ``, ""},
		{"action_external", least(`"secret_header":"Authorization"`), ``, "config.secret_header needs config.wire vapi or elevenlabs: the others sign the request"},
		{"action_external", least(`"wire":"vapi","secret_header":"Host"`), ``, "config.secret_header must be the name of a header of your own, such as Authorization"},
		{"action_external", least(`"headers":{"X-Api-Key":"s"}`), ``, "config.headers must hold no secret: put it into config.signature_secret, and the header's name into config.secret_header"},
		{"action_external", least(`"headers":{"Webhook-Id":"1"}`), ``, "config.headers must have names of headers of your own"},
		{"action_external", least(`"headers":{"X-Team":"a\r\nX-Admin: 1"}`), ``, "config.headers must hold texts of one line and at most 1000 bytes"},
		{"action_dtmf", `{}`, `{"type":"action_trigger_phrase_based","config":{}}`, "action_trigger.type must be action_trigger_function_call for this type"},
		{"action_set_hold", `{}`, `{"type":"soon"}`, "action_trigger.type must be one of action_trigger_function_call, action_trigger_phrase_based"},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based"}`, "action_trigger.config.phrase_triggers is required"},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":" "}]}}`, "action_trigger.config.phrase_triggers[0].phrase is required"},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"hold","conditions":["x"]}]}}`, "action_trigger.config.phrase_triggers[0].conditions must be of phrase_condition_type_contains"},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"hold","conditions":["phrase_condition_type_contains"]}]}}`, ""},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"hold"}]}}`, ""},
		{"action_set_hold", `{}`, `{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"hold","conditions":"x"}]}}`, "action_trigger.config.phrase_triggers[0].conditions must be a list"},
	} {
		a := sidetone.NewAction("a", "e", time.Time{})
		change := sidetone.ActionChange{Type: sidetone.Some(c.kind), Config: sidetone.Some([]byte(c.config))}
		if c.trigger != "" {
			change.Trigger = sidetone.Some([]byte(c.trigger))
		}
		change.Apply(&a, time.Time{})
		if got := message(a.Validate()); got != c.want {
			t.Errorf("%s %s %s: got %q, want %q", c.kind, c.config, c.trigger, got, c.want)
		}
		if c.want == "" && strings.Contains(c.trigger, "hold") && !strings.Contains(string(a.Trigger), "phrase_condition_type_contains") {
			t.Errorf("%s has no condition", a.Trigger)
		}
	}
	a := external()
	a.SignatureSecret = "not base64!"
	if got := message(a.Validate()); got != "config.signature_secret must be base64" {
		t.Errorf("got %q", got)
	}
}

// least is the configuration of an external action with other members.
func least(members string) string {
	return `{"name":"n","description":"d","url":"https://x","input_schema":{},` + members + `}`
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return sidetone.MessageOf(err)
}

// FuzzAction applies what clients may send as configuration and trigger: the
// stored texts stay JSON objects, and a second application changes nothing.
func FuzzAction(f *testing.F) {
	f.Add("action_external", `{"name":"n"}`, `{"type":"action_trigger_function_call"}`)
	f.Add("action_transfer_call", `{"phone_number":null}`, `[]`)
	f.Add("action_warm_transfer", `null`, `{"config":{"phrase_triggers":[null,1]},"type":"action_trigger_phrase_based"}`)
	f.Fuzz(func(t *testing.T, kind, config, trigger string) {
		change := sidetone.ActionChange{Type: sidetone.Some(kind), Config: sidetone.Some([]byte(config)), Trigger: sidetone.Some([]byte(trigger))}
		a := sidetone.NewAction("a", "e", time.Time{})
		change.Apply(&a, time.Time{})
		once := a
		_ = a.Validate() // whatever it says, it says it
		change.Apply(&a, time.Time{})
		if diff := cmp.Diff(once, a); diff != "" {
			t.Errorf("applied twice: %s", diff)
		}
		for _, text := range [][]byte{a.Config, a.Trigger} {
			var o map[string]json.RawMessage
			if err := json.Unmarshal(text, &o); err != nil || o == nil {
				t.Errorf("stored %q: %v", text, err)
			}
		}
	})
}

func TestVoiceChange(t *testing.T) {
	t.Parallel()
	v := sidetone.NewVoice("v", "e", time.Time{})
	change := func(kind sidetone.Optional[string], config string) string {
		sidetone.VoiceChange{Type: kind, Config: sidetone.Some([]byte(config))}.Apply(&v, time.Time{})
		return string(v.Config)
	}
	if got := change(sidetone.Some("voice_azure"), `{"voice_name":"n","pitch":4}`); got != `{"pitch":4,"rate":15,"voice_name":"n"}` {
		t.Errorf("got %s", got)
	}
	if got := change(sidetone.Optional[string]{}, `{"pitch":null}`); got != `{"pitch":0,"rate":15,"voice_name":"n"}` {
		t.Errorf("got %s", got)
	}
	if got := change(sidetone.Some("voice_play_ht"), `{}`); got != `{"experimental_remove_silence":false,"version":"2"}` {
		t.Errorf("got %s", got)
	}
	if got := message(v.Validate()); got != "voice_id is required" {
		t.Errorf("got %q", got)
	}
	v.Type = "voice_of_tomorrow"
	if err := v.Validate(); err != nil {
		t.Error(err)
	}
	v.Type = "voice_openai"
	for config, want := range map[string]string{`{}`: "", `{"speed":null}`: "", `{"speed":4}`: "", `{"speed":0.2}`: "speed must be a number from 0.25 to 4"} {
		v.Config = []byte(config)
		if err := v.Validate(); (err == nil) != (want == "") || err != nil && message(err) != want {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}

func TestWebhookValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change sidetone.WebhookChange
		want   string
	}{
		{sidetone.WebhookChange{}, "url is required"},
		{sidetone.WebhookChange{URL: sidetone.Some("example.com")}, "url must be an address such as https://example.com/path, without a user"},
		{sidetone.WebhookChange{URL: sidetone.Some("https://example.com:99999x/")}, "url must be an address such as https://example.com/path, without a user"},
		{sidetone.WebhookChange{URL: sidetone.Some("http://[::1]:8080/x"), Method: sidetone.None[string]()}, ""},
		{sidetone.WebhookChange{URL: sidetone.Some("http://x"), Method: sidetone.Some("PUT")}, "method must be one of GET, POST"},
		{sidetone.WebhookChange{URL: sidetone.Some("http://x"), Subscriptions: sidetone.Some([]string{"event_x"})}, "subscriptions must be of " + strings.Join(sidetone.Subscriptions(), ", ")},
		{sidetone.WebhookChange{URL: sidetone.Some("http://x"), Subscriptions: sidetone.Some(sidetone.Subscriptions())}, ""},
		{sidetone.WebhookChange{URL: sidetone.Some("http://x"), Label: sidetone.Some(strings.Repeat("ü", 257))}, "label must be at most 256 characters"},
	} {
		h := sidetone.NewWebhook("h", "e", time.Time{})
		c.change.Apply(&h, time.Time{})
		if got := message(h.Validate()); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.change, got, c.want)
		}
	}
}

func TestConnectionChange(t *testing.T) {
	t.Parallel()
	c := sidetone.NewConnection("c", "e", time.Time{})
	change := func(ch sidetone.ConnectionChange) string {
		ch.Apply(&c, time.Time{})
		return message(c.Validate())
	}
	secret := func(text string) sidetone.Optional[sidetone.Secret] { return sidetone.Some(sidetone.Secret(text)) }
	for _, step := range []struct {
		change sidetone.ConnectionChange
		want   string
	}{
		{sidetone.ConnectionChange{}, "type is required"},
		{sidetone.ConnectionChange{Type: sidetone.Some("twilio")}, "type must start with account_connection_"},
		{sidetone.ConnectionChange{Type: sidetone.Some("account_connection_twilio"), Credentials: secret(`{"twilio_account_sid":"AC1"}`)}, "credentials.twilio_auth_token is required"},
		{sidetone.ConnectionChange{Credentials: secret(`{"twilio_auth_token":"t"}`)}, ""},
		{sidetone.ConnectionChange{Credentials: secret(`{"twilio_auth_token":null}`)}, "credentials.twilio_auth_token is required"},
		{sidetone.ConnectionChange{Credentials: secret(`{"twilio_auth_token":"t","more":[1]}`)}, "credentials must be an object of strings"},
		{sidetone.ConnectionChange{Type: sidetone.Some("account_connection_google")}, ""},
		{sidetone.ConnectionChange{SteeringPool: sidetone.Some([]string{"+12025550100", "+12025550100"})}, ""},
		{sidetone.ConnectionChange{SteeringPool: sidetone.Some([]string{"office"})}, "steering_pool must hold phone numbers with plus and country code"},
	} {
		if got := change(step.change); got != step.want {
			t.Errorf("%+v: got %q, want %q", step.change, got, step.want)
		}
		if step.change.SteeringPool.Set && step.want == "" && len(c.SteeringPool) != 1 {
			t.Errorf("got pool %v", c.SteeringPool)
		}
	}
	if c.Credentials != "{}" || c.Provider() != "google" {
		t.Errorf("another type keeps credentials; provider %s", c.Provider())
	}
}

func TestVectorDatabaseValidate(t *testing.T) {
	t.Parallel()
	v := sidetone.NewVectorDatabase("v", "e", time.Time{})
	for _, step := range []struct {
		change sidetone.VectorDatabaseChange
		want   string
	}{
		{sidetone.VectorDatabaseChange{Index: sidetone.Some("i")}, "api_key is required"},
		{sidetone.VectorDatabaseChange{APIKey: sidetone.Some(sidetone.Secret("k"))}, "api_environment is required"},
		{sidetone.VectorDatabaseChange{APIEnvironment: sidetone.Some("e"), Type: sidetone.None[string]()}, ""},
		{sidetone.VectorDatabaseChange{Type: sidetone.Some("x")}, "type must be vector_database_pinecone"},
	} {
		step.change.Apply(&v, time.Time{})
		if got := message(v.Validate()); got != step.want {
			t.Errorf("%+v: got %q, want %q", step.change, got, step.want)
		}
	}
}

// Where a webhook is accepted, a request can be sent.
func FuzzWebhookURL(f *testing.F) {
	for _, text := range []string{"https://example.com/x?y#z", "HTTP://[::1]:8080", "http://a:99999/", "http://u:p@a/", "//a", "http:///x", "http://a b/", "http://\u00fc/%zz"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := sidetone.NewWebhook("h", "e", time.Time{})
		h.URL = text
		if err := h.Validate(); err != nil {
			if sidetone.CodeOf(err) != sidetone.Invalid || !strings.HasPrefix(err.Error(), "invalid: url ") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), h.Method, text, nil)
		if err != nil {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		if port, err := strconv.Atoi("0" + r.URL.Port()); r.URL.Hostname() == "" || r.URL.User != nil || err != nil || port > 65535 {
			t.Errorf("%q leads to %q", text, r.URL.Host)
		}
	})
}

// Sets of scopes are read as they are written, and an unknown name is no scope.
func FuzzScopes(f *testing.F) {
	f.Add("read write,secrets:read")
	f.Add("admin  fly")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := sidetone.ParseScopes(text)
		if err != nil {
			if s != 0 || sidetone.CodeOf(err) != sidetone.Invalid {
				t.Errorf("%q: %v, %v", text, s, err)
			}
			return
		}
		if again, err := sidetone.ParseScopes(s.String()); err != nil || again != s {
			t.Errorf("%v is read back as %v, %v", s, again, err)
		}
		for _, one := range s.Names() {
			if !strings.Contains(text, one) || !s.Has(sidetone.Scope(one)) {
				t.Errorf("%q becomes %v", text, s)
			}
		}
	})
}
