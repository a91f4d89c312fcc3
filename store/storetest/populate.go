package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// Populate stores at least one row of every noun, secrets among them, in the
// environment. The ids are a letter of the noun and the environment's id.
func Populate(t testing.TB, s *store.Store, env string) {
	t.Helper()
	now := time.Date(2026, 11, 1, 9, 30, 0, 5e6, time.UTC)
	number := sidetone.Number{ID: "n" + env, Number: "+10000000036" + env[len(env)-6:], Active: true}
	call := sidetone.Call{ID: "c" + env, EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: "+12125550100", ToNumber: "+12125550101", Created: now, RefusedCount: 7, HeadersOut: map[string]string{"X-A": "ü"},
		Signalling: sidetone.Signalling{Said: map[string]string{"a": "b"}},
		Used:       []sidetone.Used{{Part: "model", Vendor: "openai", Hosts: []string{"api.openai.com"}, Requests: 2, Units: map[string]float64{"input_tokens": 9}}},
		Line:       &sidetone.LineQuality{Near: &sidetone.Reception{Packets: 9, Lost: 1, MOS: 4.1}, RoundTrip: 3},
		Snapshot:   sidetone.Snapshot{Voice: sidetone.Voice{APIKey: "secret"}, Webhook: &sidetone.Webhook{ID: "w" + env}}}
	hook := sidetone.NewWebhook("w"+env, env, now)
	hook.Subscriptions, hook.Secret, hook.PreviousSecret = []string{sidetone.WebhookStarted}, "secret", "secret"
	err := s.Write(context.Background(), env, func(tx *store.Tx) error {
		return errors.Join(
			tx.InsertWebhook(hook), tx.InsertNumber(number), tx.InsertPrompt(sidetone.NewPrompt("p"+env, "", "Be kind.", now)),
			tx.InsertAgent(sidetone.NewAgent("a"+env, env, "p"+env, now)), tx.InsertCall(call),
			tx.InsertIntent(sidetone.DialIntent{ID: "i" + env, CallID: call.ID, Created: now}),
			tx.AppendEvents([]sidetone.Event{{CallID: call.ID, Sequence: 1, Kind: sidetone.EventEnded, At: now}}),
			tx.InsertMember(sidetone.Member{ID: "m" + env, Subject: "s", Role: "admin", Created: now}), populateSecrets(tx, env, now))
	})
	if err == nil {
		err = s.StoreRefusedCall(context.Background(), sidetone.RefusedCall{ID: "z" + env, EnvironmentID: env, Tried: []string{"+12125550101"}, Count: 2, Created: now, Last: now})
	}
	if err == nil {
		_, err = s.JournalKey(context.Background(), env)
	}
	if err == nil {
		err = analysed(s, sidetone.Call{ID: "y" + env, EnvironmentID: env, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, FromNumber: "+12125550100",
			ToNumber: "+12125550101", Created: now, Started: now, RunDoNotCall: true})
	}
	if err == nil {
		err = s.BeginRun(context.Background(), sidetone.ActionRun{ID: "b" + env, EnvironmentID: env, CallID: call.ID, State: sidetone.RunBegun, Begun: now})
	}
	if err == nil {
		err = deliver(s, sidetone.Endpoint{EnvironmentID: env, WebhookID: hook.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// analysed stores a call that is over and that waits to be analysed.
func analysed(s *store.Store, c sidetone.Call) error {
	if err := s.StartCall(context.Background(), c); err != nil {
		return err
	}
	r := sidetone.CallResult{Status: sidetone.CallEnded, EndReason: "hangup", Transcript: "[00:01.00] HUMAN: Hello.", Ended: c.Started.Add(time.Second)}
	return s.FinishCall(context.Background(), c.EnvironmentID, c.ID, r, nil)
}

// deliver stores a failed attempt of what waits for a webhook.
func deliver(s *store.Store, e sidetone.Endpoint) error {
	due, err := s.DueDeliveries(context.Background(), e, 1)
	if err != nil {
		return err
	}
	lease, err := s.LeaseEndpoint(context.Background(), e, "node", time.Minute)
	if err != nil {
		return err
	}
	for _, d := range due {
		sent := []store.Sent{{Delivery: d, Attempt: sidetone.DeliveryAttempt{At: d.Created, URL: "https://hooks.example", Status: 500, Failure: "server_error"}}}
		if _, err := s.SettleDeliveries(context.Background(), e, lease, sent); err != nil {
			return err
		}
	}
	return s.ReleaseEndpoint(context.Background(), e, lease.Fence)
}

// populateSecrets stores what calls can do without, with secrets where the noun
// has one.
func populateSecrets(tx *store.Tx, env string, now time.Time) error {
	c, d := sidetone.NewConnection("o"+env, env, now), sidetone.NewVectorDatabase("d"+env, env, now)
	c.Type, c.Credentials, d.APIKey = "account_connection_twilio", `{"twilio_auth_token":"secret"}`, "secret"
	trunk := sidetone.NewTrunk("u"+env, env, now)
	trunk.Name, trunk.Secrets = "carrier", `{"password":"secret"}`
	return errors.Join(tx.InsertConnection(c), tx.InsertTrunk(trunk), tx.InsertVectorDatabase(d),
		tx.InsertVoice(sidetone.Voice{ID: "v" + env, Type: "voice_azure", APIKey: "secret", Created: now, Updated: now}),
		tx.InsertAction(sidetone.Action{ID: "x" + env, Type: "action_external", SignatureSecret: "secret", Created: now, Updated: now}),
		tx.InsertDNCNumber(sidetone.DNCNumber{ID: "q" + env, Number: "+12025550100", Created: now, Updated: now}),
		tx.InsertAPIKey(sidetone.APIKey{ID: "k" + env, Hash: sidetone.Secret(env).Hash(), Scopes: sidetone.DefaultScopes(), Created: now}),
		tx.InsertStoredResponse(store.StoredResponse{ID: "r" + env, Operation: "o", Status: 201, Body: "secret"}))
}
