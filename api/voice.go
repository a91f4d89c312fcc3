package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// renderVoice lays the type's own fields beside the common ones.
func renderVoice(v view, voice sidetone.Voice) object {
	o := object{}
	o.members(voice.Config)
	o["id"], o["user_id"], o["type"] = voice.ID, v.account, voice.Type
	o.text("label", voice.Label)
	o.text("description", voice.Description)
	return v.finish("voice", o)
}

// members adds the members of a JSON object.
func (o object) members(raw []byte) {
	var f fields
	if json.Unmarshal(raw, &f) != nil {
		return // a broken row shows what can be shown
	}
	for name, value := range f {
		o[name] = value
	}
}

func (s *server) getVoice(r *request) (any, error) {
	var voice sidetone.Voice
	err := s.read(r, func(w work) (err error) {
		voice, err = w.tx.Voice(r.query.Get("id"))
		return named(err, "id", "voice")
	})
	return renderVoice(r.view, voice), err
}

func (s *server) listVoices(r *request) (any, error) {
	return list(s, r, (*store.Tx).Voices, func(_ work, page sidetone.Page[sidetone.Voice]) (object, error) {
		return renderPage(page, func(voice sidetone.Voice) object { return renderVoice(r.view.item(), voice) }), nil
	})
}
