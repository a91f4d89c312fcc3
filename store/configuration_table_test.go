package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// furnish stores one of each noun that an agent can name, the agent, and a
// number that it answers.
func furnish(tx *store.Tx) error {
	agent := sidetone.NewAgent("agent", "", "prompt", day(1))
	agent.ActionIDs, agent.WebhookID, agent.VectorDatabaseID = []string{"action", "action_2"}, "webhook", "vector"
	agent.ModelAccount, agent.VoiceID = "connection", "voice"
	number := sidetone.NewNumber("number", "", "+12125550100", "twilio", day(1))
	number.InboundAgentID, number.ConnectionID = "agent", "connection"
	for _, err := range []error{
		tx.InsertPrompt(sidetone.NewPrompt("prompt", "", "x", day(1))),
		tx.InsertVoice(sidetone.NewVoice("voice", "", day(1))),
		tx.InsertAction(sidetone.NewAction("action", "", day(1))),
		tx.InsertAction(sidetone.NewAction("action_2", "", day(1))),
		tx.InsertWebhook(sidetone.NewWebhook("webhook", "", day(1))),
		tx.InsertVectorDatabase(sidetone.NewVectorDatabase("vector", "", day(1))),
		tx.InsertConnection(sidetone.NewConnection("connection", "", day(1))),
		tx.InsertAgent(agent),
		tx.InsertNumber(number),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// deletions removes what furnish stored, users before what they use.
func deletions() []struct {
	name   string
	remove func(*store.Tx, string) error
	users  string
} {
	return []struct {
		name   string
		remove func(*store.Tx, string) error
		users  string
	}{
		{"agent", (*store.Tx).DeleteAgent, "number +12125550100"},
		{"prompt", (*store.Tx).DeletePrompt, "agent agent"},
		{"voice", (*store.Tx).DeleteVoice, "agent agent"},
		{"action", (*store.Tx).DeleteAction, "agent agent"},
		{"action_2", (*store.Tx).DeleteAction, "agent agent"},
		{"webhook", (*store.Tx).DeleteWebhook, "agent agent"},
		{"vector", (*store.Tx).DeleteVectorDatabase, "agent agent"},
		{"connection", (*store.Tx).DeleteConnection, "number +12125550100, agent agent"},
	}
}

func TestDeletingWhatIsInUse(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		write(t, s, env, furnish)
		for _, d := range deletions() {
			err := s.Write(t.Context(), env, func(tx *store.Tx) error { return d.remove(tx, d.name) })
			wantCode(t, err, sidetone.Conflict, "")
			if message := sidetone.MessageOf(err); !strings.HasSuffix(message, " is used by "+d.users) {
				t.Errorf("%s: %s", d.name, message)
			}
			err = s.Write(t.Context(), other, func(tx *store.Tx) error { return d.remove(tx, d.name) })
			wantCode(t, err, sidetone.NotFound, "")
		}
		write(t, s, env, func(tx *store.Tx) error {
			n, err := tx.Number("number")
			n.Active = false
			if err != nil {
				return err
			}
			return tx.UpdateNumber(n)
		})
		for _, d := range deletions() {
			write(t, s, env, func(tx *store.Tx) error { return d.remove(tx, d.name) })
			err := s.Write(t.Context(), env, func(tx *store.Tx) error { return d.remove(tx, d.name) })
			wantCode(t, err, sidetone.NotFound, "")
		}
	})
}

// TestIDsAreNoPatterns looks for users of an action whose id is like another's
// when read as a pattern.
func TestIDsAreNoPatterns(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, furnish)
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertAction(sidetone.NewAction("act__n", "", day(1))) })
		write(t, s, env, func(tx *store.Tx) error { return tx.DeleteAction("act__n") })
	})
}

func TestManyUsersAreNotAllNamed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, func(tx *store.Tx) error {
			for i := range 12 {
				if err := tx.InsertAgent(sidetone.NewAgent(fmt.Sprint("a", i), "", "p", day(i+1))); err != nil {
					return err
				}
			}
			return tx.InsertPrompt(sidetone.NewPrompt("p", "", "x", day(1)))
		})
		err := s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.DeletePrompt("p") })
		message := sidetone.MessageOf(err)
		if !strings.HasSuffix(message, "agent a8, agent a9, more agents") || strings.Contains(message, "a10") {
			t.Errorf("got %q", message)
		}
	})
}

func TestBuiltInVoicesAndDefaultAgentsStay(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, furnish)
		err := s.Write(t.Context(), env, func(tx *store.Tx) error {
			v, err := tx.DefaultVoice()
			if err != nil {
				return err
			}
			return tx.DeleteVoice(v.ID)
		})
		wantCode(t, err, sidetone.Conflict, "the voice is built in and stays")
		write(t, s, env, func(tx *store.Tx) error { return tx.SetDefaultAgent("agent") })
		err = s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.DeleteAgent("agent") })
		wantCode(t, err, sidetone.Conflict, "the agent is used by the environment as its default agent")
	})
}

// TestRouteRefusesABrokenAgent: an agent that lacks a part takes no calls, as it
// places none.
func TestRouteRefusesABrokenAgent(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, furnish)
		write(t, s, env, func(tx *store.Tx) error {
			return tx.Exec(`UPDATE agents SET webhook_id = 'gone' WHERE environment_id = $1`, env)
		})
		write(t, s, env, func(tx *store.Tx) error {
			a, err := tx.Agent("agent")
			if err != nil {
				return err
			}
			return tx.UpdateAgent(a)
		})
		_, err := s.Route(t.Context(), "+12125550100")
		wantCode(t, err, sidetone.Internal, "agent agent of the number cannot take calls: webhook not found")
	})
}

// TestMemoryHoldsWhatCallsNeed compares what a call starts with from memory,
// loaded and followed, with the rows.
func TestMemoryHoldsWhatCallsNeed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		resolve := func() sidetone.Snapshot {
			t.Helper()
			snapshot, ok := store.Snapshot(s, t.Context(), env, "agent")
			if !ok {
				t.Fatal("memory does not hold the agent")
			}
			return snapshot
		}
		if _, ok := store.Snapshot(s, t.Context(), env, "agent"); ok {
			t.Error("an agent that does not exist is known")
		}
		write(t, s, env, furnish)
		got := resolve()
		var ids []string
		for _, a := range got.Actions {
			ids = append(ids, a.ID)
		}
		if diff := cmp.Diff([]string{"action", "action_2"}, ids); diff != "" {
			t.Error(diff)
		}
		if got.Webhook.ID != "webhook" || got.VectorDatabase.ID != "vector" || got.ModelAccount.ID != "connection" || got.Voice.ID != "voice" {
			t.Errorf("got %+v", got)
		}
		write(t, s, env, func(tx *store.Tx) error {
			a, err := tx.Agent("agent")
			if err != nil {
				return err
			}
			a.ActionIDs, a.WebhookID, a.VoiceID = []string{"action_2"}, "", ""
			if err := tx.UpdateAgent(a); err != nil {
				return err
			}
			return tx.DeleteAction("action")
		})
		if got = resolve(); len(got.Actions) != 1 || got.Webhook != nil || got.Voice.Type != "voice_flite" {
			t.Errorf("got %+v", got)
		}
	})
}

// TestNothingNamesADeletedRow deletes prompts while agents are made that name
// them: one of the two must fail, on both engines.
func TestNothingNamesADeletedRow(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		var wg sync.WaitGroup
		for i := range 20 {
			id := fmt.Sprint("p", i)
			write(t, s, env, func(tx *store.Tx) error { return tx.InsertPrompt(sidetone.NewPrompt(id, "", "x", day(1))) })
			wg.Go(func() {
				err := s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.DeletePrompt(id) })
				if code := sidetone.CodeOf(err); code != "" && code != sidetone.Conflict {
					t.Errorf("delete: %v", err)
				}
			})
			wg.Go(func() {
				err := s.Write(t.Context(), env, func(tx *store.Tx) error {
					if _, err := tx.Prompt(id); err != nil {
						return err
					}
					return tx.InsertAgent(sidetone.NewAgent("a"+id, "", id, day(1)))
				})
				if code := sidetone.CodeOf(err); code != "" && code != sidetone.NotFound {
					t.Errorf("insert: %v", err)
				}
			})
			wg.Wait()
		}
		read(t, s, env, func(tx *store.Tx) error {
			agents, err := tx.Agents(sidetone.PageQuery{Page: 1, Size: 100})
			for _, a := range agents.Items {
				if _, err := tx.Prompt(a.PromptID); err != nil {
					t.Errorf("agent %s: %v", a.ID, err)
				}
			}
			return err
		})
	})
}
