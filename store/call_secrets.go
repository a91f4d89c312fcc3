package store

import (
	"encoding/json"
	"fmt"

	"github.com/sidetone/sidetone"
)

// callSecrets is the column of what a call's snapshot holds secret. It is no
// column of the noun: whoever reads a call, or a list of them, gets stars, and
// the driver's side alone opens it.
func callSecrets() sealedColumn { return sealedColumn{"calls", "secrets"} }

// secretsOf returns where the snapshot holds secrets, by names that stay the
// same while the call is stored.
func secretsOf(s *sidetone.Snapshot) map[string]*sidetone.Secret {
	out := map[string]*sidetone.Secret{"voice": &s.Voice.APIKey}
	for i := range s.Actions {
		out[fmt.Sprintf("action %d", i)] = &s.Actions[i].SignatureSecret
	}
	if s.Webhook != nil {
		out["webhook"], out["previous webhook"] = &s.Webhook.Secret, &s.Webhook.PreviousSecret
	}
	if s.VectorDatabase != nil {
		out["vector_database"] = &s.VectorDatabase.APIKey
	}
	if s.ModelAccount != nil {
		out["model_account"] = &s.ModelAccount.Credentials
	}
	return out
}

// sealSnapshot stores the secrets of a new call's snapshot.
func (t *Tx) sealSnapshot(c sidetone.Call) error {
	found := map[string]string{}
	for name, secret := range secretsOf(&c.Snapshot) {
		if *secret != "" {
			found[name] = secret.Reveal()
		}
	}
	if len(found) == 0 {
		return nil
	}
	text, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("encode the secrets of a call: %w", err)
	}
	column := callSecrets()
	sealed, err := t.seal(column.table, c.ID, column.column, string(text))
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE calls SET secrets = $1 WHERE id = $2 AND environment_id = $3`, sealed, c.ID, t.environment)
	return err
}

// openSnapshot puts the stored secrets into the snapshot of a call that was
// read; one that is not stored any more is empty.
func (t *Tx) openSnapshot(c *sidetone.Call) error {
	var sealed string
	err := t.one([]any{&sealed}, `SELECT secrets FROM calls WHERE id = $1 AND environment_id = $2`, c.ID, t.environment)
	if err != nil {
		return absent(err, "call")
	}
	found := map[string]string{}
	if sealed != "" {
		column := callSecrets()
		text, err := t.unseal(t.environment, column.table, c.ID, column.column, sealed)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			return fmt.Errorf("decode the secrets of call %s", c.ID) // the cause may quote them
		}
	}
	for name, secret := range secretsOf(&c.Snapshot) {
		*secret = sidetone.Secret(found[name])
	}
	return nil
}

// callDialogs is the column of a call's legs as another process needs them. They hold
// the keys of encrypted sound, so that it is no column of the noun either: TakeOver alone
// opens it.
func callDialogs() sealedColumn { return sealedColumn{"calls", "dialogs"} }

// sealDialogs stores the legs of a call that has some.
func (t *Tx) sealDialogs(c sidetone.Call) error {
	if len(c.Dialogs) == 0 {
		return nil
	}
	text, err := json.Marshal(c.Dialogs)
	if err != nil {
		return fmt.Errorf("encode the legs of a call: %w", err)
	}
	column := callDialogs()
	sealed, err := t.seal(column.table, c.ID, column.column, string(text))
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE calls SET dialogs = $1 WHERE id = $2 AND environment_id = $3`, sealed, c.ID, t.environment)
	return err
}

// openDialogs puts the stored legs into a call that was read.
func (t *Tx) openDialogs(c *sidetone.Call) error {
	var sealed string
	err := t.one([]any{&sealed}, `SELECT dialogs FROM calls WHERE id = $1 AND environment_id = $2`, c.ID, t.environment)
	if err != nil {
		return absent(err, "call")
	}
	c.Dialogs = nil
	if sealed == "" {
		return nil
	}
	column := callDialogs()
	text, err := t.unseal(t.environment, column.table, c.ID, column.column, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), &c.Dialogs); err != nil {
		return fmt.Errorf("decode the legs of call %s", c.ID) // the cause may quote them
	}
	return nil
}
