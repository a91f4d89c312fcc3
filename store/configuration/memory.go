package configuration

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sidetone/sidetone"
)

const (
	// refreshEvery is how long a node of a shared database uses its memory
	// without asking the database for changes of other nodes.
	refreshEvery = time.Second
	// longestWait is how long a caller waits for another one that asks the
	// database, before it goes on with what memory holds.
	longestWait = time.Second
)

// Source is the database that configurations are read from.
type Source interface {
	// LoadConfigurations returns, in one consistent state, the configuration of
	// every environment whose version is newer than the one that held returns
	// for it; held returns -1 for an environment that memory does not hold.
	LoadConfigurations(ctx context.Context, held func(environmentID string) int64) (map[string]*Environment, error)
}

// Config is what a Memory needs.
type Config struct {
	Source Source
	// Shared says that other processes write to the database too.
	Shared bool
	// Now is the clock.
	Now func() time.Time
	// Log receives failures to look for changes.
	Log *slog.Logger
}

// Change is what a committed transaction did to one environment's configuration.
type Change struct {
	// EnvironmentID is the environment whose rows changed.
	EnvironmentID string
	// Version is the environment's after the change.
	Version int64
	// Numbers are the changed numbers as they are now, also those that are not
	// active any more.
	Numbers []sidetone.Number
	// Edits carry the other nouns' changes into the maps, in order.
	Edits []func(*Environment)
}

// Memory holds the configuration of all environments. Its methods may be called
// concurrently.
type Memory struct {
	c Config
	// refreshing lets one caller at a time ask the database.
	refreshing *semaphore.Weighted
	// wait is longestWait but in tests.
	wait time.Duration
	// refreshes counts how often the database was asked, be it in vain.
	refreshes atomic.Int64

	mu           sync.RWMutex
	loaded       bool
	stale        bool // Recheck was called since the last load
	checked      time.Time
	environments map[string]*Environment
	// byPhone finds the owner of an active number.
	byPhone map[string]owner
	// missed holds changes that were committed while nothing was loaded.
	missed []Change
}

type owner struct{ environmentID, numberID string }

// NewMemory returns a Memory that reads from its source when it is first used.
func NewMemory(c Config) *Memory {
	return &Memory{c: c, refreshing: semaphore.NewWeighted(1), wait: longestWait,
		environments: map[string]*Environment{}, byPhone: map[string]owner{}}
}

// Route calls fn with the active number e164 and its environment and returns
// true; false when nobody has it. On a shared database other nodes' changes show
// within a second. Changes wait for fn: it must not wait for anything.
func (m *Memory) Route(ctx context.Context, e164 string, fn func(*Environment, sidetone.Number)) (bool, error) {
	if err := m.refresh(ctx); err != nil {
		return false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.byPhone[e164]
	if !ok {
		return false, nil
	}
	e := m.environments[o.environmentID]
	fn(e, e.Numbers[o.numberID])
	return true, nil
}

// Read calls fn with the environment: as of the last acknowledged write, or on a
// shared database up to a second older. It returns false, without calling fn,
// when memory does not hold the environment completely. Changes wait for fn: it
// must not wait for anything.
func (m *Memory) Read(ctx context.Context, environmentID string, fn func(*Environment)) bool {
	if m.refresh(ctx) != nil {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.environments[environmentID]
	if !m.loaded || e == nil || e.Incomplete {
		return false
	}
	fn(e)
	return true
}

// Environments returns how many environments there are, as of what Read shows; false
// when memory does not know.
func (m *Memory) Environments(ctx context.Context) (int, bool) {
	if m.refresh(ctx) != nil {
		return 0, false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.environments), m.loaded
}

// EveryTrunk returns the trunks of all environments, in the order in which they were
// made, as of what Route shows.
func (m *Memory) EveryTrunk(ctx context.Context) ([]sidetone.Trunk, error) {
	if err := m.refresh(ctx); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []sidetone.Trunk
	for _, e := range m.environments {
		out = slices.AppendSeq(out, maps.Values(e.Trunks))
	}
	slices.SortFunc(out, func(a, b sidetone.Trunk) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// Owner returns the environment that has the active number, "" for none, without
// asking the source.
func (m *Memory) Owner(e164 string) (environmentID string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.byPhone[e164].environmentID
}

// refresh loads everything once, and on a shared database asks at most every
// second for environments that another process changed. While one caller asks,
// the others wait: on a node that was idle the memory can be much older than a
// second. While the database does not reply, calls go on with what memory holds.
func (m *Memory) refresh(ctx context.Context) error {
	now := m.c.Now()
	loaded, fresh := m.state(now)
	if loaded && fresh {
		return nil
	}
	before := m.refreshes.Load()
	if err := m.acquire(ctx, loaded); err != nil {
		if loaded {
			return nil
		}
		return fmt.Errorf("wait for the configuration: %w", err)
	}
	defer m.refreshing.Release(1)
	if nowLoaded, nowFresh := m.state(now); nowLoaded && (nowFresh || before != m.refreshes.Load()) {
		return nil // the caller that this one waited for has asked, or cannot
	}
	err := m.load(ctx, now)
	m.refreshes.Add(1)
	if err != nil && loaded {
		m.c.Log.Warn("look for changed configuration", "error", err)
		return nil
	}
	return err
}

// acquire waits until no other caller asks the database, but only for a moment
// when memory holds something to go on with.
func (m *Memory) acquire(ctx context.Context, loaded bool) error {
	if loaded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.wait)
		defer cancel()
	}
	return m.refreshing.Acquire(ctx, 1)
}

func (m *Memory) state(now time.Time) (loaded, fresh bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.loaded, !m.stale && (!m.c.Shared || now.Sub(m.checked) < refreshEvery)
}

// held is the version of the environment in memory, -1 for none.
func (m *Memory) held(environmentID string) int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.environments[environmentID]; e != nil {
		return e.Version
	}
	return -1
}

// load replaces the environments whose version in the database is newer.
func (m *Memory) load(ctx context.Context, now time.Time) error {
	newer, err := m.c.Source.LoadConfigurations(ctx, m.held)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, e := range newer {
		m.replace(id, e)
	}
	m.loaded, m.stale, m.checked = true, false, now
	missed := m.missed
	m.missed = nil
	for _, c := range missed {
		m.follow(c)
	}
	return nil
}

// replace puts a newer environment in place; mu is held.
func (m *Memory) replace(id string, e *Environment) {
	old := m.environments[id]
	if old != nil && old.Version >= e.Version {
		return
	}
	if old != nil {
		for _, n := range old.Numbers {
			m.unlist(n)
		}
	}
	m.environments[id] = e
	for _, n := range e.Numbers {
		m.byPhone[n.Number] = owner{id, n.ID}
	}
}

// unlist removes the number from the index unless a newer row has its text; mu
// is held.
func (m *Memory) unlist(n sidetone.Number) {
	if m.byPhone[n.Number].numberID == n.ID {
		delete(m.byPhone, n.Number)
	}
}

// Apply carries a committed change into memory, before its writer learns of the
// commit. One that comes while memory is being loaded waits until then.
func (m *Memory) Apply(c Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.loaded {
		m.missed = append(m.missed, c)
		return
	}
	m.follow(c)
}

// Recheck makes the next use ask the database for newer versions, after a
// change of which it is not known whether it was committed. When the database does not reply, calls go on
// with what memory holds.
func (m *Memory) Recheck() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stale = true
}

// follow merges the change that comes next after what memory holds. An older one
// is there already; after a gap the next use loads again. mu is held.
func (m *Memory) follow(c Change) {
	e := m.environments[c.EnvironmentID]
	switch {
	case e != nil && e.Version >= c.Version:
		return
	case e == nil || e.Version != c.Version-1:
		m.loaded = false
		return
	}
	for _, n := range c.Numbers {
		if n.Active {
			e.Numbers[n.ID] = n
			m.byPhone[n.Number] = owner{c.EnvironmentID, n.ID}
		} else {
			delete(e.Numbers, n.ID)
			m.unlist(n)
		}
	}
	for _, edit := range c.Edits {
		edit(e)
	}
	e.Version = c.Version
}
