package api

import (
	"time"

	"github.com/sidetone/sidetone"
)

// unassignedID is the id of the built-in agent that numbers without agent show
// to clients that cannot read a number without one, and of its prompt. Every
// environment has it. It can be read; it is in no list, cannot be changed, and
// in a request it means what null means. It is not stored.
const unassignedID = "unassigned"

// unassigned is the built-in agent.
func (w work) unassigned() (sidetone.Snapshot, error) {
	voice, err := w.defaultVoice()
	return unassignedAgent(w.tx.EnvironmentID(), voice), err
}

func unassignedAgent(environmentID string, voice sidetone.Voice) sidetone.Snapshot {
	agent := sidetone.NewAgent(unassignedID, environmentID, unassignedID, time.Time{})
	agent.Name = unassignedID
	prompt := sidetone.NewPrompt(unassignedID, environmentID, "", time.Time{})
	return sidetone.Snapshot{Agent: agent, Prompt: prompt, Voice: voice}
}

// isUnassigned says that an agent without id is the built-in one as the client was
// shown it for none.
func (w work) isUnassigned(p placement) bool {
	profile := p.patch.profile
	if !profile.Unassigned {
		return false
	}
	agent, err := w.unassigned()
	return err == nil && sameAsShown(p.ref.Fields, renderAgent(view{profile: profile}, agent))
}

// readAgent is the snapshot of the agent with id, built-in or not.
func (w work) readAgent(id, path string) (sidetone.Snapshot, error) {
	if id == unassignedID {
		return w.unassigned()
	}
	return w.agentSnapshot(id, path)
}

// builtInAgent refuses to change the built-in agent.
func builtInAgent(id, path string) error {
	if id == unassignedID {
		return sidetone.Errorf(sidetone.Conflict, "%s names the built-in agent, which cannot be changed", path)
	}
	return nil
}
