package api

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/sidetone/sidetone/store/storetest"
)

// database looks into a bench's database past the store.
type database struct {
	t      testing.TB
	db     *sql.DB
	tables []string
	sqlite bool
}

// look opens the database at url for the length of the test.
func look(t testing.TB, url string) *database {
	t.Helper()
	driver, address := "pgx", strings.Replace(storetest.Owner(url), "&pool_max_conns=8", "", 1)
	list := "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, address = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	d := &database{t: t, db: db, sqlite: driver == "sqlite"}
	for _, row := range d.rows(list) {
		if name := row[0]; !strings.HasPrefix(name, "river_") && !strings.HasPrefix(name, "sqlite_") && name != "goose_db_version" {
			d.tables = append(d.tables, name)
		}
	}
	slices.Sort(d.tables)
	return d
}

// rows returns what a query finds, as texts.
func (d *database) rows(query string) [][]string {
	d.t.Helper()
	rows, err := d.db.QueryContext(d.t.Context(), query)
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		d.t.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		dest, row := make([]any, len(columns)), make([]string, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		if err := rows.Scan(dest...); err != nil {
			d.t.Fatal(err)
		}
		for i := range dest {
			row[i] = fmt.Sprint(*dest[i].(*any))
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// state is a digest of every row, with how many each table has.
func (d *database) state() string {
	d.t.Helper()
	var out strings.Builder
	for _, table := range d.tables {
		rows := d.rows("SELECT * FROM " + pgx.Identifier{table}.Sanitize())
		lines := make([]string, len(rows))
		for i, row := range rows {
			lines[i] = strings.Join(row, "\x00")
		}
		slices.Sort(lines)
		sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
		fmt.Fprintf(&out, "%s %d %x\n", table, len(rows), sum[:4])
	}
	return out.String()
}
