package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sidetone/sidetone/client"
)

// keysCommand reaches the API keys of any server; tokenCommand those of a data
// directory on this machine.
type keysCommand struct {
	List   listCommand   `cmd:"" help:"Show a page, or all of them."`
	Get    getCommand    `cmd:"" help:"Show one, without its secret."`
	Create createCommand `cmd:"" help:"Make one; its secret is shown this once."`
	Import importCommand `cmd:"" help:"Make a bearer that clients have already an API key: the property key, best given by a file."`
	Update updateCommand `cmd:"" help:"Change label, scopes or profile."`
	Revoke oneCommand    `cmd:"" help:"Make one invalid at once."`
}

type importCommand struct{ making }

// Run imports.
func (i importCommand) Run(a *app, k *kong.Context) error {
	return i.post(a, nounOf(k).path+"/import", nil)
}

// accountNoun has the pools beside the five commands.
type accountNoun struct {
	plainNoun
	Test   testCommand `cmd:"" help:"Ask the vendor for a little with the account, and say what it answers."`
	Add    poolCommand `cmd:"" name:"add-to-steering-pool" help:"Add a number that warm transfers may use."`
	Remove poolCommand `cmd:"" name:"remove-from-steering-pool" help:"Take a number out of the pool."`
}

type poolCommand struct {
	remote
	ID     string `arg:"" help:"Id of the account connection."`
	Number string `arg:"" help:"The number."`
}

// Run does what its name says.
func (p poolCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	path := n.path + "/" + strings.ReplaceAll(k.Selected().Name, "-", "_")
	o, err := p.ask(a, http.MethodPost, path, n.one(p.ID), object{"phone_number": p.Number})
	if err != nil {
		return err
	}
	return p.show(a, o)
}

type metricsCommand struct{ remote }

// Run prints the figures.
func (m metricsCommand) Run(a *app) error { return m.print(a, (*client.Client).Metrics) }

type openapiCommand struct{ remote }

// Run prints the document.
func (o openapiCommand) Run(a *app) error { return o.print(a, (*client.Client).Document) }

// print writes an answer that is a text.
func (r remote) print(a *app, get func(*client.Client, context.Context) ([]byte, error)) error {
	c, err := r.client(a)
	if err != nil {
		return err
	}
	text, err := get(c, a.ctx)
	if err != nil {
		return r.explain(err)
	}
	_, err = a.out.Write(text)
	return err
}
