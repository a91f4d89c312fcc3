package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

func TestAnswersAreKeptForADay(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := day(1)
		s := storetest.Open(t, url, func() time.Time { return now })
		env, other := account(t, s), account(t, s)
		a := store.StoredResponse{ID: "k", Operation: "create", RequestHash: [32]byte{1}, Status: 201, Body: `{"id":"canary"}`}
		insert := func() error {
			return s.Write(context.Background(), env, func(tx *store.Tx) error { return tx.InsertStoredResponse(a) })
		}
		if err := insert(); err != nil {
			t.Fatal(err)
		}
		want := a
		want.EnvironmentID, want.Created = env, now
		read(t, s, env, func(tx *store.Tx) error {
			got, err := tx.StoredResponse("k")
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			stored, err2 := tx.Text("SELECT body FROM answers WHERE environment_id = $1", env)
			if strings.Contains(stored, "canary") || stored == "" {
				t.Errorf("stored as %q", stored)
			}
			return errors.Join(err, err2)
		})
		gone := func(env string) {
			t.Helper()
			err := s.Read(context.Background(), env, func(tx *store.Tx) error { _, err := tx.StoredResponse("k"); return err })
			wantCode(t, err, sidetone.NotFound, "")
		}
		gone(other)
		if err := insert(); !errors.Is(err, store.ErrRepeated) {
			t.Errorf("a second answer: %v", err)
		}
		now = now.Add(store.ResponseAge)
		gone(env)
		if err := insert(); err != nil { // the old one makes room
			t.Error(err)
		}
		now = now.Add(store.ResponseAge)
		if err := s.Tidy(context.Background()); err != nil {
			t.Error(err)
		}
		read(t, s, env, func(tx *store.Tx) error {
			n, err := tx.Text("SELECT CAST(count(*) AS TEXT) FROM answers WHERE environment_id = $1", env)
			if n != "0" {
				t.Errorf("%s old answers are left", n)
			}
			return err
		})
		write(t, s, env, func(tx *store.Tx) error { return errors.Join(tx.InsertStoredResponse(a), tx.DeleteStoredResponse("k")) })
		gone(env)
	})
}
