package server

import (
	"context"
	"errors"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/store"
)

// callable says which numbers calls may be redirected to: whole numbers of the public
// network that are no emergency numbers and not on the do-not-call list, as for a call
// that is placed.
type callable struct{ *store.Store }

// Callable implements call.Numbers. Carriers write numbers with their country code, with
// a plus or without; what else they write has no certain meaning, and is not called.
func (c callable) Callable(ctx context.Context, environmentID, text string) (string, error) {
	return c.number(ctx, environmentID, func(tx *store.Tx) (string, error) { return tx.MayCall(text) })
}

// number asks the store for a number that may be called; a refusal says by which
// rule.
func (c callable) number(ctx context.Context, environmentID string, may func(*store.Tx) (string, error)) (e164 string, err error) {
	err = c.Read(ctx, environmentID, func(tx *store.Tx) (err error) {
		e164, err = may(tx)
		return err
	})
	if no := (*phonenumber.Forbidden)(nil); errors.As(err, &no) {
		return "", sidetone.Errorf(sidetone.Invalid, "the number %s", no)
	}
	return e164, err
}

// redirected reads a number to which a trunk redirects a call, as it reads those of
// callers; what is none for sure stays as it was sent.
func (t trunks) redirected(trunk, number string) string {
	for _, one := range t.list {
		if one.key() == trunk {
			return phonenumber.Caller(one.Called.In.spelling().Apply(number), one.Country)
		}
	}
	return number
}
