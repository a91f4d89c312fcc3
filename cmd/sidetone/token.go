package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store"
)

type tokenCommand struct {
	Create tokenCreate `cmd:"" help:"Make an API key and print it once."`
	List   tokenList   `cmd:"" help:"List the keys."`
	Revoke tokenRevoke `cmd:"" help:"Make a key invalid."`
}

// tokenFlags choose the environment. The commands work on the data directory,
// so no server may hold it.
type tokenFlags struct {
	configFlags
	Environment string `help:"Id of the environment; the first one when empty." placeholder:"ID"`
}

func (f tokenFlags) with(a *app, do func(*store.Store, sidetone.Environment) error) error {
	c, err := f.load(a)
	if err != nil {
		return err
	}
	return server.WithStore(a.ctx, c, func(s *store.Store) error {
		all, err := s.Environments(a.ctx)
		if err != nil {
			return err
		}
		for _, e := range all {
			if f.Environment == "" || e.ID == f.Environment {
				return do(s, e)
			}
		}
		return fmt.Errorf("no environment %q in %s; `sidetone serve` makes the first one", f.Environment, c.Data)
	})
}

type tokenCreate struct {
	tokenFlags
	Label string `help:"What the key is for." default:"command line"`
}

// Run makes a key.
func (t tokenCreate) Run(a *app) error {
	return t.with(a, func(s *store.Store, e sidetone.Environment) error {
		key, err := server.IssueKey(a.ctx, s, e.ID, t.Label, time.Now())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, key.Reveal())
		return err
	})
}

type tokenList struct{ tokenFlags }

// Run lists the keys.
func (t tokenList) Run(a *app) error {
	return t.with(a, func(s *store.Store, e sidetone.Environment) error {
		keys, err := s.APIKeys(a.ctx, e.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tENDS IN\tLABEL\tCREATED\tREVOKED")
		for _, k := range keys {
			revoked := "-"
			if !k.Revoked.IsZero() {
				revoked = k.Revoked.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Hint, k.Label, k.Created.UTC().Format(time.RFC3339), revoked)
		}
		return w.Flush()
	})
}

type tokenRevoke struct {
	tokenFlags
	ID string `arg:"" help:"Id of the key, from sidetone token list."`
}

// Run revokes a key.
func (t tokenRevoke) Run(a *app) error {
	return t.with(a, func(s *store.Store, e sidetone.Environment) error {
		return s.RevokeAPIKey(a.ctx, e.ID, t.ID)
	})
}
