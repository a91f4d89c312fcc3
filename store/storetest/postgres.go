package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidetone/sidetone/store"
)

// server is a Postgres of this test binary. What later calls need is in files
// below its directory, so that nothing is kept in package variables.
type server struct{ dir string }

func (s server) socket() string { return filepath.Join(s.dir, "socket") }

// The roles of a test's database: its owner, who migrates, and the one that the
// store works with. The server's own, sidetone, is a superuser.
const (
	ownerRole = "sidetone_owner"
	appRole   = "sidetone_app"
)

func (s server) url(database, role string) string {
	return "postgres:///" + database + "?host=" + s.socket() + "&user=" + role + "&pool_max_conns=8"
}

// Owner returns the address, for the role that owns the schema, of a database
// that Postgres returned. Row-level security does not bind that role.
func Owner(url string) string { return strings.Replace(url, "&user="+appRole, "&user="+ownerRole, 1) }

// Superuser returns the address of such a database for a superuser.
func Superuser(url string) string { return strings.Replace(url, "&user="+appRole, "&user=sidetone", 1) }

// Postgres returns the address of a fresh, migrated database of its own, which
// is dropped with the test, for a role that row-level security binds. The first call of a test binary starts the server:
// no network, no syncing to disk, under the account of postgres when the test
// runs as root. The binary's TestMain must call Main.
func Postgres(t testing.TB) string {
	t.Helper()
	return running(t).database(t, "TEMPLATE template_sidetone")
}

// PostgresICU is Postgres with a database whose own collation sorts by language,
// as many installations have it; ours must not depend on it.
func PostgresICU(t testing.TB) string {
	t.Helper()
	url := running(t).database(t, "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	migrate(t, url, Owner(url))
	return url
}

// PostgresEmpty is Postgres without tables.
func PostgresEmpty(t testing.TB) string {
	t.Helper()
	return running(t).database(t, "TEMPLATE template0")
}

// running returns the binary's server, started if need be.
func running(t testing.TB) server {
	t.Helper()
	s := server{dir: directory(t)}
	unlock := lock(t, s.dir)
	defer unlock()
	ready := filepath.Join(s.dir, "ready")
	if _, err := os.Stat(ready); err == nil {
		return s
	}
	if err := s.start(); err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	for _, role := range []string{ownerRole, appRole} {
		s.admin(t, "CREATE ROLE "+role+" LOGIN NOSUPERUSER NOBYPASSRLS")
	}
	s.admin(t, "CREATE DATABASE template_sidetone OWNER "+ownerRole)
	migrate(t, s.url("template_sidetone", appRole), s.url("template_sidetone", ownerRole))
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// database makes a database that is dropped with the test.
func (s server) database(t testing.TB, options string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	s.admin(t, "CREATE DATABASE "+name+" OWNER "+ownerRole+" "+options)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.url(name, appRole)
}

func (s server) admin(t testing.TB, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, "postgres:///postgres?host="+s.socket()+"&user=sidetone")
	if err != nil {
		t.Fatalf("connect to postgres: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func migrate(t testing.TB, url, owner string) {
	t.Helper()
	st, err := store.Open(context.Background(), store.Config{URL: url, MigrateURL: owner})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.Migrate(context.Background()), st.Close()); err != nil {
		t.Fatal(err)
	}
}

// programs returns the folder of the newest installed Postgres.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no Postgres below /usr/lib/postgresql: run scripts/setup (%w)", errors.Join(err, os.ErrNotExist))
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 sorts what is no version first
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// account returns how to run a program as postgres when we are root.
func account() (*syscall.SysProcAttr, int, int, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attr, os.Getuid(), os.Getgid(), nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, 0, 0, err
	}
	uid, _ := strconv.Atoi(u.Uid) // the password file holds numbers
	gid, _ := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, uid, gid, nil
}

// start makes a cluster and runs the server until Main stops it, or until this
// process dies.
func (s server) start() error {
	bin, err := programs()
	if err != nil {
		return err
	}
	attr, uid, gid, err := account()
	if err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	for _, dir := range []string{data, s.socket()} {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, uid, gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(context.Background(), filepath.Join(bin, "initdb"), "-N", "--locale=C.UTF-8", "-E", "UTF8", "-A", "trust", "-U", "sidetone", "-D", data)
	initdb.SysProcAttr, initdb.Dir = attr, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), "-D", data, "-k", s.socket(), "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "max_connections=200", "-c", "shared_buffers=32MB")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: attr.Credential, Pdeathsig: syscall.SIGQUIT}
	return s.run(cmd)
}

// run starts the server and waits until it takes connections. The parent-death
// signal belongs to the thread that starts it, which is therefore kept.
func (s server) run(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	exited := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its log says why it ended
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, "postgres:///postgres?host="+s.socket()+"&user=sidetone")
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		case <-exited:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres ended at once: %s", log)
		}
	}
}

// stop ends the server, if one was started, and waits for it.
func (s server) stop() {
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || syscall.Kill(pid, syscall.SIGQUIT) != nil {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		<-tick.C
	}
}
