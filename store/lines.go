package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sidetone/sidetone"
)

// refreshEvery is how long a node of a shared database trusts its memory.
const refreshEvery = time.Second

// Route is what an incoming call to a number needs. Its slices are shared with
// the store's memory and must not be modified.
type Route struct {
	// Number is the active number that was called.
	Number sidetone.Number
	// Snapshot is the configuration of the number's agent, if HasAgent.
	Snapshot sidetone.Snapshot
	// HasAgent says that the number names an agent that exists.
	HasAgent bool
}

// change is what a transaction did to the configuration that calls start from.
type change struct {
	environmentID string
	// version is the environment's after the change.
	version int64
	// environment says that the environment's own row changed.
	environment bool
	// keys says that who may come in changed.
	keys    bool
	numbers []sidetone.Number
	// edits carry the other nouns' changes into memory, in order.
	edits []func(*configuration)
}

func (c change) empty() bool { return !c.environment && !c.keys && len(c.numbers)+len(c.edits) == 0 }

// bumpConfiguration gives the environment a new version when the transaction
// changed its configuration.
func (t *Tx) bumpConfiguration() error {
	if t.change.empty() {
		return nil
	}
	t.change.environmentID = t.environment
	err := t.one([]any{&t.change.version},
		`UPDATE environments SET config_version = config_version + 1 WHERE id = $1 RETURNING config_version`, t.environment)
	return absent(err, "environment")
}

// lines is the configuration of all environments in memory. Rows in it are
// never modified: a change replaces them.
type lines struct {
	store *Store
	// shared says that other processes write to the database too.
	shared bool
	// refreshing lets one caller look for changes of others.
	refreshing *semaphore.Weighted
	// patience is how long a caller with memory to go on with waits for another.
	patience time.Duration
	// looks counts how often somebody did.
	looks atomic.Int64

	mu           sync.RWMutex
	loaded       bool
	checked      time.Time
	environments map[string]*configuration
	// byPhone finds the owner of an active number.
	byPhone map[string]owner
	// missed holds changes committed while nothing was loaded.
	missed []change
}

type owner struct{ environmentID, numberID string }

type configuration struct {
	version int64
	// partial says that secrets are missing that did not open: calls do without,
	// but who reads such a row is to learn of it.
	partial     bool
	numbers     *shelf[sidetone.Number]
	agents      *shelf[sidetone.Agent]
	prompts     *shelf[sidetone.Prompt]
	voices      *shelf[sidetone.Voice]
	actions     *shelf[sidetone.Action]
	webhooks    *shelf[sidetone.Webhook]
	vectors     *shelf[sidetone.VectorDatabase]
	connections *shelf[sidetone.Connection]
}

func newConfiguration(version int64, ts tables) *configuration {
	return &configuration{version: version, numbers: newShelf(ts.numbers), agents: newShelf(ts.agents.table),
		prompts: newShelf(ts.prompts.table), voices: newShelf(ts.voices.table), actions: newShelf(ts.actions.table),
		webhooks: newShelf(ts.webhooks.table), vectors: newShelf(ts.vectors.table), connections: newShelf(ts.connections.table)}
}

func newLines(s *Store) *lines {
	return &lines{store: s, refreshing: semaphore.NewWeighted(1), patience: time.Second}
}

// Route returns who answers calls to the number, from memory; a number that is
// not active is NotFound. On Postgres other nodes' changes show within a second.
func (s *Store) Route(ctx context.Context, e164 string) (Route, error) {
	if err := s.lines.refresh(ctx); err != nil {
		return Route{}, err
	}
	s.lines.mu.RLock()
	defer s.lines.mu.RUnlock()
	o, ok := s.lines.byPhone[e164]
	if !ok {
		return Route{}, notFound("number")
	}
	c := s.lines.environments[o.environmentID]
	r := Route{Number: c.numbers.rows[o.numberID]}
	r.Snapshot, r.HasAgent = c.snapshot(r.Number.InboundAgentID)
	return r, nil
}

// Configuration returns the version of the environment's configuration in memory:
// what calls start from. It grows with every change, before the change is
// acknowledged. ok is false when memory cannot tell: the environment is unknown,
// or other processes write to the database too.
func (s *Store) Configuration(ctx context.Context, environmentID string) (version int64, ok bool, err error) {
	if s.lines.shared {
		return 0, false, nil
	}
	if err := s.lines.refresh(ctx); err != nil {
		return 0, false, err
	}
	s.lines.mu.RLock()
	defer s.lines.mu.RUnlock()
	if c := s.lines.environments[environmentID]; c != nil {
		return c.version, true, nil
	}
	return 0, false, nil
}

// Resolve returns the configuration of an agent, from memory; an agent that the
// environment does not have is NotFound. Slices in it must not be modified.
func (s *Store) Resolve(ctx context.Context, environmentID, agentID string) (sidetone.Snapshot, error) {
	if err := s.lines.refresh(ctx); err != nil {
		return sidetone.Snapshot{}, err
	}
	s.lines.mu.RLock()
	defer s.lines.mu.RUnlock()
	if c := s.lines.environments[environmentID]; c != nil {
		if snapshot, ok := c.snapshot(agentID); ok {
			return snapshot, nil
		}
	}
	return sidetone.Snapshot{}, notFound("agent")
}

// snapshot puts together what a call of the agent runs with.
func (c *configuration) snapshot(agentID string) (sidetone.Snapshot, bool) {
	a, ok := c.agents.rows[agentID]
	if !ok {
		return sidetone.Snapshot{}, false
	}
	voice, ok := c.voices.rows[a.VoiceID]
	if !ok {
		voice = c.defaultVoice()
	}
	s := sidetone.Snapshot{Agent: a, Prompt: c.prompts.rows[a.PromptID], Voice: voice, Webhook: held(c.webhooks, a.WebhookID),
		VectorDatabase: held(c.vectors, a.VectorDatabaseID), ModelAccount: held(c.connections, a.ModelAccount)}
	for _, id := range a.ActionIDs {
		if action, ok := c.actions.rows[id]; ok {
			s.Actions = append(s.Actions, action)
		}
	}
	return s, true
}

// defaultVoice is the built-in voice of agents that name none.
func (c *configuration) defaultVoice() sidetone.Voice {
	for _, v := range c.voices.rows {
		if v.BuiltIn && v.Type == defaultVoiceType {
			return v
		}
	}
	return sidetone.Voice{}
}

// held returns a copy of the row with id, nil when there is none.
func held[T any](rows *shelf[T], id string) *T {
	row, ok := rows.rows[id]
	if !ok {
		return nil
	}
	return &row
}

// refresh loads everything once, and on a shared database looks at most every
// second for environments that another process changed. While one caller looks,
// the others wait: on a node that was idle the memory can be much older than a
// second. While the database does not answer, calls go on with what memory holds.
func (l *lines) refresh(ctx context.Context) error {
	now := l.store.now()
	loaded, fresh := l.state(now)
	if loaded && fresh {
		return nil
	}
	looks := l.looks.Load()
	if err := l.turn(ctx, loaded); err != nil {
		if loaded {
			return nil
		}
		return fmt.Errorf("wait for the configuration: %w", err)
	}
	defer l.refreshing.Release(1)
	if nowLoaded, nowFresh := l.state(now); nowLoaded && (nowFresh || looks != l.looks.Load()) {
		return nil // the caller we waited for has looked, or cannot
	}
	err := l.store.readAcross(ctx, func(t *Tx) error { return l.load(t, now) })
	l.looks.Add(1)
	if err != nil && loaded {
		l.store.log.Warn("look for changed configuration", "error", err)
		return nil
	}
	return err
}

// turn waits until no other caller looks, not for long when there is memory to
// go on with.
func (l *lines) turn(ctx context.Context, loaded bool) error {
	if loaded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.patience)
		defer cancel()
	}
	return l.refreshing.Acquire(ctx, 1)
}

func (l *lines) state(now time.Time) (loaded, fresh bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.loaded, !l.shared || now.Sub(l.checked) < refreshEvery
}

// load replaces the environments whose version in the database is newer.
func (l *lines) load(t *Tx, now time.Time) error {
	versions := map[string]int64{}
	err := t.each(func(r *sql.Rows) error {
		var id string
		var version int64
		err := r.Scan(&id, &version)
		versions[id] = version
		return err
	}, "SELECT id, config_version FROM environments")
	if err != nil {
		return err
	}
	l.mu.RLock()
	maps.DeleteFunc(versions, func(id string, version int64) bool {
		known := l.environments[id]
		return known != nil && known.version >= version
	})
	l.mu.RUnlock()
	loaded := map[string]*configuration{}
	for id, version := range versions {
		if loaded[id], err = loadConfiguration(t, id, version); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range loaded {
		l.replace(id, c)
	}
	l.loaded, l.checked = true, now
	missed := l.missed
	l.missed = nil
	for _, ch := range missed {
		l.follow(ch)
	}
	return nil
}

func loadConfiguration(t *Tx, environmentID string, version int64) (*configuration, error) {
	c, tables, unopened := newConfiguration(version, t.store.tables), t.store.tables, t.unopened
	numbers, err := tables.numbers.all(t, "WHERE environment_id = $1 AND active = $2", environmentID, true)
	if err != nil {
		return nil, err
	}
	c.merge(change{numbers: numbers})
	for _, load := range []func(*Tx, *configuration, string) error{
		tables.agents.load, tables.prompts.load, tables.voices.load, tables.actions.load,
		tables.webhooks.load, tables.vectors.load, tables.connections.load,
	} {
		if err := load(t, c, environmentID); err != nil {
			return nil, err
		}
	}
	c.partial = t.unopened > unopened
	return c, nil
}

// merge lays changed rows over the configuration. It copies what the writer of
// the row could still reach.
func (c *configuration) merge(ch change) {
	for _, n := range ch.numbers {
		n.Tags, n.ExampleContext, n.Config = slices.Clone(n.Tags), slices.Clone(n.ExampleContext), slices.Clone(n.Config)
		if n.Active {
			c.numbers.put(n)
		} else {
			c.numbers.remove(n.ID)
		}
	}
	for _, edit := range ch.edits {
		edit(c)
	}
}

// replace puts a newer configuration in place; mu is held.
func (l *lines) replace(id string, c *configuration) {
	if l.environments == nil {
		l.environments, l.byPhone = map[string]*configuration{}, map[string]owner{}
	}
	old := l.environments[id]
	if old != nil && old.version >= c.version {
		return
	}
	if old != nil {
		for _, n := range old.numbers.rows {
			l.unlist(n)
		}
	}
	l.environments[id] = c
	for _, n := range c.numbers.rows {
		l.byPhone[n.Number] = owner{id, n.ID}
	}
}

// unlist removes the number from the index unless a newer row has taken it.
func (l *lines) unlist(n sidetone.Number) {
	if l.byPhone[n.Number].numberID == n.ID {
		delete(l.byPhone, n.Number)
	}
}

// apply carries a committed change into memory. A change that comes while the
// memory is being loaded is kept until then.
func (l *lines) apply(ch change) {
	if ch.empty() {
		return
	}
	if ch.keys {
		l.store.keys.forget()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.loaded {
		l.missed = append(l.missed, ch)
		return
	}
	l.follow(ch)
}

// follow merges a change that is the next one after what memory holds; an older
// one is there already, and a gap makes the next use load again. mu is held.
func (l *lines) follow(ch change) {
	c := l.environments[ch.environmentID]
	switch {
	case c != nil && c.version >= ch.version:
		return
	case c == nil || c.version != ch.version-1:
		l.loaded = false
		return
	}
	c.merge(ch)
	c.version = ch.version
	for _, n := range ch.numbers {
		if n.Active {
			l.byPhone[n.Number] = owner{ch.environmentID, n.ID}
		} else {
			l.unlist(n)
		}
	}
}
