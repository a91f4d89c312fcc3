package api

import (
	"bytes"
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

func actions() resource[sidetone.Action] {
	return resource[sidetone.Action]{
		noun: "action", fresh: sidetone.NewAction, decode: decodeAction, render: renderAction,
		id:   func(a sidetone.Action) string { return a.ID },
		kind: func(a sidetone.Action) string { return a.Type }, types: dialect.ActionTypes(),
		secrets: func(a sidetone.Action) map[string]sidetone.Secret {
			return map[string]sidetone.Secret{"signature_secret": a.SignatureSecret}
		},
		find: (*store.Tx).Action, list: (*store.Tx).Actions,
		insert: (*store.Tx).InsertAction, update: (*store.Tx).UpdateAction, remove: (*store.Tx).DeleteAction,
	}
}

func decodeAction(d *decoder) edit[sidetone.Action] {
	config := d.inner(d.Reference("config").Fields)
	change := sidetone.ActionChange{
		Key: d.Text("key"), Type: d.Text("type"), Label: d.Text("label"), Description: d.Text("description"), Config: d.JSON("config"),
		Trigger: d.JSON("action_trigger"), SignatureSecret: config.secret("signature_secret"),
	}
	d.Below("config", config.Reader)
	return func(w work, a *sidetone.Action) error {
		change, given, before := change, change.SignatureSecret, *a
		var err error
		if change.SignatureSecret, err = maskResolved("config.signature_secret", given, a.SignatureSecret); err != nil {
			return err
		}
		if err := keptMasks(&change.Config, a.Config); err != nil {
			return below("config", err)
		}
		var unread error
		if change.Config, unread, err = w.configPhone(d.profile, change.Config, a.Config); err != nil {
			return err
		}
		change.Apply(a, w.tx.Now())
		if unread != nil && a.NeedsPhone() {
			return unread
		}
		if err := sendableHeaders(a.Config); err != nil {
			return err
		}
		if err := a.Validate(); err != nil {
			return err
		}
		if err := w.schemaOf(*a, before); err != nil {
			return err
		}
		// A secret that signs is never sent to the URL, unlike a key: left out, it stays.
		moved := memberOf(a.Config, "url") != memberOf(before.Config, "url")
		if sent := a.SendsSecret() && (moved || !before.SendsSecret()); !sent && !(given.Set && moved) {
			return nil
		}
		return notCarried("config.signature_secret", given, before.SignatureSecret, a.SignatureSecret)
	}
}

// schemaOf checks the schema of an action's input when it is another than before.
func (w work) schemaOf(a, before sidetone.Action) error {
	e, err := a.External()
	was, _ := before.External() // of a new one it is empty
	if w.checkSchema == nil || err != nil || len(e.InputSchema) == 0 || bytes.Equal(e.InputSchema, was.InputSchema) {
		return nil
	}
	if err := w.checkSchema(e.InputSchema); err != nil {
		return invalid("config.input_schema cannot be used: %s", wire.Clip(err.Error()))
	}
	return nil
}

// renderAction lays the secret beside the other members of the configuration.
func renderAction(v view, a sidetone.Action) object {
	config := object{}
	setMembers(config, hideKeys(a.Config))
	v.of(a.ID).setSecret(config, "signature_secret", a.SignatureSecret)
	o := object{"id": a.ID, "user_id": v.account, "type": a.Type, "config": config, "action_trigger": json.RawMessage(a.Trigger)}
	setText(o, "key", a.Key)
	setText(o, "label", a.Label)
	setText(o, "description", a.Description)
	return v.profile.Adapt(dialect.Action(), o)
}

// sendableHeaders refuses headers of a configuration that calls cannot be placed with.
func sendableHeaders(config []byte) error {
	var c struct {
		Headers map[string]string `json:"headers_out"`
	}
	if json.Unmarshal(config, &c) != nil {
		return nil // Validate says what is wrong with their form
	}
	if err := telephony.CheckHeaders(c.Headers); err != nil {
		return invalid("config.headers_out%s", err)
	}
	return nil
}
