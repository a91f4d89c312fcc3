// Package storetest opens stores for tests: SQLite in a file of the test's own
// and Postgres in a database of its own.
package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/vault"
)

// directoryVariable names the directory that Main made for its test binary.
const directoryVariable = "STORETEST_DIR"

// Main runs a test binary that uses this package and cleans up behind it:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		panic(err) // a test binary without a temporary directory cannot go on
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Setenv(directoryVariable, dir); err != nil {
		panic(err)
	}
	code := m.Run()
	server{dir: dir}.stop()
	return code
}

func directory(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(directoryVariable)
	if dir == "" {
		t.Fatal("this package's TestMain must call storetest.Main")
	}
	return dir
}

// lock keeps parallel tests from preparing the same thing twice.
func lock(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// SQLite returns the address of a fresh, migrated SQLite database that lives as
// long as the test.
func SQLite(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sidetone.db")
	dir := os.Getenv(directoryVariable)
	if dir == "" {
		migrate(t, "sqlite:"+path, "")
		return "sqlite:" + path
	}
	template := filepath.Join(dir, "template.db")
	unlock := lock(t, dir)
	defer unlock()
	if _, err := os.Stat(template); err != nil {
		migrate(t, "sqlite:"+template, "")
	}
	b, err := os.ReadFile(template)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// SQLiteFresh is SQLite with an installation of its own: the databases of SQLite
// are copies of one.
func SQLiteFresh(t testing.TB) string {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "sidetone.db")
	migrate(t, url, "")
	return url
}

// Masters returns the master keys of every store that Open opens.
func Masters() (vault.Masters, error) { return vault.Masters{{'t', 'e', 's', 't'}}, nil }

// Open opens the store at url for the length of the test. now may be nil.
func Open(t testing.TB, url string, now func() time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: url, Now: now, Masters: Masters})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// Run runs test on a fresh store of each engine.
func Run(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	RunURL(t, func(t *testing.T, url string) { test(t, Open(t, url, nil)) })
}

// RunURL runs test on the address of a fresh database of each engine, for tests
// that open it themselves.
func RunURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t))
	})
	RunPostgresURL(t, test)
}

// RunPostgresURL is RunURL without SQLite.
func RunPostgresURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t))
	})
}
