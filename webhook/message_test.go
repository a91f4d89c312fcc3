package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// TestActionIsTold: a webhook hears what an action was given, what came of it, and whether
// it was done.
func TestActionIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ data, want string }{
		{`{"said":"{\"slot\":9}","parameters":{"day":"Friday"},"outcome":"succeeded","action_id":"a1","action_type":"action_external","key":"c:1"}`,
			`{"action":"book","action_id":"a1","action_input":{"day":"Friday"},"action_output":"{\"slot\":9}","action_type":"action_external","outcome":"succeeded","timestamp":"2026-11-30T20:00:00.000Z"}`},
		{`{"said":"failed: nobody knows","outcome":"unknown"}`, `{"action":"book","action_output":"failed: nobody knows","outcome":"unknown","timestamp":"2026-11-30T20:00:00.000Z"}`},
		{`{}`, `{"action":"book","timestamp":"2026-11-30T20:00:00.000Z"}`},
	} {
		m, ok := webhook.Said(sidetone.Event{Kind: sidetone.EventAction, Text: "book", At: time.Date(2026, 11, 30, 20, 0, 0, 0, time.UTC), Data: []byte(c.data)})
		got, err := json.Marshal(m.Payload)
		if !ok || err != nil || m.Type != sidetone.WebhookAction || string(got) != c.want {
			t.Errorf("got %v %s, %v, want %s", ok, got, err, c.want)
		}
	}
	if _, ok := webhook.Said(sidetone.Event{Kind: sidetone.EventAction, Data: []byte(`{}`)}); ok {
		t.Error("a call that must leave no trace tells what was done")
	}
}
