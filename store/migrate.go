package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// migrationFiles holds one folder of numbered SQL files per engine.
//
//go:embed migrations/*/*.sql
var migrationFiles embed.FS

// migrateOurs brings our own tables to this program's version.
func migrateOurs(ctx context.Context, dialect goose.Dialect, db *sql.DB, folder string) error {
	files, err := fs.Sub(migrationFiles, "migrations/"+folder)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	return installSecrets(ctx, db)
}

// SchemaVersion returns the version of the database's schema and the one that
// this program brings it to. A database that was never migrated is an error.
func (s *Store) SchemaVersion(ctx context.Context) (have, want int64, err error) {
	files, err := fs.Glob(migrationFiles, "migrations/sqlite/*.sql")
	if err != nil {
		return 0, 0, err
	}
	for _, f := range files {
		number, _, _ := strings.Cut(path.Base(f), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("number of migration %s: %w", f, err)
		}
		want = max(want, n)
	}
	err = s.readAcross(ctx, func(t *Tx) error {
		return t.one([]any{&have}, "SELECT coalesce(max(version_id), 0) FROM goose_db_version")
	})
	if err != nil {
		return 0, want, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, want, nil
}

// signingSecret names the installation's value that cursors are signed with.
const signingSecret = "cursor_key"

// installSecrets makes the random values that stay the same for the whole life of
// an installation, on all nodes.
func installSecrets(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
		signingSecret, rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("make the installation's secrets: %w", err)
	}
	return nil
}
