package simulated

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/telephony"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		query telephony.NumberQuery
		want  []string
	}{
		{"first ones", telephony.NumberQuery{Limit: 2}, []string{"+12125550100", "+12125550101"}},
		{"area code", telephony.NumberQuery{AreaCode: "415", Limit: 1}, []string{"+14155550100"}},
		{"town in any case", telephony.NumberQuery{Locality: "seattle", Limit: 1}, []string{"+12065550100"}},
		{"country", telephony.NumberQuery{Country: "gb", Limit: 1}, []string{"+441632960000"}},
		{"digits", telephony.NumberQuery{Country: "US", AreaCode: "312", Contains: "77"}, []string{"+13125550177"}},
		{"exact", telephony.NumberQuery{Number: "+442079460042"}, []string{"+442079460042"}},
		{"exact but elsewhere", telephony.NumberQuery{Number: "+442079460042", Country: "US"}, nil},
		{"a real number", telephony.NumberQuery{Number: "+12125551234"}, nil},
		{"no such area", telephony.NumberQuery{AreaCode: "999"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found, err := New().Search(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range found {
				got = append(got, n.Number)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("search (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSearchWithoutLimitReturnsTwenty(t *testing.T) {
	t.Parallel()
	found, err := New().Search(t.Context(), telephony.NumberQuery{})
	if err != nil || len(found) != 20 {
		t.Errorf("%d numbers, %v", len(found), err)
	}
}

// Whatever is for sale must be fictional, well formed and unique.
func TestInventoryIsFiction(t *testing.T) {
	t.Parallel()
	fiction := regexp.MustCompile(`^\+(1\d{3}55501\d\d|441632960\d{3}|442079460\d{3}|441134960\d{3}|441314960\d{3}|612555000\d\d|613555000\d\d|35320915\d{4})$`)
	found, err := New().Search(t.Context(), telephony.NumberQuery{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, n := range found {
		if !fiction.MatchString(n.Number) || seen[n.Number] || n.Locality == "" || len(n.Country) != 2 {
			t.Errorf("for sale: %+v", n)
		}
		seen[n.Number] = true
	}
	if len(found) < 2300 {
		t.Errorf("only %d numbers for sale", len(found))
	}
}

func TestBuyAndRelease(t *testing.T) {
	t.Parallel()
	s := New("+12125550100")
	for _, number := range []string{"+12125550100", "+12125551234", "+1212555010", "", "+1212555010x", "+12125550099"} {
		if err := s.Buy(t.Context(), number); !errors.Is(err, telephony.ErrTaken) {
			t.Errorf("Buy(%q): %v, want ErrTaken", number, err)
		}
	}
	if err := s.Buy(t.Context(), "+12125550101"); err != nil {
		t.Fatal(err)
	}
	found, err := s.Search(t.Context(), telephony.NumberQuery{AreaCode: "212", Limit: 1})
	if err != nil || found[0].Number != "+12125550102" {
		t.Errorf("for sale first: %v, %v", found, err)
	}
	for range 2 {
		if err := s.Release(t.Context(), "+12125550101"); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
	if err := s.Buy(t.Context(), "+12125550101"); err != nil {
		t.Errorf("Buy after Release: %v", err)
	}
}

func TestOnlyOneBuysANumber(t *testing.T) {
	t.Parallel()
	s := New()
	var won atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if s.Buy(t.Context(), "+14165550150") == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d bought the same number", won.Load())
	}
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New()
	if err := s.Buy(ctx, "+14165550150"); err == nil || strings.Contains(err.Error(), "taken") {
		t.Errorf("Buy: %v", err)
	}
	if _, err := s.Search(ctx, telephony.NumberQuery{}); err == nil {
		t.Error("Search ran")
	}
}
