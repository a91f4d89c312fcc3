package copy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// fill copies the rows behind the last one that the target has: batches are
// committed in the order of the key, which both databases compare by bytes.
func (r *copying) fill(ctx context.Context, t table) error {
	if t.name == "installation" {
		return r.installation(ctx)
	}
	after, count, err := r.reached(ctx, t)
	if err != nil {
		return err
	}
	for {
		rows, err := r.sourceRows(ctx, t, after)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			r.tell(Progress{Table: t.name, Rows: count, Done: true})
			return nil
		}
		if _, err := r.To.CopyFrom(ctx, pgx.Identifier{t.name}, t.names(), pgx.CopyFromRows(rows)); err != nil {
			return fmt.Errorf("write the rows from %v: %w", t.keyOf(rows[0]), err)
		}
		after, count = t.keyOf(rows[len(rows)-1]), count+int64(len(rows))
		r.tell(Progress{Table: t.name, Rows: count})
	}
}

// installation takes the source's values over those that the target's own
// migration made.
func (r *copying) installation(ctx context.Context) error {
	rows, err := r.From.QueryContext(ctx, "SELECT name, value FROM installation WHERE name <> $1", copyState)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var count int64
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		_, err := r.To.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		if err != nil {
			return err
		}
		count++
	}
	r.tell(Progress{Table: "installation", Rows: count, Done: true})
	return rows.Err()
}

// reached is the greatest key in the target, nil when it is empty, and how many
// rows are there.
func (r *copying) reached(ctx context.Context, t table) (key []any, count int64, err error) {
	rows, err := r.To.Query(ctx, "SELECT "+strings.Join(t.key, ", ")+" FROM "+t.name+" ORDER BY "+strings.Join(t.key, " DESC, ")+" DESC LIMIT 1")
	if err != nil {
		return nil, 0, err
	}
	last, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return last, count, r.To.QueryRow(ctx, "SELECT count(*) FROM "+t.name).Scan(&count)
}

// sourceRows reads a batch of the source's rows behind a key.
func (r *copying) sourceRows(ctx context.Context, t table, after []any) ([][]any, error) {
	text, args := t.batch(after, r.Batch)
	rows, err := r.From.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out [][]any
	for rows.Next() {
		row, err := t.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read the source: %w", err)
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

func (r *copying) targetRows(ctx context.Context, t table, after []any) ([][]any, error) {
	text, args := t.batch(after, r.Batch)
	rows, err := r.To.Query(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("read the target: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
}

// batch selects the next rows in the order of the key.
func (t table) batch(after []any, limit int) (string, []any) {
	key := strings.Join(t.key, ", ")
	where := ""
	if after != nil {
		marks := make([]string, len(after))
		for i := range after {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		where = " WHERE (" + key + ") > (" + strings.Join(marks, ", ") + ")"
	}
	return fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", strings.Join(t.names(), ", "), t.name, where, key, limit), after
}

func (t table) keyOf(row []any) []any {
	out := make([]any, len(t.key))
	for i, name := range t.key {
		out[i] = row[slices.Index(t.names(), name)]
	}
	return out
}

// scan reads a row of SQLite with the types that the target has.
func (t table) scan(rows *sql.Rows) ([]any, error) {
	dest := make([]any, len(t.columns))
	for i, c := range t.columns {
		switch c.kind {
		case "text", "character varying":
			dest[i] = new(sql.Null[string])
		case "bigint", "integer", "smallint":
			dest[i] = new(sql.Null[int64])
		case "boolean":
			dest[i] = new(sql.Null[bool])
		case "double precision":
			dest[i] = new(sql.Null[float64])
		case "bytea":
			dest[i] = new([]byte)
		default:
			return nil, fmt.Errorf("column %s has the type %s, which copy does not know", c.name, c.kind)
		}
	}
	if err := rows.Scan(dest...); err != nil {
		return nil, err
	}
	for i := range dest {
		dest[i] = value(dest[i])
	}
	return dest, nil
}

// value is what a scanned destination holds; nil for NULL.
func value(dest any) any {
	switch v := dest.(type) {
	case *sql.Null[string]:
		if v.Valid {
			return v.V
		}
	case *sql.Null[int64]:
		if v.Valid {
			return v.V
		}
	case *sql.Null[bool]:
		if v.Valid {
			return v.V
		}
	case *sql.Null[float64]:
		if v.Valid {
			return v.V
		}
	case *[]byte:
		if *v != nil {
			return *v
		}
	}
	return nil
}

// verify reads both tables side by side and compares every value.
func (r *copying) verify(ctx context.Context, t table) error {
	var after []any
	var count int64
	for {
		want, err := r.sourceRows(ctx, t, after)
		if err != nil {
			return err
		}
		got, err := r.targetRows(ctx, t, after)
		if err != nil {
			return err
		}
		if t.name == "installation" {
			own := func(row []any) bool { return t.keyOf(row)[0] == copyState }
			want, got = slices.DeleteFunc(want, own), slices.DeleteFunc(got, own)
		}
		for i := range max(len(want), len(got)) {
			switch {
			case i >= len(got):
				return fmt.Errorf("row %v is missing in the target: was the source changed since the copy began? Empty the target and copy again", t.keyOf(want[i]))
			case i >= len(want):
				return fmt.Errorf("row %v is in the target only: was the source changed since the copy began? Empty the target and copy again", t.keyOf(got[i]))
			}
			for j, c := range t.columns {
				if fmt.Sprintf("%T %[1]v", want[i][j]) != fmt.Sprintf("%T %[1]v", got[i][j]) {
					return fmt.Errorf("column %s of row %v differs: was the source changed since the copy began? Empty the target and copy again",
						c.name, t.keyOf(want[i]))
				}
			}
		}
		count += int64(len(want))
		if len(want) < r.Batch || t.name == "installation" {
			r.tell(Progress{Table: t.name, Rows: count, Verifying: true, Done: true})
			return nil
		}
		after = t.keyOf(want[len(want)-1])
		r.tell(Progress{Table: t.name, Rows: count, Verifying: true})
	}
}
