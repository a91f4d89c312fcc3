package copy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	dbcopy "github.com/sidetone/sidetone/store/copy"
	"github.com/sidetone/sidetone/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func day(n int) time.Time { return time.Date(2026, 11, n, 9, 30, 0, 5e6, time.UTC) }

// account makes an account and returns its environment's id.
func account(t *testing.T, s *store.Store) string {
	t.Helper()
	e, err := s.CreateAccount(context.Background(), "Clinic", "live")
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

func write(t *testing.T, s *store.Store, env string, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), env, fn); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s *store.Store, env string, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Read(context.Background(), env, fn); err != nil {
		t.Fatal(err)
	}
}

// execute runs a statement on an SQLite database past the store.
func execute(t *testing.T, s *store.Store, text string) {
	t.Helper()
	db, _ := s.SQLite()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

// copySource is a SQLite database with rows of every noun in two environments,
// with texts that an encoding could spoil.
func copySource(t *testing.T) (url string, env, other string) {
	t.Helper()
	url = storetest.SQLite(t)
	s := storetest.Open(t, url, nil)
	env, other = account(t, s), account(t, s)
	storetest.Populate(t, s, env)
	storetest.Populate(t, s, other)
	for i := range 60 {
		c := sidetone.Call{ID: fmt.Sprintf("call %03d", i), EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
			FromNumber: "+12125550100", ToNumber: "+12125550101"}
		c.Transcript = strings.Repeat("ü\t\"'\\ \u2028 \x01 é日本語 ", i)
		c.Created = day(1 + i%20)
		if err := s.StartCall(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		write(t, s, env, func(tx *store.Tx) error {
			return tx.AppendEvents([]sidetone.Event{
				{CallID: c.ID, Sequence: 1, Kind: sidetone.EventEnded, At: day(2), Data: []byte(`{"b": 1,  "a":"ü"}`)},
				{CallID: c.ID, Sequence: 20, Kind: sidetone.EventEnded, At: day(2)}, {CallID: c.ID, Sequence: 3, Kind: sidetone.EventEnded, At: day(2)},
			})
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return url, env, other
}

// copyTo copies from one address to the owner's side of another.
func copyTo(ctx context.Context, t *testing.T, from, to string, batch int, progress func(dbcopy.Progress)) error {
	t.Helper()
	target := storetest.Open(t, storetest.Owner(to), nil)
	if err := target.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := storetest.Open(t, from, nil)
	db, _ := source.SQLite()
	pool, _ := target.Postgres()
	err := dbcopy.Copy{From: db, To: pool, Batch: batch, Progress: progress}.Run(ctx)
	return errors.Join(err, source.Close(), target.Close())
}

// sameNouns compares what both stores answer.
func sameNouns(t *testing.T, from, to, env string) {
	t.Helper()
	type state struct {
		Calls   []sidetone.Call
		Events  []sidetone.Event
		Numbers []sidetone.Number
		Agents  []sidetone.Agent
		Voices  []sidetone.Voice
		Members []sidetone.Member
	}
	look := func(url string) (out state) {
		read(t, storetest.Open(t, url, nil), env, func(tx *store.Tx) error {
			q := sidetone.PageQuery{Page: 1, Size: 100, SortColumn: "id"}
			calls, err1 := tx.Calls(q)
			numbers, err2 := tx.Numbers(q)
			agents, err3 := tx.Agents(q)
			voices, err4 := tx.Voices(q)
			members, err5 := tx.Members(q)
			out = state{calls.Items, nil, numbers.Items, agents.Items, voices.Items, members.Items}
			for _, c := range calls.Items {
				events, err := tx.Events(c.ID, 0)
				if err != nil {
					return err
				}
				out.Events = append(out.Events, events...)
			}
			return errors.Join(err1, err2, err3, err4, err5)
		})
		return out
	}
	want := look(from)
	if len(want.Calls) == 0 || len(want.Events) == 0 {
		t.Errorf("%d calls and %d events were to be copied", len(want.Calls), len(want.Events))
	}
	if d := cmp.Diff(want, look(to)); d != "" {
		t.Error(d)
	}
}

// TestCopy moves an installation; cursors of the source go on in the target,
// for the application's role.
func TestCopy(t *testing.T) {
	t.Parallel()
	from, env, other := copySource(t)
	to := storetest.Postgres(t)
	tables := map[string]dbcopy.Progress{}
	err := copyTo(t.Context(), t, from, to, 7, func(p dbcopy.Progress) {
		if p.Done {
			last := tables[p.Table]
			if p.Verifying && last.Rows != p.Rows {
				t.Errorf("%s: %d rows copied, %d verified", p.Table, last.Rows, p.Rows)
			}
			tables[p.Table] = p
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	sameNouns(t, from, to, env)
	sameNouns(t, from, to, other)
	_, dialled, err := storetest.Open(t, to, nil).ClaimIntent(t.Context(), env, "i"+env)
	if err != nil || dialled.Snapshot.Voice.APIKey.Reveal() != "secret" {
		t.Errorf("the secret of a call that waits to be dialled was lost: %v", err)
	}
	for _, table := range []string{"accounts", "environments", "installation", "api_keys", "members", "numbers", "agents", "prompts", "voices", "actions",
		"webhooks", "vector_databases", "connections", "trunks", "dnc_numbers", "calls", "dial_intents", "events", "audit_log", "answers", "data_keys", "refused_calls", "journal_keys", "webhook_deliveries", "webhook_attempts", "webhook_endpoints", "action_runs", "analyses"} {
		if p := tables[table]; !p.Verifying || !p.Done {
			t.Errorf("table %s was not verified: %+v", table, p)
		}
	}
	if n := tables["events"].Rows; n != 182 {
		t.Errorf("%d events were copied", n)
	}
	var first sidetone.Page[sidetone.Call]
	read(t, storetest.Open(t, from, nil), env, func(tx *store.Tx) (err error) {
		first, err = tx.Calls(sidetone.PageQuery{Page: 1, Size: 10})
		return err
	})
	s := storetest.Open(t, to, nil)
	read(t, s, env, func(tx *store.Tx) error {
		p, err := tx.Calls(sidetone.PageQuery{Size: 10, Cursor: first.NextCursor})
		if len(p.Items) != 10 {
			t.Errorf("a cursor of the source finds %d calls", len(p.Items))
		}
		return err
	})
	write(t, s, env, func(tx *store.Tx) error { return tx.InsertPrompt(sidetone.NewPrompt("new", "", "Be kind.", day(1))) })
	if err := copyTo(t.Context(), t, from, to, 7, nil); err == nil || !strings.Contains(err.Error(), "complete copy") {
		t.Errorf("second copy: %v", err)
	}
}

// TestCopyGoesOnAfterInterruptions cancels a copy at random places until it is
// through.
func TestCopyGoesOnAfterInterruptions(t *testing.T) {
	t.Parallel()
	from, env, _ := copySource(t)
	to := storetest.Postgres(t)
	pick := rand.New(rand.NewPCG(uint64(os.Getpid()), 7))
	interrupted := 0
	for {
		ctx, cancel := context.WithCancel(t.Context())
		after := pick.IntN(30)
		err := copyTo(ctx, t, from, to, 3, func(dbcopy.Progress) {
			if after--; after < 0 && interrupted < 20 {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		interrupted++
	}
	if interrupted < 3 {
		t.Errorf("interrupted %d times only", interrupted)
	}
	sameNouns(t, from, to, env)
}

// TestCopyChild is no test but the process that TestCopySurvivesKill kills.
func TestCopyChild(t *testing.T) {
	from, to := os.Getenv("SIDETONE_TEST_COPY_FROM"), os.Getenv("SIDETONE_TEST_COPY_TO")
	if from == "" {
		return
	}
	n := 0
	err := copyTo(t.Context(), t, from, to, 2, func(dbcopy.Progress) {
		if n++; fmt.Sprint(n) == os.Getenv("SIDETONE_TEST_COPY_KILL") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopySurvivesKill kills copying processes, then lets one finish.
func TestCopySurvivesKill(t *testing.T) {
	t.Parallel()
	from, env, _ := copySource(t)
	to := storetest.Postgres(t)
	for _, at := range []string{"1", "19", "60", "never"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCopyChild$")
		cmd.Env = append(os.Environ(), "SIDETONE_TEST_COPY_FROM="+from, "SIDETONE_TEST_COPY_TO="+to, "SIDETONE_TEST_COPY_KILL="+at)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (at == "never") || err != nil && !strings.Contains(err.Error(), "killed") {
			t.Fatalf("killed at %s: %v: %s", at, err, out)
		}
	}
	sameNouns(t, from, to, env)
}

// TestCopyRefuses presents targets and sources that do not fit.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	from, env, _ := copySource(t)
	refused := func(name, from, to, want string) {
		t.Helper()
		if err := copyTo(t.Context(), t, from, to, 0, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	used := storetest.Postgres(t)
	account(t, storetest.Open(t, used, nil))
	refused("used target", from, used, "is not empty")
	halfway := storetest.Postgres(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := copyTo(ctx, t, from, halfway, 5, func(p dbcopy.Progress) {
		if p.Table == "events" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	source := storetest.Open(t, from, nil)
	read(t, source, env, func(tx *store.Tx) error { _, err := tx.Call("call 000"); return err })
	execute(t, source, "UPDATE calls SET node = 'other' WHERE id = 'call 030'")
	_ = source.Close()
	refused("source that was used meanwhile", from, halfway, "column node of row [call 030] differs")
	foreign := storetest.SQLiteFresh(t)
	account(t, storetest.Open(t, foreign, nil))
	refused("copy of another installation", foreign, halfway, "of another installation")
	newer := storetest.SQLite(t)
	s := storetest.Open(t, newer, nil)
	execute(t, s, "ALTER TABLE prompts ADD COLUMN later TEXT")
	_ = s.Close()
	refused("newer source", newer, storetest.Postgres(t), "migrate both")
}
