package store

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

// copyBatch is how many rows one transaction of a copy carries.
const copyBatch = 500

// copyMark names the installation's value, in the target, that says whose copy
// it holds: the source and whether it is whole.
const copyMark = "copy"

// Copy moves everything that an SQLite database holds to a Postgres database,
// jobs excepted: whoever starts on the target wakes them from their rows.
type Copy struct {
	// From is a migrated SQLite database that nobody else uses meanwhile.
	From *Store
	// To is a migrated Postgres database, opened for the role that owns the
	// schema: the rows are those of all environments. It is empty, or holds
	// what an interrupted copy of the same source left there.
	To *Store
	// Batch is how many rows are committed at a time; 0 means 500.
	Batch int
	// Progress, if not nil, is told how many rows of a table are there after
	// each batch, and again as they are verified. It is called on the goroutine
	// of Run.
	Progress func(CopyProgress)
}

// CopyProgress says how far a copy has come.
type CopyProgress struct {
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
	from, ok := c.From.engine.(*sqliteEngine)
	if !ok {
		return errors.New("copy: the source is no SQLite database")
	}
	to, ok := c.To.engine.(*postgresEngine)
	if !ok {
		return errors.New("copy: the target is no Postgres database")
	}
	if c.Batch == 0 {
		c.Batch = copyBatch
	}
	r := &copying{Copy: c, from: from.reader, to: to.pool}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// copying is a copy at work.
type copying struct {
	Copy
	from   *sql.DB
	to     *pgxpool.Pool
	tables []copyTable
	source string
}

// copyTable is a table of both databases.
type copyTable struct {
	name    string
	columns []copyColumn
	key     []string
}

// copyColumn is a column with its type in the target.
type copyColumn struct{ name, kind string }

func (t copyTable) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.name
	}
	return out
}

func (r *copying) run(ctx context.Context) error {
	var err error
	if r.tables, err = targetTables(ctx, r.to); err != nil {
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
// job queue's and the migrations' own are left out, as is what Postgres alone
// knows, by which transaction a row came.
func targetTables(ctx context.Context, to *pgxpool.Pool) ([]copyTable, error) {
	type row struct {
		Name    string
		Columns []string
		Kinds   []string
		Key     []string
		Needs   []string
	}
	rows, err := to.Query(ctx, `SELECT c.relname::text,
			ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'transaction_id' ORDER BY a.attname),
			ARRAY(SELECT format_type(a.atttypid, NULL) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'transaction_id' ORDER BY a.attname),
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
	var out []copyTable
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
			t := copyTable{name: f.Name, key: f.Key}
			for i, c := range f.Columns {
				t.columns = append(t.columns, copyColumn{c, f.Kinds[i]})
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
	source, err := listTexts(ctx, r.from, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND name NOT LIKE 'river%' AND name <> 'goose_db_version' ORDER BY name`)
	if err != nil {
		return err
	}
	var target []string
	for _, t := range r.tables {
		target = append(target, t.name)
		columns, err := listTexts(ctx, r.from, "SELECT name FROM pragma_table_info($1) ORDER BY name", t.name)
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

func listTexts(ctx context.Context, db *sql.DB, query string, args ...any) ([]string, error) {
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

// claim makes the target this source's, or finds that it is already.
func (r *copying) claim(ctx context.Context) error {
	var secret string
	err := r.from.QueryRowContext(ctx, "SELECT value FROM installation WHERE name = $1", signingSecret).Scan(&secret)
	if err != nil {
		return fmt.Errorf("identify the source: %w", err)
	}
	sum := sha256.Sum256([]byte("copy of " + secret))
	r.source = hex.EncodeToString(sum[:8])
	var mark string
	err = r.to.QueryRow(ctx, "SELECT value FROM installation WHERE name = $1", copyMark).Scan(&mark)
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
		err := r.to.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+t.name+" LIMIT 1) AS any_row").Scan(&rows)
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
	_, err := r.to.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		copyMark, r.source+" "+state)
	if err != nil {
		return fmt.Errorf("mark the target: %w", err)
	}
	return nil
}

func (r *copying) tell(p CopyProgress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}
