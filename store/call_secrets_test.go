package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// secretCall is a call to be dialled whose snapshot holds a secret everywhere.
func secretCall(env, id string) sidetone.Call {
	agent := sidetone.NewAgent("a", env, "p", day(1))
	s := sidetone.Snapshot{Agent: agent, Voice: sidetone.Voice{ID: "v", APIKey: "canary-voice"},
		Actions:        []sidetone.Action{{ID: "x"}, {ID: "y", SignatureSecret: "canary-signature"}},
		VectorDatabase: &sidetone.VectorDatabase{ID: "d", APIKey: "canary-vectors"},
		ModelAccount:   &sidetone.Connection{ID: "m", Credentials: `{"key":"canary-model"}`}}
	return sidetone.Call{ID: id, EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated, Outgoing: true,
		FromNumber: "+12125550100", ToNumber: "+12125550101", Snapshot: s, Created: day(1)}
}

// revealed are the secrets of a snapshot of secretCall.
func revealed(s sidetone.Snapshot) []string {
	return []string{s.Voice.APIKey.Reveal(), s.Actions[0].SignatureSecret.Reveal(), s.Actions[1].SignatureSecret.Reveal(),
		s.VectorDatabase.APIKey.Reveal(), s.ModelAccount.Credentials.Reveal()}
}

// secretsColumn is what the secrets of a call are stored as.
func secretsColumn(t *testing.T, s *store.Store, env, id string) (text string) {
	t.Helper()
	read(t, s, env, func(tx *store.Tx) (err error) {
		text, err = tx.Text(`SELECT secrets FROM calls WHERE environment_id = $1 AND id = $2`, env, id)
		return err
	})
	return text
}

// TestClaimOpensTheSecretsOfACall: readers of a call see stars, the claim to dial
// it the secrets, also after a rotation, and nothing is left once it is over.
func TestClaimOpensTheSecretsOfACall(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, func(tx *store.Tx) error {
			for _, id := range []string{"c1", "c2"} {
				if err := tx.InsertCall(secretCall(env, id)); err != nil {
					return err
				}
				if err := tx.InsertIntent(sidetone.DialIntent{ID: "i" + id, CallID: id, Created: day(1)}); err != nil {
					return err
				}
			}
			return nil
		})
		const stars = "********"
		read(t, s, env, func(tx *store.Tx) error {
			c, err := tx.Call("c1")
			if diff := cmp.Diff([]string{stars, "", stars, stars, stars}, revealed(c.Snapshot)); diff != "" {
				t.Error(diff)
			}
			return err
		})
		sealed := secretsColumn(t, s, env, "c1")
		if sealed == "" || strings.Contains(sealed, "canary") {
			t.Errorf("stored as %q", sealed)
		}
		ctx := context.Background()
		claim := func() sidetone.DialIntent {
			t.Helper()
			i, c, err := s.ClaimIntent(ctx, env, "ic1")
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"canary-voice", "", "canary-signature", "canary-vectors", `{"key":"canary-model"}`}
			if diff := cmp.Diff(want, revealed(c.Snapshot)); diff != "" {
				t.Error(diff)
			}
			return i
		}
		i := claim()
		if err := s.ReleaseIntent(ctx, env, "ic1", i.Fence); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RotateEnvironment(ctx, env); err != nil {
			t.Fatal(err)
		}
		if now := secretsColumn(t, s, env, "c1"); now == sealed {
			t.Error("the rotation left the secrets under the old key")
		}
		claim()
		write(t, s, env, func(tx *store.Tx) error { // bound to the row
			return tx.Exec(`UPDATE calls SET secrets = (SELECT secrets FROM calls WHERE id = 'c1') WHERE id = 'c2' AND environment_id = $1`, env)
		})
		if _, _, err := s.ClaimIntent(ctx, env, "ic2"); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("secrets of another call: %v", err)
		}
		for id, status := range map[string]sidetone.CallStatus{"c1": sidetone.CallEnded, "c2": sidetone.CallError} {
			if err := s.FinishCall(ctx, env, id, sidetone.CallResult{Status: status, Ended: day(2)}, nil); err != nil {
				t.Fatal(err)
			}
			if left := secretsColumn(t, s, env, id); left != "" {
				t.Errorf("after the end of %s there is %q", id, left)
			}
		}
		over := secretCall(env, "over")
		over.Status, over.Ended = sidetone.CallError, day(1)
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertCall(over) })
		if left := secretsColumn(t, s, env, "over"); left != "" {
			t.Errorf("a call that never began holds %q", left)
		}
	})
}

// TestSecretsOfUnknownCallsAreErased: a call of which nobody knows what became of
// it keeps its secrets for a day, one that goes on as long as it does.
func TestSecretsOfUnknownCallsAreErased(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := day(1)
		s := storetest.Open(t, url, func() time.Time { return now })
		env := account(t, s)
		write(t, s, env, func(tx *store.Tx) error {
			live := secretCall(env, "live")
			live.Lease = day(3)
			if err := errors.Join(tx.InsertCall(secretCall(env, "lost")), tx.InsertCall(live)); err != nil {
				return err
			}
			return tx.InsertIntent(sidetone.DialIntent{ID: "i", CallID: "lost", Created: now})
		})
		if _, _, err := s.ClaimIntent(t.Context(), env, "i"); err != nil {
			t.Fatal(err)
		}
		if err := s.AbandonIntents(t.Context(), now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after      time.Duration
			lost, live bool
		}{{23 * time.Hour, true, true}, {24 * time.Hour, false, true}} {
			now = day(1).Add(step.after)
			if err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			for id, want := range map[string]bool{"lost": step.lost, "live": step.live} {
				if got := secretsColumn(t, s, env, id); (got != "") != want {
					t.Errorf("after %s the secrets of %s are %q", step.after, id, got)
				}
			}
		}
	})
}

// TestEverySecretOfASnapshotIsSealed finds the secrets of a snapshot by their
// type, so that a new one is not forgotten.
func TestEverySecretOfASnapshotIsSealed(t *testing.T) {
	t.Parallel()
	c := secretCall("e", "c")
	c.Snapshot.Webhook = &sidetone.Webhook{}
	c.Snapshot.Actions = c.Snapshot.Actions[1:]
	found := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[sidetone.Secret]():
			found[fmt.Sprint(v.Addr().Pointer())] = true
		case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[sidetone.Call]().PkgPath():
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(v.Elem())
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(&c.Snapshot))
	sealed := map[string]bool{}
	for _, secret := range store.SecretsOf(&c.Snapshot) {
		sealed[fmt.Sprint(reflect.ValueOf(secret).Pointer())] = true
	}
	if len(found) < 4 {
		t.Errorf("only %d secrets found", len(found))
	}
	if diff := cmp.Diff(found, sealed); diff != "" {
		t.Error(diff)
	}
}
