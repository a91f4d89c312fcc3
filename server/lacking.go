package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
)

// The sentences about agents that lack something, which say nothing of what they say.
const (
	testsElsewhere = "Calls are refused: agents that test the line take calls on loopback only, elsewhere with calls.test_agents."
	noPlaybook     = "Calls are refused: the prompt has no playbook, and no language model is configured for the agent."
	badPlaybook    = "Calls are refused: the playbook in the prompt has a mistake and cannot be read."
	noModelHere    = "Playbooks, and agents that test the line, have no model: name a provider that has."
	unusable       = "It is not configured here, or not for the agent's language: the fallback, or the server's own one, serves where it can, else calls are refused."
	speechless     = "No voice that is configured speaks it: calls are refused."
	deaf           = "No recogniser that is configured understands it: calls are refused."
)

// lacking lists what calls of an agent have to do without as things are set up. It
// implements api.Config's Lacking.
func (p *providers) lacking(ctx context.Context, environmentID string, s sidetone.Snapshot) (out []support.Warning, err error) {
	if testsTheLine(s.Agent.Provider) {
		if !p.tests {
			out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: testsElsewhere})
		}
		if s.Agent.Provider == "echo" {
			out = append(out, unread(s.Agent)...)
		}
		return out, nil
	}
	settings, err := p.settings(ctx, environmentID)
	if err != nil {
		return nil, err
	}
	c := sidetone.Call{EnvironmentID: environmentID, Snapshot: s}
	var drivers closers
	defer func() { drivers.close() }()
	if out, err = p.lackingModel(ctx, c, settings, &drivers); err != nil {
		return nil, err
	}
	english, tty := english(s.Agent.Language), false
	for _, part := range []struct {
		name, none string
		seek       func() (first string, found bool, missing []lacking, err error)
		own        []string
	}{
		{"voice", speechless, func() (string, bool, []lacking, error) {
			wishes := p.voiceWishes(c, settings)
			tty = wishes[0].kind == voiceTTY
			found, missing, err := seek(ctx, p.keys, c, "voice", p.vendors.voices, wishes, choice{Rate: 16000, Language: s.Agent.Language})
			for _, f := range found {
				drivers.add(f.driver)
			}
			return wishes[0].kind, len(found) > 0, missing, err
		}, []string{voiceFlite}},
		{"transcriber", deaf, func() (string, bool, []lacking, error) {
			wishes := p.recogniserWishes(c, settings)
			found, missing, err := seek(ctx, p.keys, c, "recogniser", p.vendors.recognisers, wishes, choice{Rate: 16000, Language: s.Agent.Language})
			for _, f := range found {
				drivers.add(f.driver)
			}
			return wishes[0].kind, len(found) > 0, missing, err
		}, []string{recogniserSpeech}},
	} {
		first, found, missing, err := part.seek()
		if err != nil {
			return nil, err
		}
		if tty || first == recogniserTTY {
			continue
		}
		for _, m := range missing {
			if m.kind != part.own[0] && m.property != "" {
				out = append(out, support.Warning{Property: m.property, Reason: support.NoDriver, Sentence: unusable})
			}
		}
		if !found && (!english || first != part.own[0] && !p.substitute) {
			out = append(out, support.Warning{Property: "language", Reason: support.NoDriver, Sentence: part.none})
		}
	}
	return out, nil
}

// lackingModel does that for what the agent thinks with.
func (p *providers) lackingModel(ctx context.Context, c sidetone.Call, s settings, drivers *closers) ([]support.Warning, error) {
	found, missing, err := seek(ctx, p.keys, c, "provider", p.vendors.models, p.modelWishes(c, s), choice{Language: c.Snapshot.Agent.Language})
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		drivers.add(f.driver)
	}
	a := c.Snapshot.Agent
	_, playbook, bad := scripted.InPrompt(c.Snapshot.Prompt.Content)
	named := a.Provider != "" && a.Provider != "scripted"
	var out []support.Warning
	for _, m := range missing {
		if m.property != "" {
			out = append(out, support.Warning{Property: m.property, Reason: support.NoDriver, Sentence: unusable})
		}
	}
	switch {
	case len(found) > 0 && (named || !playbook && bad == nil):
	case bad != nil:
		out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: badPlaybook})
	case !playbook:
		out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: noPlaybook})
	default:
		out = append(out, unread(a)...)
	}
	return out, nil
}

// unread warns about what an agent says of its model when it has none.
func unread(a sidetone.Agent) (out []support.Warning) {
	for _, property := range ofModels(a) {
		out = append(out, support.Warning{Property: property, Reason: support.OfflineModel, Sentence: noModelHere})
	}
	return out
}

// ofModels are the properties of an agent that are set and say something of a model.
func ofModels(a sidetone.Agent) (out []string) {
	if a.Temperature != 0 {
		out = append(out, "llm_temperature")
	}
	if a.Model != "" {
		out = append(out, "model")
	}
	if a.ModelOverride != "" {
		out = append(out, "openai_model_name_override")
	}
	return out
}

// offlineProviders tell what agents lack while no server runs.
func offlineProviders(c Config, s *store.Store) (*providers, func(), error) {
	guard, err := newGuard(c.Outbound)
	if err != nil {
		return nil, nil, fmt.Errorf("make the way out: %w", err)
	}
	return newProviders(c, newVendors(), newKeyring(c, s, guard), slog.New(slog.DiscardHandler), func() {}), guard.Close, nil
}
