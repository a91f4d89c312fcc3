package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/server"
)

type testCommand struct {
	remote
	ID string `arg:"" help:"Id of the account connection."`
}

// Run asks the vendor and shows what it said; a vendor that does not accept the account
// is an error.
func (t testCommand) Run(a *app) error {
	c, err := t.client(a)
	if err != nil {
		return err
	}
	_, err = t.test(a, c, t.ID)
	return err
}

// test tries a connection and tells what came of it; errSilent when not everything went
// well. tested is false when the vendor has nothing that could be asked.
func (r remote) test(a *app, c *client.Client, id string) (tested bool, err error) {
	result, err := c.AccountConnections().Test(a.ctx, id)
	if refused := (*client.Error)(nil); errors.As(err, &refused) && refused.StatusCode == http.StatusBadRequest {
		return false, r.explain(err)
	}
	if err != nil {
		return true, r.explain(err)
	}
	if r.Output == "json" {
		err = printJSON(a.out, result)
	}
	for _, check := range result.Checks {
		switch {
		case r.Output == "json":
		case check.OK:
			fmt.Fprintf(plainWriter{a.out}, "%-11s ok, first answer after %d ms\n", check.Part, check.LatencyMS)
		default:
			fmt.Fprintf(plainWriter{a.out}, "%-11s failed: %s\n", check.Part, shown(check.Error))
		}
	}
	if !result.OK && len(result.Checks) > 0 {
		err = errSilent
	}
	return true, err
}

type connectCommand struct {
	remote
	Vendor  string            `arg:"" help:"Who: openai, anthropic, google, deepgram, elevenlabs, ...; without a known one, the list is shown."`
	BaseURL string            `name:"base-url" help:"Another address of the vendor's interface, such as that of your own server." placeholder:"URL"`
	Label   string            `help:"A name for people." placeholder:"TEXT"`
	Set     map[string]string `help:"What else the vendor asks for, such as region=westeurope." placeholder:"NAME=VALUE"`
	NoTest  bool              `name:"no-test" help:"Use the key without asking the vendor."`
}

// Run asks for the key, stores it, asks the vendor for a little with it, and makes it
// the environment's default account of the vendor when that went well.
func (k connectCommand) Run(a *app) error {
	vendors := server.Vendors()
	if !slices.Contains(vendors, k.Vendor) {
		return fmt.Errorf("no vendor is called %q; there are %s", k.Vendor, strings.Join(vendors, ", "))
	}
	c, err := k.client(a)
	if err != nil {
		return err
	}
	key, err := askSecret(a.err, os.Stdin, "Key for "+k.Vendor+" (not shown; empty for a server without one): ")
	if err != nil {
		return err
	}
	credentials := object{} // sent though it is empty: the interface asks for it
	if key != "" {
		credentials[k.Vendor+"_api_key"] = key
	}
	config := map[string]any{}
	if k.BaseURL != "" {
		config["base_url"] = k.BaseURL
	}
	for name, value := range k.Set {
		config[name] = value
	}
	body := object{"type": "account_connection_" + k.Vendor, "label": k.Label, "credentials": credentials, "config": config, "default": false}
	var made client.AccountConnection
	if err := c.Do(a.ctx, http.MethodPost, "/v1/account_connections/create", nil, body, &made); err != nil {
		return k.explain(err)
	}
	return k.promote(a, c, made.ID)
}

// promote makes a new account the environment's default one of its vendor once the
// vendor has answered: agents that work with the one before go on with it until then.
func (k connectCommand) promote(a *app, c *client.Client, id string) error {
	out := io.Writer(plainWriter{a.out})
	if k.Output == "json" {
		out = a.err
	}
	if !k.NoTest {
		tested, err := k.test(a, c, id)
		if err != nil && tested {
			fmt.Fprintf(out, "connection  %s is stored, and no agent uses it: `sidetone connections update %s --set default=true` makes it the default\n", id, id)
			return err
		}
		if err != nil {
			fmt.Fprintf(a.err, "not tested: %v\n", err)
		}
	}
	if err := c.Do(a.ctx, http.MethodPost, "/v1/account_connections/update", url.Values{"id": {id}}, object{"default": true}, nil); err != nil {
		return k.explain(err)
	}
	fmt.Fprintf(out, "connection  %s, which agents of this environment use that name no account\n", id)
	return nil
}

// askSecret reads a line without showing it; from something that is no terminal it
// reads the first line.
func askSecret(out io.Writer, in *os.File, question string) (string, error) {
	if !isTerminal(in) {
		line, err := bufio.NewReader(io.LimitReader(in, 1<<16)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the key: %w", err)
		}
		return strings.TrimSpace(line), nil
	}
	fmt.Fprint(out, question)
	raw, err := term.ReadPassword(int(in.Fd())) //nolint:gosec // descriptors are small
	fmt.Fprintln(out)
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// isTerminal reports whether somebody types.
func isTerminal(in *os.File) bool {
	return term.IsTerminal(int(in.Fd())) //nolint:gosec // descriptors are small
}
