package store

import "github.com/sidetone/sidetone"

// Snapshot puts together what a call of the agent runs with: everything that the
// agent names, and the built-in voice when it names none. A row that is missing
// is NotFound.
func (t *Tx) Snapshot(agent sidetone.Agent) (sidetone.Snapshot, error) {
	prompt, err := t.Prompt(agent.PromptID)
	if err != nil {
		return sidetone.Snapshot{}, err
	}
	s := sidetone.Snapshot{Agent: agent, Prompt: prompt}
	if s.Voice, err = t.voiceOf(agent); err != nil {
		return s, err
	}
	for _, id := range agent.ActionIDs {
		action, err := t.Action(id)
		if err != nil {
			return s, err
		}
		s.Actions = append(s.Actions, action)
	}
	if err := find(t.Webhook, agent.WebhookID, &s.Webhook); err != nil {
		return s, err
	}
	if err := find(t.VectorDatabase, agent.VectorDatabaseID, &s.VectorDatabase); err != nil {
		return s, err
	}
	return s, find(t.Connection, agent.ModelAccount, &s.ModelAccount)
}

func (t *Tx) voiceOf(agent sidetone.Agent) (sidetone.Voice, error) {
	if agent.VoiceID == "" {
		return t.DefaultVoice()
	}
	return t.Voice(agent.VoiceID)
}

// find puts the row with id into dest, nothing for "".
func find[T any](get func(string) (T, error), id string, dest **T) error {
	if id == "" {
		return nil
	}
	row, err := get(id)
	if err == nil {
		*dest = &row
	}
	return err
}
