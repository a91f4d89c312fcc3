package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func voices() plain[sidetone.Voice] {
	return plain[sidetone.Voice]{
		noun: "voice", fresh: sidetone.NewVoice, decode: decodeVoice, render: renderVoice,
		id:   func(v sidetone.Voice) string { return v.ID },
		kind: func(v sidetone.Voice) string { return v.Type }, types: voiceKinds(),
		locked: func(v sidetone.Voice) bool { return v.BuiltIn },
		secrets: func(v sidetone.Voice) map[string]sidetone.Secret {
			return map[string]sidetone.Secret{"api_key": v.APIKey}
		},
		find: (*store.Tx).Voice, list: (*store.Tx).Voices,
		insert: (*store.Tx).InsertVoice, update: (*store.Tx).UpdateVoice, remove: (*store.Tx).DeleteVoice,
	}
}

// voiceMembers are the fields of all types of voices.
func voiceMembers() []string {
	return []string{
		"voice", "voice_name", "pitch", "rate", "speaker", "speed_alpha", "model_id", "voice_id", "stability",
		"similarity_boost", "optimize_streaming_latency", "experimental_input_streaming", "api_user_id", "version", "speed",
		"quality", "temperature", "top_p", "text_guidance", "voice_guidance", "experimental_remove_silence",
	}
}

func decodeVoice(d *decoder) edit[sidetone.Voice] {
	change := sidetone.VoiceChange{
		Type: d.text("type"), Label: d.text("label"), Description: d.text("description"), APIKey: d.secret("api_key"),
		Config: d.members(voiceMembers()),
	}
	return func(w work, v *sidetone.Voice) error {
		change := change
		var err error
		if change.APIKey, err = kept("api_key", change.APIKey, v.APIKey); err != nil {
			return err
		}
		change.Apply(v, w.tx.Now())
		return v.Validate()
	}
}

// members reads the named members as one JSON object; absent when none is there.
func (d *decoder) members(names []string) sidetone.Optional[[]byte] {
	found := fields{}
	for _, name := range names {
		if d.fields.has(name) {
			found[name] = d.fields[name]
		}
	}
	if len(found) == 0 {
		return sidetone.Optional[[]byte]{}
	}
	raw, err := json.Marshal(found)
	if err != nil {
		d.faults = append(d.faults, "body must be JSON")
		return sidetone.Optional[[]byte]{}
	}
	return sidetone.Some(raw)
}

// shownVoiceMembers is about how many members a rendered voice has.
const shownVoiceMembers = 8

// renderVoice lays the type's own fields beside the common ones.
func renderVoice(v view, voice sidetone.Voice) object {
	o := make(object, 0, shownVoiceMembers)
	o.members(voice.Config)
	o.set("id", voice.ID)
	o.set("user_id", v.account)
	o.set("type", voice.Type)
	o.text("label", voice.Label)
	o.text("description", voice.Description)
	o.secret(v.of(voice.ID), "api_key", voice.APIKey)
	return v.finish("voice", o)
}
