package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// group is a set of writes that share one commit: the first one holds the
// writer until all others have queued.
type group struct {
	s       *store.Store
	env     string
	release chan struct{}
	first   chan error
}

func holdWriter(t *testing.T, s *store.Store, env string) *group {
	t.Helper()
	g := &group{s: s, env: env, release: make(chan struct{}), first: make(chan error, 1)}
	running := make(chan struct{})
	go func() {
		g.first <- s.Write(context.Background(), env, func(tx *store.Tx) error {
			close(running)
			<-g.release
			return tx.InsertPrompt(prompt("held"))
		})
	}()
	<-running
	return g
}

// queue starts a write and returns once it can only wait for the writer.
func (g *group) queue(ctx context.Context, fn func(*store.Tx) error) <-chan error {
	result := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		result <- g.s.Write(ctx, g.env, fn)
	}()
	<-started
	return result
}

func prompt(id string) sidetone.Prompt { return sidetone.NewPrompt(id, "", "Be kind.", day(1)) }

func insert(id string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.InsertPrompt(prompt(id)) }
}

func wantPrompts(t *testing.T, s *store.Store, env string, ids ...string) {
	t.Helper()
	read(t, s, env, func(tx *store.Tx) error {
		p, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 100, SortColumn: "id"})
		var got []string
		for _, item := range p.Items {
			got = append(got, item.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("prompts %v, want %v", got, ids)
		}
		return err
	})
}

func TestOneFailingWriteLeavesItsGroupAlone(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	g := holdWriter(t, s, env)
	ctx := context.Background()
	changedMind := errors.New("changed my mind")
	good1 := g.queue(ctx, insert("good1"))
	refused := g.queue(ctx, func(tx *store.Tx) error { return errors.Join(tx.InsertPrompt(prompt("refused")), changedMind) })
	twin := g.queue(ctx, insert("held"))
	swallowed := g.queue(ctx, func(tx *store.Tx) error {
		_ = tx.InsertPrompt(prompt("swallowed"))
		_ = tx.InsertPrompt(prompt("swallowed")) // its error decides although nobody returns it
		return nil
	})
	panics := g.queue(ctx, func(tx *store.Tx) error {
		if err := tx.InsertPrompt(prompt("panics")); err != nil {
			return err
		}
		panic("bug")
	})
	good2 := g.queue(ctx, insert("good2"))
	close(g.release)
	for name, result := range map[string]<-chan error{"first": g.first, "good1": good1, "good2": good2} {
		if err := <-result; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := <-refused; !errors.Is(err, changedMind) {
		t.Errorf("refused: %v", err)
	}
	wantCode(t, <-twin, sidetone.Conflict, "prompt already exists")
	wantCode(t, <-swallowed, sidetone.Conflict, "prompt already exists")
	if err := <-panics; err == nil || !strings.Contains(err.Error(), "bug") {
		t.Errorf("panic became %v", err)
	}
	wantPrompts(t, s, env, "good1", "good2", "held")
}

func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	g := holdWriter(t, s, env)

	before, cancelBefore := context.WithCancel(context.Background())
	ran := false
	waiting := g.queue(before, func(*store.Tx) error { ran = true; return nil })
	cancelBefore()
	if err := <-waiting; !errors.Is(err, context.Canceled) { // answered while the writer is still held
		t.Errorf("cancelled before its turn: %v", err)
	}
	during, cancelDuring := context.WithCancel(context.Background())
	inside := g.queue(during, func(tx *store.Tx) error {
		cancelDuring()
		return tx.InsertPrompt(prompt("inside"))
	})
	innocent := g.queue(context.Background(), insert("innocent"))
	close(g.release)
	for _, result := range []<-chan error{g.first, inside, innocent} {
		if err := <-result; err != nil {
			t.Error(err)
		}
	}
	if ran {
		t.Error("an abandoned closure ran")
	}
	wantPrompts(t, s, env, "held", "innocent", "inside")
}

// TestLostTransaction ends the transaction under the writer's feet: everybody in
// the group must hear of it, and nothing of the group may stay.
func TestLostTransaction(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	g := holdWriter(t, s, env)
	lost := g.queue(context.Background(), func(tx *store.Tx) error {
		inner, _ := tx.SQLite()
		if _, err := inner.Exec("ROLLBACK"); err != nil {
			return err
		}
		return errors.New("the engine rolled back")
	})
	close(g.release)
	if err := <-g.first; err == nil {
		t.Error("a write that was rolled back is acknowledged")
	}
	if err := <-lost; err == nil {
		t.Error("the write that lost the transaction is acknowledged")
	}
	wantPrompts(t, s, env)
	write(t, s, env, insert("next"))
	wantPrompts(t, s, env, "next")
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	db, _ := s.SQLite()
	limit := func(pages int64) {
		t.Helper()
		if _, err := db.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
			t.Fatal(err)
		}
	}
	var pages int64
	if err := db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit(pages + 2)
	big := prompt("big")
	big.Content = strings.Repeat("x", 1<<20)
	g := holdWriter(t, s, env)
	full := g.queue(context.Background(), func(tx *store.Tx) error { return tx.InsertPrompt(big) })
	close(g.release)
	wantCode(t, <-full, sidetone.Unavailable, "the database is not available")
	if err := <-g.first; err != nil {
		wantCode(t, err, sidetone.Unavailable, "")
		wantPrompts(t, s, env)
	} else {
		wantPrompts(t, s, env, "held")
	}
	limit(1 << 20)
	write(t, s, env, func(tx *store.Tx) error { return tx.InsertPrompt(big) })
}

// TestLockedByAnotherProcess has another connection hold the file: every waiting
// write is refused together, and the next one goes through.
func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	s := storetest.Open(t, url, nil)
	env := account(t, s)
	db, _ := s.SQLite()
	if _, err := db.Exec("PRAGMA busy_timeout = 20"); err != nil {
		t.Fatal(err)
	}
	other := storetest.Open(t, url, nil)
	g := holdWriter(t, other, env)
	for range 3 {
		wantCode(t, s.Write(context.Background(), env, insert("refused")), sidetone.Unavailable, "the database is not available")
	}
	close(g.release)
	if err := <-g.first; err != nil {
		t.Error(err)
	}
	write(t, s, env, insert("next"))
	wantPrompts(t, s, env, "held", "next")
}

func TestCloseRunsWhatIsQueued(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	g := holdWriter(t, s, env)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	close(g.release)
	if err := errors.Join(<-g.first, <-closed); err != nil {
		t.Error(err)
	}
	err := s.Write(context.Background(), env, insert("late"))
	wantCode(t, err, sidetone.Unavailable, "the database is not available")
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("late write: %v", err)
	}
}

// TestManyWritersCountExactly increments one row from many goroutines.
func TestManyWritersCountExactly(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, insert("counter"))
		const writers, each = 32, 25
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for range writers {
			wg.Go(func() {
				for range each {
					err := s.Write(context.Background(), env, func(tx *store.Tx) error {
						p, err := tx.Prompt("counter")
						if err != nil {
							return err
						}
						n, _ := strconv.Atoi(strings.TrimPrefix(p.Content, "Be kind."))
						p.Content = fmt.Sprint("Be kind.", n+1)
						return tx.UpdatePrompt(p)
					})
					if err == nil {
						mu.Lock()
						done++
						mu.Unlock()
					} else if code := sidetone.CodeOf(err); code != sidetone.Unavailable && code != sidetone.Conflict {
						t.Errorf("write: %v", err)
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d of %d writes were acknowledged", done, writers*each)
		read(t, s, env, func(tx *store.Tx) error {
			p, err := tx.Prompt("counter")
			if p.Content != fmt.Sprint("Be kind.", done) || p.Version != int64(done)+1 {
				t.Errorf("%s at version %d after %d acknowledged increments", p.Content, p.Version, done)
			}
			return err
		})
		if done != writers*each {
			t.Errorf("%d of %d writes were acknowledged", done, writers*each)
		}
	})
}

// TestNodesCountExactly increments one row from many writers of two nodes that
// share a database.
func TestNodesCountExactly(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	nodes := []*store.Store{storetest.Open(t, url, nil), storetest.Open(t, url, nil)}
	env := account(t, nodes[0])
	write(t, nodes[0], env, insert("counter"))
	const writers, each = 32, 4
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range writers {
		wg.Go(func() {
			for range each {
				err := nodes[i%len(nodes)].Write(context.Background(), env, func(tx *store.Tx) error {
					p, err := tx.Prompt("counter")
					if err != nil {
						return err
					}
					n, _ := strconv.Atoi(strings.TrimPrefix(p.Content, "Be kind."))
					p.Content = fmt.Sprint("Be kind.", n+1)
					return tx.UpdatePrompt(p)
				})
				if err == nil {
					done.Add(1)
				} else if code := sidetone.CodeOf(err); code != sidetone.Unavailable && code != sidetone.Conflict {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	wg.Wait()
	read(t, nodes[1], env, func(tx *store.Tx) error {
		p, err := tx.Prompt("counter")
		if p.Content != fmt.Sprint("Be kind.", done.Load()) || p.Version != done.Load()+1 {
			t.Errorf("%s at version %d after %d acknowledged increments", p.Content, p.Version, done.Load())
		}
		return err
	})
	if t.Logf("%d of %d writes were acknowledged", done.Load(), writers*each); done.Load() < writers*each*9/10 {
		t.Errorf("only %d of %d writes were acknowledged", done.Load(), writers*each)
	}
}

func BenchmarkStartCall(b *testing.B) {
	s := storetest.Open(b, storetest.SQLite(b), nil)
	env := account(b, s)
	snapshot := sidetone.Snapshot{Agent: sidetone.NewAgent("a", env, "p", day(1)), Prompt: sidetone.NewPrompt("p", env, strings.Repeat("Be kind. ", 200), day(1))}
	i := 0
	for b.Loop() {
		c := liveCall(fmt.Sprint("c", i), env)
		c.Snapshot, c.Created = snapshot, time.UnixMilli(int64(i+1))
		if err := s.StartCall(context.Background(), c); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkGroupCommit(b *testing.B) {
	s := storetest.Open(b, storetest.SQLite(b), nil)
	env := account(b, s)
	b.SetParallelism(32)
	var id atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Write(context.Background(), env, insert(fmt.Sprint("p", id.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
}
