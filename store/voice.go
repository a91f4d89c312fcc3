package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func voiceTable() *configurationTable[sidetone.Voice] {
	tb := newTable("voices", "voice", func(v *sidetone.Voice) []column {
		return []column{
			{name: "id", ref: &v.ID, fixed: true}, {name: "environment_id", ref: &v.EnvironmentID, fixed: true},
			{name: "type", ref: &v.Type}, {name: "label", ref: &v.Label}, {name: "label_folded", ref: folded(v.Label)},
			{name: "description", ref: &v.Description}, {name: "config", ref: raw{&v.Config, "{}"}}, {name: "api_key", ref: sealed{&v.APIKey}},
			{name: "built_in", ref: &v.BuiltIn, fixed: true}, {name: "version", ref: &v.Version},
			{name: "created", ref: millis{&v.Created}, fixed: true}, {name: "updated", ref: millis{&v.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "label": search("label", "label_folded"), "type": text("type"),
		"created": instant("created"), "updated": instant("updated"),
	})
	return &configurationTable[sidetone.Voice]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Voice { return e.Voices }),
		detach: func(v *sidetone.Voice) { v.Config = slices.Clone(v.Config) },
		uses:   []use{{table: "agents", noun: "agent", column: "voice_id", shown: "id"}},
	}
}

// builtInVoices returns the voices every new environment starts with.
func (s *Store) builtInVoices() []sidetone.Voice {
	now := s.now()
	voice := func(kind, label, description, config string) sidetone.Voice {
		return sidetone.Voice{ID: s.ids.New(), Type: kind, Label: label, Description: description,
			Config: []byte(config), BuiltIn: true, Created: now, Updated: now}
	}
	return []sidetone.Voice{
		voice(configuration.DefaultVoiceType, "Flite", "Offline speech of the flite program.", `{"voice":"slt"}`),
		voice("voice_tty", "TTY", "Text telephone tones (Baudot 45.45) for deaf callers.", `{}`),
	}
}

// Voice returns the voice with id.
func (t *Tx) Voice(id string) (sidetone.Voice, error) { return t.store.tables.voices.get(t, id) }

// DefaultVoice returns the built-in voice that agents without a voice speak
// with.
func (t *Tx) DefaultVoice() (sidetone.Voice, error) {
	if t.memory != nil {
		if v, ok := t.memory.DefaultVoice(); ok {
			return v, nil
		}
		return sidetone.Voice{}, notFound("voice")
	}
	return t.store.tables.voices.where(t, "type = $2 AND built_in = $3", configuration.DefaultVoiceType, true)
}

// Voices lists the voices.
func (t *Tx) Voices(q sidetone.PageQuery) (sidetone.Page[sidetone.Voice], error) {
	return page(t, t.store.tables.voices.table, q)
}

// InsertVoice stores a new voice.
func (t *Tx) InsertVoice(v sidetone.Voice) error { return t.store.tables.voices.insert(t, v) }

// UpdateVoice stores v if v.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateVoice(v sidetone.Voice) error { return t.store.tables.voices.update(t, v) }

// DeleteVoice removes the voice with id. A built-in one and one that is in use
// are Conflicts; the message names the users.
func (t *Tx) DeleteVoice(id string) error {
	v, err := t.Voice(id)
	if err == nil && v.BuiltIn {
		err = sidetone.Errorf(sidetone.Conflict, "the voice is built in and stays")
	}
	if err != nil {
		return err
	}
	return t.store.tables.voices.remove(t, id)
}
