package store_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

func TestMember(t *testing.T) {
	t.Parallel()
	testNoun(t, "member", noun[sidetone.Member]{
		insert: (*store.Tx).InsertMember, get: (*store.Tx).Member, update: (*store.Tx).UpdateMember, list: (*store.Tx).Members,
		change: func(m *sidetone.Member) { m.Role, m.Name = sidetone.RoleAdmin, "Ada" },
	})
}

// entries returns the audit log of an environment without the built-in rows.
func entries(t testing.TB, s *store.Store, env string) []sidetone.AuditEntry {
	t.Helper()
	var out []sidetone.AuditEntry
	read(t, s, env, func(tx *store.Tx) error {
		p, err := tx.AuditLog(sidetone.PageQuery{Page: 1, Size: 100})
		for _, e := range p.Items {
			if e.Actor.Kind != sidetone.ActorSystem {
				out = append(out, e)
			}
		}
		return err
	})
	return out
}

func TestUnauditedTables(t *testing.T) {
	t.Parallel()
	got := store.Unaudited(storetest.Open(t, storetest.SQLite(t), nil))
	if diff := cmp.Diff([]string{"action_runs", "answers", "audit_log", "calls", "dial_intents", "events", "refused_calls", "webhook_attempts", "webhook_deliveries", "true"}, got); diff != "" {
		t.Errorf("docs/auth.md says what is not audited (-want +got):\n%s", diff)
	}
}

func TestAuditFollowsTheTransaction(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		actor := sidetone.Actor{Kind: sidetone.ActorKey, ID: "k", Label: "till", RequestID: "r"}
		ctx := store.WithActor(context.Background(), actor)
		boom := errors.New("boom")
		prompt := sidetone.NewPrompt("p", env, "Be kind.", day(1))
		err := s.Write(ctx, env, func(tx *store.Tx) error {
			if err := tx.InsertPrompt(prompt); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) || len(entries(t, s, env)) != 0 {
			t.Fatalf("a change that was rolled back is in the log: %v", err)
		}
		do := func(fn func(*store.Tx) error) {
			t.Helper()
			if err := s.Write(ctx, env, fn); err != nil {
				t.Fatal(err)
			}
		}
		do(func(tx *store.Tx) error { return tx.InsertPrompt(prompt) })
		prompt.Version, prompt.Content = 1, "Be brief."
		do(func(tx *store.Tx) error { return tx.UpdatePrompt(prompt) })
		prompt.Version = 2
		do(func(tx *store.Tx) error { return tx.UpdatePrompt(prompt) }) // the same again
		do(func(tx *store.Tx) error { return tx.DeletePrompt("p") })
		log := entries(t, s, env)
		if len(log) != 3 {
			t.Fatalf("%d entries: %+v", len(log), log)
		}
		for i, want := range []sidetone.AuditAction{sidetone.AuditDelete, sidetone.AuditUpdate, sidetone.AuditCreate} {
			if e := log[i]; e.Action != want || e.Actor != actor || e.Noun != "prompt" || e.ResourceID != "p" || e.EnvironmentID != env {
				t.Errorf("entry %+v, want %s", e, want)
			}
		}
		if b, a := string(log[1].Before), string(log[1].After); b != `{"content":"Be kind."}` || a != `{"content":"Be brief."}` {
			t.Errorf("update from %s to %s", b, a)
		}
		if b, a := string(log[0].Before), string(log[0].After); a != "{}" || !strings.Contains(b, "Be brief.") {
			t.Errorf("deletion from %s to %s", b, a)
		}
	})
}

func TestAuditShowsNoSecret(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		ctx := store.WithActor(context.Background(), sidetone.Actor{Kind: sidetone.ActorOperator})
		voice := sidetone.Voice{ID: "v", EnvironmentID: env, Type: "voice_flite", Config: []byte(`{"api_key":"canary-1","nested":[{"Auth_Token":"canary-2"}],"credentials":{"pin":4711},"rate":1.50,"voice":"slt"}`)}
		key := sidetone.APIKey{ID: "k", EnvironmentID: env, Hash: sidetone.Secret("canary-3").Hash(), Scopes: sidetone.DefaultScopes()}
		err := s.Write(ctx, env, func(tx *store.Tx) error {
			if err := tx.InsertVoice(voice); err != nil {
				return err
			}
			return tx.InsertAPIKey(key)
		})
		if err != nil {
			t.Fatal(err)
		}
		log := entries(t, s, env)
		if len(log) != 2 {
			t.Fatalf("%+v", log)
		}
		text := string(log[0].After) + string(log[1].After)
		if strings.Contains(text, "canary") || strings.Contains(text, "4711") || strings.Contains(text, hex.EncodeToString(key.Hash[:])) || !strings.Contains(text, `"voice":"slt"`) || !strings.Contains(text, `"rate":1.50`) {
			t.Errorf("%s", text)
		}
	})
}

func TestCallsInTheAuditLog(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		ctx := store.WithActor(context.Background(), sidetone.Actor{Kind: sidetone.ActorKey, ID: "k"})
		for _, c := range []sidetone.Call{
			{ID: "in", EnvironmentID: env}, {ID: "out", EnvironmentID: env, Outgoing: true, ToNumber: "+12025550101", Context: []byte(`{"ssn":"1"}`)},
		} {
			err := s.Write(ctx, env, func(tx *store.Tx) error {
				if err := tx.InsertCall(c); err != nil {
					return err
				}
				c.Version, c.Status = 1, sidetone.CallInProgress
				return tx.UpdateCall(c)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		log := entries(t, s, env)
		if len(log) != 1 || log[0].ResourceID != "out" || !strings.Contains(string(log[0].After), "+12025550101") || strings.Contains(string(log[0].After), "ssn") {
			t.Errorf("%+v", log)
		}
	})
}

func TestRevocationsReachOtherNodesWithinASecond(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	now := day(1)
	here, there := storetest.Open(t, url, func() time.Time { return now }), storetest.Open(t, url, nil)
	env, ctx := account(t, there), context.Background()
	old, fresh := sidetone.Secret("old").Hash(), sidetone.Secret("fresh").Hash()
	insert := func(id string, hash [32]byte) {
		t.Helper()
		if err := there.InsertAPIKey(ctx, sidetone.APIKey{ID: id, EnvironmentID: env, Hash: hash, Scopes: sidetone.DefaultScopes()}); err != nil {
			t.Fatal(err)
		}
	}
	insert("old", old)
	check := func(when string, s *store.Store, oldGood, freshGood bool) {
		t.Helper()
		_, errOld := s.Authenticate(ctx, old)
		_, errFresh := s.Authenticate(ctx, fresh)
		if (errOld == nil) != oldGood || (errFresh == nil) != freshGood {
			t.Errorf("%s: old %v, fresh %v", when, errOld, errFresh)
		}
	}
	check("at first", here, true, false)
	if err := there.RevokeAPIKey(ctx, env, "old"); err != nil {
		t.Fatal(err)
	}
	insert("fresh", fresh)
	check("on the node itself, at once", there, false, true)
	now = now.Add(time.Second)
	check("elsewhere, after a second", here, false, true)
}

// TestRevocationsReachIdleNodes holds the reader of the keys up on a node that
// was idle since before a revocation: whoever asks meanwhile must wait for it and
// not be let in by what the node remembers.
func TestRevocationsReachIdleNodes(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	now := day(1)
	here, there := storetest.Open(t, url, func() time.Time { return now }), storetest.Open(t, url, nil)
	env, ctx := account(t, there), context.Background()
	hash := sidetone.Secret("old").Hash()
	if err := there.InsertAPIKey(ctx, sidetone.APIKey{ID: "old", EnvironmentID: env, Hash: hash, Scopes: sidetone.DefaultScopes()}); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Authenticate(ctx, hash); err != nil {
		t.Fatal(err)
	}
	if err := there.RevokeAPIKey(ctx, env, "old"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	release := store.HoldKeys(here)
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := here.Authenticate(soon, hash); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another caller reads the keys: %v", err)
	}
	release()
	_, err := here.Authenticate(ctx, hash)
	wantCode(t, err, sidetone.Unauthenticated, "")
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other, ctx := account(t, s), account(t, s), context.Background()
		write(t, s, env, func(tx *store.Tx) error {
			return tx.InsertMember(sidetone.Member{ID: "m", Subject: "ada", Role: sidetone.RoleMember, Name: "Ada"})
		})
		who, err := s.Identify(ctx, sidetone.Identity{Subject: "ada", EnvironmentID: env})
		if err != nil || who.MemberID != "m" || who.Label != "Ada" || who.Scopes != sidetone.RoleMember.Scopes() || who.EnvironmentID != env || who.AccountWide {
			t.Errorf("%+v, %v", who, err)
		}
		who, err = s.Identify(ctx, sidetone.Identity{Subject: "ada", EnvironmentID: other}) // another environment's member
		if err != nil || who.MemberID != "" || who.Scopes != 0 {
			t.Errorf("%+v, %v", who, err)
		}
		for _, i := range []sidetone.Identity{{Subject: "ada", EnvironmentID: other, MembersOnly: true}, {Subject: "ada", EnvironmentID: "nowhere"}} {
			_, err := s.Identify(ctx, i)
			wantCode(t, err, sidetone.Unauthenticated, "")
		}
	})
}
