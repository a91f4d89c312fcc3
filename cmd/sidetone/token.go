package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/server"
)

type tokenCommand struct {
	Create tokenCreate `cmd:"" help:"Make an API key and print it once."`
	Import tokenImport `cmd:"" help:"Make a bearer that clients have already an API key."`
	List   tokenList   `cmd:"" help:"List the keys."`
	Revoke tokenRevoke `cmd:"" help:"Make a key invalid at once."`
}

// tokenFlags choose the installation and the environment. A server that holds
// the data directory is asked; without one the database is changed directly.
type tokenFlags struct {
	configFlags
	Environment string `help:"Id of the environment; the first one when empty." placeholder:"ID"`
}

func (f tokenFlags) with(a *app, do func(*client.Client) error) error {
	c, err := f.load(a)
	if err != nil {
		return err
	}
	err = server.Operate(a.ctx, c, func(there *client.Client) error {
		there.Environment = f.Environment
		return do(there)
	})
	if err != nil && f.Environment != "" {
		return fmt.Errorf("in environment %s: %w", f.Environment, err)
	}
	return err
}

// keyFlags describe a new key.
type keyFlags struct {
	Label       string   `help:"What the key is for." default:"command line"`
	Scopes      []string `help:"What it may do: read, write, calls, secrets:read, metrics, admin." default:"read,write,calls" placeholder:"SCOPE"`
	Admin       bool     `help:"May do everything but see secrets, in every environment of the account."`
	AccountWide bool     `help:"May act in every environment of the account."`
	Member      string   `help:"Id of the member whose key it is." placeholder:"ID"`
	Profile     string   `help:"Form of the answers: fluents, vocode, vocode-python, vocode-javascript." placeholder:"PROFILE"`
}

func (k keyFlags) request() client.KeyRequest {
	r := client.KeyRequest{Label: k.Label, Scopes: k.Scopes, Profile: k.Profile, Member: k.Member, AccountWide: k.AccountWide || k.Admin}
	if k.Admin {
		r.Scopes = sidetone.OperatorScopes().Names()
	}
	return r
}

type tokenCreate struct {
	tokenFlags
	keyFlags
}

// Run makes a key.
func (t tokenCreate) Run(a *app) error {
	return t.with(a, func(c *client.Client) error {
		key, err := c.APIKeys().Create(a.ctx, t.request())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, key.Key.Reveal())
		return err
	})
}

type tokenImport struct {
	tokenFlags
	keyFlags
	File string `help:"File with the bearer; - is standard input, which keeps it out of the shell's history." default:"-" placeholder:"FILE"`
}

// maxBearerFile bounds what is read as a bearer, in bytes.
const maxBearerFile = 64 << 10

// Run imports a bearer.
func (t tokenImport) Run(a *app) error {
	from := os.Stdin
	if t.File != "-" {
		f, err := os.Open(t.File)
		if err != nil {
			return fmt.Errorf("read the bearer: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read from
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxBearerFile))
	if err != nil {
		return fmt.Errorf("read the bearer: %w", err)
	}
	return t.with(a, func(c *client.Client) error {
		key, err := c.APIKeys().Import(a.ctx, sidetone.Secret(strings.TrimSpace(string(text))), t.request())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, key.ID)
		return err
	})
}

type tokenList struct{ tokenFlags }

// Run lists the keys.
func (t tokenList) Run(a *app) error {
	return t.with(a, func(c *client.Client) error {
		w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tENDS IN\tLABEL\tSCOPES\tCREATED\tREVOKED")
		for k, err := range c.APIKeys().All(a.ctx, client.Query{}) {
			if err != nil {
				return err
			}
			fmt.Fprintln(w, keyLine(k))
		}
		return w.Flush()
	})
}

func keyLine(k client.APIKey) string {
	revoked := "-"
	if !k.Active {
		revoked = k.RevokedAt.UTC().Format(time.RFC3339)
	}
	scopes := strings.Join(k.Scopes, ",")
	if k.AccountWide {
		scopes += " (whole account)"
	}
	return strings.Join([]string{k.ID, k.EndsIn, k.Label, scopes, k.CreatedAt.UTC().Format(time.RFC3339), revoked}, "\t")
}

type tokenRevoke struct {
	tokenFlags
	ID string `arg:"" help:"Id of the key, from sidetone token list."`
}

// Run revokes a key.
func (t tokenRevoke) Run(a *app) error {
	return t.with(a, func(c *client.Client) error {
		_, err := c.APIKeys().Revoke(a.ctx, t.ID)
		return err
	})
}
