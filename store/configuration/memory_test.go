package configuration

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
)

// database is a Source with one environment, "e", that holds one number.
type database struct {
	mu      sync.Mutex
	version int64
	label   string
	err     error
	loads   int
	// reply, if not nil, is waited for before a load is answered.
	reply chan struct{}
}

func (d *database) LoadConfigurations(ctx context.Context, held func(string) int64) (map[string]*Environment, error) {
	d.mu.Lock()
	reply := d.reply
	d.mu.Unlock()
	if reply != nil {
		select {
		case <-reply:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loads++
	if d.err != nil || d.version <= held("e") {
		return nil, d.err
	}
	e := NewEnvironment(d.version)
	e.Numbers["n"] = number(d.label)
	return map[string]*Environment{"e": e}, nil
}

// set changes the database as another node does.
func (d *database) set(label string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.version++
	d.label = label
}

const phone = "+12125550123"

func number(label string) sidetone.Number {
	return sidetone.Number{ID: "n", EnvironmentID: "e", Number: phone, Label: label, Active: true}
}

func newMemory(d *database, shared bool) *Memory {
	return NewMemory(Config{Source: d, Shared: shared, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

func label(t *testing.T, m *Memory, ctx context.Context) string { //nolint:revive // the test comes first
	t.Helper()
	label := "none"
	if _, err := m.Route(ctx, phone, func(_ *Environment, n sidetone.Number) { label = n.Label }); err != nil {
		t.Error(err)
	}
	return label
}

// TestIdleNodeCatchesUp: on a node that was idle while the configuration changed,
// all callers wait for the one that asks the database, but not when they cannot.
func TestIdleNodeCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		d.set("old")
		m := newMemory(d, true)
		if got := label(t, m, t.Context()); got != "old" {
			t.Fatalf("label %q", got)
		}
		time.Sleep(time.Hour)
		d.set("new")
		d.reply = make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := label(t, m, context.Background()); got != "new" {
					t.Errorf("after an hour the label is %q", got)
				}
			})
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if got := label(t, m, gone); got != "old" {
			t.Errorf("a caller that does not wait gets label %q", got)
		}
		close(d.reply)
		wg.Wait()
		if d.loads != 2 {
			t.Errorf("the database was asked %d times", d.loads)
		}
	})
}

// TestSilentDatabaseHoldsUpCallsForASecond: callers behind the one that asks a
// silent database go on with what memory holds.
func TestSilentDatabaseHoldsUpCallsForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &database{}
		d.set("old")
		m := newMemory(d, true)
		label(t, m, t.Context())
		time.Sleep(time.Hour)
		d.reply = make(chan struct{})
		first, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { label(t, m, first); close(done) }()
		synctest.Wait()
		begun := time.Now()
		if got := label(t, m, t.Context()); got != "old" || time.Since(begun) != time.Second {
			t.Errorf("label %q after %v", got, time.Since(begun))
		}
		cancel()
		<-done
	})
}

// TestFailedLoad: without memory a failure is the caller's; with memory it is not.
func TestFailedLoad(t *testing.T) {
	t.Parallel()
	d := &database{err: errors.New("no connection")}
	now := time.Unix(1000, 0)
	m := newMemory(d, true)
	m.c.Now = func() time.Time { return now }
	if _, err := m.Route(t.Context(), phone, func(*Environment, sidetone.Number) {}); !errors.Is(err, d.err) {
		t.Errorf("got %v", err)
	}
	d.err = nil
	d.set("old")
	label(t, m, t.Context())
	d.err, now = errors.New("no connection"), now.Add(time.Minute)
	if got := label(t, m, t.Context()); got != "old" {
		t.Errorf("label %q", got)
	}
	m.Recheck()
	if got := label(t, m, t.Context()); got != "old" {
		t.Errorf("label %q while the database does not reply", got)
	}
	d.err = nil
	d.set("new") // within the same second
	if got := label(t, m, t.Context()); got != "new" {
		t.Errorf("label %q after a commit whose outcome was not known", got)
	}
}

// TestChangesAreFollowed: the next change is merged, an older one is known, and a
// gap makes the next use load again.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	d := &database{}
	d.set("one")
	m := newMemory(d, false)
	change := func(version int64, n sidetone.Number) {
		m.Apply(Change{EnvironmentID: "e", Version: version, Numbers: []sidetone.Number{n}})
	}
	change(2, number("two")) // before anything was loaded
	if got := label(t, m, t.Context()); got != "two" {
		t.Errorf("label %q", got)
	}
	change(1, number("older"))
	if got := label(t, m, t.Context()); got != "two" || d.loads != 1 {
		t.Errorf("label %q after %d loads", got, d.loads)
	}
	d.version, d.label = 4, "four"
	change(4, number("four"))
	if got := label(t, m, t.Context()); got != "four" || d.loads != 2 {
		t.Errorf("label %q after %d loads", got, d.loads)
	}
	gone := number("")
	gone.Active = false
	change(5, gone)
	if got := label(t, m, t.Context()); got != "none" {
		t.Errorf("an inactive number has label %q", got)
	}
}

// TestReadNeedsCompleteRows: an environment whose secrets could not all be
// decrypted serves calls and nobody else.
func TestReadNeedsCompleteRows(t *testing.T) {
	t.Parallel()
	d := &database{}
	d.set("one")
	m := newMemory(d, false)
	var numbers map[string]sidetone.Number
	read := func(id string) bool {
		return m.Read(t.Context(), id, func(e *Environment) { numbers = maps.Clone(e.Numbers) })
	}
	if !read("e") || numbers["n"].Label != "one" || read("nobody") {
		t.Errorf("read %+v", numbers)
	}
	m.environments["e"].Incomplete = true
	if read("e") || label(t, m, t.Context()) != "one" {
		t.Error("an incomplete environment is read")
	}
}
