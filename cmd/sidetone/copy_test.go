package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// TestCopyMovesAnInstallation makes a data directory, copies it to Postgres and
// lists its key there, as an operator would.
func TestCopyMovesAnInstallation(t *testing.T) {
	data, url := filepath.Join(t.TempDir(), "data"), storetest.PostgresEmpty(t)
	owner := storetest.Owner(url)
	if code, _, errs := command("copy", "--data", data, "--to", owner); code == 0 || !strings.Contains(errs, "find the database to copy") {
		t.Errorf("without a database: %d %s", code, errs)
	}
	c := server.Defaults()
	c.Data = data
	var key string
	err := server.WithStore(t.Context(), c, func(s *store.Store) error {
		e, err := s.CreateAccount(t.Context(), "Clinic", "live")
		if err != nil {
			return err
		}
		key = e.ID
		if code, _, errs := command("copy", "--data", data, "--to", owner); code == 0 || !strings.Contains(errs, "in use by process") {
			t.Errorf("while a server holds the directory: %d %s", code, errs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := command("copy", "--data", data, "--to", owner)
	if code != 0 || !strings.Contains(out, "compared  voices               2\n") || !strings.Contains(out, "every row was compared") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	c.Data, c.Database.URL, c.Database.MigrateURL = filepath.Join(t.TempDir(), "data"), sidetone.Secret(url), sidetone.Secret(owner)
	err = server.WithStore(t.Context(), c, func(s *store.Store) error {
		all, err := s.Environments(t.Context())
		if len(all) != 1 || all[0].ID != key {
			t.Errorf("environments %+v", all)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
