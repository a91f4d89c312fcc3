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

	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/client"
)

type agentsCommand struct {
	plainNoun
	Apply  applyCommand  `cmd:"" help:"Bring prompts, actions, agents and numbers into the state of files."`
	Drift  driftCommand  `cmd:"" help:"Show where the server differs from files, and fail if it does."`
	Export exportCommand `cmd:"" help:"Write prompts, actions, agents and numbers as files."`
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
		return nil, fmt.Errorf("there is no prompt, action, agent or number in %s", strings.Join(f.Files, ", "))
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

func (f files) plan(ctx context.Context, prune bool) (apply.Plan, apply.API, error) {
	wanted, err := f.parse()
	if err != nil {
		return apply.Plan{}, nil, err
	}
	c, err := f.client()
	if err != nil {
		return apply.Plan{}, nil, err
	}
	there := applied{c}
	live, err := apply.Fetch(ctx, there)
	if err != nil {
		return apply.Plan{}, nil, f.explain(err)
	}
	plan, err := apply.NewPlan(wanted, live, prune)
	if err != nil {
		return plan, nil, err
	}
	check, err := newBodyCheck()
	if err != nil {
		return plan, nil, err
	}
	return plan, there, plan.Check(check)
}

// newBodyCheck holds what plans send against this program's own document.
func newBodyCheck() (apply.BodyCheck, error) {
	checker, err := api.NewChecker()
	return func(v apply.Verb, k apply.Kind, fields map[string]any) ([]string, error) {
		verb := "/update"
		if v == apply.Create {
			verb = "/create"
		}
		return checker.Check(applyPath(k)+verb, fields)
	}, err
}

// report prints what differs.
func (f files) report(a *app, plan apply.Plan) error {
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
	plan, api, err := c.plan(a.ctx, c.Prune)
	if err != nil {
		return err
	}
	if err := c.report(a, plan); err != nil || c.DryRun {
		return err
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
	plan, _, err := c.plan(a.ctx, false)
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
	conn, err := c.client()
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
	query := url.Values{"size": {"100"}, "expand": {"prompt,voice,actions,inbound_agent"}}
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
