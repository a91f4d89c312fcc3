package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteReaders bounds the connections that read.
const sqliteReaders = 4

// sqliteEngine has one connection that writes and a pool that reads.
type sqliteEngine struct {
	store  *Store
	path   string
	db     *sql.DB // one connection, shared with the job queue
	reader *sql.DB
	writer *writer

	// reading keeps one connection free, on which statements are first compiled.
	reading      *semaphore.Weighted
	statementsMu sync.RWMutex
	statements   map[string]*sql.Stmt // of reader, by their text
}

func openSQLite(ctx context.Context, s *Store, path string) (engine, error) {
	if path == "" {
		return nil, errors.New("sqlite address without a path")
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	// SQLite would make the file readable for everybody.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	e := &sqliteEngine{store: s, path: path, statements: map[string]*sql.Stmt{}, reading: semaphore.NewWeighted(sqliteReaders)}
	if e.db, err = sql.Open("sqlite", file+"&_txlock=immediate"); err != nil {
		return nil, err
	}
	e.db.SetMaxOpenConns(1)
	if err := e.db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), e.db.Close())
	}
	if e.reader, err = sql.Open("sqlite", file+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	e.reader.SetMaxOpenConns(sqliteReaders + 1)
	e.reader.SetMaxIdleConns(sqliteReaders + 1)
	e.writer = startWriter(s, e.db)
	return e, nil
}

func (e *sqliteEngine) write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	return e.writer.write(ctx, environmentID, fn)
}

func (e *sqliteEngine) read(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if err := e.reading.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	defer e.reading.Release(1)
	tx, err := e.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	t := &Tx{ctx: ctx, environment: environmentID, store: e.store, db: &prepared{tx, e}, now: e.store.now(), sqlite: tx, reading: true}
	err = t.run(fn)
	if rollback := tx.Rollback(); err == nil && rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
		err = rollback
	}
	return err
}

// maxStatements bounds the statements that are kept compiled, some 20 kB each on
// each connection; what comes later is compiled each time.
const maxStatements = 128

// statement returns the compiled text, nil when there are too many; each
// connection that reads compiles it once.
func (e *sqliteEngine) statement(ctx context.Context, text string) *sql.Stmt {
	e.statementsMu.RLock()
	s, full := e.statements[text], len(e.statements) >= maxStatements
	e.statementsMu.RUnlock()
	if s != nil || full {
		return s
	}
	made, err := e.reader.PrepareContext(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil // running it says what is wrong
	}
	e.statementsMu.Lock()
	defer e.statementsMu.Unlock()
	if s := e.statements[text]; s != nil {
		_ = made.Close() //nolint:sqlclosecheck // another reader was faster; the statement is used otherwise
		return s
	}
	e.statements[text] = made
	return made
}

// prepared runs the queries of a reading transaction as compiled statements:
// compiling takes SQLite longer than finding a row.
type prepared struct {
	*sql.Tx
	engine *sqliteEngine
}

// QueryContext runs a query.
func (p *prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s := p.engine.statement(ctx, text); s != nil {
		return p.StmtContext(ctx, s).QueryContext(ctx, args...) //nolint:sqlclosecheck // it ends with its transaction
	}
	return p.Tx.QueryContext(ctx, text, args...)
}

func (e *sqliteEngine) ready(ctx context.Context) error {
	if err := e.writer.fatal(); err != nil {
		return err
	}
	return e.reader.PingContext(ctx)
}

func (e *sqliteEngine) close() error {
	e.writer.close()
	return errors.Join(e.reader.Close(), e.db.Close())
}

// estimate counts up to countedGuess rows: SQLite keeps no statistics of its own.
func (e *sqliteEngine) estimate(t *Tx, count query) (int64, error) {
	var n int64
	count.text = "SELECT count(*) FROM (" + count.text
	count.add(" LIMIT %s) AS counted", countedGuess)
	return n, t.one([]any{&n}, count.text, count.args...)
}

func (e *sqliteEngine) migrate(ctx context.Context) error {
	unlock, err := lockFile(filepath.Clean(e.path) + ".migrate")
	if err != nil {
		return err
	}
	defer unlock()
	if err := migrateOurs(ctx, goose.DialectSQLite3, e.db, "sqlite"); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riversqlite.New(e.db), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	return e.analyse(ctx)
}

// analyse lets SQLite look at a sample of each index that has grown much since
// it last did: without that it takes the order of a list for more telling than
// any filter.
func (e *sqliteEngine) analyse(ctx context.Context) error {
	_, err := e.db.ExecContext(ctx, "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10002")
	if err != nil {
		return fmt.Errorf("analyse indexes: %w", err)
	}
	return nil
}

// lockFile waits until no other process holds the lock on path.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open migration lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("take migration lock: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing gives the lock back
}

// SQLite returns the transaction underneath, for the job queue; ok is false on
// another engine.
func (t *Tx) SQLite() (tx *sql.Tx, ok bool) { return t.sqlite, t.sqlite != nil }

// SQLite returns the pool of the one connection that writes, for the job queue;
// ok is false on another engine. Whoever holds its connection holds up every
// write and must not call the store meanwhile.
func (s *Store) SQLite() (db *sql.DB, ok bool) {
	e, ok := s.engine.(*sqliteEngine)
	if !ok {
		return nil, false
	}
	return e.db, true
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

func sqliteUnique(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func sqliteUnavailable(err error) bool {
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}

// sqliteFatal says that a commit's outcome on disk is not known.
func sqliteFatal(err error) bool { return sqliteCode(err)&0xff == sqlite3.SQLITE_IOERR }
