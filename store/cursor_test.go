package store_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// follow reads a list by its cursors until the end; between reads it calls
// meanwhile with the count of pages so far.
func follow(t *testing.T, list func(sidetone.PageQuery) (sidetone.Page[sidetone.Call], error), q sidetone.PageQuery, meanwhile func(page int)) string {
	t.Helper()
	var got strings.Builder
	for n := 1; ; n++ {
		p, err := list(q)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(ids(p))
		if p.Page != n || p.HasMore != (p.NextCursor != "") {
			t.Errorf("page %d says it is %d, more %v, cursor %q", n, p.Page, p.HasMore, p.NextCursor)
		}
		if !p.HasMore {
			return got.String()
		}
		q.Page, q.Cursor = 0, p.NextCursor
		meanwhile(n)
	}
}

// TestCursorsVisitEveryRowOnce walks lists in every documented order, with ties,
// and compares with one big page.
func TestCursorsVisitEveryRowOnce(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		list := callList(t, s)
		for _, column := range []string{"", "id", "created", "start_time", "end_time", "to_number", "from_number"} {
			for _, desc := range []bool{false, true} {
				for size := 1; size <= 5; size++ {
					q := sidetone.PageQuery{Page: 1, Size: size, SortColumn: column, SortDesc: desc, Filters: where("agent", "ne", "a1")}
					whole, err := list(sidetone.PageQuery{Page: 1, Size: 100, SortColumn: column, SortDesc: desc, Filters: q.Filters})
					if err != nil {
						t.Fatal(err)
					}
					if got := follow(t, list, q, func(int) {}); got != ids(whole) {
						t.Errorf("by %q desc %v in steps of %d: %s, want %s", column, desc, size, got, ids(whole))
					}
				}
			}
		}
	})
}

// TestCursorsUnderInserts inserts before, at and behind the reader: what was
// there when it began is seen once each.
func TestCursorsUnderInserts(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		call := func(id string, at time.Duration) {
			c := liveCall(id, env)
			c.Created = day(1).Add(at)
			if err := s.StartCall(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			call(fmt.Sprintf("c%02d", i), time.Duration(i)*time.Second)
		}
		list := func(q sidetone.PageQuery) (p sidetone.Page[sidetone.Call], err error) {
			read(t, s, env, func(tx *store.Tx) (err error) { p, err = tx.Calls(q); return err })
			return p, err
		}
		seen := map[string]int{}
		for q := (sidetone.PageQuery{Page: 1, Size: 4}); ; {
			p, err := list(q)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.Items {
				seen[c.ID]++
			}
			if !p.HasMore {
				break
			}
			q.Cursor = p.NextCursor
			last := p.Items[len(p.Items)-1]
			call("new"+q.Cursor[:12]+last.ID, time.Hour)                     // newest
			call("a"+last.ID, last.Created.Sub(day(1)))                      // the same time, a lesser id: comes later
			call("x"+last.ID, last.Created.Sub(day(1)))                      // the same time, a greater id: was passed
			call("z"+last.ID, last.Created.Sub(day(1))+500*time.Millisecond) // was passed
		}
		for i := range 30 {
			if id := fmt.Sprintf("c%02d", i); seen[id] != 1 {
				t.Errorf("%s was seen %d times", id, seen[id])
			}
		}
		for id, n := range seen {
			if n != 1 || strings.HasPrefix(id, "new") || id[0] == 'x' || id[0] == 'z' {
				t.Errorf("%s was seen %d times", id, n)
			}
		}
	})
}

// TestCursorsAreBound presents a cursor to everything it was not made for, and
// bent ones to its own list. All are answered alike.
func TestCursorsAreBound(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env, other := account(t, s), account(t, s)
		for _, e := range []string{env, other} {
			for i := range 4 {
				if err := s.StartCall(context.Background(), liveCall(fmt.Sprint(e, i), e)); err != nil {
					t.Fatal(err)
				}
				write(t, s, e, insert(fmt.Sprint(e, i)))
			}
		}
		calls := func(s *store.Store, e string, q sidetone.PageQuery) (p sidetone.Page[sidetone.Call], err error) {
			err = s.Read(context.Background(), e, func(tx *store.Tx) (err error) { p, err = tx.Calls(q); return err })
			return p, err
		}
		q := sidetone.PageQuery{Page: 1, Size: 2, SortColumn: "created", Filters: where("status", "ne", "ended")}
		first, err := calls(s, env, q)
		if err != nil || first.NextCursor == "" {
			t.Fatal(first.NextCursor, err)
		}
		q.Cursor = first.NextCursor
		unknown := func(name string, err error) {
			t.Helper()
			if sidetone.CodeOf(err) != sidetone.NotFound || sidetone.MessageOf(err) != "cursor not found" {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = calls(s, other, q)
		unknown("other environment", err)
		for name, bend := range map[string]func(*sidetone.PageQuery){
			"other order":     func(q *sidetone.PageQuery) { q.SortColumn = "start_time" },
			"other direction": func(q *sidetone.PageQuery) { q.SortDesc = true },
			"default order":   func(q *sidetone.PageQuery) { q.SortColumn = "" },
			"other filter":    func(q *sidetone.PageQuery) { q.Filters = where("status", "ne", "error") },
			"other operator":  func(q *sidetone.PageQuery) { q.Filters = where("status", "eq", "ended") },
			"no filter":       func(q *sidetone.PageQuery) { q.Filters = nil },
			"half":            func(q *sidetone.PageQuery) { q.Cursor = q.Cursor[:len(q.Cursor)/2] },
			"short":           func(q *sidetone.PageQuery) { q.Cursor = "AAAA" },
			"no base64":       func(q *sidetone.PageQuery) { q.Cursor = "?' OR 1=1" },
			"long":            func(q *sidetone.PageQuery) { q.Cursor = strings.Repeat("A", 1<<20) },
			"an id":           func(q *sidetone.PageQuery) { q.Cursor = env },
		} {
			bent := q
			bend(&bent)
			_, err := calls(s, env, bent)
			unknown(name, err)
		}
		raw, _ := base64.RawURLEncoding.DecodeString(q.Cursor)
		for i := range raw {
			bent := slices.Clone(raw)
			bent[i] ^= 1
			bad := q
			bad.Cursor = base64.RawURLEncoding.EncodeToString(bent)
			_, err := calls(s, env, bad)
			unknown(fmt.Sprint("byte ", i), err)
		}
		err = s.Read(context.Background(), env, func(tx *store.Tx) error { _, err := tx.Prompts(q); return err })
		if sidetone.CodeOf(err) != sidetone.Invalid { // prompts have no status
			t.Errorf("other list: %v", err)
		}
		plain, err := calls(s, env, sidetone.PageQuery{Page: 1, Size: 2})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Read(context.Background(), env, func(tx *store.Tx) error {
			_, err := tx.Prompts(sidetone.PageQuery{Size: 2, Cursor: plain.NextCursor})
			return err
		})
		unknown("other list", err)
		again, err := calls(storetest.Open(t, url, nil), env, q) // another node, or the same after a restart
		if err != nil || len(again.Items) != 2 || again.Items[0].ID == first.Items[0].ID || again.Page != 2 {
			t.Errorf("another process: %+v, %v", again.Items, err)
		}
	})
}
