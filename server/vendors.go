package server

import (
	"context"
	"fmt"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// vendors are the drivers that work with an account of the customer's, by the
// value that chooses them. This version has none.
type vendors struct {
	// voices are named by the type of a voice, models by provider, recognisers by
	// the type of a transcriber.
	voices      map[string]vendor[synthesizer.Driver]
	models      map[string]vendor[llm.Driver]
	recognisers map[string]vendor[transcriber.Driver]
}

// vendor makes a driver for one call.
type vendor[D any] struct {
	// account is the type of the account connection that pays.
	account string
	// open returns the driver that works with the credentials.
	open func(credentials) D
}

// credentials are what a vendor asks for.
type credentials struct {
	// key is the voice's own; "" when it has none.
	key sidetone.Secret
	// account holds the credentials of an account connection, a JSON object of
	// texts; "" when there is a key.
	account sidetone.Secret
}

// known reports whether there is anything to show to the vendor.
func (c credentials) known() bool { return c.key != "" || c.account != "" }

// accounts finds the account connection of a type in an environment; nil when it
// has none.
type accounts func(ctx context.Context, environmentID, kind string) (*sidetone.Connection, error)

// open returns the driver of a vendor; ok is false when there is no such vendor
// or the environment has no account there. own are the credentials that the call
// names itself.
func open[D any](ctx context.Context, find accounts, environmentID string, list map[string]vendor[D], name string, own credentials) (driver D, ok bool, err error) {
	v, ok := list[name]
	if !ok {
		return driver, false, nil
	}
	if !own.known() {
		c, err := find(ctx, environmentID, v.account)
		switch {
		case err != nil:
			return driver, false, fmt.Errorf("find the account for %s: %w", name, err)
		case c == nil:
			return driver, false, nil
		}
		own.account = c.Credentials
	}
	return v.open(own), true, nil
}

// accountsOf looks into the store for the oldest connection of a type.
func accountsOf(s *store.Store) accounts {
	return func(ctx context.Context, environmentID, kind string) (found *sidetone.Connection, err error) {
		err = s.Read(ctx, environmentID, func(tx *store.Tx) error {
			page, err := tx.Connections(sidetone.PageQuery{Page: 1, Size: 1, SortColumn: "created",
				Filters: []sidetone.Filter{{Column: "type", Op: "eq", Values: []any{kind}}}})
			if err == nil && len(page.Items) == 1 {
				found = &page.Items[0]
			}
			return err
		})
		return found, err
	}
}

// recogniser is the type of the transcriber that an agent names; "" for none.
func recogniser(a sidetone.Agent) string { return a.ExtraText("transcriber", "type") }

// testsTheLine reports whether agents of a provider test the line or measure the
// server instead of holding a conversation.
func testsTheLine(provider string) bool { return provider == "echo" || provider == "bench" }
