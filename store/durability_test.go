package store_test

import (
	"bufio"
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

// TestFaultChild is no test but the process that TestFailedSyncIsFatal breaks.
func TestFaultChild(t *testing.T) {
	url := os.Getenv("SIDETONE_TEST_FAULT_URL")
	if url == "" {
		return
	}
	ctx := context.Background()
	s := storetest.Open(t, url, nil)
	env := account(t, s)
	write(t, s, env, insert("before"))
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"during", "after"} {
		err := s.Write(ctx, env, insert(id))
		wantCode(t, err, sidetone.Unavailable, "the database is not available")
	}
	if err := s.Ready(ctx); err == nil {
		t.Error("ready after a failed sync")
	}
	// Reading goes on. Nobody knows whether "during" is on the disk.
	read(t, s, env, func(tx *store.Tx) error {
		_, err := tx.Prompt("before")
		_, absent := tx.Prompt("after")
		wantCode(t, absent, sidetone.NotFound, "prompt not found")
		return err
	})
}

// TestFailedSyncIsFatal makes the kernel report an I/O error for a commit's sync.
// No later write may be acknowledged by that process.
func TestFailedSyncIsFatal(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFaultChild$")
	cmd.Env = append(os.Environ(), "SIDETONE_TEST_FAULT_URL="+storetest.SQLite(t))
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		t.Log(lines.Text())
	}
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
	if _, err := fmt.Fprintln(in, "go on"); err != nil {
		t.Fatal(err)
	}
	var rest strings.Builder
	for lines.Scan() {
		rest.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, rest.String())
	}
	_ = trace.Wait() // it ends with the process it traces
}
