package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestRefusedCallsBelongToTheirEnvironment: those of nobody are listed only for
// whom the caller says may see them, and another environment's never.
func TestRefusedCallsBelongToTheirEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		at := time.Now().UTC().Truncate(time.Millisecond)
		full := sidetone.RefusedCall{ID: "1", EnvironmentID: env, Trunk: "carrier", Source: "192.0.2.1:5060", CarrierID: "c@x", FromNumber: "+12025550199",
			ToNumber: "4155550100", Number: "+14155550100", Tried: []string{"+4155550100", "+14155550100"}, Cause: "unavailable", Reason: "the number has no agent",
			Count: 3, Created: at, Last: at.Add(time.Second), Exchange: []sidetone.SignalMessage{{At: at, Local: "192.0.2.1:5060", Remote: "198.51.100.7:5060", Transport: "UDP", Text: "INVITE"}}}
		for i, owner := range []string{env, other, "", env} {
			one := full
			one.ID, one.EnvironmentID, one.Created = fmt.Sprint(i+1), owner, at.Add(time.Duration(i)*time.Second)
			if i == 3 {
				one.Tried, one.Cause = []string{}, "busy"
			}
			if err := s.StoreRefusedCall(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		ids := func(env string, nobodys bool, q sidetone.PageQuery) (out []string) {
			t.Helper()
			for range 5 {
				page, err := s.RefusedCalls(t.Context(), env, nobodys, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page.Items {
					out = append(out, c.ID)
				}
				if q.Cursor = page.NextCursor; q.Cursor == "" {
					break
				}
				q.Page = 0
			}
			return out
		}
		for _, test := range []struct {
			env     string
			nobodys bool
			q       sidetone.PageQuery
			want    []string
		}{
			{env, false, sidetone.PageQuery{Page: 1, Size: 10}, []string{"4", "1"}},
			{env, true, sidetone.PageQuery{Page: 1, Size: 10}, []string{"4", "3", "1"}},
			{env, true, sidetone.PageQuery{Page: 1, Size: 1}, []string{"4", "3", "1"}},
			{other, false, sidetone.PageQuery{Page: 1, Size: 10}, []string{"2"}},
			{other, true, sidetone.PageQuery{Page: 1, Size: 10}, []string{"3", "2"}},
			{env, true, sidetone.PageQuery{Page: 1, Size: 10, Filters: []sidetone.Filter{{Column: "cause", Op: "eq", Values: []any{"busy"}}}}, []string{"4"}},
		} {
			if got := ids(test.env, test.nobodys, test.q); !slices.Equal(got, test.want) {
				t.Errorf("%+v: got %v", test, got)
			}
		}
		page, err := s.RefusedCalls(t.Context(), env, false, sidetone.PageQuery{Page: 2, Size: 1})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("got %+v, %v", page, err)
		}
		full.Version = 1
		if diff := cmp.Diff(full, page.Items[0]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestOldMessagesOfRefusedCallsAreForgotten: the newest 100 rows of an owner keep theirs.
func TestOldMessagesOfRefusedCallsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		began := time.Now().Add(-time.Hour)
		for i := range 103 {
			one := sidetone.RefusedCall{ID: fmt.Sprintf("%03d", i), Created: began.Add(time.Duration(i) * time.Second), Exchange: []sidetone.SignalMessage{{Text: "INVITE"}}}
			if err := s.StoreRefusedCall(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and no more the second time
			if err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var without []string
		rows := 0
		for number := range 2 {
			page, err := s.RefusedCalls(t.Context(), env, true, sidetone.PageQuery{Page: number + 1, Size: 100})
			if err != nil {
				t.Fatal(err)
			}
			rows += len(page.Items)
			for _, c := range page.Items {
				if len(c.Exchange) == 0 {
					without = append(without, c.ID)
				}
			}
		}
		if rows != 103 {
			t.Errorf("%d rows", rows)
		}
		slices.Sort(without)
		if want := []string{"000", "001", "002"}; !slices.Equal(without, want) {
			t.Errorf("%v have no messages, want %v", without, want)
		}
	})
}

// TestOldRefusedCallsAreForgotten after a month, and all but the newest 10,000.
func TestOldRefusedCallsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		for i, owner := range []string{env, env, "", ""} {
			age := time.Duration(i%2) * 31 * 24 * time.Hour
			if err := s.StoreRefusedCall(t.Context(), sidetone.RefusedCall{ID: fmt.Sprint(i), EnvironmentID: owner, Created: time.Now().Add(-age)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := s.RefusedCalls(t.Context(), env, true, sidetone.PageQuery{Page: 1, Size: 10})
		if err != nil || len(page.Items) != 2 || page.Items[0].ID+page.Items[1].ID != "20" && page.Items[0].ID+page.Items[1].ID != "02" {
			t.Errorf("left %+v, %v", page.Items, err)
		}
	})
}
