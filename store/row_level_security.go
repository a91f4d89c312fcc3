package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// policyName is the policy each table of ours has; a change of policyRule needs
// a new name.
const policyName = "environment_1"

// policyRule lets a transaction see and write the rows of the environment that
// it named, or, when a statement that concerns several environments said so,
// all. A setting that was never made is NULL and one of an ended transaction is
// ”; both match nothing. The sub-selects are run once for each statement.
const policyRule = `(%[1]s = (SELECT NULLIF(current_setting('sidetone.environment', true), ''))
	OR (SELECT current_setting('sidetone.across', true)) = 'on')`

// isolated is every table whose rows belong to one environment, with the column
// that says to which, and whether a policy guards it.
const isolated = `SELECT quote_ident(c.relname), a.attname,
		c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = '` + policyName + `')
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
	WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
		AND a.attname = CASE c.relname WHEN 'environments' THEN 'id' ELSE 'environment_id' END
	ORDER BY c.relname`

// guarded is one row of isolated.
type guarded struct {
	table, column string
	done          bool
}

func tablesToGuard(ctx context.Context, db querier) ([]guarded, error) {
	rows, err := db.QueryContext(ctx, isolated)
	if err != nil {
		return nil, fmt.Errorf("list tables of environments: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []guarded
	for rows.Next() {
		var g guarded
		if err := rows.Scan(&g.table, &g.column, &g.done); err != nil {
			return nil, fmt.Errorf("list tables of environments: %w", err)
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// isolate puts every table that has an environment under row-level security,
// whichever migration made it, and lets the application's role work with all
// tables. It runs as their owner, whom policies do not bind.
func isolate(ctx context.Context, db *sql.DB, role string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after the commit
	tables, err := tablesToGuard(ctx, tx)
	if err != nil {
		return err
	}
	for _, g := range tables {
		if g.done {
			continue
		}
		rule := fmt.Sprintf(policyRule, g.column)
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY %s ON %s USING %s WITH CHECK %s`,
			g.table, policyName, g.table, rule, rule))
		if err != nil {
			return fmt.Errorf("guard the rows of %s: %w", g.table, err)
		}
	}
	if err := grant(ctx, tx, role); err != nil {
		return err
	}
	return tx.Commit()
}

// grant gives the application's role what it needs, when it is not the role
// that migrates.
func grant(ctx context.Context, tx *sql.Tx, role string) error {
	var same bool
	var schema string
	if err := tx.QueryRowContext(ctx, `SELECT current_user = $1, quote_ident(current_schema())`, role).Scan(&same, &schema); err != nil {
		return err
	}
	if same {
		return nil
	}
	to := pgx.Identifier{role}.Sanitize()
	for _, text := range []string{
		"GRANT USAGE ON SCHEMA " + schema + " TO " + to,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + to,
		"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA " + schema + " TO " + to,
		"REVOKE INSERT, UPDATE, DELETE ON goose_db_version, river_migration FROM " + to,
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("let %s work: %w", to, err)
		}
	}
	return nil
}

// powers says by which means, if any, the session's role could see rows past
// the policies: its own rights, or those of a role that it can become.
const powers = `SELECT current_user,
	EXISTS (SELECT 1 FROM pg_roles WHERE rolsuper AND pg_has_role(current_user, oid, 'MEMBER')),
	EXISTS (SELECT 1 FROM pg_roles WHERE rolbypassrls AND pg_has_role(current_user, oid, 'MEMBER')),
	EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = 'environments'
		AND pg_has_role(current_user, relowner, 'MEMBER'))`

// Isolated reports whether the database itself keeps environments apart: every
// table with an environment has its policy, and the role of Config.URL can not
// get past it. For SQLite, which has no roles, it returns nil.
func (s *Store) Isolated(ctx context.Context) error {
	e, ok := s.engine.(*postgresEngine)
	if !ok {
		return nil
	}
	var role string
	var super, bypass, owner bool
	if err := e.db.QueryRowContext(ctx, powers).Scan(&role, &super, &bypass, &owner); err != nil {
		return fmt.Errorf("look at the database role: %w", err)
	}
	const advice = "; database.url needs a role of its own (CREATE ROLE sidetone_app LOGIN NOSUPERUSER NOBYPASSRLS), database.migrate_url the owner's"
	switch {
	case super:
		return fmt.Errorf("role %q is or can become a superuser, whom row-level security does not bind%s", role, advice)
	case bypass:
		return fmt.Errorf("role %q has or can take the right BYPASSRLS%s", role, advice)
	case owner:
		return fmt.Errorf("role %q owns the tables, or can become their owner, whom row-level security does not bind%s", role, advice)
	}
	tables, err := tablesToGuard(ctx, e.db)
	if err != nil {
		return err
	}
	for _, g := range tables {
		if !g.done {
			return fmt.Errorf("table %s has no row-level security; run `sidetone migrate` with database.migrate_url", g.table)
		}
	}
	if len(tables) == 0 {
		return errors.New("the database holds no tables of ours; run `sidetone migrate` with database.migrate_url")
	}
	return nil
}

// confine names the transaction's environment to the policies: none may see a
// row before. Only the statements that concern several environments, which name
// none, see all.
func (t *Tx) confine() error {
	across := ""
	if t.environment == "" {
		across = "on"
	}
	// SET LOCAL takes no parameter.
	_, err := t.exec(`SELECT set_config('sidetone.environment', $1, true), set_config('sidetone.across', $2, true)`, t.environment, across)
	return err
}
