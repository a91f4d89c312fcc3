package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// with shows where the call goes another way with other dials.
func (r replayCommand) with(a *app, j *journal.Journal) error {
	if r.ToGolden != "" {
		return errors.New("--to-golden writes the call as it was: leave --with out")
	}
	cfg := j.Header.Config
	for _, change := range r.With {
		if err := setDials(a, &cfg, change); err != nil {
			return err
		}
	}
	fork, err := j.With(cfg)
	if err != nil {
		return fmt.Errorf("the replay of the call as it was is not exact, so nothing can be compared with it: %w", err)
	}
	if fork == nil {
		_, err := fmt.Fprintln(a.out, "the agent does the same in the whole call")
		return err
	}
	fmt.Fprintf(a.out, "exact until turn %d, at %.6f s: %d inputs with the same outputs\n", fork.Turn, fork.At.Seconds(), len(fork.Played))
	fmt.Fprintf(a.out, "then line %d: %s\n", fork.Line, plain(fork.Input))
	fmt.Fprintf(a.out, "  was  %s\n  is   %s\n", orNothing(fork.Was), orNothing(fork.Is))
	_, err = fmt.Fprintln(a.out, "what follows would be another call and is not shown")
	return err
}

func orNothing(text string) string {
	if text == "" {
		return "(nothing)"
	}
	return plain(text)
}

// plain keeps what others said from controlling the terminal.
func plain(text string) string { return strings.Map(printable, text) }

// setDials sets one dial, or those of the agent in a file.
func setDials(a *app, cfg *conversation.Config, change string) error {
	name, text, ok := strings.Cut(change, "=")
	if ok {
		var value any = text
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		known, err := journal.SetDial(cfg, name, value)
		if err == nil && !known {
			err = fmt.Errorf("--with %s: the journal does not depend on %q", change, name)
		}
		return err
	}
	f, err := os.Open(change)
	if err != nil {
		return fmt.Errorf("--with: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	resources, err := apply.Parse(change, f)
	if err != nil {
		return err
	}
	resources = slices.DeleteFunc(resources, func(r apply.Resource) bool { return r.Kind != apply.Agent })
	if len(resources) != 1 {
		return fmt.Errorf("--with %s: the file has %d agents, want one", change, len(resources))
	}
	return setAgent(a, cfg, resources[0])
}

// setAgent sets the dials of an agent, and says which of its properties change nothing
// here.
func setAgent(a *app, cfg *conversation.Config, agent apply.Resource) error {
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
		known, err := journal.SetDial(cfg, name, value)
		if err != nil {
			return err
		}
		if !known {
			unseen = append(unseen, name)
		}
	}
	slices.Sort(unseen)
	if len(unseen) > 0 {
		fmt.Fprintln(a.err, "not looked at, because the journal does not depend on them:", strings.Join(unseen, ", "))
	}
	return nil
}
