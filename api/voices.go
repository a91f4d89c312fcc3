package api

import (
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/store"
)

func voices() resource[sidetone.Voice] {
	return resource[sidetone.Voice]{
		noun: "voice", fresh: sidetone.NewVoice, decode: decodeVoice, render: renderVoice,
		id:   func(v sidetone.Voice) string { return v.ID },
		kind: func(v sidetone.Voice) string { return v.Type }, types: dialect.VoiceTypes(),
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
		"quality", "temperature", "top_p", "text_guidance", "voice_guidance", "experimental_remove_silence", "fallback",
	}
}

func decodeVoice(d *decoder) edit[sidetone.Voice] {
	change := sidetone.VoiceChange{
		Type: d.Text("type"), Label: d.Text("label"), Description: d.Text("description"), APIKey: d.secret("api_key"),
		Config: d.only(voiceMembers()),
	}
	return func(w work, v *sidetone.Voice) error {
		change, given, before := change, change.APIKey, *v
		var err error
		if change.APIKey, err = maskResolved("api_key", given, v.APIKey); err != nil {
			return err
		}
		change.Apply(v, w.tx.Now())
		err = firstOf(v.Validate(), w.chosen("voice", "type", before.Type, v.Type), w.chosenName(before, *v),
			noKeys("fallback", memberObject(before.Config, "fallback"), memberObject(v.Config, "fallback")),
			w.fallback("fallback", "voice", "type", memberObject(before.Config, "fallback"), memberObject(v.Config, "fallback")))
		if err != nil || v.Type == before.Type {
			return err
		}
		return notCarried("api_key", given, before.APIKey, v.APIKey)
	}
}

// getVoice is what the query names: a stored voice, or the one of agents without.
func (s *server) getVoice(r *request) (any, error) {
	if r.query.Get("id") != sidetone.DefaultVoiceID {
		return voices().get(s)(r)
	}
	var found sidetone.Voice
	err := s.readConfiguration(r, func(w work) (err error) {
		found, err = w.defaultVoice()
		return err
	})
	return renderVoice(r.view, found), err
}

// chosenName refuses a new name of a voice that the server's own voices do not know.
// Vendors' names are not checked. What is stored already stays, and may be sent back.
func (w work) chosenName(before, after sidetone.Voice) error {
	for _, property := range []string{"voice", "voice_id"} {
		name := memberOf(after.Config, property)
		if name == "" || before.Type == after.Type && name == memberOf(before.Config, property) {
			continue
		}
		switch ok, names := w.table.Possible("voice", "voice", name); {
		case after.Type == "voice_tty":
			return invalid("%s must not be given: voice_tty has one voice", property)
		case after.Type == "voice_flite" && !ok:
			return invalid("%s must be one of %s: no other is known", property, strings.Join(names, ", "))
		}
	}
	return nil
}

// renderVoice lays the type's own fields beside the common ones.
func renderVoice(v view, voice sidetone.Voice) object {
	o := object{}
	setMembers(o, hideKeys(voice.Config))
	o["id"] = voice.ID
	o["user_id"] = v.account
	o["type"] = voice.Type
	setText(o, "label", voice.Label)
	setText(o, "description", voice.Description)
	v.of(voice.ID).setSecret(o, "api_key", voice.APIKey)
	return v.profile.Adapt(dialect.Voice(), o)
}
