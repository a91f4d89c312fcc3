package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// Loopback, listed networks and desk phones, which come by no trunk, ring simulated
// numbers only; a number of another provider rings by the trunks that list it.
func TestWhatRingsByWhichTrunk(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env, err := s.CreateAccount(t.Context(), "e", "production")
	if err != nil {
		t.Fatal(err)
	}
	providers := map[string]string{"+14155550100": "simulated", "+14155550101": "sip", "+14155550102": "sip", "+14155550103": "twilio"}
	if err := s.Write(t.Context(), env.ID, func(tx *store.Tx) error {
		for number, provider := range providers {
			if err := tx.InsertNumber(sidetone.NewNumber(number, env.ID, number, provider, time.Now())); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	list := newTrunks(nil, []Trunk{{Name: "carrier", Numbers: []string{"+14155550100", "+14155550101", "+14155550109"}},
		{Name: "own", ID: "1", EnvironmentID: env.ID, Numbers: []string{"+14155550101", "+14155550103", "+14155550109"}}, {Name: "other", ID: "2", EnvironmentID: "another", Numbers: []string{"+14155550101"}}})
	d := directory{s, func() trunks { return list }}
	for number, want := range map[string][]string{"+14155550100": {""}, "+14155550101": {"1", "carrier"}, "+14155550102": {}, "+14155550103": {"1"}} {
		got, err := d.Route(t.Context(), "+12025550142", number, "")
		if diff := cmp.Diff(want, got.Trunks); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", number, err, diff)
		}
	}
	for trunk, want := range map[string]string{"carrier": "no environment has the number", "1": "the trunk's environment does not have the number", "": "no environment has the number"} {
		_, err := d.Route(t.Context(), "+12025550142", "+14155550109", trunk)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nobody's number by %q: %v", trunk, err)
		}
	}
	for key, want := range map[string][2]string{"1": {"own", env.ID}, "carrier": {"carrier", ""}, "gone": {"gone", ""}, "": {}} {
		if name, owner := d.Trunk(key); name != want[0] || owner != want[1] {
			t.Errorf("%q: %q of %q", key, name, owner)
		}
	}
}
