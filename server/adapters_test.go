package server

import (
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
	list := newTrunks(nil, []Trunk{{Name: "carrier", Numbers: []string{"+14155550100", "+14155550101"}},
		{Name: "own", ID: "1", EnvironmentID: env.ID, Numbers: []string{"+14155550101", "+14155550103"}}, {Name: "other", ID: "2", EnvironmentID: "another", Numbers: []string{"+14155550101"}}})
	d := directory{s, func() trunks { return list }}
	for number, want := range map[string][]string{"+14155550100": {""}, "+14155550101": {"1", "carrier"}, "+14155550102": {}, "+14155550103": {"1"}} {
		got, err := d.Route(t.Context(), "+12025550142", number, "")
		if diff := cmp.Diff(want, got.Trunks); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", number, err, diff)
		}
	}
}
