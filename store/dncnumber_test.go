package store_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestMustNotCall: an entry blocks its number; one that is not certain also
// blocks what its digits are in the default country or, without one, in the
// countries of the environment's numbers.
func TestMustNotCall(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		write(t, s, env, func(tx *store.Tx) error {
			return firstOf(
				tx.InsertDNCNumber(entry("a", env, "+2025550142", false)),
				tx.InsertDNCNumber(entry("b", env, "+2025550143", true)),
				tx.InsertDNCNumber(entry("c", env, "+030901820", false)),
				tx.InsertDNCNumber(entry("d", env, "+12025550199", false)),
			)
		})
		check := func(about string, want map[string]bool) {
			t.Helper()
			read(t, s, env, func(tx *store.Tx) error {
				for number, blocked := range want {
					got, err := tx.MustNotCall(number)
					if err != nil || got != blocked {
						t.Errorf("%s: %s: got %v, %v", about, number, got, err)
					}
				}
				return nil
			})
		}
		always := map[string]bool{"+2025550142": true, "+2025550143": true, "+12025550199": true, "+12025550143": false, "+12025550100": false, "+1202555014": false}
		check("no numbers", map[string]bool{"+12025550142": false, "+4930901820": false})
		write(t, s, env, func(tx *store.Tx) error {
			return tx.InsertNumber(sidetone.NewNumber("n1", env, "+14165550100", "simulated", day(1)))
		})
		check("a number in Canada", map[string]bool{"+12025550142": true, "+4930901820": false})
		write(t, s, env, func(tx *store.Tx) error {
			return tx.InsertNumber(sidetone.NewNumber("n2", env, "+4930901800", "simulated", day(1)))
		})
		check("one in Germany, too", map[string]bool{"+12025550142": true, "+4930901820": true})
		check("always", always)
		write(t, s, env, func(tx *store.Tx) error {
			e, err := tx.Environment()
			e.DefaultCountry = "DE"
			return firstOf(err, tx.UpdateEnvironment(e))
		})
		check("default country", map[string]bool{"+12025550142": true, "+4930901820": true})
		write(t, s, env, func(tx *store.Tx) error {
			n, err := tx.Number("n1")
			n.Active = false
			return firstOf(err, tx.UpdateNumber(n))
		})
		check("a number given back", map[string]bool{"+12025550142": true})
		check("always", always)
		read(t, s, other, func(tx *store.Tx) error {
			if blocked, err := tx.MustNotCall("+2025550142"); blocked || err != nil {
				t.Errorf("another environment: %v, %v", blocked, err)
			}
			return nil
		})
	})
}

func entry(id, env, number string, certain bool) sidetone.DNCNumber {
	return sidetone.DNCNumber{ID: id, EnvironmentID: env, Number: number, Certain: certain, Created: day(1), Updated: day(1)}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAlsoBlocked(t *testing.T) {
	t.Parallel()
	row := sidetone.DNCNumber{Number: "+2025550142"}
	if diff := cmp.Diff([]string{"+12025550142", "+492025550142"}, store.AlsoBlocked(row, []string{"US", "DE", "CA"})); diff != "" {
		t.Error(diff)
	}
	row.Certain = true
	if got := store.AlsoBlocked(row, []string{"US"}); got != nil {
		t.Errorf("a certain entry: %v", got)
	}
}

// TestOldEntriesStay: the migration leaves entries of before as they are, and
// they block both numbers.
func TestOldEntriesStay(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	raw, err := os.ReadFile("migrations/sqlite/00020_phone_numbers.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, down, _ := strings.Cut(string(raw), "-- +goose Down")
	write(t, s, env, func(tx *store.Tx) error {
		return firstOf(tx.InsertNumber(sidetone.NewNumber("n1", env, "+14155550100", "simulated", day(1))),
			tx.Exec(down),
			tx.Exec("INSERT INTO dnc_numbers (id, environment_id, number, reason, version, created, updated) VALUES ('old', $1, '+2025550142', 'asked', 3, 1, 2)", env),
			tx.Exec(up))
	})
	read(t, s, env, func(tx *store.Tx) error {
		n, err := tx.DNCNumber("old")
		if n.Number != "+2025550142" || n.Reason != "asked" || n.Version != 3 || n.Certain || n.Written != "" {
			t.Errorf("%+v", n)
		}
		for _, number := range []string{"+2025550142", "+12025550142"} {
			if blocked, err := tx.MustNotCall(number); !blocked || err != nil {
				t.Errorf("%s: %v, %v", number, blocked, err)
			}
		}
		return err
	})
}
