package server

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// The server is not ready while the database refuses writes, and does not write
// more often than once a second to find out.
func TestReadinessIsThatOfWrites(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env, err := s.CreateAccount(t.Context(), "clinic", "production")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		r := &readiness{store: s, data: t.TempDir(), now: func() time.Time { return now }, id: "probe"}
		want := func(code sidetone.Code) {
			t.Helper()
			if err := r.check(t.Context()); sidetone.CodeOf(err) != code && (code != "" || err != nil) {
				t.Errorf("got %v, want %q", err, code)
			}
		}
		want("")
		// A row in the way of the probe's own makes every write fail.
		err = s.Write(t.Context(), env.ID, func(tx *store.Tx) error {
			return tx.InsertStoredResponse(store.StoredResponse{ID: "probe", Operation: "x"})
		})
		if err != nil {
			t.Fatal(err)
		}
		want("")
		now = now.Add(probeEvery)
		want(sidetone.Unavailable)
		if err := s.Write(t.Context(), env.ID, func(tx *store.Tx) error { return tx.DeleteStoredResponse("probe") }); err != nil {
			t.Fatal(err)
		}
		want(sidetone.Unavailable)
		now = now.Add(probeEvery)
		want("")
		r.data = "/nonexistent"
		now = now.Add(probeEvery)
		want(sidetone.Unavailable)
	})
}
