package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/vault"
)

// secrets stores n voices, each with a secret, and one of each other noun that
// has one.
func secrets(t testing.TB, s *store.Store, env string, n int) {
	t.Helper()
	now := day(1)
	write(t, s, env, func(tx *store.Tx) error {
		for i := range n {
			v := sidetone.Voice{ID: fmt.Sprintf("v%03d", i), Type: "voice_azure", APIKey: voiceSecret(i), Created: now, Updated: now}
			if err := tx.InsertVoice(v); err != nil {
				return err
			}
		}
		c := sidetone.NewConnection("c", env, now)
		c.Type, c.Credentials = "account_connection_twilio", `{"twilio_auth_token":"canary"}`
		a := sidetone.Action{ID: "a", Type: "action_external", SignatureSecret: "canary", Created: now, Updated: now}
		d := sidetone.NewVectorDatabase("d", env, now)
		d.APIKey = "canary"
		trunk := sidetone.NewTrunk("t", env, now)
		trunk.Name, trunk.Secrets = "t", `{"password":"canary"}`
		return errors.Join(tx.InsertConnection(c), tx.InsertAction(a), tx.InsertVectorDatabase(d), tx.InsertTrunk(trunk))
	})
}

func voiceSecret(i int) sidetone.Secret { return sidetone.Secret(fmt.Sprint("canary-", i)) }

// opens checks that the stored secrets can be read, and that data keys from
// version on have sealed all of them.
func opens(t testing.TB, s *store.Store, env string, n int, version int64) {
	t.Helper()
	read(t, s, env, func(tx *store.Tx) error {
		for i := range n {
			v, err := tx.Voice(fmt.Sprintf("v%03d", i))
			if err != nil {
				return err
			}
			if v.APIKey != voiceSecret(i) {
				t.Errorf("voice %d has the secret %q", i, v.APIKey.Reveal())
			}
		}
		c, err := tx.Connection("c")
		if err != nil || c.Credentials != `{"twilio_auth_token":"canary"}` {
			t.Errorf("credentials %q, %v", c.Credentials.Reveal(), err)
		}
		texts, err := tx.Sealed()
		if len(texts) < n+3 {
			t.Errorf("only %d sealed values", len(texts))
		}
		for _, text := range texts {
			if v, err := vault.VersionOf(text); err != nil || v < version || strings.Contains(text, "canary") {
				t.Errorf("%q has version %d, %v", text, v, err)
			}
		}
		return err
	})
}

func TestEveryTableIsLookedAt(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	if looked, all := store.SealedTables(s); looked != all {
		t.Errorf("a rotation looks at %d of %d tables", looked, all)
	}
}

func TestRotateEnvironment(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := day(2)
		var mu sync.Mutex
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		s := storetest.Open(t, url, clock)
		env, other := account(t, s), account(t, s)
		secrets(t, s, env, 250)
		write(t, s, other, func(tx *store.Tx) error {
			return tx.InsertVoice(sidetone.Voice{ID: "theirs", Type: "voice_azure", APIKey: "canary", Created: now, Updated: now})
		})
		node := s // on a shared database another node goes on
		if strings.HasPrefix(url, "postgres") {
			node = storetest.Open(t, url, clock)
		}
		opens(t, node, env, 250, 1)
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { changing(t, node, env, done) })
		r, err := s.RotateEnvironment(context.Background(), env)
		close(done)
		wg.Wait()
		if err != nil || r.Version != 2 || r.Resealed > 254 || r.Retired != 0 {
			t.Errorf("got %+v, %v", r, err)
		}
		opens(t, s, env, 250, 2)
		opens(t, node, env, 250, 2)
		mu.Lock()
		now = now.Add(2 * time.Hour)
		mu.Unlock()
		if r, err = s.RotateEnvironment(context.Background(), env); err != nil || r != (store.Rotation{Version: 3, Resealed: 254, Retired: 1}) {
			t.Errorf("got %+v, %v", r, err)
		}
		opens(t, storetest.Open(t, url, nil), env, 250, 3)
		read(t, s, other, func(tx *store.Tx) error {
			v, err := tx.Voice("theirs")
			texts, err2 := tx.Sealed()
			if len(texts) != 1 || !strings.HasPrefix(texts[0], vault.Prefix(1)) || v.APIKey != "canary" {
				t.Errorf("another environment has %q", texts)
			}
			return errors.Join(err, err2)
		})
		_, err = s.RotateEnvironment(context.Background(), "nobody")
		wantCode(t, err, sidetone.NotFound, "environment not found")
	})
}

// changing writes and reads secrets until done.
func changing(t testing.TB, s *store.Store, env string, done <-chan struct{}) {
	for i := 0; ; i = (i + 1) % 250 {
		select {
		case <-done:
			return
		default:
		}
		err := s.Write(context.Background(), env, func(tx *store.Tx) error {
			v, err := tx.Voice(fmt.Sprintf("v%03d", 249-i))
			if err != nil {
				return err
			}
			if v.APIKey != voiceSecret(249-i) {
				t.Errorf("voice %d has the secret %q meanwhile", 249-i, v.APIKey.Reveal())
			}
			v.Label += "x"
			return tx.UpdateVoice(v)
		})
		if err != nil {
			t.Errorf("write during the rotation: %v", err)
			return
		}
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		s := storetest.Open(t, url, nil)
		env := account(t, s)
		if has, err := s.HasDataKeys(ctx); has || err != nil {
			t.Errorf("a new database has data keys: %v, %v", has, err)
		}
		secrets(t, s, env, 3)
		account(t, s)
		if err := s.PrepareSecrets(ctx); err != nil {
			t.Error(err)
		}
		if _, err := s.RotateEnvironment(ctx, env); err != nil {
			t.Error(err)
		}
		old, err := storetest.Masters()
		if err != nil {
			t.Fatal(err)
		}
		opens(t, s, env, 3, 2)
		masters := append(vault.Masters{vault.NewKey()}, old...)
		if n, err := s.Rewrap(ctx, masters); n != 3 || err != nil {
			t.Errorf("%d data keys are wrapped anew, %v", n, err)
		}
		if n, err := s.Rewrap(ctx, masters); n != 0 || err != nil {
			t.Errorf("a second run wraps %d, %v", n, err)
		}
		opens(t, s, env, 3, 2) // who has the data keys goes on
		read(t, s, env, func(tx *store.Tx) error {
			log, err := tx.AuditLog(sidetone.PageQuery{Page: 1, Size: 10, Filters: []sidetone.Filter{{Column: "resource", Op: "eq", Values: []any{"master_key"}}}})
			if len(log.Items) != 1 || string(log.Items[0].Before) != `{"id":"`+old[0].ID()+`"}` || string(log.Items[0].After) != `{"id":"`+masters[0].ID()+`"}` {
				t.Errorf("audited as %+v", log.Items)
			}
			return err
		})
		only := func(m vault.Masters) *store.Store {
			t.Helper()
			s, err := store.Open(ctx, store.Config{URL: url, Masters: func() (vault.Masters, error) { return m, nil }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		}
		opens(t, only(masters[:1]), env, 3, 2)
		blind := only(old)
		if err := blind.PrepareSecrets(ctx); !errors.Is(err, vault.ErrUnknownMaster) {
			t.Errorf("with the old key alone: %v", err)
		}
		if _, err := blind.Rewrap(ctx, append(vault.Masters{vault.NewKey()}, old...)); !errors.Is(err, vault.ErrUnknownMaster) {
			t.Errorf("wrapping without the key: %v", err)
		}
		if has, err := s.HasDataKeys(ctx); !has || err != nil {
			t.Errorf("no data keys: %v, %v", has, err)
		}
	})
}

// TestRewrapSeesDataKeysOfRunningTransactions rotates the master key while a
// transaction that has asked for the old one is not committed yet: the data key
// it makes must not stay behind.
func TestRewrapSeesDataKeysOfRunningTransactions(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		old := vault.Masters{vault.NewKey()}
		both := append(vault.Masters{vault.NewKey()}, old...)
		var now atomic.Pointer[vault.Masters]
		now.Store(&old)
		with := func(masters func() (vault.Masters, error)) *store.Store {
			t.Helper()
			s, err := store.Open(ctx, store.Config{URL: url, Masters: masters})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
		s := with(func() (vault.Masters, error) { return *now.Load(), nil })
		env := account(t, s)
		asked, release, stored := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		once := sync.OnceFunc(func() { close(asked) })
		go func() {
			stored <- s.Write(ctx, env, func(tx *store.Tx) error {
				err := tx.InsertVoice(sidetone.Voice{ID: "v", Type: "voice_azure", APIKey: "canary", Created: day(1), Updated: day(1)})
				once()
				<-release
				return err
			})
		}()
		<-asked
		now.Store(&both)
		wrapped := make(chan error, 1)
		go func() { _, err := s.Rewrap(ctx, both); wrapped <- err }()
		select {
		case err := <-wrapped:
			t.Errorf("the rotation did not wait for the transaction: %v", err)
			wrapped <- nil
		case <-time.After(100 * time.Millisecond):
		}
		close(release)
		if err := errors.Join(<-stored, <-wrapped); err != nil {
			t.Fatal(err)
		}
		after := with(func() (vault.Masters, error) { return both[:1], nil })
		read(t, after, env, func(tx *store.Tx) error {
			v, err := tx.Voice("v")
			if v.APIKey != "canary" {
				t.Errorf("got %q", v.APIKey.Reveal())
			}
			return err
		})
	})
}
