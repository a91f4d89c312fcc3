package store_test

import (
	"sync"
	"testing"

	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/vault"
)

// TestJournalKey: each environment has one, which many may ask for first, and which a
// rotation of the data keys and another process leave as it is.
func TestJournalKey(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env, other := account(t, s), account(t, s)
		keys := make([]vault.Key, 8)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() { keys[i] = journalKey(t, s, env) })
		}
		wg.Wait()
		for _, k := range keys {
			if k != keys[0] || k == (vault.Key{}) {
				t.Fatal("who asks at once gets another key")
			}
		}
		if journalKey(t, s, other) == keys[0] {
			t.Error("two environments have one key")
		}
		r, err := s.RotateEnvironment(t.Context(), env)
		if err != nil || r.Resealed != 1 {
			t.Errorf("got %+v, %v", r, err)
		}
		read(t, s, env, func(tx *store.Tx) error {
			texts, err := tx.Sealed()
			if len(texts) != 1 || vault.Prefix(2) != texts[0][:len(vault.Prefix(2))] {
				t.Errorf("stored: %q", texts)
			}
			return err
		})
		if journalKey(t, storetest.Open(t, url, nil), env) != keys[0] {
			t.Error("a rotation made another key")
		}
		if _, err := s.JournalKey(t.Context(), "nowhere"); err == nil {
			t.Error("an environment that is not there has a key")
		}
	})
}

func journalKey(t *testing.T, s *store.Store, env string) vault.Key {
	t.Helper()
	k, err := s.JournalKey(t.Context(), env)
	if err != nil {
		t.Error(err)
	}
	return k
}
