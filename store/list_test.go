package store_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// runLists runs test on every engine and on a Postgres that sorts by language.
func runLists(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	storetest.Run(t, test)
	t.Run("postgres with ICU", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.Open(t, storetest.PostgresICU(t), nil))
	})
}

// callList stores eight calls whose columns differ and returns a lister.
func callList(t *testing.T, s *store.Store) func(q sidetone.PageQuery) (sidetone.Page[sidetone.Call], error) {
	t.Helper()
	env, other := account(t, s), account(t, s)
	for i := range 8 {
		c := liveCall(fmt.Sprint("c", i), env)
		c.Created = day(1).Add(time.Duration(i) * time.Hour)
		c.ToNumber = fmt.Sprint("+1212555010", 7-i)
		c.Outgoing = i%2 == 1
		c.AgentID = fmt.Sprint("a", i%3)
		if i == 0 {
			c.Started = day(2) // answered after all others were created
		}
		if err := s.StartCall(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.StartCall(context.Background(), liveCall("foreign", other)); err != nil {
		t.Fatal(err)
	}
	return func(q sidetone.PageQuery) (p sidetone.Page[sidetone.Call], err error) {
		err = s.Read(context.Background(), env, func(tx *store.Tx) (err error) { p, err = tx.Calls(q); return err })
		return p, err
	}
}

func ids(p sidetone.Page[sidetone.Call]) string {
	var out []string
	for _, c := range p.Items {
		out = append(out, strings.TrimPrefix(c.ID, "c"))
	}
	return strings.Join(out, "")
}

func where(column, op string, values ...any) []sidetone.Filter {
	return []sidetone.Filter{{Column: column, Op: op, Values: values}}
}

func TestPages(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		for _, tt := range []struct {
			name string
			q    sidetone.PageQuery
			want string
			more bool
		}{
			{"newest first", sidetone.PageQuery{Page: 1, Size: 3}, "765", true},
			{"last page", sidetone.PageQuery{Page: 3, Size: 3}, "10", false},
			{"exactly full", sidetone.PageQuery{Page: 2, Size: 4}, "3210", false},
			{"past the end", sidetone.PageQuery{Page: 9, Size: 3}, "", false},
			{"start time", sidetone.PageQuery{Page: 1, Size: 8, SortColumn: "start_time", SortDesc: true}, "07654321", false},
			{"ascending number", sidetone.PageQuery{Page: 1, Size: 2, SortColumn: "to_number"}, "76", true},
			{"ties by id", sidetone.PageQuery{Page: 1, Size: 8, SortColumn: "end_time", SortDesc: true}, "76543210", false},
			{"id", sidetone.PageQuery{Page: 1, Size: 8, SortColumn: "id"}, "01234567", false},
			{"a page that no table has", sidetone.PageQuery{Page: math.MaxInt32, Size: 100}, "", false},
			{"a page that no number has", sidetone.PageQuery{Page: math.MaxInt64, Size: 100}, "", false},
		} {
			p, err := list(tt.q)
			if err != nil || ids(p) != tt.want || p.HasMore != tt.more || p.Total != 8 || p.TotalIsEstimated ||
				p.Page != tt.q.Page || p.Size != tt.q.Size {
				t.Errorf("%s: %s more=%v total=%d %v, want %s %v", tt.name, ids(p), p.HasMore, p.Total, err, tt.want, tt.more)
			}
		}
	})
}

// TestPagesOfFilteredLists skips within what the filters leave.
func TestPagesOfFilteredLists(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		var got []string
		for page := range 4 {
			p, err := list(sidetone.PageQuery{Page: page + 1, Size: 1, Filters: where("agent", "eq", "a0")})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ids(p))
		}
		if want := []string{"6", "3", "0", ""}; !slices.Equal(got, want) {
			t.Errorf("pages %v, want %v", got, want)
		}
	})
}

// TestManyQueriesAtOnce asks, from more readers than there are connections, more
// different queries than are kept compiled, each more than once.
func TestManyQueriesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		var wg sync.WaitGroup
		for reader := range 6 {
			wg.Go(func() {
				for n := range 70 {
					agents, want := []any{fmt.Sprint("a", reader%3)}, []string{"630", "741", "52"}[reader%3]
					for range n {
						agents = append(agents, "none")
					}
					for _, column := range []string{"created", "to_number"} {
						p, err := list(sidetone.PageQuery{Page: 1, Size: 8, SortColumn: column, SortDesc: column == "created", Filters: where("agent", "in", agents...)})
						if err != nil || ids(p) != want || p.Total != int64(len(want)) {
							t.Errorf("reader %d, %d agents by %s: %s, total %d, %v, want %s", reader, n, column, ids(p), p.Total, err, want)
							return
						}
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		for _, tt := range []struct {
			filters []sidetone.Filter
			want    string
		}{
			{where("agent", "eq", "a1"), "741"},
			{where("agent", "ne", "a1"), "65320"},
			{where("agent", "in", "a0", "a2", "none"), "65320"},
			{where("is_outgoing", "eq", true), "7531"},
			{where("is_outgoing", "ne", true), "6420"},
			{where("to_number", "contains", "0102"), "5"},
			{where("to_number", "contains", "%"), ""},
			{where("to_number", "contains", "_"), ""},
			{where("to_number", "gt", "+12125550105"), "10"},
			{where("created", "gte", day(1).Add(6*time.Hour).Format(time.RFC3339Nano)), "76"},
			{where("start_time", "lt", day(1).Add(2*time.Hour).Format(time.RFC3339Nano)), "1"},
			{where("end_time", "eq", nil), "76543210"},
			{append(where("agent", "eq", "a1"), where("is_outgoing", "eq", true)...), "71"},
			{where("status", "eq", "not_started' OR '1'='1"), ""},
		} {
			p, err := list(sidetone.PageQuery{Page: 1, Size: 10, Filters: tt.filters})
			if err != nil || ids(p) != tt.want || p.Total != int64(len(tt.want)) {
				t.Errorf("%v: %s total %d %v, want %s", tt.filters, ids(p), p.Total, err, tt.want)
			}
		}
	})
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		many := make([]any, 101)
		for i := range many {
			many[i] = "a"
		}
		for _, tt := range []struct {
			q       sidetone.PageQuery
			message string
		}{
			{sidetone.PageQuery{Page: 0, Size: 1}, "page must be"},
			{sidetone.PageQuery{Page: 1, Size: 101}, "size must be"},
			{sidetone.PageQuery{Page: 1, Size: 1, SortColumn: "transcript"}, "sort_column must be one of"},
			{sidetone.PageQuery{Page: 1, Size: 1, SortColumn: "status"}, "sort_column must be one of"},
			{sidetone.PageQuery{Page: 1, Size: 1, SortColumn: "id; DROP TABLE calls"}, "sort_column must be one of"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("snapshot", "eq", "x")}, "filters.snapshot is not a column"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "like", "x")}, "filters.status cannot be compared"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "contains", "x")}, "filters.status cannot be compared"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("is_outgoing", "gt", true)}, "filters.is_outgoing cannot be compared"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("is_outgoing", "eq", "yes")}, "filters.is_outgoing must be true or false"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("created", "eq", "today")}, "filters.created must be a time"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "eq", 7.5)}, "filters.status must be a text"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "eq")}, "filters.status has 0 values"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "eq", "a", "b")}, "filters.status has 2 values"},
			{sidetone.PageQuery{Page: 1, Size: 1, Filters: where("status", "in", many...)}, "filters.status has 101 values"},
		} {
			_, err := list(tt.q)
			if sidetone.CodeOf(err) != sidetone.Invalid || !strings.HasPrefix(sidetone.MessageOf(err), tt.message) {
				t.Errorf("%+v: %v, want %s", tt.q, err, tt.message)
			}
		}
	})
}

func TestSearchWithoutCase(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		labels := []string{"Zürich", "zebra", "ÄRZTE 100%", "apple", "Apple pie"}
		write(t, s, env, func(tx *store.Tx) error {
			for i, label := range labels {
				p := prompt(fmt.Sprint("p", i))
				p.Label = label
				if err := tx.InsertPrompt(p); err != nil {
					return err
				}
			}
			return nil
		})
		list := func(q sidetone.PageQuery) (out []string) {
			q.Page, q.Size = 1, 10
			read(t, s, env, func(tx *store.Tx) error {
				p, err := tx.Prompts(q)
				for _, item := range p.Items {
					out = append(out, item.Label)
				}
				return err
			})
			return out
		}
		want := []string{"apple", "Apple pie", "zebra", "Zürich", "ÄRZTE 100%"} // by folded bytes, alike on both engines
		if d := cmp.Diff(want, list(sidetone.PageQuery{SortColumn: "label"})); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"ÄRZTE 100%"}, list(sidetone.PageQuery{Filters: where("label", "contains", "ärzte 100%")})); d != "" {
			t.Error(d)
		}
		if got := list(sidetone.PageQuery{SortColumn: "label", Filters: where("label", "contains", "APPLE")}); len(got) != 2 {
			t.Errorf("found %v", got)
		}
	})
}

// TestLongListsAreEstimated fills a list beyond what is counted exactly.
func TestLongListsAreEstimated(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		const rows = 10_500
		write(t, s, env, func(tx *store.Tx) error {
			return tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				INSERT INTO prompts SELECT CAST(i AS text), $2, '', '', '', '', '', '[]', '[]', 1, i, i, '', '', '', '[]' FROM n`, rows, env)
		})
		read(t, s, env, func(tx *store.Tx) error {
			p, err := tx.Prompts(sidetone.PageQuery{Page: 400, Size: 25})
			if !p.TotalIsEstimated || p.Total <= 10_000 || p.Total > 4*rows || !p.HasMore || len(p.Items) != 25 {
				t.Errorf("total %d estimated %v, more %v, %d items", p.Total, p.TotalIsEstimated, p.HasMore, len(p.Items))
			}
			return err
		})
		if _, sqlite := s.SQLite(); sqlite {
			read(t, s, env, func(tx *store.Tx) error {
				p, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 25})
				if p.Total != rows {
					t.Errorf("total %d, want %d", p.Total, rows)
				}
				return err
			})
		}
	})
}

func TestEnvironmentsListsOldestFirst(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		want := []string{account(t, s), account(t, s), account(t, s)}
		all, err := s.Environments(context.Background())
		var got []string
		for _, e := range all {
			got = append(got, e.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("environments %v, want %v, %v", got, want, err)
		}
	})
}
