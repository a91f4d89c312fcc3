package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
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
	e := &sqliteEngine{store: s, path: path}
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
	e.reader.SetMaxOpenConns(sqliteReaders)
	e.reader.SetMaxIdleConns(sqliteReaders)
	// A connection that stays open holds the index of the log: without one, the
	// frames of a failed commit would count when the writer opens the log again.
	if err := e.reader.PingContext(ctx); err != nil {
		return nil, errors.Join(err, e.reader.Close(), e.db.Close())
	}
	e.writer = startWriter(s, e.db, path)
	// Whoever holds the write lock now did this when it opened the database.
	if err := e.writer.syncLog(ctx); err != nil && sqliteCode(err)&0xff != sqlite3.SQLITE_BUSY {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// syncLog writes the bytes of a write-ahead log over themselves and syncs the
// file. After a failed sync the kernel takes pages that are not on the disk for
// clean: reading returns them, and syncing alone does nothing. Without this a
// commit could be appended to frames that a power cut takes away, and be lost
// with them. The caller holds SQLite's write lock, so that nobody else writes to
// the file meanwhile. A log that does not exist is durable.
func syncLog(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	b := make([]byte, 1<<16)
	for at := int64(0); err == nil; {
		var n int
		n, err = f.ReadAt(b, at)
		if _, failed := f.WriteAt(b[:n], at); failed != nil {
			err = failed
		}
		at += int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the log again: %w", err)
	}
	return nil
}

func (e *sqliteEngine) write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	return e.writer.write(ctx, environmentID, fn)
}

func (e *sqliteEngine) read(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	tx, err := e.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	t := &Tx{ctx: ctx, environment: environmentID, store: e.store, db: tx, now: e.store.now(), sqlite: tx, reading: true}
	err = t.run(fn)
	if rollback := tx.Rollback(); err == nil && rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
		err = rollback
	}
	return err
}

func (e *sqliteEngine) ready(ctx context.Context) error {
	if e.writer.fatal() != nil { // a write tries to repair it
		if err := e.writer.write(ctx, "", func(*Tx) error { return nil }); err != nil {
			return err
		}
	}
	return e.reader.PingContext(ctx)
}

func (e *sqliteEngine) close() error {
	e.writer.close()
	return errors.Join(e.reader.Close(), e.db.Close())
}

// estimate counts up to estimateTotal rows: SQLite has no statistics of this kind.
func (e *sqliteEngine) estimate(t *Tx, count query) (int64, error) {
	var n int64
	count.text = "SELECT count(*) FROM (" + count.text
	count.add(" LIMIT %s) AS counted", estimateTotal)
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
	if err := e.analyse(ctx); err != nil { // a full disk; only lists are slower without
		e.store.log.Warn("the database goes on without new samples of its indexes", slog.Any("error", err))
	}
	return nil
}

// analyse makes SQLite sample each index that has grown much since the last time:
// without that its planner chooses the index of the list's order over that of a
// filter.
func (e *sqliteEngine) analyse(ctx context.Context) error {
	_, err := e.db.ExecContext(ctx, "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10002")
	if err != nil {
		return fmt.Errorf("analyse indexes: %w", err)
	}
	// A connection reads the samples when it opens: readers that were open are closed.
	e.reader.SetMaxIdleConns(0)
	e.reader.SetMaxIdleConns(sqliteReaders)
	if err := e.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("open a reader again: %w", err)
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

// sqliteFatal says that the disk failed: what of a transaction is on it is not
// known.
func sqliteFatal(err error) bool { return sqliteCode(err)&0xff == sqlite3.SQLITE_IOERR }
