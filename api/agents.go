package api

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
)

// draft is an agent under change, with what has to be written for it.
type draft struct {
	sidetone.Snapshot
	writes []func() error
}

// apply carries patch out on the draft. It reads what the patch refers to and
// writes nothing.
func (w work) apply(d *draft, patch agentPatch) error {
	for _, step := range []func(*draft, agentPatch) error{w.applyPrompt, w.applyVoice, w.applyActions, w.applyRelations} {
		if err := step(d, patch); err != nil {
			return err
		}
	}
	change := patch.change
	change.PromptID = sidetone.Some(d.Prompt.ID)
	before := d.Agent
	if err := keptMasks(&change.Extra, before.Extra); err != nil {
		return err
	}
	change.Apply(&d.Agent, w.tx.Now())
	if err := w.rescuer(&d.Agent, before); err != nil {
		return err
	}
	chosenInside := func(object, name string) error {
		return w.chosen("agent", object+"."+name, before.ExtraText(object, name), d.Agent.ExtraText(object, name))
	}
	kept := func(name string) error {
		return noKeys(name, memberObject(before.Extra, name), memberObject(d.Agent.Extra, name))
	}
	return firstOf(d.Agent.Validate(), w.insights(before, d.Agent), kept("llm_fallback"), kept("transcriber"), w.thinks(*d, before, patch), w.chosen("agent", "provider", before.Provider, d.Agent.Provider),
		chosenInside("llm_fallback", "provider"), chosenInside("transcriber", "type"),
		w.fallback("transcriber.fallback", "agent", "transcriber.type", memberObject(before.Extra, "transcriber", "fallback"), memberObject(d.Agent.Extra, "transcriber", "fallback")))
}

// insights checks the schemas of what an agent wants to know after its calls, if they are new.
func (w work) insights(before, after sidetone.Agent) error {
	if w.checkInsights == nil || bytes.Equal(before.Extra, after.Extra) {
		return nil
	}
	return w.checkInsights(after)
}

// thinks checks that an agent's account is one for its provider, if one of them is new.
func (w work) thinks(d draft, before sidetone.Agent, patch agentPatch) error {
	if w.checkThinks == nil || d.ModelAccount == nil || !patch.account.ref.Set && before.Provider == d.Agent.Provider {
		return nil
	}
	if err := w.checkThinks(d.Agent.Provider, *d.ModelAccount); err != nil {
		return invalid("%s", err.Error()) // it begins with the property
	}
	return nil
}

// fallback checks a new object that names who takes over: its type is one that is known.
func (w work) fallback(path, resource, property string, before, after []byte) error {
	if bytes.Equal(before, after) || len(after) == 0 {
		return nil
	}
	kind := memberOf(after, "type")
	ok, possible := w.table.Possible(resource, property, kind)
	if kind == "voice_tty" || kind == "tty" {
		return invalid("%s.type must not be %s: speech cannot go over to a text telephone in a call", path, kind)
	}
	if kind == "" || !ok {
		return invalid("%s.type must be one of %s", path, strings.Join(possible, ", "))
	}
	return nil
}

// applyPrompt attaches a prompt by id, changes the attached one, or makes one.
func (w work) applyPrompt(d *draft, patch agentPatch) error {
	ref, current := patch.prompt.ref, &d.Prompt
	if d.Prompt.ID == "" {
		current = nil
	}
	switch {
	case ref.Null:
		return invalid("prompt must not be null")
	case !ref.Set && current == nil:
		return invalid("prompt is required")
	}
	prompt, err := prompts().relate(w, d, patch.prompt, current)
	if err == nil {
		d.Prompt = *prompt
	}
	return err
}

// applyVoice does the same with the voice. An agent that names none speaks with
// the default one.
func (w work) applyVoice(d *draft, patch agentPatch) error {
	var current *sidetone.Voice
	if d.Agent.VoiceID != "" {
		current = &d.Voice
	}
	sent, err := w.withoutDefault(patch.voice)
	if err != nil {
		return err
	}
	if sent.ref, err = w.builtInReadAs(sent); err != nil {
		return err
	}
	voice, err := voices().relate(w, d, sent, current)
	if err != nil {
		return err
	}
	if voice != nil && current == nil && sent.ref.Fields != nil && voice.ID == d.Voice.ID {
		return nil // the default one, sent back as it is shown
	}
	if d.Agent.VoiceID = voices().idOf(voice); voice != nil {
		d.Voice = *voice
		return nil
	}
	d.Voice, err = w.defaultVoice()
	return err
}

// withoutDefault is what a request says of an agent's voice, and that there is none where
// it sends back the default one as it was shown.
func (w work) withoutDefault(sent relation[sidetone.Voice]) (relation[sidetone.Voice], error) {
	voice, err := w.defaultVoice()
	if err != nil || voice.ID != sidetone.DefaultVoiceID {
		return sent, err
	}
	shown := sent.ref.Fields != nil && voices().isShown(sent.profile, sent.ref.Fields, voice)
	switch {
	case sent.ref.ByID && sent.ref.ID == voice.ID:
		if !shown && len(sent.ref.Fields) > 1 {
			err = voices().unchanged(w, sent, voice)
		}
	case sent.ref.ByID || !shown:
		return sent, nil
	}
	sent.ref = wire.Reference{Set: true, Null: true}
	return sent, err
}

// applyActions replaces the agent's actions; one that is listed twice counts
// once. What was sent without an id is matched with the actions there are.
func (w work) applyActions(d *draft, patch agentPatch) error {
	if !patch.listed {
		return nil
	}
	patch = patch.withMatches(d.Actions)
	d.Agent.ActionIDs, d.Actions = []string{}, nil
	for _, r := range patch.actions {
		action, err := actions().relate(w, d, r, nil)
		if err != nil {
			return err
		}
		if !slices.Contains(d.Agent.ActionIDs, action.ID) {
			d.Agent.ActionIDs, d.Actions = append(d.Agent.ActionIDs, action.ID), append(d.Actions, *action)
		}
	}
	return nil
}

// applyRelations resolves what an agent can be without.
func (w work) applyRelations(d *draft, patch agentPatch) (err error) {
	if d.Webhook, err = webhooks().relate(w, d, patch.webhook, d.Webhook); err != nil {
		return err
	}
	if d.VectorDatabase, err = vectorDatabases().relate(w, d, patch.vectors, d.VectorDatabase); err != nil {
		return err
	}
	if d.ModelAccount, err = connections().relate(w, d, patch.account, d.ModelAccount); err != nil {
		return err
	}
	if patch.account.ref.Set && d.ModelAccount != nil && !d.ModelAccount.ServesModels() {
		return invalid("openai_account_connection must be of a type that serves a language model, such as account_connection_openai, not %s", d.ModelAccount.Type)
	}
	d.Agent.WebhookID, d.Agent.VectorDatabaseID = webhooks().idOf(d.Webhook), vectorDatabases().idOf(d.VectorDatabase)
	d.Agent.ModelAccount = connections().idOf(d.ModelAccount)
	return nil
}

// write carries out what the draft left to be written.
func (d draft) write() error {
	for _, write := range d.writes {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// newAgent drafts an agent from patch.
func (w work) newAgent(patch agentPatch) (draft, error) {
	voice, err := w.defaultVoice()
	if err != nil {
		return draft{}, err
	}
	d := draft{Snapshot: sidetone.Snapshot{
		Agent: sidetone.NewAgent(w.ids.New(), w.tx.EnvironmentID(), "", w.tx.Now()), Voice: voice,
	}}
	if err := w.apply(&d, patch); err != nil {
		return draft{}, err
	}
	d.writes = append(d.writes, func() error { return w.tx.InsertAgent(d.Agent) })
	return d, nil
}

// createAgent makes and stores an agent from patch.
func (w work) createAgent(patch agentPatch) (sidetone.Snapshot, error) {
	d, err := w.newAgent(patch)
	if err == nil {
		err = d.write()
	}
	return d.Snapshot, err
}

// changedAgent drafts a stored agent with patch carried out.
func (w work) changedAgent(current sidetone.Snapshot, patch agentPatch) (draft, error) {
	d := draft{Snapshot: current}
	patch, err := patch.since(current)
	if err == nil {
		err = w.apply(&d, patch)
	}
	if err != nil {
		return draft{Snapshot: current}, err
	}
	d.writes = append(d.writes, func() error { return w.tx.UpdateAgent(d.Agent) })
	return d, nil
}

// changeAgent carries patch out on a stored agent and stores it.
func (w work) changeAgent(current sidetone.Snapshot, patch agentPatch) (sidetone.Snapshot, error) {
	d, err := w.changedAgent(current, patch)
	if err == nil {
		err = d.write()
	}
	return d.Snapshot, err
}

func (s *server) createAgent(r *request) (any, error) {
	patch, err := decodeAgent(r.view.profile, r.body)
	if err != nil {
		return nil, err
	}
	return s.effect(r, func(w work) (any, error) {
		made, err := w.createAgent(patch)
		r.agent = &made
		return renderAgent(r.view, made), err
	})
}

func (s *server) updateAgent(r *request) (any, error) {
	patch, err := decodeAgent(r.view.profile, r.body)
	if err = firstOf(err, builtInAgent(r.query.Get("id"), "id")); err != nil {
		return nil, err
	}
	return s.effect(r, func(w work) (any, error) {
		current, err := w.agentSnapshot(r.query.Get("id"), "id")
		if err != nil {
			return nil, err
		}
		changed, err := w.changeAgent(current, patch)
		r.agent = &changed
		return renderAgent(r.view, changed), err
	})
}

func (s *server) getAgent(r *request) (any, error) {
	var found sidetone.Snapshot
	err := s.readConfiguration(r, func(w work) (err error) {
		found, err = w.readAgent(r.query.Get("id"), "id")
		return err
	})
	return renderAgent(r.view, found), err
}

func (s *server) listAgents(r *request) (any, error) {
	return list(s, r, (*store.Tx).Agents, func(w work, page sidetone.Page[sidetone.Agent]) (object, error) {
		full := make(map[string]sidetone.Snapshot, len(page.Items))
		for _, agent := range page.Items {
			snapshot, err := w.snapshot(agent)
			if err != nil {
				return nil, err
			}
			full[agent.ID] = snapshot
		}
		return renderPage(page, func(a sidetone.Agent) object { return renderAgent(r.view.item(), full[a.ID]) }), nil
	})
}

// deleteAgent removes an agent that answers no number. Its calls keep the
// snapshot they ran with.
func (s *server) deleteAgent(r *request) (any, error) {
	id := r.query.Get("id")
	err := builtInAgent(id, "id")
	if err == nil {
		err = s.write(r, func(w work) error { return named(w.tx.DeleteAgent(id), "id", "agent") })
	}
	return object{"id": id, "deleted": true}, err
}

// rescuer reads a new number to which callers are handed when nobody is left to serve them.
func (w work) rescuer(a *sidetone.Agent, before sidetone.Agent) error {
	number := a.TransferOnFailure()
	if number == "" || number == before.TransferOnFailure() {
		return nil
	}
	e164, err := w.tx.MayHandOver(number)
	if err != nil {
		return forbidden("transfer_on_failure", err)
	}
	a.Extra = sidetone.MergeJSON(a.Extra, []byte(`{"transfer_on_failure":"`+e164+`"}`))
	return nil
}
