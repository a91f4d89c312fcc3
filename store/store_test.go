package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

func TestMigrateIsIdempotentAndExclusive(t *testing.T) {
	t.Parallel()
	fresh := "sqlite:" + filepath.Join(t.TempDir(), "new.db")
	for name, url := range map[string]func(testing.TB) string{
		"sqlite": storetest.SQLite, "postgres": storetest.Postgres, "new file": func(testing.TB) string { return fresh },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			results := make(chan error)
			for range 4 {
				s := storetest.Open(t, u, nil)
				go func() { results <- s.Migrate(context.Background()) }()
			}
			for range 4 {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			account(t, storetest.Open(t, u, nil))
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                           "neither sqlite: nor postgres:",
		"mysql://somewhere":          "neither sqlite: nor postgres:",
		"sqlite:":                    "without a path",
		"sqlite:/nonexistent/dir/db": "no such file or directory",
		"postgres:///x?host=/nonexistent&user=nobody": "no such file",
	} {
		s, err := store.Open(context.Background(), store.Config{URL: url})
		if err == nil {
			t.Errorf("%s: opened", url)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
}

func TestPathsWithOddCharacters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "50% of?my #1 data.db")
	s := storetest.Open(t, "sqlite:"+path, nil)
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	account(t, s)
	if found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "50% of[?]my #1 data.db")); err != nil || len(found) != 1 {
		t.Errorf("database at %v, %v", found, err)
	}
}

func TestReadCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		if err := s.Read(context.Background(), env, insert("x")); err == nil {
			t.Error("a read wrote")
		}
		wantPrompts(t, s, env)
		if err := s.Ready(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestReadSeesOneState writes between two reads of one transaction.
func TestReadSeesOneState(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		read(t, s, env, func(tx *store.Tx) error {
			before, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 1})
			write(t, s, env, insert("x"))
			after, err2 := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 1})
			if before.Total != 0 || after.Total != 0 {
				t.Errorf("%d prompts, then %d", before.Total, after.Total)
			}
			return errors.Join(err, err2)
		})
		wantPrompts(t, s, env, "x")
	})
}

func TestTransactionsNeedAnEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		never := func(*store.Tx) error { t.Error("ran"); return nil }
		wantCode(t, s.Write(context.Background(), "", never), sidetone.Internal, "")
		wantCode(t, s.Read(context.Background(), "", never), sidetone.Internal, "")
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		for _, err := range []error{s.Read(gone, "e", never), s.Write(gone, "e", never)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		}
	})
}

func TestPanicInATransaction(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		bug := func(tx *store.Tx) error { _ = insert("x")(tx); panic("bug") }
		for _, err := range []error{s.Write(context.Background(), env, bug), s.Read(context.Background(), env, bug)} {
			if err == nil || sidetone.MessageOf(err) != "internal error" {
				t.Errorf("panic became %v", err)
			}
		}
		write(t, s, env, insert("y"))
		wantPrompts(t, s, env, "y")
	})
}
