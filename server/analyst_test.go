package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/store"
)

// TestCallsAreAnalysed: the process that ran calls died when they had ended. The next one
// analyses them, with the agent's model and on its account, and says why where it cannot.
func TestCallsAreAnalysed(t *testing.T) {
	t.Parallel()
	const key = "a-key-that-nobody-may-see"
	model := &llmtest.Stub{Reply: func(r llm.Request) llmtest.Answer {
		if len(r.Messages) < 4 { // its first answer has a fault
			return llmtest.Say(`{"insights":{"summary":"They asked for the hours.","day":7}}`)
		}
		return llmtest.Say(`{"insights":{"summary":"They asked for the hours.","day":"Monday"},"do_not_call":false}`)
	}}
	vendor, err := standin.Start("127.0.0.1:0", openai.New(openai.Options{Control: &standin.Control{}, Key: key, Model: model}), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vendor.Close() })
	c := testConfig(t)
	c.Outbound.Allow = []string{"127.0.0.1"}
	c.Providers = map[string]ProviderConfig{"openai": {APIKey: key, BaseURL: vendor.URL + "/v1"}}
	run(t, c).end() // makes the master key
	bearer := sidetone.NewKey()
	const wants = `{"post_call_insights":[{"type":"summary"},{"name":"day","schema":{"type":"string"}}]}`
	if err := WithStore(t.Context(), c, func(s *store.Store) error {
		all, err := s.Environments(t.Context())
		if err != nil {
			return err
		}
		env := all[0].ID
		if err := insertKey(t.Context(), s, env, "k", bearer, time.Now()); err != nil {
			return err
		}
		for _, one := range []struct{ id, provider, prompt, said string }{
			{"asked", "openai", "Be kind.", "When do you open?"},
			{"offline", "", "playbook: x\notherwise:\n  say: Hello.", "Stop calling me!"},
		} {
			c := sidetone.Call{ID: one.id, EnvironmentID: env, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, FromNumber: "+12025550199", ToNumber: "+14155550100",
				Created: time.Now(), Started: time.Now(), RunDoNotCall: true}
			c.Snapshot.Agent = sidetone.NewAgent("a", env, "p", time.Now())
			c.Snapshot.Agent.Provider, c.Snapshot.Agent.Extra, c.Snapshot.Prompt.Content = one.provider, []byte(wants), one.prompt
			if err := s.StartCall(t.Context(), c); err != nil {
				return err
			}
			events := []sidetone.Event{{CallID: c.ID, EnvironmentID: env, Kind: sidetone.EventCaller, At: time.Now(), Text: one.said}}
			r := sidetone.CallResult{Status: sidetone.CallEnded, EndReason: "hangup", Transcript: sidetone.Transcript(events), Ended: time.Now()}
			if err := s.FinishCall(t.Context(), env, c.ID, r, events); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := run(t, c)
	api := r.client(bearer.Reveal())
	settled := func(id string) client.Call {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		deadline := time.After(30 * time.Second)
		for {
			got, err := api.Calls().Get(t.Context(), id)
			if err != nil || got.Insights == nil {
				t.Fatalf("%+v: %v", got, err)
			}
			if got.Insights.Status != "waiting" {
				return got
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%+v\n%s", got.Insights, r.log)
			}
		}
	}
	asked := settled("asked")
	want := []client.Insight{{Name: "summary", Type: "summary", Value: json.RawMessage(`"They asked for the hours."`)}, {Name: "day", Type: "data", Value: json.RawMessage(`"Monday"`)}}
	if d := cmp.Diff(want, asked.Insights.Results); d != "" || asked.Insights.Status != "ready" || asked.DoNotCallResult == nil || *asked.DoNotCallResult {
		t.Errorf("%s %+v", d, asked.Insights)
	}
	if u := asked.Usage; len(u) != 1 || u[0].Part != "model" || u[0].Vendor != "openai" || u[0].Account != "server" || u[0].Requests != 2 || u[0].Units["output_tokens"] == 0 {
		t.Errorf("used %+v", u)
	}
	offline := settled("offline")
	if offline.Insights.Status != "failed" || !strings.Contains(offline.Insights.Error, "no language model is configured") || offline.DoNotCallResult == nil || !*offline.DoNotCallResult {
		t.Errorf("%+v", offline)
	}
	listed, err := api.DNC().List(t.Context(), client.Query{})
	if err != nil || len(listed.Items) != 1 || listed.Items[0].PhoneNumber != "+12025550199" {
		t.Errorf("%+v: %v", listed.Items, err)
	}
	for _, r := range model.Requests() {
		if strings.Contains(r.Messages[0].Text+r.Messages[1].Text, "Stop calling me") {
			t.Error("a call of an agent without a vendor left the server")
		}
	}
	if len(model.Requests()) != 2 {
		t.Errorf("asked %d times", len(model.Requests()))
	}
}
