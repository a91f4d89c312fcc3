package store_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// addCalls stores calls made at the given seconds.
func addCalls(tx *store.Tx, prefix string, seconds ...int) error {
	for i, second := range seconds {
		c := liveCall(fmt.Sprintf("%s%04d-%s", prefix, i, tx.EnvironmentID()), tx.EnvironmentID())
		c.Created = day(1).Add(time.Duration(second) * time.Second)
		if err := tx.InsertCall(c); err != nil {
			return err
		}
	}
	return nil
}

// sameDeep compares, within one transaction, every page that is skipped to with
// the one that is counted to.
func sameDeep(t *testing.T, s *store.Store, env string) (rows int) {
	t.Helper()
	read(t, s, env, func(tx *store.Tx) error {
		for _, desc := range []bool{false, true} {
			for _, page := range []int{1, 2, 5, 9, 14, 30, 55} {
				q := sidetone.PageQuery{Page: page, Size: 7, SortColumn: "created", SortDesc: desc}
				store.SkipFrom(s, math.MaxInt64)
				near, err := tx.Calls(q)
				store.SkipFrom(s, 1)
				if err != nil {
					return err
				}
				far, err := tx.Calls(q)
				if err != nil {
					return err
				}
				rows += len(near.Items)
				if d := cmp.Diff(ids(near), ids(far)); d != "" {
					t.Errorf("page %d, descending %v:\n%s", page, desc, d)
				}
			}
		}
		return nil
	})
	return rows
}

// moreRungs reads distant pages until the ladders have more rungs than that: they
// do not grow while transactions of other tests, on the same server, are older
// than the newest row.
func moreRungs(t *testing.T, s *store.Store, env string, than int) int {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		sameDeep(t, s, env)
		if n := store.Rungs(s, env); n > than {
			return n
		}
	}
	t.Fatalf("no more than %d rungs", than)
	return 0
}

// TestLadders reads distant pages between additions at either end and in the
// middle, of this environment and of another one.
func TestLadders(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		pick := rand.New(rand.NewPCG(3, 4))
		_, sqlite := s.SQLite()
		for round := range 12 {
			var seconds []int
			for range 40 {
				seconds = append(seconds, []int{pick.IntN(1000), 1000 + round, -round}[pick.IntN(3)])
			}
			write(t, s, env, func(tx *store.Tx) error { return addCalls(tx, fmt.Sprintf("a%02d-", round), seconds...) })
			write(t, s, other, func(tx *store.Tx) error { return addCalls(tx, fmt.Sprintf("b%02d-", round), seconds[:3]...) })
			if rows := sameDeep(t, s, env); rows < 28 {
				t.Errorf("round %d: %d rows", round, rows)
			}
			sameDeep(t, s, other)
		}
		if sqlite {
			if n := store.Rungs(s, env); n != 0 {
				t.Errorf("%d rungs", n)
			}
			return
		}
		moreRungs(t, s, env, 0)
	})
}

// TestLaddersWhileTransactionsOvertake reads while a transaction that began
// before others is not committed yet, and afterwards.
func TestLaddersWhileTransactionsOvertake(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Postgres(t), nil)
	env := account(t, s)
	store.SkipFrom(s, 1)
	add := func(prefix string, seconds int) {
		write(t, s, env, func(tx *store.Tx) error {
			return addCalls(tx, prefix, slices.Repeat([]int{seconds}, 60)...)
		})
	}
	add("a", 10)
	before := moreRungs(t, s, env, 0)
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Write(context.Background(), env, func(tx *store.Tx) error {
			err := addCalls(tx, "slow", slices.Repeat([]int{30}, 30)...)
			close(began)
			<-end
			return err
		})
	}()
	<-began
	add("b", 20)
	add("c", 5)
	sameDeep(t, s, env)
	if n := store.Rungs(s, env); n != before {
		t.Errorf("%d rungs, %d before a transaction that is not over was overtaken", n, before)
	}
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	moreRungs(t, s, env, before)
}

// TestLaddersOfAnotherServersTransactions reads rows that came with a backup of
// a server that had seen more transactions.
func TestLaddersOfAnotherServersTransactions(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Postgres(t), nil)
	env := account(t, s)
	write(t, s, env, func(tx *store.Tx) error {
		if err := addCalls(tx, "a", slices.Repeat([]int{7}, 200)...); err != nil {
			return err
		}
		return tx.Exec("UPDATE calls SET transaction_id = 1000000000 WHERE environment_id = $1", env)
	})
	for range 2 {
		sameDeep(t, s, env)
	}
	if n := store.Rungs(s, env); n != 0 {
		t.Errorf("%d rungs", n)
	}
}
