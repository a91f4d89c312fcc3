package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// groupOf is how many writes wait behind the one that holds the writer.
const groupOf = 8

// inOrder queues the writes of a group one behind the other.
func (g *group) inOrder(t *testing.T, ctx []context.Context, fns []func(*store.Tx) error) []<-chan error {
	t.Helper()
	var results []<-chan error
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i, fn := range fns {
		results = append(results, g.queue(ctx[i], fn))
		for store.Queued(g.s) < i+1 {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatal("the write was not queued")
			}
		}
	}
	return results
}

// TestFaultsAtEveryPositionOfAGroup lets each write of a group in turn be given
// up, cancelled while it runs, panic, break a constraint, meet a full disk, or
// lose the transaction. What is stored afterwards is what was acknowledged.
func TestFaultsAtEveryPositionOfAGroup(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"given up", "cancelled", "panic", "constraint", "full disk", "lost transaction"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t, storetest.SQLite(t), nil)
			for position := range groupOf {
				env := account(t, s)
				acknowledged := faultyGroup(t, s, env, fault, position)
				slices.Sort(acknowledged)
				wantPrompts(t, s, env, acknowledged...)
				want := groupOf + 1 // the writer's first and the group
				switch fault {
				case "given up", "panic", "constraint":
					want-- // the faulty one
				case "full disk":
					want = -1 // SQLite decides whether the others can stay
				case "lost transaction":
					want = groupOf - 1 - position // who comes behind has a transaction of their own
				}
				if want >= 0 && len(acknowledged) != want {
					t.Errorf("%s at %d: %d writes were acknowledged, want %d", fault, position, len(acknowledged), want)
				}
				write(t, s, env, insert("zz after "+env)) // the writer goes on
			}
		})
	}
}

// faultyGroup runs a group with a fault and returns the ids it was told are
// stored.
func faultyGroup(t *testing.T, s *store.Store, env, fault string, position int) (acknowledged []string) {
	t.Helper()
	g := &group{s: s, env: env, release: make(chan struct{}), first: make(chan error, 1)}
	first := fmt.Sprint("first ", env)
	running := make(chan struct{})
	go func() {
		g.first <- s.Write(context.Background(), env, func(tx *store.Tx) error {
			close(running)
			<-g.release
			return tx.InsertPrompt(prompt(first))
		})
	}()
	<-running
	ctxs, fns, ids := make([]context.Context, groupOf), make([]func(*store.Tx) error, groupOf), make([]string, groupOf)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range groupOf {
		ids[i] = fmt.Sprintf("w%d %s", i, env)
		ctxs[i], fns[i] = context.Background(), insert(ids[i])
	}
	healthy := fns[position]
	switch fault {
	case "given up":
		ctxs[position] = ctx
	case "cancelled":
		ctxs[position] = ctx
		fns[position] = func(tx *store.Tx) error { cancel(); return healthy(tx) }
	case "panic":
		fns[position] = func(tx *store.Tx) error { _ = healthy(tx); panic("bug") }
	case "constraint":
		fns[position] = func(tx *store.Tx) error { return errors.Join(healthy(tx), tx.InsertPrompt(prompt(first))) }
	case "full disk":
		fns[position] = func(tx *store.Tx) error {
			inner, _ := tx.SQLite()
			var pages int64
			if err := inner.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
				return err
			}
			if err := tx.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages+1)); err != nil {
				return err
			}
			big := prompt(ids[position])
			big.Content = strings.Repeat("x", 1<<20)
			return tx.InsertPrompt(big)
		}
	case "lost transaction":
		fns[position] = func(tx *store.Tx) error {
			inner, _ := tx.SQLite()
			_, err := inner.Exec("ROLLBACK")
			return errors.Join(err, errors.New("the engine rolled back"))
		}
	}
	results := g.inOrder(t, ctxs, fns)
	if fault == "given up" {
		cancel()
		if err := <-results[position]; !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		ctxs[position], results[position] = nil, nil
	}
	close(g.release)
	if err := <-g.first; err == nil {
		acknowledged = append(acknowledged, first)
	}
	for i, result := range results {
		if result != nil && <-result == nil {
			acknowledged = append(acknowledged, ids[i])
		}
	}
	if fault == "full disk" {
		db, _ := s.SQLite()
		if _, err := db.Exec("PRAGMA max_page_count = 1000000"); err != nil {
			t.Fatal(err)
		}
	}
	return acknowledged
}

// TestGroupChild is no test but the process whose system calls
// TestSystemCallsFailInAGroup breaks: it writes groups and prints what was
// acknowledged.
func TestGroupChild(t *testing.T) {
	url, env := os.Getenv("SIDETONE_TEST_GROUP_URL"), os.Getenv("SIDETONE_TEST_GROUP_ENVIRONMENT")
	if url == "" {
		return
	}
	s := storetest.Open(t, url, nil)
	if at := os.Getenv("SIDETONE_TEST_GROUP_POSITION"); at != "" {
		childGroup(t, s, env, at)
		return
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		release, running := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- s.Write(context.Background(), env, func(*store.Tx) error { close(running); <-release; return nil })
		}()
		select {
		case <-running:
		case <-first: // refused for good
			return
		}
		g := &group{s: s, env: env}
		var results []<-chan error
		for i := range groupOf {
			p := prompt(fmt.Sprintf("g%d w%d", n, i))
			p.Content = strings.Repeat("Be kind. ", 300)
			results = append(results, g.queue(context.Background(), func(tx *store.Tx) error { return tx.InsertPrompt(p) }))
		}
		for store.Queued(s) < groupOf {
			<-time.After(time.Millisecond)
		}
		close(release)
		<-first
		for i, result := range results {
			if err := <-result; err == nil {
				fmt.Printf("acknowledged g%d w%d\n", n, i)
			} else if errors.Is(err, store.ErrOutcomeUnknown) {
				fmt.Printf("unknown g%d w%d\n", n, i)
			} else if code := sidetone.CodeOf(err); code != sidetone.Unavailable {
				t.Errorf("refused with %v", err)
			}
		}
	}
}

// childGroup runs a group of which the write at one position waits for its
// system calls to be broken, and has to write to the disk before the commit:
// its row is larger than the page cache.
func childGroup(t *testing.T, s *store.Store, env, position string) {
	db, _ := s.SQLite()
	if _, err := db.Exec("PRAGMA cache_size = 8"); err != nil {
		t.Fatal(err)
	}
	g := holdWriter(t, s, env)
	var fns []func(*store.Tx) error
	for i := range groupOf {
		fn := insert(fmt.Sprint("w", i))
		if strconv.Itoa(i) == position {
			fn = func(tx *store.Tx) error {
				fmt.Println("ready")
				if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
					return err
				}
				big := prompt("big")
				big.Content = strings.Repeat("x", 200_000)
				err := tx.InsertPrompt(big)
				fmt.Println("met", err != nil)
				return err
			}
		}
		fns = append(fns, fn)
	}
	results := g.inOrder(t, slices.Repeat([]context.Context{context.Background()}, groupOf), fns)
	close(g.release)
	if err := <-g.first; err == nil {
		fmt.Println("acknowledged held")
	}
	for i, result := range results {
		if err := <-result; err == nil {
			fmt.Printf("acknowledged w%d\n", i)
		}
	}
}

// TestDiskFailsAtEveryPositionOfAGroup makes the disk fail while the write at
// each position of a group runs, long before the commit.
func TestDiskFailsAtEveryPositionOfAGroup(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"pwrite64:error=EIO:when=1", "pwrite64:error=ENOSPC:when=1", "pwrite64:error=EIO"} {
		for position := range groupOf {
			t.Run(fmt.Sprint(fault, " at ", position), func(t *testing.T) {
				t.Parallel()
				url := storetest.SQLite(t)
				s := storetest.Open(t, url, nil)
				env := account(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				acknowledged, said := brokenChild(t, url, env, fault, "SIDETONE_TEST_GROUP_POSITION="+strconv.Itoa(position))
				if !strings.Contains(said, "met true") {
					t.Errorf("the fault was not met: %s", said)
				}
				slices.Sort(acknowledged)
				wantPrompts(t, storetest.Open(t, url, nil), env, acknowledged...)
			})
		}
	}
}

// TestSystemCallsFailInAGroup makes one write or sync of the child fail, a
// later one in each round, with an I/O error or a full disk. What another
// process finds afterwards is what was acknowledged, and, whole or not at all,
// the group whose writers were told that its outcome is unknown.
func TestSystemCallsFailInAGroup(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"pwrite64:error=EIO", "pwrite64:error=ENOSPC", "fsync,fdatasync:error=EIO"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			refused := 0
			for _, when := range []int{1, 2, 3, 5, 8, 13, 21, 40} {
				if strings.HasPrefix(fault, "fsync") && when > 5 {
					break // four groups are no more
				}
				url := storetest.SQLite(t)
				s := storetest.Open(t, url, nil)
				env := account(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				acknowledged, said := brokenChild(t, url, env, fmt.Sprintf("%s:when=%d", fault, when))
				if len(acknowledged) < 4*groupOf {
					refused++
				}
				wantGroups(t, storetest.Open(t, url, nil), env, acknowledged, prefixed(said, "unknown "))
			}
			if t.Logf("writes were refused in %d rounds", refused); refused == 0 { // strace counts for each thread
				t.Error("the fault was never met")
			}
		})
	}
}

// brokenChild runs TestGroupChild under strace with a fault and returns what it
// was told is stored, and all it said.
func brokenChild(t *testing.T, url, env, inject string, more ...string) (acknowledged []string, said string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestGroupChild$")
	cmd.Env = append(os.Environ(), "SIDETONE_TEST_GROUP_URL="+url, "SIDETONE_TEST_GROUP_ENVIRONMENT="+env)
	cmd.Env = append(cmd.Env, more...)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		t.Log(lines.Text())
	}
	trace := exec.Command("strace", "-f", "-p", strconv.Itoa(cmd.Process.Pid), "-o", os.DevNull, "-e", "inject="+inject)
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
		t.Errorf("%s: %v: %s", inject, err, rest.String())
	}
	_ = trace.Wait() // it ends with the process it traces
	return prefixed(rest.String(), "acknowledged "), rest.String()
}

// prefixed returns what follows prefix on the lines that begin with it.
func prefixed(said, prefix string) []string {
	var out []string
	for line := range strings.Lines(said) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
			out = append(out, id)
		}
	}
	return out
}

// wantGroups checks that s holds the acknowledged prompts and, of those with an
// unknown outcome, all or none of each group.
func wantGroups(t *testing.T, s *store.Store, env string, acknowledged, unknown []string) {
	t.Helper()
	found := map[string]bool{}
	read(t, s, env, func(tx *store.Tx) error {
		p, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 100})
		for _, item := range p.Items {
			found[item.ID] = true
		}
		return err
	})
	want := acknowledged
	for _, id := range unknown {
		group, _, _ := strings.Cut(id, " ")
		if found[group+" w0"] {
			want = append(want, id)
		}
	}
	slices.Sort(want)
	wantPrompts(t, s, env, want...)
}
