package store_test

import (
	"strings"
	"testing"

	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestListsUseIndexes explains every documented sort and filter column: none may
// read a whole table, sort rows, or look at rows that the index could exclude.
func TestListsUseIndexes(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		_, sqlite := s.SQLite()
		queries := store.ListQueries(s)
		if len(queries) < 40 {
			t.Fatalf("only %d queries", len(queries))
		}
		for _, q := range append(queries, store.EndingLike("+12025550142")) {
			read(t, s, env, func(tx *store.Tx) error {
				plan, err := tx.Explain(q)
				bad := strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") ||
					strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort")
				// Which of several indexes Postgres narrows with depends on statistics.
				if sqlite && !strings.Contains(plan, q.Narrows) {
					bad = true
				}
				if bad {
					t.Errorf("%s: %s", q.Name, plan)
				}
				return err
			})
		}
	})
}
