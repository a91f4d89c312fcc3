package api

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func actions() plain[sidetone.Action] {
	return plain[sidetone.Action]{
		noun: "action", fresh: sidetone.NewAction, decode: decodeAction, render: renderAction,
		id:   func(a sidetone.Action) string { return a.ID },
		kind: func(a sidetone.Action) string { return a.Type }, types: actionKinds(),
		secrets: func(a sidetone.Action) map[string]sidetone.Secret {
			return map[string]sidetone.Secret{"signature_secret": a.SignatureSecret}
		},
		find: (*store.Tx).Action, list: (*store.Tx).Actions,
		insert: (*store.Tx).InsertAction, update: (*store.Tx).UpdateAction, remove: (*store.Tx).DeleteAction,
	}
}

func decodeAction(d *decoder) edit[sidetone.Action] {
	config := &decoder{fields: d.reference("config").fields, profile: d.profile}
	change := sidetone.ActionChange{
		Key: d.text("key"), Type: d.text("type"), Label: d.text("label"), Description: d.text("description"), Config: d.raw("config"),
		Trigger: d.raw("action_trigger"), SignatureSecret: config.secret("signature_secret"),
	}
	for _, fault := range config.faults {
		d.faults = append(d.faults, "config."+fault)
	}
	return func(w work, a *sidetone.Action) error {
		change := change
		var err error
		if change.SignatureSecret, err = kept("config.signature_secret", change.SignatureSecret, a.SignatureSecret); err != nil {
			return err
		}
		change.Apply(a, w.tx.Now())
		return a.Validate()
	}
}

// renderAction lays the secret beside the other members of the configuration.
func renderAction(v view, a sidetone.Action) object {
	config := object{}
	config.members(a.Config)
	config.secret(v.of(a.ID), "signature_secret", a.SignatureSecret)
	o := object{{"id", a.ID}, {"user_id", v.account}, {"type", a.Type}, {"config", config}, {"action_trigger", json.RawMessage(a.Trigger)}}
	o.text("key", a.Key)
	o.text("label", a.Label)
	o.text("description", a.Description)
	return v.finish("action", o)
}
