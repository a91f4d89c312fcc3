package api

import (
	"encoding/json"
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
)

// work is what the domain functions of a handler share: the transaction and a
// source of ids.
type work struct {
	tx  *store.Tx
	ids *sidetone.IDs
	// speaks is the voice of agents that name none, without an id; nil: the built-in one.
	speaks *sidetone.Voice
	// checkPrompt and checkInsights are the configuration's, nil when nothing is checked.
	checkPrompt   func(content string) error
	checkInsights func(sidetone.Agent) error
	// checkSchema is the configuration's, as checkPrompt.
	checkSchema func(schema json.RawMessage) error
	// table says which values select something.
	table *support.Table
	// checkAddress refuses addresses that nothing is sent to; nil refuses none.
	checkAddress func(address string) error
	// checkAccount and checkThinks are the configuration's, nil when nothing is checked.
	checkAccount func(sidetone.Connection) error
	checkThinks  func(provider string, c sidetone.Connection) error
	// callerIDs knows which numbers calls may show.
	callerIDs CallerIDs
	// trunks is the configuration's, nil when nothing is known of trunks.
	trunks Trunks
	// newSecrets are those that this request sets.
	newSecrets *newSecrets
	// agentPath is the path of the agent in the request's body, with its dot; "" where
	// that is the body.
	agentPath string
	// ignore notes that a property of the request changed nothing.
	ignore func(property, sentence string)
}

// read runs fn in a read-only transaction of the request's environment.
func (s *server) read(r *request, fn func(work) error) error {
	return s.Store.Read(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error { return fn(work{tx: tx, ids: s.IDs, speaks: r.speaks}) })
}

// readConfiguration is read for the environment's configuration, which the store
// may have in memory: fn may run twice and must assign, not append to, what it
// hands out.
func (s *server) readConfiguration(r *request, fn func(work) error) error {
	return s.Store.ReadConfiguration(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error { return fn(work{tx: tx, ids: s.IDs, speaks: r.speaks}) })
}

// write runs fn in a write transaction. fn may run more than once and must
// assign, not append to, what it hands out. The request's view shows the secrets
// that fn sets.
func (s *server) write(r *request, fn func(work) error) error {
	return s.Store.Write(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error {
		w := work{tx: tx, ids: s.IDs, speaks: r.speaks, checkPrompt: s.CheckPrompt, checkInsights: s.CheckInsights, checkSchema: s.CheckSchema, checkAddress: s.CheckAddress, checkAccount: s.CheckAccount, checkThinks: s.CheckThinks, callerIDs: s.CallerIDs, trunks: s.Trunks, table: s.table, newSecrets: &newSecrets{}, ignore: r.ignore}
		if member := r.agentMember(); member != "" {
			w.agentPath = member + "."
		}
		r.view.newSecrets = w.newSecrets
		return fn(w)
	})
}

// effect runs fn, which makes or spends something, in a write transaction and
// returns what fn returns. For a request with an idempotency key the response is
// stored in the same transaction.
func (s *server) effect(r *request, fn func(work) (any, error)) (any, error) {
	var out any
	err := s.write(r, func(w work) (err error) {
		if out, err = fn(w); err != nil || r.key == nil {
			return err
		}
		warnings, err := s.allWarnings(r, out)
		return firstOf(err, r.key.storeResponse(w, r.status, out, warnings))
	})
	return out, err
}

// list renders one page: what find returns for the query of the request, rendered
// in the same transaction.
func list[T any](s *server, r *request, find func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error),
	render func(work, sidetone.Page[T]) (object, error),
) (any, error) {
	q, err := pageQuery(r.query)
	if err != nil {
		return nil, err
	}
	var out object
	err = s.read(r, func(w work) error {
		page, err := find(w.tx, q)
		if err != nil {
			return err
		}
		out, err = render(w, page)
		return err
	})
	return out, err
}

// defaultVoice is what agents speak with that name no voice.
func (w work) defaultVoice() (sidetone.Voice, error) {
	v, err := w.tx.DefaultVoice()
	if err == nil && w.speaks != nil {
		v = v.OrDefault(w.speaks.Type, w.speaks.Config)
	}
	return v, err
}

// snapshot is what calls of an agent run with.
func (w work) snapshot(agent sidetone.Agent) (sidetone.Snapshot, error) {
	s, err := w.tx.Snapshot(agent)
	if err == nil && agent.VoiceID == "" {
		s.Voice, err = w.defaultVoice()
	}
	return s, err
}

// agentSnapshot is the snapshot of the agent with id; a NotFound names path.
func (w work) agentSnapshot(id, path string) (sidetone.Snapshot, error) {
	agent, err := w.tx.Agent(id)
	if err != nil {
		return sidetone.Snapshot{}, named(err, path, "agent")
	}
	return w.snapshot(agent)
}

// numberByPhone is the number of the environment that text names; a NotFound names
// path.
func (w work) numberByPhone(text, path string) (sidetone.Number, error) {
	e164, ok := phonenumber.Digits(text)
	if !ok {
		return sidetone.Number{}, missing(path, "number")
	}
	n, err := w.tx.NumberByPhone(e164)
	return n, named(err, path, "number")
}
