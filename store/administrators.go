package store

import (
	"fmt"

	"github.com/sidetone/sidetone"
)

// Administrators says who can manage access to an environment.
type Administrators struct {
	// Keys counts the environment's valid keys with the scope admin, but those of
	// members whose role does not allow it.
	Keys int
	// WideKeys counts those of Keys that are account-wide.
	WideKeys int
	// Members counts the members with the role admin, be it without a key.
	Members int
	// Visitor says that the one who asks acts by an account-wide key of another
	// environment, which is valid still.
	Visitor bool
}

// administrating selects the valid keys with the scope admin of environment $1.
const administrating = `FROM api_keys k LEFT JOIN members m ON m.id = k.member_id AND m.environment_id = $1
	WHERE k.environment_id = $1 AND k.revoked = 0 AND k.scopes LIKE '%admin%' AND (k.member_id = '' OR m.role = 'admin')`

// Administrators returns who can manage access to the transaction's environment
// as the transaction leaves it, for asker. Of transactions of one account that
// call it, one after the other is carried out: two cannot take each other's
// rights away.
func (t *Tx) Administrators(asker sidetone.Principal) (Administrators, error) {
	var out Administrators
	// Waiting for a lock would not do: what the other one wrote would stay unseen.
	if _, err := t.exec(`UPDATE accounts SET name = name WHERE id = $1`, asker.AccountID); err != nil {
		return out, fmt.Errorf("take turns: %w", err)
	}
	err := t.one([]any{&out.Keys, &out.WideKeys}, `SELECT count(*), coalesce(sum(CASE WHEN k.account_wide THEN 1 ELSE 0 END), 0) `+
		administrating, t.environment)
	if err != nil {
		return out, fmt.Errorf("count administrating keys: %w", err)
	}
	err = t.one([]any{&out.Members}, `SELECT count(*) FROM members WHERE environment_id = $1 AND role = 'admin'`, t.environment)
	if err != nil {
		return out, fmt.Errorf("count administrating members: %w", err)
	}
	if asker.HomeID != "" {
		out.Visitor, err = t.visits(asker)
	}
	return out, err
}

// visits reports whether the key of asker is valid in its own environment, which
// the policies let the transaction see for that long.
func (t *Tx) visits(asker sidetone.Principal) (bool, error) {
	home := *t
	home.environment = asker.HomeID
	if t.postgres != nil {
		if err := home.confine(); err != nil {
			return false, err
		}
	}
	var keys int
	err := home.one([]any{&keys}, `SELECT count(*) `+administrating+` AND k.account_wide AND k.id = $2`, home.environment, asker.KeyID)
	if err == nil && t.postgres != nil {
		err = t.confine()
	}
	if err != nil {
		return false, t.fail(fmt.Errorf("look for the asker's key: %w", err))
	}
	return keys > 0, nil
}
