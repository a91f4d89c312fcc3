package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
)

// externalAction makes a row of an external action.
func externalAction(t *testing.T, id, config string) sidetone.Action {
	t.Helper()
	a := sidetone.NewAction(id, "env", time.Time{})
	sidetone.ActionChange{Type: sidetone.Some("action_external"), Config: sidetone.Some([]byte(config))}.Apply(&a, time.Time{})
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestExternalAction: the agent of a call is offered its external action, whose run asks
// the server that its owner named.
func TestExternalAction(t *testing.T) {
	t.Parallel()
	var body, signature string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body, signature = string(text), r.Header.Get("X-Vocode-Signature")
		_, _ = io.WriteString(w, `{"result":{"slot":"nine"},"agent_message":"Nine is free."}`)
	}))
	defer s.Close()
	config := Defaults()
	config.Outbound.Allow = []string{"127.0.0.1"}
	c := planned(sidetone.Agent{}, sidetone.Voice{Type: "voice_flite"})
	c.ID, c.EnvironmentID = "call-1", "env"
	c.Snapshot.Actions = []sidetone.Action{
		externalAction(t, "a1", `{"name":"find slot","description":"Finds a slot.","url":"`+s.URL+`","input_schema":{"properties":{"day":{"type":"string"}},"required":["day"]},"speak_on_receive":true,"timeout_seconds":3}`),
		externalAction(t, "a2", `{"name":"find_slot","description":"Also.","url":"http://127.0.0.1:1/","input_schema":{}}`),
		externalAction(t, "a3", `{"name":"end_conversation","description":"Not the end.","url":"http://127.0.0.1:1/","input_schema":{}}`),
		externalAction(t, "a5", `{"name":"german","description":"Speaks German.","url":"http://127.0.0.1:1/","input_schema":{},"claims":{"de":["gebucht"]},"otherwise":{"de":"Nein."}}`),
		externalAction(t, "a6", `{"name":"english","description":"Speaks English.","url":"http://127.0.0.1:1/","input_schema":{},"claims":{"en":["booked"]},"otherwise":{"en":"No."}}`),
		{ID: "a4", Type: "action_external", Label: "broken", Config: []byte(`{"name":"x","url":"http://a","input_schema":{"type":7}}`)},
	}
	plan, err := testProviders(config).Plan(t.Context(), c, 8000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range plan.Actions {
		names = append(names, a.Offer.Name)
		if a.Offer.Name != a.Rule.Name || !a.Once {
			t.Errorf("%+v", a)
		}
	}
	if want := []string{"find_slot", "find_slot_2", "action_end_conversation", "german", "english"}; !slices.Equal(names, want) {
		t.Errorf("offered %q, want %q", names, want)
	}
	if !slices.ContainsFunc(plan.Notices, func(n string) bool {
		return strings.Contains(n, `action_external "broken" does not run: its input_schema`)
	}) {
		t.Errorf("notices: %q", plan.Notices)
	}
	if without := slices.DeleteFunc(slices.Clone(plan.Notices), func(n string) bool { return !strings.Contains(n, "has no claims in the agent's language") }); len(without) != 1 {
		t.Errorf("of claims in other languages: %q", without)
	}
	a := plan.Actions[0]
	if a.ID != "a1" || a.Timeout != 3*time.Second || a.Rule.Silent || !a.Rule.Muted {
		t.Errorf("%+v", a)
	}
	result, err := a.Tool.Run(t.Context(), call.ToolCall{Key: "call-1:1", CallID: "call-1", ID: "t", Name: "find_slot", Args: json.RawMessage(`{"day":"Friday"}`)})
	if d := cmp.Diff(call.ToolResult{Text: `{"slot":"nine"}`, Say: "Nine is free.", JSON: json.RawMessage(`{"slot":"nine"}`), Status: 200}, result); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	if body != `{"call_id":"call-1","payload":{"day":"Friday"}}` || signature == "" {
		t.Errorf("sent %s, signed %q", body, signature)
	}
	var misused *call.Misused
	if _, err := a.Tool.Run(t.Context(), call.ToolCall{Args: json.RawMessage(`{}`)}); !errors.As(err, &misused) {
		t.Errorf("wrong arguments: %v", err)
	}
}

// TestExternalRules: what an external action says of itself reaches the machine.
func TestExternalRules(t *testing.T) {
	t.Parallel()
	const least = `{"name":"n","description":"d","url":"http://a","input_schema":{}}`
	for _, c := range []struct {
		config string
		want   conversation.Action
	}{
		{`{}`, conversation.Action{Muted: true, Silent: true}},
		{`{"processing_mode":"normal","speak_on_send":true,"speak_on_receive":true}`, conversation.Action{SaysFirst: true}},
		{`{"speak_on_send":"One moment.","speak_on_receive":["Done.","All set."]}`, conversation.Action{Muted: true, OnSend: []string{"One moment."}, OnDone: []string{"Done.", "All set."}}},
		{`{"speak_on_receive":true,"speak_on_wait":"Still looking.","wait_seconds":2.5,"speak_on_failure":["It did not work."],"repeatable":true,"timeout_seconds":20}`,
			conversation.Action{Muted: true, Waiting: []string{"Still looking."}, WaitingAfter: 2500 * time.Millisecond, OnFailure: []string{"It did not work."}, Repeatable: true}},
		{`{"speak_on_receive":true,"claims":{"en":["booked"],"de":["gebucht"]},"otherwise":{"en":"It is not booked.","de":"Nicht gebucht."}}`,
			conversation.Action{Muted: true, AfterSpeech: true, Claims: []string{"gebucht"}, Otherwise: "Nicht gebucht."}},
		{`{"speak_on_receive":true,"after_speech":false,"claims":{"en":["booked"]},"otherwise":{"en":"No."}}`, conversation.Action{Muted: true}},
		{`{"speak_on_send":"","speak_on_wait":false,"after_speech":true}`, conversation.Action{Muted: true, Silent: true, AfterSpeech: true}},
	} {
		a := externalAction(t, "a", string(sidetone.MergeJSON([]byte(least), []byte(c.config))))
		e, err := a.External()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, externalRule(e, "de")); d != "" {
			t.Errorf("%s: %s", c.config, d)
		}
	}
}

// TestActionsOfAPlan: only what the agent has is offered, a phrase takes the place of the
// model's decision, and a playbook ends the call by itself.
func TestActionsOfAPlan(t *testing.T) {
	t.Parallel()
	c := planned(sidetone.Agent{}, sidetone.Voice{Type: "voice_flite"})
	plan, err := testProviders(Defaults()).Plan(t.Context(), c, 8000)
	if err != nil || len(plan.Actions) != 0 || !plan.Models[0].Ends {
		t.Errorf("an agent without actions: %+v, %v", plan, err)
	}
	end := sidetone.NewAction("a", "env", time.Time{})
	end.Type = "action_end_conversation"
	byPhrase := end
	byPhrase.Trigger = []byte(`{"type":"action_trigger_phrase_based","config":{"phrase_triggers":[{"phrase":"Good night","conditions":["phrase_condition_type_contains"]}]}}`)
	c.Snapshot.Actions = []sidetone.Action{byPhrase}
	if plan, err = testProviders(Defaults()).Plan(t.Context(), c, 8000); err != nil || len(plan.Actions) != 1 || plan.Actions[0].Offer.Name != "" || !slices.Equal(plan.Actions[0].Rule.Phrases, []string{"Good night"}) {
		t.Errorf("by a phrase: %+v, %v", plan.Actions, err)
	}
	c.Snapshot.Actions = []sidetone.Action{byPhrase, end}
	if plan, err = testProviders(Defaults()).Plan(t.Context(), c, 8000); err != nil || len(plan.Actions) != 1 || plan.Actions[0].Offer.Name != call.EndConversation || len(plan.Actions[0].Rule.Phrases) != 1 {
		t.Errorf("by a phrase and by the model: %+v, %v", plan.Actions, err)
	}
}

// TestToolNames: names are of what all vendors take, and nobody's else.
func TestToolNames(t *testing.T) {
	t.Parallel()
	n := toolNames{}
	for _, c := range [][2]string{{"Book a table!", "Book_a_table_"}, {"Book a table?", "Book_a_table__2"}, {"", "action"}, {"ключ", "action_2"}, {"send_digits", "action_send_digits"},
		{strings.Repeat("x", 100), strings.Repeat("x", 60)}} {
		if got := n.take(c[0]); got != c[1] {
			t.Errorf("%q is %q, want %q", c[0], got, c[1])
		}
	}
}

// TestActionsOfTheLine: the agent is offered what presses keys and what pauses its recording.
func TestActionsOfTheLine(t *testing.T) {
	t.Parallel()
	c := planned(sidetone.Agent{}, sidetone.Voice{Type: "voice_flite"})
	c.Snapshot.Actions = []sidetone.Action{
		{ID: "a1", Type: "action_dtmf", Config: []byte(`{}`)}, {ID: "a2", Type: "action_set_recording", Config: []byte(`{}`)},
		externalAction(t, "a3", `{"name":"collect_pin","description":"Not a field.","url":"http://127.0.0.1:1/","input_schema":{}}`),
	}
	plan, err := testProviders(Defaults()).Plan(t.Context(), c, 8000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range plan.Actions {
		names = append(names, a.Offer.Name)
	}
	if want := []string{"press_keys", "set_recording", "action_collect_pin"}; !slices.Equal(names, want) {
		t.Errorf("offered %q, want %q", names, want)
	}
	if r := plan.Actions[0].Rule; !r.AfterSpeech || !r.Quiet || !r.Repeatable {
		t.Errorf("keys: %+v", r)
	}
}
