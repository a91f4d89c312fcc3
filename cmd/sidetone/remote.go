package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/client"
)

// object is a resource as the API renders it.
type object = map[string]any

// remote are the flags of commands that ask a server over its API.
type remote struct {
	URL string `help:"Address of the server's API." default:"http://127.0.0.1:8080" env:"SIDETONE_URL" placeholder:"URL"`
	Key string `help:"API key; better given as a variable." env:"SIDETONE_API_KEY" placeholder:"KEY"`
	// Environment is for keys that may act in all of an account's.
	Environment string `help:"Id of another environment of the account, for account-wide keys." env:"SIDETONE_ENVIRONMENT" placeholder:"ID"`
	Output      string `short:"o" help:"table or json." enum:"table,json" default:"table"`
}

// client returns a client that prints the answers' warnings.
func (r remote) client(a *app) (*client.Client, error) {
	if r.Key == "" {
		return nil, errors.New("an API key is needed: set SIDETONE_API_KEY (`sidetone token create` makes a key)")
	}
	if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--url %q must be an address such as http://127.0.0.1:8080", r.URL)
	}
	c := client.New(r.URL, sidetone.Secret(r.Key))
	c.Environment = r.Environment
	c.Warned = func(text string) { fmt.Fprintln(a.err, "warning:", text) }
	return c, nil
}

// ask sends one request and returns the object it answers.
func (r remote) ask(a *app, method, path string, query url.Values, body any, options ...client.Option) (object, error) {
	c, err := r.client(a)
	if err != nil {
		return nil, err
	}
	var out object
	if err := c.Do(a.ctx, method, path, query, body, &out, options...); err != nil {
		return nil, r.explain(err)
	}
	return out, nil
}

// explain says what to do about an error that has a usual cause.
func (r remote) explain(err error) error {
	var unreached *url.Error
	if errors.As(err, &unreached) {
		return fmt.Errorf("%w; is a server running at %s? (--url or SIDETONE_URL)", err, r.URL)
	}
	return err
}

// show prints one object: as JSON, or its members one below the other.
func (r remote) show(a *app, o object) error {
	if r.Output == "json" {
		return printJSON(a.out, o)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, name := range memberOrder(o) {
		text := cell(o[name], 100)
		if q, ok := o[name].(object); ok && name == "line_quality" {
			text = lineText(q)
		}
		if q, ok := o[name].(object); ok && name == "insights" {
			text = insightsText(q)
		}
		fmt.Fprintf(w, "%s\t%s\n", name, text)
	}
	return w.Flush()
}

// table prints a list: as JSON, or one line for each item.
func (r remote) table(a *app, columns []string, items []object) error {
	if r.Output == "json" {
		if items == nil {
			items = []object{}
		}
		return printJSON(a.out, items)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(columns, "\t")))
	for _, item := range items {
		for i, name := range columns {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell(item[name], 40))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// cell is a value in one line of at most width characters; a resource is shown
// by its id.
func cell(v any, width int) string {
	var text string
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		text = v
	case object:
		if id, ok := v["id"].(string); ok {
			return id
		}
		raw, _ := json.Marshal(v) // it came from JSON
		text = string(raw)
	default:
		raw, _ := json.Marshal(v)
		text = string(raw)
	}
	text = strings.Map(printable, text)
	if r := []rune(text); len(r) > width {
		return string(r[:width-3]) + "..."
	}
	if text == "" {
		return "-"
	}
	return text
}

// printable replaces what could control the terminal or reorder its text: control
// characters (C0 and C1) and bidirectional controls.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return ' '
	}
	return r
}

// plainWriter does the same for what is written to it, line ends aside.
type plainWriter struct{ to io.Writer }

// Write implements io.Writer. Each call must hold whole characters.
func (w plainWriter) Write(p []byte) (int, error) {
	clean := bytes.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return printable(r)
	}, p)
	if _, err := w.to.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}

// body reads the properties of a request: a JSON or YAML file, then --set.
type body struct {
	File string   `short:"f" help:"JSON or YAML file with the properties; - is standard input." placeholder:"FILE"`
	Set  []string `help:"Set a property: name=value, where the value is JSON or a text, as the property asks for. May be repeated; a dot leads into an object." placeholder:"NAME=VALUE" sep:"none"`
}

// read reads them for a request to path, whose members have types; "" (and no app) for values that are
// not told apart by type.
func (b body) read(a *app, path string) (object, error) {
	out := object{}
	if b.File != "" {
		raw, err := readInput(b.File)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(raw, &out); err != nil { // JSON is YAML
			return nil, fmt.Errorf("read %s: %w", b.File, err)
		}
		if out == nil {
			out = object{} // the file says null
		}
	}
	typed := typedMembers{}
	if path != "" && len(b.Set) > 0 {
		document, err := a.contract()
		if err != nil {
			return nil, err
		}
		typed = typedMembers{propertiesOf(document.Properties(), path)}
	}
	for i, pair := range b.Set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" { // what is there may be a secret
			return nil, fmt.Errorf("--set must be name=value; number %d is not", i+1)
		}
		if err := assign(out, name, typed.value(name, value)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// known refuses properties of --set that a request to path cannot have: the API
// would drop them without a word.
func (b body) known(a *app, path string) error {
	if len(b.Set) == 0 {
		return nil
	}
	document, err := a.contract()
	if err != nil {
		return err
	}
	properties := propertiesOf(document.Properties(), path)
	for _, pair := range b.Set {
		name, _, _ := strings.Cut(pair, "=")
		if wrong, possible := contract.Misspelt(properties, name); wrong != "" {
			return fmt.Errorf("--set %s: %s", wrong, noProperty(wrong, possible))
		}
	}
	return nil
}

// withoutSent puts stars in the place of the secrets that a request to path sent: the
// answer repeats them, and what is printed in a pipeline is kept there. Secrets that the
// server made are shown, as they are never again.
func withoutSent(a *app, path string, sent, answer object) (object, error) {
	document, err := a.contract()
	if err != nil {
		return nil, err
	}
	return contract.SecretsOf(propertiesOf(document.Properties(), path)).HideSent(sent, answer), nil
}

// propertiesOf are those among all that the body of a request to path may have.
func propertiesOf(all []contract.Property, path string) []contract.Property {
	return slices.DeleteFunc(slices.Clone(all), func(p contract.Property) bool { return p.Operation != "POST "+path })
}

// noProperty says that nothing has the name at the end of a path, and what was meant
// or is possible.
func noProperty(path string, possible []string) string {
	name := path[strings.LastIndex(path, ".")+1:]
	if like := apply.Nearest(name, possible); like != "" {
		return fmt.Sprintf("there is no such property; did you mean %q?", like)
	}
	return "there is no such property; there are " + strings.Join(possible, ", ")
}

func readInput(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(path)
}

// assign sets the property at a dotted name.
func assign(o object, name string, value any) error {
	whole := name
	for {
		head, rest, nested := strings.Cut(name, ".")
		if !nested {
			break
		}
		if o[head] == nil {
			o[head] = object{}
		}
		inner, ok := o[head].(object)
		if !ok {
			return fmt.Errorf("--set %s: %s is no object", whole, head)
		}
		o, name = inner, rest
	}
	o[name] = value
	return nil
}
