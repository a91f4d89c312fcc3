package store

import (
	"context"

	"github.com/sidetone/sidetone"
)

// Identify returns who a verified token stands for in its environment. An
// environment that does not exist, and a person who is no member while the
// issuer's tokens are for members only, are Unauthenticated.
func (s *Store) Identify(ctx context.Context, i sidetone.Identity) (sidetone.Principal, error) {
	var e sidetone.Environment
	var m sidetone.Member
	err := s.Read(ctx, i.EnvironmentID, func(t *Tx) error {
		var err error
		if e, err = t.Environment(); err != nil {
			return err
		}
		m, err = t.MemberBySubject(i.Subject)
		if sidetone.CodeOf(err) == sidetone.NotFound && !i.MembersOnly {
			return nil
		}
		return err
	})
	if sidetone.CodeOf(err) == sidetone.NotFound {
		return sidetone.Principal{}, sidetone.Errorf(sidetone.Unauthenticated, "the token is not valid here")
	}
	if err != nil {
		return sidetone.Principal{}, err
	}
	return sidetone.Principal{EnvironmentID: e.ID, AccountID: e.AccountID, Scopes: i.Grant(m.Role), MemberID: m.ID,
		Subject: i.Subject, Label: m.Name}, nil
}
