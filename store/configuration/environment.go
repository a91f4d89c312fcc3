// Package configuration holds in memory what calls start from: active numbers,
// agents and everything that agents name, of all environments. It reads them
// from a Source and follows each committed Change, so that a call starts without
// a query.
package configuration

import "github.com/sidetone/sidetone"

// Environment is the configuration of one environment, each noun by id. Rows in
// it are never modified: a change replaces them, and slices in a row must not be
// written to. Whoever reads the maps of an Environment that belongs to a Memory
// does so inside of Memory.Read.
type Environment struct {
	// Version is the database's config_version of the state that the maps show.
	Version int64
	// Incomplete says that some rows lack a secret because it could not be
	// decrypted. Calls go on without it; other readers must ask the database,
	// which reports the error.
	Incomplete bool

	// Numbers are the active ones.
	Numbers     map[string]sidetone.Number
	Agents      map[string]sidetone.Agent
	Prompts     map[string]sidetone.Prompt
	Voices      map[string]sidetone.Voice
	Actions     map[string]sidetone.Action
	Webhooks    map[string]sidetone.Webhook
	Vectors     map[string]sidetone.VectorDatabase
	Connections map[string]sidetone.Connection
	Trunks      map[string]sidetone.Trunk
}

// NewEnvironment returns an Environment without rows.
func NewEnvironment(version int64) *Environment {
	return &Environment{
		Version: version,
		Numbers: map[string]sidetone.Number{}, Agents: map[string]sidetone.Agent{}, Prompts: map[string]sidetone.Prompt{},
		Voices: map[string]sidetone.Voice{}, Actions: map[string]sidetone.Action{}, Webhooks: map[string]sidetone.Webhook{},
		Vectors: map[string]sidetone.VectorDatabase{}, Connections: map[string]sidetone.Connection{},
		Trunks: map[string]sidetone.Trunk{},
	}
}

// DefaultConnection returns the default account connection of a type; ok is false when
// the environment has none.
func (e *Environment) DefaultConnection(kind string) (connection sidetone.Connection, ok bool) {
	for _, c := range e.Connections {
		if c.Default && c.Type == kind {
			return c, true
		}
	}
	return sidetone.Connection{}, false
}

// DefaultVoiceType is the type of the built-in voice that agents speak with when
// they name none.
const DefaultVoiceType = "voice_flite"

// DefaultVoice returns that voice; ok is false when the environment has none.
func (e *Environment) DefaultVoice() (voice sidetone.Voice, ok bool) {
	for _, v := range e.Voices {
		if v.BuiltIn && v.Type == DefaultVoiceType {
			return v, true
		}
	}
	return sidetone.Voice{}, false
}
