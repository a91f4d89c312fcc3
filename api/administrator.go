package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// requireAdministrator refuses a change, which the transaction holds already, that
// leaves nobody to manage access through this interface: in the environment, or,
// when an account-wide key goes, in the account. The command line on the server's
// machine, which can always make a key, may do it nevertheless.
func (s *server) requireAdministrator(r *request, tx *store.Tx, accountWide bool) error {
	if r.who.Operator {
		return nil
	}
	left, err := tx.Administrators(r.who)
	switch {
	case err != nil || left.Visitor:
		return err
	case accountWide && left.WideKeys == 0:
		return sidetone.Errorf(sidetone.Conflict, "this is the last key with account_wide and the scope admin: make another one first, "+
			"or use `sidetone token` on the server's machine")
	case left.Keys > 0, s.Tokens != nil && left.Members > 0:
		return nil
	case r.who.Subject != "" && r.who.MemberID == "": // whoever signed that token can sign another
		return nil
	}
	return sidetone.Errorf(sidetone.Conflict, "this is the last administrator of the environment: make another key with the scope admin first, "+
		"or use `sidetone token` on the server's machine")
}
