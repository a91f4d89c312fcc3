package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/support"
)

type agentsCommand struct {
	plainNoun
	Apply  applyCommand  `cmd:"" help:"Bring prompts, actions, agents, trunks and numbers into the state of files."`
	Drift  driftCommand  `cmd:"" help:"Show where the server differs from files, and fail if it does."`
	Export exportCommand `cmd:"" help:"Write prompts, actions, agents, trunks and numbers as files."`
}

// files are the flags that name what a server should hold.
type files struct {
	remote
	Files []string `short:"f" name:"file" required:"" help:"File, or directory of .yaml files. May be repeated; - is standard input." placeholder:"PATH" sep:"none"`
}

func (f files) parse() ([]apply.Resource, error) {
	var all []apply.Resource
	var problems []error
	for _, path := range f.Files {
		names, err := yamlFiles(path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			raw, err := readInput(name)
			if err != nil {
				return nil, err
			}
			resources, err := apply.Parse(name, bytes.NewReader(raw))
			all, problems = append(all, resources...), append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no prompt, action, agent, trunk or number in %s", strings.Join(f.Files, ", "))
	}
	return all, nil
}

func yamlFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if path == "-" || err == nil && !info.IsDir() {
		return []string{path}, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func (f files) plan(a *app, prune bool) (*apply.Plan, apply.API, error) {
	wanted, err := f.parse()
	if err != nil {
		return nil, nil, err
	}
	c, err := f.client(a)
	if err != nil {
		return nil, nil, err
	}
	there := applied{c}
	live, err := apply.Fetch(a.ctx, there)
	if err != nil {
		return nil, nil, f.explain(err)
	}
	plan, err := apply.NewPlan(wanted, live, prune)
	if err != nil {
		return plan, nil, err
	}
	checker, err := a.contract()
	if err != nil {
		return plan, nil, err
	}
	hideSecrets(plan, checker)
	return plan, there, plan.Check(newBodyCheck(checker))
}

// hideSecrets puts stars in the place of all secrets that the plan would show: what is
// printed in a pipeline is kept there.
func hideSecrets(plan *apply.Plan, document *contract.Document) {
	all := document.Properties()
	plan.Hide(func(k apply.Kind, property string, value any) any {
		return contract.SecretsOf(propertiesOf(all, applyPath(k)+"/update")).Hide(property, value)
	})
}

// newBodyCheck holds what plans send against this program's own document.
func newBodyCheck(checker *contract.Document) apply.BodyCheck {
	all, table := checker.Properties(), support.NewTable()
	return func(v apply.Verb, k apply.Kind, fields map[string]any) ([]string, error) {
		verb := "/update"
		if v == apply.Create {
			verb = "/create"
		}
		sentences, err := checker.Check(applyPath(k)+verb, fields)
		sentences = slices.Concat(sentences, promptMistake(k, fields), addressMistakes(k, fields), phoneMistakes(k, fields))
		declared := propertiesOf(all, applyPath(k)+verb)
		for _, path := range paths("", fields) {
			if wrong, possible := contract.Misspelt(declared, path); wrong != "" {
				sentences = append(sentences, wrong+": "+noProperty(wrong, possible))
			}
		}
		for _, wrong := range table.Choices(string(k), fields) {
			path, _, _ := strings.Cut(wrong, " ")
			if !slices.ContainsFunc(sentences, func(said string) bool { return strings.HasPrefix(said, path+" ") }) { // the document has said it
				sentences = append(sentences, wrong)
			}
		}
		return slices.Compact(slices.Sorted(slices.Values(sentences))), err
	}
}

// paths lists the paths of all members in fields, without the items of lists.
func paths(prefix string, fields map[string]any) []string {
	var out []string
	for name, value := range fields {
		path := strings.TrimPrefix(prefix+"."+name, ".")
		out = append(out, path)
		if inner, ok := value.(map[string]any); ok {
			out = append(out, paths(path, inner)...)
		}
	}
	return out
}

// addressMistakes says what is wrong with the addresses of an agent, a prompt, and
// the prompt inside an agent.
func addressMistakes(k apply.Kind, fields map[string]any) []string {
	const name = "context_endpoint"
	var out []string
	address, _ := fields[name].(string)
	agent, prompt := sidetone.NewAgent("", "", "", time.Time{}), sidetone.NewPrompt("", "", "", time.Time{})
	switch k {
	case apply.Agent:
		agent.ContextEndpoint = address
		out = problem(out, "", agent.Validate())
		inline, _ := fields["prompt"].(map[string]any)
		prompt.ContextEndpoint, _ = inline[name].(string)
		out = problem(out, "prompt.", prompt.Validate())
	case apply.Prompt:
		prompt.ContextEndpoint = address
		out = problem(out, "", prompt.Validate())
	}
	return out
}

// phoneMistakes says which numbers of an action, and of the actions inside an agent,
// are none whatever the environment's default country is.
func phoneMistakes(k apply.Kind, fields map[string]any) []string {
	if k == apply.Action {
		return phoneMistake(nil, "", fields)
	}
	var out []string
	list, _ := fields["actions"].([]any)
	for i, item := range list {
		if inline, ok := item.(map[string]any); ok && k == apply.Agent {
			out = phoneMistake(out, fmt.Sprintf("actions[%d].", i), inline)
		}
	}
	return out
}

func phoneMistake(out []string, prefix string, action map[string]any) []string {
	kind, _ := action["type"].(string)
	config, _ := action["config"].(map[string]any)
	text, given := config["phone_number"].(string)
	if !given || !(sidetone.Action{Type: kind}).NeedsPhone() {
		return out
	}
	_, err := phonenumber.Read(text, "")
	if err == nil || errors.Is(err, phonenumber.ErrCountry) { // a national one, which the environment may know how to read
		return out
	}
	return append(out, prefix+"config.phone_number "+err.Error())
}

func problem(out []string, prefix string, err error) []string {
	if err == nil {
		return out
	}
	return append(out, prefix+sidetone.MessageOf(err))
}

// warnings prints what of a plan's bodies does not act, as the answers will.
func (f files) warnings(a *app, plan *apply.Plan) error {
	table := support.NewTable()
	return plan.Check(func(_ apply.Verb, k apply.Kind, fields map[string]any) ([]string, error) {
		found := table.Check(string(k), fields)
		path, content := promptIn(k, fields)
		if why := scripted.Unreadable(content); why != "" {
			found = append(found, support.Warning{Property: path, Reason: support.Unreadable, Sentence: why})
		}
		for _, w := range support.Sorted(found) {
			if w.Reason != support.Unknown {
				fmt.Fprintf(a.err, "warning: %s; %s; %s\n", w.Property, w.Reason, w.Sentence)
			}
		}
		return nil, nil
	})
}

// promptIn is the text of a prompt, also of one inside an agent, which may be inside a
// number, and its place in fields.
func promptIn(k apply.Kind, fields map[string]any) (path, content string) {
	below := func(name string, k apply.Kind) (string, string) {
		inline, _ := fields[name].(map[string]any)
		path, content := promptIn(k, inline)
		return name + "." + path, content
	}
	switch k {
	case apply.Prompt:
		content, _ = fields["content"].(string)
		return "content", content
	case apply.Agent:
		return below("prompt", apply.Prompt)
	case apply.Number:
		return below("inbound_agent", apply.Agent)
	default:
		return "", ""
	}
}

// promptMistake says what is wrong with that text.
func promptMistake(k apply.Kind, fields map[string]any) []string {
	path, content := promptIn(k, fields)
	if err := scripted.Check(content); err != nil {
		return []string{path + " has a mistake: " + err.Error()}
	}
	return nil
}

// report prints what differs.
func (f files) report(a *app, plan *apply.Plan) error {
	if f.Output != "json" {
		return plan.WriteText(plainWriter{a.out})
	}
	steps := make([]object, len(plan.Steps))
	for i, s := range plan.Steps {
		changes := make([]object, len(s.Changes))
		for n, c := range s.Changes {
			changes[n] = object{"property": c.Property, "from": c.From, "to": c.To}
		}
		steps[i] = object{"verb": s.Verb, "kind": s.Resource.Kind, "key": s.Resource.Key, "changes": changes}
		if s.ID != "" {
			steps[i]["id"] = s.ID
		}
	}
	return printJSON(a.out, object{"steps": steps, "unchanged": plan.Unchanged})
}

type applyCommand struct {
	files
	DryRun bool `name:"dry-run" help:"Show what would be done and do nothing."`
	Prune  bool `help:"Delete what has a key, is of a kind that the files describe, and is in none of them. Numbers are never given up."`
}

// Run brings the server into the state of the files.
func (c applyCommand) Run(a *app) error {
	plan, api, err := c.plan(a, c.Prune)
	if err != nil {
		return err
	}
	if err := c.report(a, plan); err != nil {
		return err
	}
	if c.DryRun {
		return c.warnings(a, plan)
	}
	return plan.Run(a.ctx, api, func(s apply.Step) {
		fmt.Fprintf(a.err, "%sd %s %s\n", past(s.Verb), s.Resource.Kind, s.Resource.Key)
	})
}

// past is the stem that takes a d.
func past(v apply.Verb) string {
	if v == apply.Buy {
		return "acquire"
	}
	return string(v)
}

type driftCommand struct{ files }

// Run compares and fails when server and files differ.
func (c driftCommand) Run(a *app) error {
	plan, _, err := c.plan(a, false)
	if err != nil {
		return err
	}
	if err := c.report(a, plan); err != nil {
		return err
	}
	if plan.Drifted() {
		return errSilent
	}
	return nil
}

type exportCommand struct {
	remote
	File string `short:"f" help:"Where to write; standard output without it." placeholder:"FILE"`
}

// Run writes the environment as files that apply reads.
func (c exportCommand) Run(a *app) error {
	conn, err := c.client(a)
	if err != nil {
		return err
	}
	live, err := apply.Fetch(a.ctx, applied{conn})
	if err != nil {
		return c.explain(err)
	}
	var b bytes.Buffer
	if err := apply.Write(&b, apply.Export(live)); err != nil {
		return err
	}
	if c.File == "" {
		_, err = a.out.Write(b.Bytes())
		return err
	}
	return os.WriteFile(c.File, b.Bytes(), 0o600)
}

// applied lets plans reach a server through its API.
type applied struct{ c *client.Client }

func applyPath(k apply.Kind) string { return "/v1/" + string(k) + "s" }

// List reads all pages.
func (p applied) List(ctx context.Context, k apply.Kind) ([]map[string]any, error) {
	query := url.Values{"size": {"100"}}
	if k == apply.Number {
		query.Set("expand", "inbound_agent")
	}
	items, _, err := listed(ctx, p.c, applyPath(k)+"/list", query, true)
	return items, err
}

// Create makes a resource or buys a number.
func (p applied) Create(ctx context.Context, k apply.Kind, fields map[string]any) (map[string]any, error) {
	verb := "/create"
	if k == apply.Number {
		verb = "/buy"
	}
	var made map[string]any
	err := p.c.Do(ctx, http.MethodPost, applyPath(k)+verb, nil, fields, &made)
	return made, err
}

// Update changes a resource.
func (p applied) Update(ctx context.Context, k apply.Kind, id string, fields map[string]any) error {
	var out map[string]any
	return p.c.Do(ctx, http.MethodPost, applyPath(k)+"/update", url.Values{"id": {id}}, fields, &out)
}

// Delete removes a resource.
func (p applied) Delete(ctx context.Context, k apply.Kind, id string) error {
	return p.c.Do(ctx, http.MethodDelete, applyPath(k)+"/delete", url.Values{"id": {id}}, nil, nil)
}
