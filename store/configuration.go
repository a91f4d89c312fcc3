package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

// errNotInMemory says that memory does not hold what a transaction asks for.
const errNotInMemory Error = "not in memory"

// Route is what an incoming call to a number needs. Its slices are shared with
// the memory and must not be modified.
type Route struct {
	// Number is the active number that was called.
	Number sidetone.Number
	// Snapshot is the configuration of the number's agent, if HasAgent.
	Snapshot sidetone.Snapshot
	// HasAgent says that the number names an agent that exists.
	HasAgent bool
}

// Route returns the number and the agent that takes its calls, from memory; a number that is not
// active is NotFound. On Postgres other nodes' changes show within a second.
func (s *Store) Route(ctx context.Context, e164 string) (Route, error) {
	var r Route
	var broken error
	ok, err := s.memory.Route(ctx, e164, func(e *configuration.Environment, n sidetone.Number) {
		t := &Tx{ctx: ctx, environment: n.EnvironmentID, store: s, now: s.now(), memory: e, reading: true}
		r.Number = n
		var agent sidetone.Agent
		if agent, r.HasAgent = e.Agents[n.InboundAgentID]; r.HasAgent {
			r.Snapshot, broken = t.Snapshot(agent)
		}
	})
	switch {
	case err == nil && !ok:
		err = notFound("number")
	case broken != nil:
		err = sidetone.Errorf(sidetone.Internal, "agent %s of the number cannot take calls: %s", r.Number.InboundAgentID, sidetone.MessageOf(broken))
	}
	return r, err
}

// ReadConfiguration runs fn as Read does, but without the database when memory
// holds every row that fn gets: numbers, agents and what agents name, each by its
// id, as of the last acknowledged write. When fn asks for anything else, such as
// a list, and always on Postgres, where other processes write too, fn runs as in
// Read.
//
// fn may therefore run twice and must assign, not append to, what it hands out.
// Changes of the configuration wait for it: it must not call the store or wait
// for anything. Slices in what it reads must not be modified.
func (s *Store) ReadConfiguration(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if !s.shared() {
		if ok, err := s.readMemory(ctx, environmentID, fn); ok {
			return s.customerError(err)
		}
	}
	return s.Read(ctx, environmentID, fn)
}

// readMemory runs fn on memory; ok is false when memory does not hold what fn
// asks for.
func (s *Store) readMemory(ctx context.Context, environmentID string, fn func(*Tx) error) (ok bool, err error) {
	read := s.memory.Read(ctx, environmentID, func(e *configuration.Environment) {
		t := &Tx{ctx: ctx, environment: environmentID, store: s, now: s.now(), memory: e, reading: true}
		err = t.run(fn)
		ok = !errors.Is(t.failed, errNotInMemory)
	})
	return read && ok, err
}

// shared says that other processes write to the database too.
func (s *Store) shared() bool {
	_, postgres := s.engine.(*postgresEngine)
	return postgres
}

// change is what a transaction did that memory and the workers of jobs have to
// follow.
type change struct {
	configuration.Change
	// environment says that the environment's own row changed.
	environment bool
	// access says that keys, members or environments changed: who may come in.
	access bool
	// jobs are the wake-ups that the commit makes visible.
	jobs []sidetone.Job
	// webhooks have something to be sent.
	webhooks []sidetone.Endpoint
}

// changesConfiguration says that the environment gets a new version.
func (c change) changesConfiguration() bool {
	return c.environment || c.access || len(c.Numbers)+len(c.Edits) > 0
}

// bumpConfiguration gives the environment a new version when the transaction
// changed its configuration.
func (t *Tx) bumpConfiguration() error {
	if !t.change.changesConfiguration() {
		return nil
	}
	t.change.EnvironmentID = t.environment
	err := t.one([]any{&t.change.Version},
		`UPDATE environments SET config_version = config_version + 1 WHERE id = $1 RETURNING config_version`, t.environment)
	return absent(err, "environment")
}

// committed carries a committed change into memory, then wakes the work that
// waited for it.
func (s *Store) committed(c change) {
	if c.changesConfiguration() {
		if c.access {
			s.keys.forget()
		}
		s.memory.Apply(c.Change)
	}
	s.wake(c.jobs)
	if wake := s.deliverer.Load(); wake != nil && len(c.webhooks) > 0 {
		(*wake)(c.webhooks)
	}
}

// uncertain makes memory read the database again, after a commit that may have
// been carried out or not.
func (s *Store) uncertain(c change) {
	if c.changesConfiguration() {
		s.keys.forget()
		s.memory.Recheck()
	}
}

// configurations reads the configurations that memory holds.
type configurations struct{ store *Store }

// LoadConfigurations implements configuration.Source.
func (c configurations) LoadConfigurations(ctx context.Context, held func(string) int64) (map[string]*configuration.Environment, error) {
	out := map[string]*configuration.Environment{}
	err := c.store.readAcross(ctx, func(t *Tx) error {
		clear(out)
		newer := map[string]int64{}
		err := t.each(func(r *sql.Rows) error {
			var id string
			var version int64
			if err := r.Scan(&id, &version); err != nil {
				return err
			}
			if version > held(id) {
				newer[id] = version
			}
			return nil
		}, "SELECT id, config_version FROM environments")
		for id, version := range newer {
			if err == nil {
				out[id], err = t.loadConfiguration(id, version)
			}
		}
		return err
	})
	return out, err
}

func (t *Tx) loadConfiguration(environmentID string, version int64) (*configuration.Environment, error) {
	e, tables, undecrypted := configuration.NewEnvironment(version), t.store.tables, t.undecrypted
	numbers, err := tables.numbers.all(t, "WHERE environment_id = $1 AND active = $2", environmentID, true)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		e.Numbers[n.ID] = n
	}
	for _, load := range []func(*Tx, *configuration.Environment, string) error{
		tables.agents.load, tables.prompts.load, tables.voices.load, tables.actions.load,
		tables.webhooks.load, tables.vectors.load, tables.connections.load, tables.trunks.load,
	} {
		if err := load(t, e, environmentID); err != nil {
			return nil, err
		}
	}
	e.Incomplete = t.undecrypted > undecrypted
	return e, nil
}

// numberChanged makes memory follow a stored number. It copies what the writer
// of the row could still reach.
func (t *Tx) numberChanged(n sidetone.Number) {
	n.Tags, n.ExampleContext, n.Config = slices.Clone(n.Tags), slices.Clone(n.ExampleContext), slices.Clone(n.Config)
	settle(numberColumns(&n))
	t.change.Numbers = append(t.change.Numbers, n)
}
