package store

import (
	"database/sql"
	"fmt"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

// table holds the SQL of one noun, built once from the column list. The columns
// id, environment_id, version are required.
type table[T any] struct {
	name, noun string
	columns    func(*T) []column
	// sorted and filtered columns by their documented names.
	listed map[string]listed
	// inMemory is where memory holds the rows, nil when it does not.
	inMemory func(*configuration.Environment) map[string]T
	// unaudited rows leave no trace in the audit log.
	unaudited bool

	// secret says that columns are sealed.
	secret bool

	names      string
	insertText string
	updateText string
}

func newTable[T any](name, noun string, columns func(*T) []column, lists map[string]listed) *table[T] {
	t := &table[T]{name: name, noun: noun, columns: columns, listed: lists}
	var names, marks, sets []string
	for _, c := range columns(new(T)) {
		names = append(names, c.name)
		t.secret = t.secret || isSealed(c)
		marks = append(marks, fmt.Sprintf("$%d", len(names)))
		if !c.fixed && c.name != "version" {
			sets = append(sets, fmt.Sprintf("%s = $%d", c.name, len(sets)+4))
		}
	}
	t.names = strings.Join(names, ", ")
	t.insertText = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", name, t.names, strings.Join(marks, ", "))
	t.updateText = fmt.Sprintf("UPDATE %s SET version = version + 1, %s WHERE id = $1 AND environment_id = $2 AND version = $3",
		name, strings.Join(sets, ", "))
	return t
}

func refs(columns []column) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = c.ref
	}
	return out
}

func named(columns []column, name string) any {
	for _, c := range columns {
		if c.name == name {
			return c.ref
		}
	}
	return nil
}

// insert stores row with version 1. A row that breaks a unique index is a
// conflict.
func (tb *table[T]) insert(t *Tx, row *T) error {
	cols := tb.columns(row)
	if err := t.own(named(cols, "environment_id").(*string)); err != nil {
		return err
	}
	*named(cols, "version").(*int64) = 1
	args, err := tb.bind(t, cols)
	if err != nil {
		return err
	}
	_, err = t.exec(tb.insertText, args...)
	if isUnique(err) {
		return t.refuse(tb.taken(err))
	}
	if err != nil {
		return fmt.Errorf("insert %s: %w", tb.noun, err)
	}
	return tb.record(t, nil, cols)
}

// taken is the conflict of a row with another's unique value.
func (tb *table[T]) taken(err error) error {
	message := tb.noun + " already exists"
	if strings.Contains(err.Error(), "resource_key") {
		message = "key belongs to another " + tb.noun
	}
	return &sidetone.Error{Code: sidetone.Conflict, Message: message, Cause: err}
}

// update stores row if its version is still the stored one, and bumps it in row.
func (tb *table[T]) update(t *Tx, row *T) error {
	cols := tb.columns(row)
	if err := t.own(named(cols, "environment_id").(*string)); err != nil {
		return err
	}
	id, version := named(cols, "id").(*string), named(cols, "version").(*int64)
	old, err := tb.old(t, *id)
	if err != nil {
		return err
	}
	values, err := tb.bind(t, cols)
	if err != nil {
		return err
	}
	args := []any{*id, t.environment, *version}
	for i, c := range cols {
		if !c.fixed && c.name != "version" {
			args = append(args, values[i])
		}
	}
	n, err := t.exec(tb.updateText, args...)
	if isUnique(err) {
		return t.refuse(tb.taken(err))
	}
	if err != nil {
		return fmt.Errorf("update %s: %w", tb.noun, err)
	}
	if n == 1 {
		*version++
		return tb.record(t, old, cols)
	}
	if _, err := tb.get(t, *id); err != nil {
		return err
	}
	return stale(tb.noun)
}

// remove deletes the row with id; another environment's is NotFound.
func (tb *table[T]) remove(t *Tx, id string) error {
	old, err := tb.old(t, id)
	if err != nil {
		return err
	}
	n, err := t.exec("DELETE FROM "+tb.name+" WHERE id = $1 AND environment_id = $2", id, t.environment)
	switch {
	case err != nil:
		return fmt.Errorf("delete %s: %w", tb.noun, err)
	case n == 0:
		return notFound(tb.noun)
	}
	return tb.record(t, old, nil)
}

// quiet makes a table whose changes are not audited.
func (tb *table[T]) quiet() *table[T] {
	tb.unaudited = true
	return tb
}

// heldIn makes a table whose rows memory holds too.
func (tb *table[T]) heldIn(rows func(*configuration.Environment) map[string]T) *table[T] {
	tb.inMemory = rows
	return tb
}

// get returns the row with id in the transaction's environment.
func (tb *table[T]) get(t *Tx, id string) (T, error) {
	if t.memory == nil || tb.inMemory == nil {
		return tb.where(t, "id = $2", id)
	}
	row, ok := tb.inMemory(t.memory)[id]
	if !ok {
		return row, notFound(tb.noun)
	}
	return row, nil
}

// where returns the row that cond, which starts at $2, selects.
func (tb *table[T]) where(t *Tx, cond string, args ...any) (T, error) {
	var row T
	text := "SELECT " + tb.names + " FROM " + tb.name + " WHERE environment_id = $1 AND " + cond
	dest, found := tb.dest(&row)
	if err := t.one(dest, text, append([]any{t.environment}, args...)...); err != nil {
		return row, absent(err, tb.noun)
	}
	return row, tb.open(t, &row, found)
}

// all returns every row that the text after the table's name selects.
func (tb *table[T]) all(t *Tx, rest string, args ...any) ([]T, error) {
	out := []T{}
	var found [][]string
	err := t.each(func(r *sql.Rows) error {
		var row T
		dest, texts := tb.dest(&row)
		if err := r.Scan(dest...); err != nil {
			return err
		}
		out, found = append(out, row), append(found, texts)
		return nil
	}, "SELECT "+tb.names+" FROM "+tb.name+" "+rest, args...)
	// Decrypting may need a query for a key, which a connection that is in the
	// middle of rows cannot run.
	for i := range out {
		if err == nil {
			err = tb.open(t, &out[i], found[i])
		}
	}
	return out, err
}

// tables holds the table of every noun.
type tables struct {
	environments *table[sidetone.Environment]
	keys         *table[sidetone.APIKey]
	numbers      *table[sidetone.Number]
	agents       *configurationTable[sidetone.Agent]
	prompts      *configurationTable[sidetone.Prompt]
	voices       *configurationTable[sidetone.Voice]
	actions      *configurationTable[sidetone.Action]
	webhooks     *configurationTable[sidetone.Webhook]
	vectors      *configurationTable[sidetone.VectorDatabase]
	connections  *configurationTable[sidetone.Connection]
	trunks       *configurationTable[sidetone.Trunk]
	dnc          *table[sidetone.DNCNumber]
	calls        *table[sidetone.Call]
	intents      *table[sidetone.DialIntent]
	events       *table[sidetone.Event]
	members      *table[sidetone.Member]
	audit        *table[sidetone.AuditEntry]
	responses    *table[StoredResponse]
	refused      *table[sidetone.RefusedCall]
	deliveries   *table[sidetone.Delivery]
	attempts     *table[sidetone.DeliveryAttempt]
	runs         *table[sidetone.ActionRun]
}

func newTables() tables {
	return tables{
		environments: environmentTable(), keys: keyTable(), numbers: numberTable(), agents: agentTable(),
		prompts: promptTable(), voices: voiceTable(), actions: actionTable(), webhooks: webhookTable(),
		vectors: vectorTable(), connections: connectionTable(), trunks: trunkTable(), dnc: dncTable(),
		calls: callTable(), intents: intentTable(), events: eventTable(), members: memberTable(), audit: auditTable(),
		responses: responseTable(), refused: refusedCallTable(), deliveries: deliveryTable(), attempts: attemptTable(), runs: actionRunTable(),
	}
}

// sealedColumns names the table's columns of secrets.
func (tb *table[T]) sealedColumns() []sealedColumn {
	var out []sealedColumn
	for _, c := range tb.columns(new(T)) {
		if isSealed(c) {
			out = append(out, sealedColumn{tb.name, c.name})
		}
	}
	return out
}

// sealedColumns names every column of secrets.
func (ts tables) sealedColumns() []sealedColumn {
	var out []sealedColumn
	for _, tb := range ts.every() {
		out = append(out, tb.sealedColumns()...)
	}
	return append(out, callSecrets(), callDialogs(), journalKeys())
}

// every lists all tables.
func (ts tables) every() []interface{ sealedColumns() []sealedColumn } {
	return []interface{ sealedColumns() []sealedColumn }{
		ts.environments, ts.keys, ts.numbers, ts.agents, ts.prompts, ts.voices, ts.actions, ts.webhooks, ts.vectors,
		ts.connections, ts.trunks, ts.dnc, ts.calls, ts.intents, ts.events, ts.members, ts.audit, ts.responses, ts.refused, ts.deliveries, ts.attempts, ts.runs,
	}
}
