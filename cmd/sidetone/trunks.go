package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/preset"
)

// trunksCommand has presets and the test beside the five commands.
type trunksCommand struct {
	Add trunkAdd `cmd:"" help:"Connect a carrier or a telephone system that is known: asks for what it needs, stores it and tests it."`
	plainNoun
	Test trunkTest `cmd:"" help:"Ask whether the host is there, whether the account is good, and whether sound comes back; say what to do about what failed."`
}

type trunkTest struct {
	remote
	Name string `arg:"" help:"Name or id of the trunk; also of one of the server's configuration."`
	Echo string `help:"A number that says back what it hears; without it the preset's." placeholder:"NUMBER"`
}

// Run tests a trunk.
func (t trunkTest) Run(a *app) error {
	c, err := t.client(a)
	if err != nil {
		return err
	}
	return t.testTrunk(a, c, t.Name, t.Echo)
}

// testTrunk tests and tells what came of it; errSilent when a step failed.
func (r remote) testTrunk(a *app, c *client.Client, name, echo string) error {
	result, err := c.Trunks().Test(a.ctx, name, echo)
	if err != nil {
		return r.explain(err)
	}
	if r.Output == "json" {
		err = printJSON(a.out, result)
	} else {
		printTrunkTest(a.out, result)
	}
	if !result.OK && len(result.Checks) > 0 {
		err = errSilent
	}
	return err
}

// printTrunkTest writes a line for each step, and below one that failed what to do.
func printTrunkTest(w io.Writer, result client.TrunkTest) {
	for _, check := range result.Checks {
		switch detail := check.Detail; {
		case check.Skipped:
			fmt.Fprintf(w, "%-9s not done: %s\n", check.Step, detail)
		case check.OK:
			if detail != "" {
				detail = ": " + detail
			}
			fmt.Fprintf(w, "%-9s ok, %d ms%s\n", check.Step, check.LatencyMS, detail)
		default:
			fmt.Fprintf(w, "%-9s failed: %s\n", check.Step, check.Error)
			if check.Remedy != "" {
				fmt.Fprintf(w, "%-9s %s\n", "", check.Remedy)
			}
		}
	}
}

type trunkAdd struct {
	remote
	Preset string   `arg:"" help:"twilio, telnyx, vonage, asterisk, freeswitch or fritzbox."`
	Name   string   `help:"The trunk's name; without it the preset's." placeholder:"TEXT"`
	Set    []string `help:"A setting, so that it is not asked for: name=value, where the value is JSON or a text, as the setting asks for. May be repeated." placeholder:"NAME=VALUE" sep:"none"`
	Print  bool     `help:"Print an entry for sip.trunks in the server's configuration file instead of storing the trunk."`
	NoTest bool     `name:"no-test" help:"Store the trunk without testing it."`
}

// Run asks for what the preset needs, stores the trunk and tests it.
func (t trunkAdd) Run(a *app) error {
	p, err := preset.Find(t.Preset)
	if err != nil {
		return err
	}
	settings, err := t.settings(a, p, os.Stdin)
	if err != nil {
		return err
	}
	if t.Print {
		return printEntry(a.out, settings)
	}
	c, err := t.client(a)
	if err != nil {
		return err
	}
	var made client.Trunk
	if err := c.Do(a.ctx, http.MethodPost, "/v1/trunks/create", nil, settings, &made); err != nil {
		return t.advised(p, t.explain(err))
	}
	out := a.out
	if t.Output == "json" {
		out = a.err
	}
	fmt.Fprintf(out, "trunk     %s is stored and takes calls\n", made.Name)
	if !t.NoTest {
		if err := t.testTrunk(a, c, made.Name, ""); err != nil {
			return err
		}
	}
	if len(made.Numbers) > 0 {
		fmt.Fprintf(out, "next      sidetone numbers buy %s --set telephony_provider=sip --agent ID\n", made.Numbers[0])
	}
	return nil
}

// advised adds what has to be done for systems in a network of one's own.
func (t trunkAdd) advised(p preset.Preset, err error) error {
	var refused *client.Error
	if p.Private && errors.As(err, &refused) && strings.Contains(refused.Error(), "outbound.allow") {
		return fmt.Errorf("%w\nWhat stands in a network of your own has to be allowed in sidetone.yaml, such as outbound: {allow: [10.0.0.5]}, "+
			"or belongs there: `sidetone trunks add %s --print`", err, p.Name)
	}
	return err
}

// settings are the preset's, those given by flags, and those that were asked for.
func (t trunkAdd) settings(a *app, p preset.Preset, in *os.File) (object, error) {
	out := object{"name": t.Name, "preset": p.Name}
	if t.Name == "" {
		out["name"] = p.Name
	}
	maps.Copy(out, p.Settings)
	given, err := body{Set: t.Set}.read(a, "/v1/trunks/create")
	if err != nil {
		return nil, err
	}
	maps.Copy(out, given)
	lines := bufio.NewReader(in)
	fmt.Fprintf(a.err, "%s: %s\n", p.Title, p.Sources[0].URL)
	for _, need := range p.Needs {
		if value, ok := given[need.Setting]; ok {
			if text, isText := value.(string); isText && need.List {
				out[need.Setting] = items(text)
			}
			continue
		}
		text, err := ask(a.err, in, lines, need)
		if err != nil {
			return nil, err
		}
		switch {
		case text == "" && need.Optional:
		case text == "":
			return nil, fmt.Errorf("%s is needed: %s", need.Setting, need.Ask)
		case need.List:
			out[need.Setting] = items(text)
		default:
			out[need.Setting] = text
		}
	}
	return out, nil
}

// items are the parts of a list that was typed.
func items(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// ask reads one setting; a secret is not shown.
func ask(out io.Writer, in *os.File, lines *bufio.Reader, need preset.Need) (string, error) {
	question := need.Ask
	if need.Example != "" {
		question += ", such as " + need.Example
	}
	if need.Secret && isTerminal(in) {
		return askSecret(out, in, question+" (not shown): ")
	}
	fmt.Fprint(out, question+": ")
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read %s: %w", need.Setting, err)
	}
	if !isTerminal(in) {
		fmt.Fprintln(out)
	}
	return strings.TrimSpace(line), nil
}

// printEntry writes settings as an entry of sip.trunks, the name first.
func printEntry(w io.Writer, settings object) error {
	entry := &yaml.Node{Kind: yaml.MappingNode}
	names := slices.Sorted(maps.Keys(settings))
	slices.SortStableFunc(names, func(a, b string) int {
		first := func(name string) int { return slices.Index([]string{"host", "preset", "name"}, name) }
		return first(b) - first(a)
	})
	for _, name := range names {
		var value yaml.Node
		if err := value.Encode(settings[name]); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		entry.Content = append(entry.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &value)
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	err := e.Encode(map[string]any{"sip": map[string]any{"trunks": []*yaml.Node{entry}}})
	return errors.Join(err, e.Close())
}
