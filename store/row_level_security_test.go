package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// connect opens a plain connection, past the store.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), strings.Replace(url, "&pool_max_conns=8", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func stringsOf(t *testing.T, conn *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tenantTables are the tables whose rows belong to one environment.
func tenantTables(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	out := stringsOf(t, conn, `SELECT table_name::text FROM information_schema.columns
		WHERE table_schema = 'public' AND (column_name = 'environment_id' OR table_name = 'environments' AND column_name = 'id') ORDER BY 1`)
	if len(out) < 9 {
		t.Fatalf("only %v have an environment", out)
	}
	return out
}

// TestEveryTableIsGuarded finds tables that a migration made without policies.
func TestEveryTableIsGuarded(t *testing.T) {
	t.Parallel()
	conn := connect(t, storetest.Superuser(storetest.Postgres(t)))
	for _, table := range tenantTables(t, conn) {
		var enabled bool
		var policies, checks, reads int
		err := conn.QueryRow(t.Context(), `SELECT c.relrowsecurity, count(p.polname), count(p.polqual), count(p.polwithcheck)
			FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive
			WHERE c.relname = $1 AND c.relkind = 'r' GROUP BY 1`, table).Scan(&enabled, &policies, &reads, &checks)
		if err != nil || !enabled || policies != 1 || reads != 1 || checks != 1 {
			t.Errorf("%s: enabled %v, %d policies, %d for reading, %d for writing, %v", table, enabled, policies, reads, checks, err)
		}
	}
	if left := stringsOf(t, conn, `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
		AND NOT relrowsecurity AND relname NOT LIKE 'river%' ORDER BY 1`); !slices.Equal(left, []string{"accounts", "goose_db_version", "installation"}) {
		t.Errorf("tables without an environment: %v", left)
	}
}

// TestNobodysTransactionSeesNothing looks at every table as the application's
// role without naming an environment, and after naming one ended.
func TestNobodysTransactionSeesNothing(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url, nil)
	env, other := populated(t, s), populated(t, s)
	conn, super := connect(t, url), connect(t, storetest.Superuser(url))
	count := func(conn *pgx.Conn, table string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	sees := func(name string, share int) {
		t.Helper()
		for _, table := range tenantTables(t, super) {
			all := count(super, table)
			if got := count(conn, table); got*2 != all*share || all == 0 {
				t.Errorf("%s: %d of %d rows of %s", name, got, all, table)
			}
		}
	}
	sees("never set", 0)
	for _, tt := range []struct {
		environment string
		share       int // of two environments
	}{{"", 0}, {"nobody", 0}, {env, 1}, {other, 1}} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "SELECT set_config('sidetone.environment', $1, true)", tt.environment); err != nil {
			t.Fatal(err)
		}
		sees(fmt.Sprintf("%q", tt.environment), tt.share)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		sees(fmt.Sprintf("after %q", tt.environment), 0)
	}
	for _, text := range []string{
		"INSERT INTO members SELECT 'x', '" + env + "', 's', 'n', 'n', 'admin', 1, 1, 1",
		"UPDATE environments SET name = 'mine'", "DELETE FROM events",
	} {
		tag, err := conn.Exec(t.Context(), text)
		if err == nil && tag.RowsAffected() != 0 || strings.HasPrefix(text, "INSERT") && err == nil {
			t.Errorf("%s: %v, %v", text, tag, err)
		}
	}
}

// populated makes an environment with a row of every kind.
func populated(t *testing.T, s *store.Store) string {
	t.Helper()
	env := account(t, s)
	storetest.Populate(t, s, env)
	return env
}

// TestListsWithoutTheirPredicate drops the environment from the statement of
// every list and every order of it: the application's role sees nothing more,
// and the owner, whom no policy binds, another environment's rows, so that there
// was something to see. An account's list of its environments is asked for in a
// transaction across environments; here it is tried in one of an environment,
// whose policy leaves that environment alone.
func TestListsWithoutTheirPredicate(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url, nil)
	env, _ := populated(t, s), populated(t, s)
	var owner string
	read(t, s, env, func(tx *store.Tx) error {
		e, err := tx.Environment()
		owner = e.AccountID
		return err
	})
	for _, tt := range []struct {
		url  string
		told bool
	}{{url, false}, {storetest.Owner(url), true}} {
		s, reports, lists, environments := storetest.Open(t, tt.url, nil), 0, 0, 0
		store.Shadow(s, func(string) { reports++ })
		for _, q := range store.ListQueriesOf(s, env) {
			if strings.Contains(q.Name, " filtered by ") || strings.Contains(q.Name, " behind a cursor ") {
				continue // the same tables, and values that no row has
			}
			if strings.HasPrefix(q.Name, "environments ") {
				environments++
				q = q.Of(owner)
			}
			before := reports
			read(t, s, env, func(tx *store.Tx) error { return tx.RunFirst(q) })
			if lists++; (reports > before) != tt.told {
				t.Errorf("%s: told %v, want %v", q.Name, reports > before, tt.told)
			}
		}
		if lists < 30 || environments < 4 {
			t.Errorf("only %d lists, %d of environments", lists, environments)
		}
	}
}

// TestForeignRowsCannotBeWritten writes a row of another environment past all
// checks of the store.
func TestForeignRowsCannotBeWritten(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url, nil)
	env, other := populated(t, s), populated(t, s)
	careless := storetest.Open(t, url, nil)
	for _, text := range []string{
		"INSERT INTO members SELECT 'x', '" + other + "', 's2', 'n', 'n', 'admin', 1, 1, 1",
		"UPDATE prompts SET environment_id = '" + other + "'",
		"INSERT INTO prompts SELECT 'x', '" + other + "', label, label_folded, description, content, context_endpoint, collect_fields, tags, version, created, updated FROM prompts",
	} {
		err := careless.Write(context.Background(), env, func(tx *store.Tx) error { return tx.Exec(text) })
		if err == nil || !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: %v", text, err)
		}
	}
	wantPrompts(t, s, other, "p"+other)
}

// TestShadowTellsWhatPoliciesPrevent runs the shadow where policies do not bind:
// it must find what a forgotten predicate would show.
func TestShadowTellsWhatPoliciesPrevent(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url, nil)
	env, _ := populated(t, s), populated(t, s)
	for _, tt := range []struct {
		url  string
		want int
	}{{url, 0}, {storetest.Owner(url), 7}} {
		var reports []string
		s := storetest.Open(t, tt.url, nil)
		store.Shadow(s, func(text string) { reports = append(reports, text) })
		write(t, s, env, func(tx *store.Tx) error {
			_, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 10}) // the page, its total
			if err != nil {
				return err
			}
			if _, err = tx.DefaultVoice(); err != nil {
				return err
			}
			if _, err := tx.Environment(); err != nil {
				return err
			}
			p, err := tx.Prompt("p" + env) // ids are unique: nothing foreign to find
			if err != nil {
				return err
			}
			if err := tx.UpdatePrompt(p); err != nil {
				return err
			}
			if _, err := tx.NumberByPhone("+1none"); sidetone.CodeOf(err) != sidetone.NotFound {
				return err
			}
			if _, err := tx.Numbers(sidetone.PageQuery{Page: 1, Size: 10}); err != nil {
				return err
			}
			return tx.SetDefaultAgent("")
		})
		if len(reports) < tt.want || tt.want == 0 && len(reports) > 0 {
			t.Errorf("%d reports, want %d: %s", len(reports), tt.want, strings.Join(reports, "\n"))
		}
	}
}

// TestPowerfulRolesAreRefused asks Isolated about roles that policies would not
// bind and about a table without a policy.
func TestPowerfulRolesAreRefused(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	super := connect(t, storetest.Superuser(url))
	run := func(text string) {
		t.Helper()
		if _, err := super.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name, url, want string) {
		t.Helper()
		err := storetest.Open(t, url, nil).Isolated(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	check("application", url, "")
	check("sqlite", storetest.SQLite(t), "")
	check("owner", storetest.Owner(url), "owns the tables")
	check("superuser", storetest.Superuser(url), "superuser")
	check("empty", storetest.PostgresEmpty(t), "no tables")
	for _, tt := range []struct{ name, rights, want string }{
		{"bypass", "LOGIN BYPASSRLS", "BYPASSRLS"}, {"heir", "LOGIN NOINHERIT IN ROLE sidetone_owner", "owns the tables"},
		{"climber", "LOGIN NOINHERIT IN ROLE sidetone", "superuser"}, {"plain", "LOGIN", ""},
	} {
		role := "test_" + tt.name
		run("CREATE ROLE " + role + " " + tt.rights)
		t.Cleanup(func() {
			_, err := super.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
			if err != nil {
				t.Error(err)
			}
		})
		check(tt.name, strings.Replace(url, "user=sidetone_app", "user="+role, 1), tt.want)
	}
	run("CREATE TABLE forgotten (environment_id TEXT)")
	check("forgotten table", url, "table forgotten has no row-level security")
	run("ALTER TABLE forgotten OWNER TO sidetone_owner")
	migrated, err := store.Open(t.Context(), store.Config{URL: url, MigrateURL: storetest.Owner(url)})
	if err != nil {
		t.Fatal(err)
	}
	if err := migrated.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	_ = migrated.Close()
	check("table of a later migration", url, "")
	run("ALTER TABLE calls DISABLE ROW LEVEL SECURITY")
	check("disabled", url, "table calls has no row-level security")
}

// TestStatementsAcrossEnvironmentsAreFew keeps the list of functions whose
// transactions see every environment: a new one needs a reason to be here.
func TestStatementsAcrossEnvironmentsAreFew(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Environments": "start, recovery, command line", "EnvironmentsOf": "an account's environments, for its administrators",
		"RenewLeases": "one statement for all calls of a node", "LostCalls": "recovery", "CallsOf": "recovery", "SchemaVersion": "the doctor", "CutOffPurchases": "recovery",
		"AbandonIntents": "recovery", "PlannedDials": "recovery", "JobsWaiting": "jobs of all environments wait in one table", "RenewClaims": "one statement for all calls that ring on a node",
		"DueAnalyses": "a node analyses calls of all environments", "ReleaseAnalyses": "recovery",
		"(c configurations) LoadConfigurations": "who answers a number is known only afterwards", "(k *keys) refresh": "whose key it is is known only afterwards",
		"StoreRefusedCall": "a call to nobody's number belongs to no environment", "RefusedCalls": "the operator's list of them", "Tidy": "those of nobody, too",
		"WaitingEndpoints": "a node sends for all environments", "DeliveriesWaiting": "the figures", "ReleaseEndpointsOf": "recovery", "SoleEnvironment": "whether the server's own keys serve: all while there is one environment",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	function := regexp.MustCompile(`(?m)^func (\(s \*Store\) )?(.*?)\(ctx`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, use := range regexp.MustCompile(`\.(readAcross|writeAcross)\(`).FindAllIndex(text, -1) {
			before := function.FindAllSubmatch(text[:use[0]], -1)
			name := string(before[len(before)-1][2])
			got[name] = want[name]
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
