package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store"
	dbcopy "github.com/sidetone/sidetone/store/copy"
)

type copyCommand struct {
	configFlags
	To sidetone.Secret `required:"" help:"Address of an empty Postgres database, for the role that owns it (database.migrate_url)." placeholder:"URL"`
}

// Run moves the data directory's database to Postgres and compares every row.
func (c copyCommand) Run(a *app) error {
	config, err := c.load(a)
	if err != nil {
		return err
	}
	if config.Database.URL != "" {
		return errors.New("the configuration's database is Postgres already; copy moves a SQLite database")
	}
	if _, err := os.Stat(filepath.Join(config.Data, "sidetone.db")); err != nil {
		return fmt.Errorf("find the database to copy: %w", err)
	}
	err = server.WithStore(a.ctx, config, func(from *store.Store) (err error) {
		to, err := store.Open(a.ctx, store.Config{URL: c.To.Reveal()})
		if err != nil {
			return fmt.Errorf("reach the target: %w", err)
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		if err := to.Migrate(a.ctx); err != nil {
			return fmt.Errorf("make the target's tables: %w", err)
		}
		source, sqlite := from.SQLite()
		target, postgres := to.Postgres()
		if !sqlite || !postgres {
			return errors.New("copy moves a SQLite database to Postgres: --to is no Postgres address")
		}
		return dbcopy.Copy{From: source, To: target, Progress: c.progress(a)}.Run(a.ctx)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, "every row was compared. Set database.url and database.migrate_url, keep the data directory for its recordings and keys,\nand start `sidetone serve`.")
	return err
}

// progress prints a line for each table, and one a second for long ones.
func (copyCommand) progress(a *app) func(dbcopy.Progress) {
	last := time.Now()
	return func(p dbcopy.Progress) {
		if !p.Done && time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		verb := "copied"
		if p.Verifying {
			verb = "compared"
		}
		more := ""
		if !p.Done {
			more = " ..."
		}
		fmt.Fprintf(a.out, "%-9s %-20s %d%s\n", verb, p.Table, p.Rows, more)
	}
}
