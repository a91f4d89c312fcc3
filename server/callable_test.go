package server

import (
	"log/slog"
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
		checkHandovers(t, s, e)
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

// checkHandovers: who is on the do-not-call list may take callers, who is abroad may not, and
// the environment says who is recorded.
func checkHandovers(t *testing.T, s *store.Store, e sidetone.Environment) {
	t.Helper()
	lines := newTrunks(nil, []Trunk{{Name: "plain", Host: "a.example", Numbers: []string{"+12025550150"}, Transfer: "bridge"},
		{Name: "open", Host: "b.example", Numbers: []string{"+12025550151"}, AnyCallerID: true}})
	h := handovers{callable{s}, func() trunks { return lines }, slog.New(slog.DiscardHandler)}
	if h.Recorded(t.Context(), e.ID) || h.Recorded(t.Context(), "nobody's") {
		t.Error("people are recorded whom nobody asked about")
	}
	e.DialCountries, e.RecordTransfers = []string{"US"}, true
	if err := s.Write(t.Context(), e.ID, func(tx *store.Tx) error { return tx.UpdateEnvironment(e) }); err != nil {
		t.Fatal(err)
	}
	if !h.Recorded(t.Context(), e.ID) {
		t.Error("the environment wants people recorded")
	}
	if err := h.Colleague(t.Context(), e.ID, "+12025550142"); err != nil {
		t.Errorf("a colleague on the do-not-call list: %v", err)
	}
	for number, why := range map[string]string{"+442079460000": "GB", "911": "emergency"} {
		if err := h.Colleague(t.Context(), e.ID, number); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", number, err)
		}
	}
	if h.Way("plain") != "bridge" || h.Way("open") != "" || h.Way("gone") != "" {
		t.Errorf("ways %q, %q, %q", h.Way("plain"), h.Way("open"), h.Way("gone"))
	}
	for ours, want := range map[string]bool{"+12025550150": false, "+12025550151": true} {
		if got := h.Shows(sidetone.Call{Provider: "sip", EnvironmentID: e.ID, AgentNumber: ours}, "+12025550199"); got != want {
			t.Errorf("the trunk of %s shows a caller: %v", ours, got)
		}
	}
	if h.Shows(sidetone.Call{Provider: "sip", EnvironmentID: e.ID, AgentNumber: "+12025550151"}, "+12025550150") {
		t.Error("a number is shown that somebody else has")
	}
}
