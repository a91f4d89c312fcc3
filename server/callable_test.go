package server

import (
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// Calls are redirected to no number to which they could not be placed.
func TestCallable(t *testing.T) {
	t.Parallel()
	err := WithStore(t.Context(), Config{Data: t.TempDir()}, func(s *store.Store) error {
		e, err := s.CreateAccount(t.Context(), "a", "e")
		if err != nil {
			return err
		}
		err = s.Write(t.Context(), e.ID, func(tx *store.Tx) error {
			return tx.InsertDNCNumber(sidetone.DNCNumber{ID: "d", Number: "+12025550142", Certain: true})
		})
		checkCallable(t, callable{s}, e.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Numbers to which a trunk redirects are read as it writes them.
func TestRedirectedNumbers(t *testing.T) {
	t.Parallel()
	lines := newTrunks(nil, []Trunk{{Name: "german", Country: "DE"}, {Name: "prefixed", Called: TrunkNumbers{In: TrunkSpelling{Strip: "99", Prepend: "+"}}}})
	for _, test := range []struct{ trunk, text, want string }{
		{"german", "030123456", "+4930123456"}, {"german", "0049 30 123456", "+4930123456"}, {"german", "+12025550142", "+12025550142"}, {"german", "110", "110"},
		{"prefixed", "9912025550142", "+12025550142"}, {"gone", "030123456", "030123456"},
	} {
		if got := lines.redirected(test.trunk, test.text); got != test.want {
			t.Errorf("%s: %q is %q, want %q", test.trunk, test.text, got, test.want)
		}
	}
}

func checkCallable(t *testing.T, c callable, environmentID string) {
	t.Helper()
	for text, want := range map[string]string{
		"+12025550143": "+12025550143", "12025550143": "+12025550143",
		"+12025550142": "error: do-not-call", "12025550142": "error: do-not-call",
		"911": "error: emergency", "112": "error: emergency", "sidetone": "error: ", "2025550143": "error: country code", "+1": "error: ",
	} {
		got, err := c.Callable(t.Context(), environmentID, text)
		if why, refused := strings.CutPrefix(want, "error: "); refused {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%q is %q, %v", text, got, err)
			}
		} else if err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}
