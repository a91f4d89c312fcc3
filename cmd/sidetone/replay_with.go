package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/rerun"
)

// with shows where the call goes another way with other dials, and how it would have
// gone on.
func (r replayCommand) with(a *app, j *journal.Journal) error {
	if r.ToGolden != "" {
		return errors.New("--to-golden writes the call as it was: leave --with out")
	}
	c := change{a: a, cfg: j.Header.Config}
	for _, what := range r.With {
		if err := c.make(what); err != nil {
			return err
		}
	}
	var o rerun.Options
	was, err := promptOf(j)
	if err != nil {
		return err
	}
	if c.prompt != "" && was != "" {
		o.OtherPrompt = strings.TrimSpace(c.prompt) != strings.TrimSpace(was)
	}
	if r.Model == modelScripted {
		if o.Model, err = scriptedModel(a, cmp.Or(c.prompt, was)); err != nil {
			return err
		}
	}
	report, err := rerun.Run(j, c.cfg, o)
	if err != nil {
		return err
	}
	if report == nil {
		_, err := fmt.Fprintln(a.out, "the agent does the same in the whole call")
		return err
	}
	return printReport(a.out, report)
}

// promptOf is the prompt of the call's agent, before placeholders were filled; "" when the
// journal has none.
func promptOf(j *journal.Journal) (string, error) {
	if len(j.Header.Agent) == 0 {
		return "", nil
	}
	var agent struct{ Prompt string }
	if err := json.Unmarshal(j.Header.Agent, &agent); err != nil {
		return "", fmt.Errorf("read the agent in the journal: %w", err)
	}
	return agent.Prompt, nil
}

// change collects what --with changes.
type change struct {
	a   *app
	cfg conversation.Config
	// prompt is that of an agent's file; "" for none.
	prompt string
}

// make sets one dial, or those of the agent in a file.
func (c *change) make(what string) error {
	name, text, ok := strings.Cut(what, "=")
	if !ok {
		return c.file(what)
	}
	var value any = text
	if json.Unmarshal([]byte(text), &value) != nil {
		value = text
	}
	known, err := rerun.SetDial(&c.cfg, name, value)
	if err == nil && !known {
		err = fmt.Errorf("--with %s: there is no dial %q; there are %s", what, name, strings.Join(rerun.Dials(), ", "))
	}
	return err
}

func (c *change) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("--with: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	resources, err := apply.Parse(name, f)
	if err != nil {
		return err
	}
	agents := slices.DeleteFunc(slices.Clone(resources), func(r apply.Resource) bool { return r.Kind != apply.Agent })
	if len(agents) != 1 {
		return fmt.Errorf("--with %s: the file has %d agents, want one", name, len(agents))
	}
	for _, r := range resources {
		if r.Kind == apply.Prompt && r.Key == agents[0].Fields["prompt"] {
			c.prompt, _ = r.Fields["content"].(string)
		}
	}
	return c.agent(agents[0])
}

// agent sets the dials of an agent, and says which of its properties change nothing
// here.
func (c *change) agent(agent apply.Resource) error {
	raw, err := json.Marshal(agent.Fields)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	var unseen []string
	for name, value := range fields {
		if text, ok := value.(string); ok && strings.Contains(text, "${") { // the journal has what the call filled in
			unseen = append(unseen, name)
			continue
		}
		known, err := rerun.SetDial(&c.cfg, name, value)
		if err != nil {
			return err
		}
		if !known && (name != "prompt" || c.prompt == "") {
			unseen = append(unseen, name)
		}
	}
	slices.Sort(unseen)
	if len(unseen) > 0 {
		fmt.Fprintln(c.a.err, "not looked at, because the journal does not depend on them:", strings.Join(unseen, ", "))
	}
	return nil
}
