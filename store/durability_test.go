package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestChild is no test: the tests below run it in a process of its own. It
// writes one row after the other and prints the id of each acknowledged one.
func TestChild(t *testing.T) {
	path := os.Getenv("SIDETONE_TEST_CHILD_DB")
	if path == "" {
		return
	}
	count, err := strconv.Atoi(os.Getenv("SIDETONE_TEST_CHILD_WRITES"))
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, "sqlite:"+path, nil)
	env := os.Getenv("SIDETONE_TEST_CHILD_ENVIRONMENT")
	for i := range count {
		write(t, s, env, insert(fmt.Sprintf("p%06d", i)))
		fmt.Printf("acknowledged %d\n", i)
	}
}

func child(t *testing.T, path, env string, writes int, wrapper ...string) *exec.Cmd {
	t.Helper()
	args := append(wrapper, os.Args[0], "-test.run=^TestChild$")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "SIDETONE_TEST_CHILD_DB="+path, "SIDETONE_TEST_CHILD_ENVIRONMENT="+env,
		"SIDETONE_TEST_CHILD_WRITES="+strconv.Itoa(writes))
	return cmd
}

// TestEveryCommitIsSynced counts system calls: a killed process cannot tell a
// commit that was synced from one that was only written.
func TestEveryCommitIsSynced(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	s := storetest.Open(t, url, nil)
	env := account(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const writes = 100
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := child(t, strings.TrimPrefix(url, "sqlite:"), env, writes, "strace", "-f", "-e", "trace=fsync,fdatasync", "-o", trace)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	synced := len(regexp.MustCompile(`(?m)(fsync|fdatasync)\(.*= 0$|(fsync|fdatasync) resumed.*= 0$`).FindAll(b, -1))
	if synced < writes {
		t.Errorf("%d syncs for %d commits", synced, writes)
	}
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	s := storetest.Open(t, url, nil)
	env := account(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, strings.TrimPrefix(url, "sqlite:"), env, 1_000_000)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	last := -1
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
			if last, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
		if last == 50 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	s = storetest.Open(t, url, nil)
	read(t, s, env, func(tx *store.Tx) error {
		p, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 1})
		if p.Total < int64(last)+1 || p.Total > int64(last)+2 {
			t.Errorf("%d rows, %d acknowledged", p.Total, last+1)
		}
		return err
	})
	db, _ := s.SQLite()
	var check string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Errorf("integrity check: %s, %v", check, err)
	}
}

// TestFaultChild is no test but the process whose syncs TestFailedSync breaks and
// repairs.
func TestFaultChild(t *testing.T) {
	url := os.Getenv("SIDETONE_TEST_FAULT_URL")
	if url == "" {
		return
	}
	ctx := context.Background()
	s := storetest.Open(t, url, nil)
	env := account(t, s)
	write(t, s, env, insert("before"))
	in := bufio.NewReader(os.Stdin)
	next := func() {
		fmt.Println("ready")
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	next() // syncs fail
	err := s.Write(ctx, env, insert("during"))
	wantCode(t, err, sidetone.Unavailable, "the database did not confirm the change: it is not known whether it was stored")
	wantCode(t, s.Write(ctx, env, insert("after")), sidetone.Unavailable, "the database is not available")
	if err := s.Ready(ctx); err == nil {
		t.Error("ready while syncs fail")
	}
	read(t, s, env, func(tx *store.Tx) error { // reading goes on, of what was acknowledged
		_, err := tx.Prompt("before")
		for _, id := range []string{"during", "after"} {
			_, absent := tx.Prompt(id)
			wantCode(t, absent, sidetone.NotFound, "prompt not found")
		}
		return err
	})
	next() // syncs work
	if err := s.Ready(ctx); err != nil {
		t.Errorf("not ready on a disk that works again: %v", err)
	}
	write(t, s, env, insert("later"))
	wantPrompts(t, s, env, "before", "later")
	if !t.Failed() { // what a test says shows only when it ends
		fmt.Println("environment " + env)
		next() // killed
	}
}

// TestFailedSync makes the kernel report an I/O error for a commit's sync and for
// every later one: no write may be acknowledged. When syncs work again the store
// writes on from the last good state, and a kill loses nothing acknowledged.
func TestFailedSync(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestFaultChild$")
	cmd.Env = append(os.Environ(), "SIDETONE_TEST_FAULT_URL="+url)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines, env := bufio.NewScanner(out), ""
	ready := func() {
		t.Helper()
		for lines.Scan() && lines.Text() != "ready" {
			if id, ok := strings.CutPrefix(lines.Text(), "environment "); ok {
				env = id
				continue
			}
			t.Log(lines.Text())
		}
	}
	ready()
	trace := exec.Command("strace", "-f", "-p", strconv.Itoa(cmd.Process.Pid), "-o", os.DevNull,
		"-e", "inject=fsync,fdatasync:error=EIO")
	says, err := trace.StderrPipe()
	if err := errors.Join(err, trace.Start()); err != nil {
		t.Fatal(err)
	}
	attached := bufio.NewScanner(says)
	for attached.Scan() && !strings.Contains(attached.Text(), "attached") {
		t.Log(attached.Text())
	}
	goOn := func() {
		t.Helper()
		if _, err := fmt.Fprintln(in, "go on"); err != nil {
			t.Fatal(err)
		}
		ready()
	}
	goOn()
	if err := trace.Process.Signal(os.Interrupt); err != nil { // it lets go of the process
		t.Fatal(err)
	}
	_ = trace.Wait()
	goOn()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if env == "" {
		t.Fatal("the child did not come to its end")
	}
	wantPrompts(t, storetest.Open(t, url, nil), env, "before", "later")
}

// TestLogIsWrittenAgain: what opening does to a log that a killed process left
// changes nothing in it.
func TestLogIsWrittenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := store.SyncLog(path); err != nil {
		t.Errorf("without a log: %v", err)
	}
	want := []byte(strings.Repeat("frame ", 50_000))
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.SyncLog(path); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); !bytes.Equal(got, want) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}
