package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/support"
)

const (
	// agentsAsked bounds the agents of an environment that are looked at, and
	// agentsTold those that are named.
	agentsAsked = 500
	agentsTold  = 10
)

// checkAgents compares the stored agents with what acts in calls, and warns of the trunks
// of environments: of the running
// server, or of the database when none runs. A database that does not exist, or
// has to be mended first, has none.
func checkAgents(ctx context.Context, c Config, database Finding) []Finding {
	if !hasAgents(c, database) {
		return nil
	}
	var look agentLook
	if err := Operate(ctx, c, func(api *client.Client) error { return look.all(ctx, api) }); err != nil {
		return []Finding{{Name: "agents", Detail: err.Error(), Fix: "start the server, or wait until it has started, and ask again", Optional: true}}
	}
	return look.findings()
}

// hasAgents reports whether there is a database that can be asked.
func hasAgents(c Config, database Finding) bool {
	_, err := os.Stat(filepath.Join(c.Data, "sidetone.db"))
	return database.Fix == "" && (err == nil || c.Database.URL != "")
}

// agentLook collects what is found of agents, and of the trunks of environments.
type agentLook struct {
	agents, unseen int
	limited        []Finding
	trunks         []Finding
}

func (l *agentLook) all(ctx context.Context, api *client.Client) error {
	for e, err := range api.Environments().All(ctx, client.Query{Size: 100, Expand: []string{"prompt"}}) {
		if err != nil {
			return err
		}
		there := *api
		there.Environment = e.ID
		if err := l.environment(ctx, &there); err != nil {
			return fmt.Errorf("environment %s: %w", e.ID, err)
		}
		risks, err := environmentTrunks(ctx, &there, e)
		if err != nil {
			return fmt.Errorf("trunks of environment %s: %w", e.ID, err)
		}
		l.trunks = append(l.trunks, risks...)
	}
	return nil
}

func (l *agentLook) environment(ctx context.Context, api *client.Client) error {
	asked := 0
	for a, err := range api.Agents().All(ctx, client.Query{Size: 100, Expand: []string{"prompt"}}) {
		if err != nil {
			return err
		}
		l.agents++
		if asked++; asked > agentsAsked {
			l.unseen++
			continue
		}
		if err := l.agent(ctx, api, a); err != nil {
			return fmt.Errorf("agent %s: %w", a.ID, err)
		}
	}
	return nil
}

func (l *agentLook) agent(ctx context.Context, api *client.Client, a client.Agent) error {
	found, err := api.Support(ctx, a.ID)
	if err != nil {
		return err
	}
	var parts []string
	thoughtless := slices.ContainsFunc(found.Entries, func(e client.SupportEntry) bool { return support.Reason(e.Reason) == support.NoModel })
	if thoughtless && !testsTheLine(a.Provider) && a.Prompt != nil {
		if why := mindless(a.Prompt.Content); why != "" {
			parts = append(parts, "its calls are not answered: "+why)
		}
	}
	for _, entry := range found.Entries {
		ofPrompt := slices.Contains([]support.Reason{support.NoModel, support.Unreadable}, support.Reason(entry.Reason))
		told := ofPrompt && len(parts) > 0 && strings.HasPrefix(parts[0], "its calls")
		if !told && !slices.Contains(parts, entry.Property) {
			parts = append(parts, entry.Property)
		}
	}
	if len(parts) > 0 {
		l.limited = append(l.limited, Finding{Name: "agent " + a.ID, Detail: "does not act as a whole: " + strings.Join(parts, ", "),
			Fix: "`sidetone support --agent " + a.ID + "` says why", Optional: true})
	}
	return nil
}

// mindless says why an agent with a prompt has nothing to think with, "" when it has.
func mindless(prompt string) string {
	switch _, playbook, err := scripted.InPrompt(prompt); {
	case err != nil:
		return "the playbook in its prompt cannot be read: " + err.Error()
	case !playbook:
		return "the prompt has no playbook, and no language model is configured"
	default:
		return ""
	}
}

// findings are what is to be told.
func (l *agentLook) findings() []Finding {
	f := Finding{Name: "agents", Detail: fmt.Sprintf("%d of %d act as a whole", l.agents-len(l.limited), l.agents)}
	if l.unseen > 0 {
		f.Detail = fmt.Sprintf("%d, of which %d were not looked at and %d do not act as a whole", l.agents, l.unseen, len(l.limited))
	}
	told := l.limited[:min(len(l.limited), agentsTold)]
	if rest := len(l.limited) - len(told); rest > 0 {
		f.Detail += fmt.Sprintf("; %d of those that do not are not shown here", rest)
	}
	return slices.Concat(l.trunks, []Finding{f}, told)
}
