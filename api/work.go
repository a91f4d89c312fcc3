package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// work is what the domain functions of a handler share: the transaction and a
// source of ids.
type work struct {
	tx  *store.Tx
	ids *sidetone.IDs
	// revealed names, by row, the secrets that this request set.
	revealed map[string][]string
}

// read runs fn in a read-only transaction of the request's environment.
func (s *server) read(r *request, fn func(work) error) error {
	return s.Store.Read(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error { return fn(work{tx: tx, ids: s.IDs}) })
}

// look is read for what is mostly the environment's configuration, which memory
// may hold: fn may run twice and must assign, not append to, what it hands out.
func (s *server) look(r *request, fn func(work) error) error {
	return s.Store.ReadConfiguration(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error { return fn(work{tx: tx, ids: s.IDs}) })
}

// write runs fn in a write transaction. fn may run more than once and must
// assign, not append to, what it hands out. The request's view shows the secrets
// that fn sets.
func (s *server) write(r *request, fn func(work) error) error {
	return s.Store.Write(r.ctx, r.who.EnvironmentID, func(tx *store.Tx) error {
		w := work{tx: tx, ids: s.IDs, revealed: map[string][]string{}}
		r.view.revealed = w.revealed
		return fn(w)
	})
}

// list answers one page: the query of the request, what find returns for it,
// rendered in the same transaction.
func list[T any](s *server, r *request, find func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error),
	render func(work, sidetone.Page[T]) (object, error),
) (any, error) {
	q, err := pageQuery(r.query)
	if err != nil {
		return nil, err
	}
	var out object
	err = s.look(r, func(w work) error {
		page, err := find(w.tx, q)
		if err != nil {
			return err
		}
		if page.TotalIsEstimated {
			r.keep = nil // a guess is made again after a while
		}
		out, err = render(w, page)
		return err
	})
	return out, err
}

// snapshot is the agent with everything it names.
func (w work) snapshot(agent sidetone.Agent) (sidetone.Snapshot, error) {
	prompt, err := w.tx.Prompt(agent.PromptID)
	if err != nil {
		return sidetone.Snapshot{}, err
	}
	s := sidetone.Snapshot{Agent: agent, Prompt: prompt}
	if s.Voice, err = w.voice(agent.VoiceID); err != nil {
		return s, err
	}
	for _, id := range agent.ActionIDs {
		action, err := w.tx.Action(id)
		if err != nil {
			return s, err
		}
		s.Actions = append(s.Actions, action)
	}
	return s, firstOf(
		lookUp(w.tx.Webhook, agent.WebhookID, &s.Webhook),
		lookUp(w.tx.VectorDatabase, agent.VectorDatabaseID, &s.VectorDatabase),
		lookUp(w.tx.Connection, agent.ModelAccount, &s.ModelAccount),
	)
}

// lookUp puts the row with id into dest, nothing for "".
func lookUp[T any](find func(string) (T, error), id string, dest **T) error {
	if id == "" {
		return nil
	}
	row, err := find(id)
	if err == nil {
		*dest = &row
	}
	return err
}

func (w work) voice(id string) (sidetone.Voice, error) {
	if id == "" {
		return w.tx.DefaultVoice()
	}
	return w.tx.Voice(id)
}

// agentSnapshot is the snapshot of the agent with id; a NotFound names path.
func (w work) agentSnapshot(id, path string) (sidetone.Snapshot, error) {
	agent, err := w.tx.Agent(id)
	if err != nil {
		return sidetone.Snapshot{}, named(err, path, "agent")
	}
	return w.snapshot(agent)
}
