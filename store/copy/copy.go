// Package copy moves a whole SQLite database to Postgres and compares every row.
package copy

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// defaultBatch is how many rows one transaction carries.
const defaultBatch = 500

// The names of values in the table installation.
const (
	// cursorKey is random in each installation and identifies the source.
	cursorKey = "cursor_key"
	// copyState says, in the target, whose copy it holds and whether that is
	// complete.
	copyState = "copy"
)

// Copy moves everything that an SQLite database holds to a Postgres database,
// except jobs: the first server that starts on the target makes them again from
// the rows.
type Copy struct {
	// From is a migrated SQLite database that nobody else uses meanwhile.
	From *sql.DB
	// To is a migrated Postgres database, opened for the role that owns the
	// schema: the rows are those of all environments. It is empty, or holds
	// what an interrupted copy of the same source left there.
	To *pgxpool.Pool
	// Batch is how many rows are committed at a time; 0 means 500.
	Batch int
	// Progress, if not nil, is told how many rows of a table are there after
	// each batch, and again as they are verified. It is called on the goroutine
	// of Run.
	Progress func(Progress)
}

// Progress says how far a copy has come.
type Progress struct {
	// Table is the table at work; Rows counts its rows so far.
	Table string
	Rows  int64
	// Verifying says that rows are compared, no longer copied.
	Verifying bool
	// Done says that the table holds no more rows.
	Done bool
}

// Run copies, then compares the two databases row by row. An interrupted Run
// goes on where it stopped when it is repeated; what it did not commit it does
// again. A target that holds other rows is an error and stays as it is.
func (c Copy) Run(ctx context.Context) error {
	if c.Batch == 0 {
		c.Batch = defaultBatch
	}
	if err := (&copying{Copy: c}).run(ctx); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// copying is a copy in progress.
type copying struct {
	Copy
	tables []table
	source string
}

// table is a table of both databases.
type table struct {
	name    string
	columns []column
	key     []string
}

// column is a column with its type in the target.
type column struct{ name, kind string }

func (t table) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.name
	}
	return out
}

func (r *copying) run(ctx context.Context) error {
	var err error
	if r.tables, err = targetTables(ctx, r.To); err != nil {
		return err
	}
	if err := r.sameSchema(ctx); err != nil {
		return err
	}
	if err := r.claim(ctx); err != nil {
		return err
	}
	for _, t := range r.tables {
		if err := r.fill(ctx, t); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	for _, t := range r.tables {
		if err := r.verify(ctx, t); err != nil {
			return fmt.Errorf("verify table %s: %w", t.name, err)
		}
	}
	return r.mark(ctx, "complete")
}

// targetTables reads the target's tables of ours, referenced ones first. The
// job queue's and the migrations' own are left out.
func targetTables(ctx context.Context, to *pgxpool.Pool) ([]table, error) {
	type row struct {
		Name    string
		Columns []string
		Kinds   []string
		Key     []string
		Needs   []string
	}
	rows, err := to.Query(ctx, `SELECT c.relname::text,
			ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname),
			ARRAY(SELECT format_type(a.atttypid, NULL) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname),
			ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(n, place), pg_attribute a
				WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.place),
			ARRAY(SELECT DISTINCT f.relname::text FROM pg_constraint x JOIN pg_class f ON f.oid = x.confrelid
				WHERE x.conrelid = c.oid AND x.contype = 'f' AND f.oid <> c.oid)
		FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
			AND c.relname NOT LIKE 'river%' AND c.relname <> 'goose_db_version' ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("read the target's tables: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, fmt.Errorf("read the target's tables: %w", err)
	}
	var out []table
	placed := map[string]bool{}
	for len(out) < len(found) {
		before := len(out)
		for _, f := range found {
			if placed[f.Name] || slices.ContainsFunc(f.Needs, func(n string) bool { return !placed[n] }) {
				continue
			}
			if len(f.Key) == 0 {
				return nil, fmt.Errorf("table %s has no primary key", f.Name)
			}
			t := table{name: f.Name, key: f.Key}
			for i, c := range f.Columns {
				t.columns = append(t.columns, column{c, f.Kinds[i]})
			}
			out, placed[f.Name] = append(out, t), true
		}
		if len(out) == before {
			return nil, errors.New("the target's tables refer to each other in a circle")
		}
	}
	return out, nil
}

// sameSchema refuses databases of different versions.
func (r *copying) sameSchema(ctx context.Context) error {
	source, err := queryStrings(ctx, r.From, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND name NOT LIKE 'river%' AND name <> 'goose_db_version' ORDER BY name`)
	if err != nil {
		return err
	}
	var target []string
	for _, t := range r.tables {
		target = append(target, t.name)
		columns, err := queryStrings(ctx, r.From, "SELECT name FROM pragma_table_info($1) ORDER BY name", t.name)
		if err != nil {
			return err
		}
		if names := t.names(); !slices.Equal(columns, names) {
			return fmt.Errorf("table %s has columns %v in the source, %v in the target: migrate both", t.name, columns, names)
		}
	}
	slices.Sort(target)
	if !slices.Equal(source, target) {
		return fmt.Errorf("the source has tables %v, the target %v: migrate both", source, target)
	}
	return nil
}

func queryStrings(ctx context.Context, db *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// claim marks the target as a copy of this source, unless it is marked so already.
func (r *copying) claim(ctx context.Context) error {
	var secret string
	err := r.From.QueryRowContext(ctx, "SELECT value FROM installation WHERE name = $1", cursorKey).Scan(&secret)
	if err != nil {
		return fmt.Errorf("identify the source: %w", err)
	}
	sum := sha256.Sum256([]byte("copy of " + secret))
	r.source = hex.EncodeToString(sum[:8])
	var mark string
	err = r.To.QueryRow(ctx, "SELECT value FROM installation WHERE name = $1", copyState).Scan(&mark)
	switch owner, state, _ := strings.Cut(mark, " "); {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return fmt.Errorf("look at the target: %w", err)
	case owner != r.source:
		return errors.New("the target holds the copy of another installation")
	case state == "complete":
		return errors.New("the target holds a complete copy of this installation already; it is left as it is")
	default:
		return nil // an interrupted copy goes on
	}
	for _, t := range r.tables {
		var rows int
		err := r.To.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+t.name+" LIMIT 1) AS any_row").Scan(&rows)
		if err != nil {
			return fmt.Errorf("look at the target: %w", err)
		}
		if rows > 0 && t.name != "installation" {
			return fmt.Errorf("the target is not empty (table %s has rows) and holds no copy of this installation", t.name)
		}
	}
	return r.mark(ctx, "begun")
}

// mark says in the target what it holds.
func (r *copying) mark(ctx context.Context, state string) error {
	_, err := r.To.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		copyState, r.source+" "+state)
	if err != nil {
		return fmt.Errorf("mark the target: %w", err)
	}
	return nil
}

func (r *copying) tell(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}
