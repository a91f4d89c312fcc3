package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

const clinicNumber = "+12125550123"

// clinic stores a number answered by an agent with a prompt.
func clinic(t *testing.T, s *store.Store, env string) {
	t.Helper()
	write(t, s, env, func(tx *store.Tx) error {
		if err := tx.InsertPrompt(sidetone.NewPrompt("p", "", "Be kind.", day(1))); err != nil {
			return err
		}
		if err := tx.InsertAgent(sidetone.NewAgent("a", "", "p", day(1))); err != nil {
			return err
		}
		n := sidetone.NewNumber("n", "", clinicNumber, "simulated", day(1))
		n.InboundAgentID = "a"
		return tx.InsertNumber(n)
	})
}

func route(t *testing.T, s *store.Store) store.Route {
	t.Helper()
	r, err := s.Route(context.Background(), clinicNumber)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRouteFollowsEveryChange checks that memory equals the database right after
// each acknowledged write, on a store whose memory was loaded before, after and
// never.
func TestRouteFollowsEveryChange(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env := account(t, s)
		_, err := s.Route(ctx, clinicNumber) // loads the memory
		wantCode(t, err, sidetone.NotFound, "number not found")
		clinic(t, s, env)
		r := route(t, s)
		if !r.HasAgent || r.Snapshot.Prompt.Content != "Be kind." || r.Snapshot.Voice.Type != "voice_flite" || r.Number.ID != "n" {
			t.Fatalf("route %+v", r)
		}
		write(t, s, env, func(tx *store.Tx) error {
			p, err := tx.Prompt("p")
			p.Content = "Be brief."
			if err == nil {
				err = tx.UpdatePrompt(p)
			}
			return err
		})
		if got := route(t, s).Snapshot.Prompt; got.Content != "Be brief." || got.Version != 2 {
			t.Errorf("prompt %+v", got)
		}
		write(t, s, env, func(tx *store.Tx) error {
			v := sidetone.Voice{ID: "v", Type: "voice_azure", Config: []byte("{}"), Created: day(1), Updated: day(1)}
			a, err := tx.Agent("a")
			a.VoiceID = "v"
			if err == nil {
				err = tx.InsertVoice(v)
			}
			if err == nil {
				err = tx.UpdateAgent(a)
			}
			return err
		})
		if got := route(t, s).Snapshot; got.Voice.ID != "v" || got.Agent.Version != 2 {
			t.Errorf("snapshot %+v", got)
		}
		// A rolled back change leaves no trace.
		err = s.Write(ctx, env, func(tx *store.Tx) error {
			n, err := tx.Number("n")
			n.Active = false
			if err == nil {
				err = tx.UpdateNumber(n)
			}
			return fmt.Errorf("rolled back: %w", err)
		})
		if err == nil || route(t, s).Number.Version != 1 {
			t.Error("a rolled back change shows")
		}
		write(t, s, env, func(tx *store.Tx) error {
			n, err := tx.Number("n")
			n.InboundAgentID = ""
			if err == nil {
				err = tx.UpdateNumber(n)
			}
			return err
		})
		if r := route(t, s); r.HasAgent {
			t.Errorf("route %+v", r)
		}
		write(t, s, env, func(tx *store.Tx) error {
			n, err := tx.Number("n")
			n.Active = false
			if err == nil {
				err = tx.UpdateNumber(n)
			}
			return err
		})
		_, err = s.Route(ctx, clinicNumber)
		wantCode(t, err, sidetone.NotFound, "number not found")
	})
}

// TestMemoryEqualsDatabase changes the configuration from many goroutines while
// others read, and compares memory with a store that loads everything afresh.
func TestMemoryEqualsDatabase(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env := account(t, s)
		clinic(t, s, env)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 10 {
					err := s.Write(context.Background(), env, func(tx *store.Tx) error {
						a, err := tx.Agent("a")
						a.Label = fmt.Sprint(w, i)
						if err == nil {
							err = tx.UpdateAgent(a)
						}
						return err
					})
					if code := sidetone.CodeOf(err); err != nil && code != sidetone.Unavailable {
						t.Error(err)
					}
					if _, err := s.Route(context.Background(), clinicNumber); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		fresh := storetest.Open(t, url, nil)
		if d := cmp.Diff(route(t, fresh), route(t, s), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

// TestOtherNodesSeeChangesWithinASecond is about Postgres, which nodes share.
func TestOtherNodesSeeChangesWithinASecond(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	now := day(1)
	here := storetest.Open(t, url, func() time.Time { return now })
	there := storetest.Open(t, url, nil)
	env := account(t, there)
	clinic(t, there, env)
	if r := route(t, here); r.Number.Label != "" {
		t.Fatalf("route %+v", r)
	}
	label := func(text string) {
		write(t, there, env, func(tx *store.Tx) error {
			n, err := tx.Number("n")
			n.Label = text
			if err == nil {
				err = tx.UpdateNumber(n)
			}
			return err
		})
	}
	label("changed")
	if r := route(t, here); r.Number.Label != "" {
		t.Error("asked the database within the same second")
	}
	now = now.Add(time.Second)
	if r := route(t, here); r.Number.Label != "changed" {
		t.Errorf("after a second the label is %q", r.Number.Label)
	}
}
