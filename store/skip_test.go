package store_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// TestDistantPages reads every page of three environments' lists, in every
// order, once by skipping far and once within the environment.
func TestDistantPages(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		envs := []string{account(t, s), account(t, s), account(t, s), account(t, s)}
		for i, rows := range []int{40, 90, 3} { // and none in the last
			write(t, s, envs[i], func(tx *store.Tx) error {
				for row := range rows {
					p := sidetone.NewPrompt(fmt.Sprintf("%d-%d", i, row*31%rows), "", "x", day(1+row%3))
					p.Label = []string{"b", "a", "B"}[row%3]
					if err := tx.InsertPrompt(p); err != nil {
						return err
					}
				}
				return nil
			})
		}
		list := func(env string, from int64, q sidetone.PageQuery) (p sidetone.Page[sidetone.Prompt]) {
			store.SkipFrom(s, from)
			read(t, s, env, func(tx *store.Tx) (err error) {
				p, err = tx.Prompts(q)
				return err
			})
			return p
		}
		rows := 0
		for _, env := range envs {
			for _, column := range []string{"", "label", "created", "updated", "id"} {
				for _, page := range []int{1, 2, 3, 4, 5, 8, 9, 10, 11, 19, 20, math.MaxInt32, math.MaxInt64} {
					q := sidetone.PageQuery{Page: page, Size: 10, SortColumn: column, SortDesc: page%2 == 0}
					far, near := list(env, 1, q), list(env, math.MaxInt64, q)
					rows += len(near.Items)
					if d := cmp.Diff(near, far); d != "" {
						t.Fatalf("%+v:\n%s", q, d)
					}
				}
			}
		}
		if rows < 500 {
			t.Errorf("compared %d rows", rows)
		}
	})
}

// TestDistantPagesOfFilteredLists skips within what the filters leave.
func TestDistantPagesOfFilteredLists(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		store.SkipFrom(s, 1)
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

// TestDistantPagesWhileRowsAreAdded compares, within one transaction each, the
// page that is skipped to with the one that cursors lead to.
func TestDistantPagesWhileRowsAreAdded(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		store.SkipFrom(s, 1)
		env := account(t, s)
		add := func(i int) {
			write(t, s, env, func(tx *store.Tx) error {
				return tx.InsertPrompt(sidetone.NewPrompt(fmt.Sprintf("p%03d", i), "", "x", day(1+i/10)))
			})
		}
		for i := range 40 {
			add(i)
		}
		added := make(chan struct{})
		go func() {
			defer close(added)
			for i := range 60 {
				add(40 + i)
			}
		}()
		for going := true; going; {
			select {
			case <-added:
				going = false
			default:
			}
			read(t, s, env, func(tx *store.Tx) error {
				var walked, skipped sidetone.Page[sidetone.Prompt]
				for page := range 4 {
					var err error
					if walked, err = tx.Prompts(sidetone.PageQuery{Page: 1, Size: 7, Cursor: walked.NextCursor}); err != nil {
						return err
					}
					if skipped, err = tx.Prompts(sidetone.PageQuery{Page: page + 1, Size: 7}); err != nil {
						return err
					}
					if d := cmp.Diff(walked, skipped); d != "" {
						t.Errorf("page %d: %s", page+1, d)
					}
				}
				return nil
			})
		}
		<-added
	})
}
