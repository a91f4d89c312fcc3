package sidetone

import (
	"encoding/json"
	"time"
)

// Voice is a way to speak. Config is a JSON object of type-specific fields.
type Voice struct {
	ID            string
	EnvironmentID string
	// Type is voice_flite, voice_tty or a vendor's (voice_eleven_labs, voice_openai ...).
	Type        string
	Label       string
	Description string
	Config      []byte
	// APIKey is the vendor's key for this voice alone; "" means none.
	APIKey Secret
	// BuiltIn voices exist in every environment and never change.
	BuiltIn bool
	Version int64
	Created time.Time
	Updated time.Time
}

// NewVoice returns a voice without a type.
func NewVoice(id, environmentID string, now time.Time) Voice {
	return Voice{ID: id, EnvironmentID: environmentID, Config: []byte("{}"), Created: now, Updated: now}
}

// DefaultVoiceID is the id of the voice of agents that name none, where that is not a
// built-in one. Who names it names none.
const DefaultVoiceID = "default"

// OrDefault is the built-in voice v, or in its place the default one of a type and a
// configuration, where these are others. config may be nil: the type's own.
func (v Voice) OrDefault(kind string, config []byte) Voice {
	if kind == v.Type && len(config) == 0 {
		return v
	}
	d := NewVoice(DefaultVoiceID, v.EnvironmentID, v.Created)
	VoiceChange{Type: Some(kind), Config: Some(config)}.Apply(&d, v.Created)
	d.Label, d.Description, d.BuiltIn = "Default", "What agents speak with that name no voice.", true
	return d
}

// VoiceChange is a partial update of a Voice.
type VoiceChange struct {
	Type        Optional[string]
	Label       Optional[string]
	Description Optional[string]
	// Config holds only the members the change mentions; null removes. Of a
	// voice that gets another type nothing else is kept.
	Config Optional[[]byte]
	APIKey Optional[Secret]
}

// Apply carries the change out on v. A member of the configuration that the
// type has a default for is never absent afterwards.
func (c VoiceChange) Apply(v *Voice, now time.Time) {
	if c.Type.Set && c.Type.Value != v.Type {
		v.Config = []byte("{}")
	}
	c.Type.Apply(&v.Type, "")
	c.Label.Apply(&v.Label, "")
	c.Description.Apply(&v.Description, "")
	c.APIKey.Apply(&v.APIKey, "")
	v.Config = MergeJSON(voiceDefaults(v.Type), MergeJSON(v.Config, c.Config.Value))
	v.Updated = now
}

// voiceDefaults are the documented defaults of a type's own fields.
func voiceDefaults(kind string) []byte {
	switch kind {
	case "voice_azure":
		return []byte(`{"pitch":0,"rate":15}`)
	case "voice_eleven_labs":
		return []byte(`{"experimental_input_streaming":false}`)
	case "voice_play_ht":
		return []byte(`{"version":"2","experimental_remove_silence":false}`)
	default:
		return []byte("{}")
	}
}

// Validate checks what the type needs; the message starts with the property's
// path. A type that is not known needs nothing.
func (v Voice) Validate() error {
	needed := map[string]string{
		"voice_azure": "voice_name", "voice_rime": "speaker", "voice_eleven_labs": "voice_id",
		"voice_play_ht": "voice_id", "voice_vocode": "voice_id",
	}[v.Type]
	var members map[string]json.RawMessage
	if err := json.Unmarshal(v.Config, &members); err != nil {
		return Errorf(Invalid, "body must be a JSON object")
	}
	switch {
	case v.Type == "":
		return Errorf(Invalid, "type is required")
	case needed != "" && members[needed] == nil:
		return Errorf(Invalid, "%s is required", needed)
	}
	if err := maxLength("type", v.Type, 64); err != nil {
		return err
	}
	if err := v.speed(members["speed"]); err != nil {
		return err
	}
	return describable(v.Label, v.Description)
}

// speed checks the only range that a type of ours has; the document checks kinds of
// values.
func (v Voice) speed(raw json.RawMessage) error {
	if v.Type != "voice_openai" && v.Type != "voice_kokoro" || raw == nil {
		return nil
	}
	var speed *float64
	if err := json.Unmarshal(raw, &speed); err != nil || speed != nil && (*speed < 0.25 || *speed > 4) {
		return Errorf(Invalid, "speed must be a number from 0.25 to 4")
	}
	return nil
}
