package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// draft is an agent under change, with what has to be written for it.
type draft struct {
	sidetone.Snapshot
	newPrompt, changedPrompt bool
}

// apply carries patch out on the draft. It reads what the patch refers to and
// writes nothing.
func (w work) apply(d *draft, patch agentPatch) error {
	for _, relation := range patch.unknown {
		if err := absentRelation(relation); err != nil {
			return err
		}
	}
	if err := w.applyPrompt(d, patch); err != nil {
		return err
	}
	if err := w.applyVoice(d, patch.voice); err != nil {
		return err
	}
	change := patch.change
	change.PromptID = sidetone.Some(d.Prompt.ID)
	change.Apply(&d.Agent, w.tx.Now())
	return d.Agent.Validate()
}

// absentRelation refuses a relation to a kind of resource that cannot exist
// here yet.
func absentRelation(r namedReference) error {
	switch {
	case !r.ref.set || r.ref.null:
		return nil
	case !r.ref.byID:
		return invalid("%s cannot be created here: only an id or null is possible", r.path)
	default:
		return missing(r.ref.path(r.path), r.noun)
	}
}

// applyPrompt attaches a prompt by id, changes the attached one, or makes one.
func (w work) applyPrompt(d *draft, patch agentPatch) error {
	ref := patch.prompt
	switch {
	case !ref.set:
		if d.Prompt.ID == "" {
			return invalid("prompt is required")
		}
		return nil
	case ref.null:
		return invalid("prompt must not be null")
	case ref.byID:
		prompt, err := w.tx.Prompt(ref.id)
		if err != nil {
			return named(err, ref.path("prompt"), "prompt")
		}
		d.Prompt = prompt
	case d.Prompt.ID == "":
		if !patch.promptChange.Content.Set {
			return invalid("prompt.content is required")
		}
		d.Prompt = sidetone.NewPrompt(w.ids.New(), w.tx.EnvironmentID(), "", w.tx.Now())
		d.newPrompt = true
	}
	if ref.fields != nil {
		patch.promptChange.Apply(&d.Prompt, w.tx.Now())
		d.changedPrompt = !d.newPrompt
	}
	return nil
}

func (w work) applyVoice(d *draft, ref reference) error {
	switch {
	case !ref.set:
		return nil
	case !ref.null && !ref.byID:
		return invalid("voice.id is required")
	}
	voice, err := w.voice(ref.id)
	if err != nil {
		return named(err, ref.path("voice"), "voice")
	}
	if ref.byID && ref.id == "" {
		return missing("voice", "voice")
	}
	d.Voice, d.Agent.VoiceID = voice, ref.id
	return nil
}

// createAgent makes and stores an agent from patch.
func (w work) createAgent(patch agentPatch) (sidetone.Snapshot, error) {
	voice, err := w.tx.DefaultVoice()
	if err != nil {
		return sidetone.Snapshot{}, err
	}
	d := draft{Snapshot: sidetone.Snapshot{
		Agent: sidetone.NewAgent(w.ids.New(), w.tx.EnvironmentID(), "", w.tx.Now()), Voice: voice,
	}}
	if err := w.apply(&d, patch); err != nil {
		return sidetone.Snapshot{}, err
	}
	if err := w.storePrompt(d); err != nil {
		return sidetone.Snapshot{}, err
	}
	return d.Snapshot, w.tx.InsertAgent(d.Agent)
}

// changeAgent carries patch out on a stored agent and stores it.
func (w work) changeAgent(current sidetone.Snapshot, patch agentPatch) (sidetone.Snapshot, error) {
	d := draft{Snapshot: current}
	if err := w.apply(&d, patch); err != nil {
		return current, err
	}
	if err := w.storePrompt(d); err != nil {
		return current, err
	}
	return d.Snapshot, w.tx.UpdateAgent(d.Agent)
}

func (w work) storePrompt(d draft) error {
	switch {
	case d.newPrompt:
		return w.tx.InsertPrompt(d.Prompt)
	case d.changedPrompt:
		return w.tx.UpdatePrompt(d.Prompt)
	}
	return nil
}

func (s *server) createAgent(r *request) (any, error) {
	patch, err := decodeAgent(r.view.profile, r.body)
	if err != nil {
		return nil, err
	}
	var made sidetone.Snapshot
	err = s.write(r, func(w work) (err error) {
		made, err = w.createAgent(patch)
		return err
	})
	return renderAgent(r.view, made), err
}

func (s *server) updateAgent(r *request) (any, error) {
	patch, err := decodeAgent(r.view.profile, r.body)
	if err = firstOf(err, builtInAgent(r.query.Get("id"), "id")); err != nil {
		return nil, err
	}
	var changed sidetone.Snapshot
	err = s.write(r, func(w work) error {
		current, err := w.agentSnapshot(r.query.Get("id"), "id")
		if err != nil {
			return err
		}
		changed, err = w.changeAgent(current, patch)
		return err
	})
	return renderAgent(r.view, changed), err
}

func (s *server) getAgent(r *request) (any, error) {
	var found sidetone.Snapshot
	err := s.read(r, func(w work) (err error) {
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
