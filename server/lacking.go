package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/transcriber"
)

// The sentences about agents that lack something, which say nothing of what they say.
const (
	testsElsewhere = "Calls are refused: agents that test the line take calls on loopback only, elsewhere with calls.test_agents."
	noPlaybook     = "Calls are refused: the prompt has no playbook, and no language model is configured for the agent."
	badPlaybook    = "Calls are refused: the playbook in the prompt has a mistake and cannot be read."
	noModelHere    = "Playbooks, and agents that test the line, have no model: name a provider that has."
	unusable       = "It is not configured here, or not for the agent's language: the fallback, or the server's own one, serves where it can, else calls are refused."
	speechless     = "No voice that is configured speaks it: calls are refused."
	noTemperature  = "The agent's model takes none: it is not sent."
	noChoice       = "Whoever answers has one model, which the agent cannot choose: it is not sent."
	noTerms        = "The agent's recogniser is not told of words: it takes none."
	notMarked      = "The call must comply with HIPAA, and the operator marked no such vendor with hipaa: it gets nothing of the call."
	unanalysed     = "No language model is configured for the agent: nothing is found out after its calls, and their insights say so."
	onlyPhrases    = "No language model is configured for the agent: the wish is noticed only in set phrases of English, German, Spanish and French."
	deaf           = "No recogniser that is configured understands it: calls are refused."
)

// lacking lists what calls of an agent have to do without as things are set up. It
// implements api.Config's Lacking.
func (p *providers) lacking(ctx context.Context, c sidetone.Call) (out []support.Warning, err error) {
	s := c.Snapshot
	if testsTheLine(s.Agent.Provider) {
		if !p.tests {
			out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: testsElsewhere})
		}
		if s.Agent.Provider == "echo" {
			out = append(out, unread(s.Agent)...)
		}
		return append(out, notAnalysed(s.Agent)...), nil
	}
	settings, err := p.settings(ctx, c.EnvironmentID)
	if err != nil {
		return nil, err
	}
	var drivers closers
	defer func() { drivers.close() }()
	if out, err = p.lackingModel(ctx, c, settings, &drivers); err != nil {
		return nil, err
	}
	voices, err := p.seekVoices(ctx, c, settings, wideband, &drivers)
	if err != nil || voices.first.kind == voiceTTY { // which listens as it speaks
		return out, err
	}
	ears, err := p.seekRecognisers(ctx, c, settings, wideband, &drivers)
	if err != nil {
		return nil, err
	}
	out = append(out, lacks(voices, "voice", speechless)...)
	if ears.first.kind != recogniserTTY {
		out = append(out, lacks(ears, "transcriber", deaf)...)
	}
	return append(out, unheard(s.Agent, ears)...), nil
}

// unheard warns about what an agent says of its recogniser and the one that listens does
// not take. The table warns where the agent names the type.
func unheard(a sidetone.Agent, ears sought[transcriber.Driver]) (out []support.Warning) {
	if len(ears.found) == 0 {
		return nil
	}
	kind := ears.found[0].wish.kind
	var members map[string]any
	_ = json.Unmarshal(extra(a, "transcriber"), &members) // what is no object has no members
	if recogniser(a) == "" {
		for _, w := range support.Untaken(kind, members) {
			w.Property = "transcriber." + w.Property
			out = append(out, w)
		}
	}
	if len(extra(a, "deepgram_keywords")) > 0 && len(keyTerms(a)) > 0 && !support.Takes(kind, "key_terms") {
		out = append(out, support.Warning{Property: "deepgram_keywords", Reason: support.NotTaken, Sentence: noTerms})
	}
	return out
}

// wideband is the rate of lines that serve every driver, in Hz.
const wideband = 16000

// lacks warns about what was not found of a part of the agent; none says that nobody
// serves it.
func lacks[D any](s sought[D], part, none string) (out []support.Warning) {
	for _, m := range s.missing {
		switch {
		case m.private:
			out = append(out, support.Warning{Property: cmp.Or(m.property, part), Reason: support.NoDriver, Sentence: notMarked})
		case m.property != "":
			out = append(out, support.Warning{Property: m.property, Reason: support.NoDriver, Sentence: unusable})
		}
	}
	if len(s.found) == 0 && none != "" {
		out = append(out, support.Warning{Property: "language", Reason: support.NoDriver, Sentence: none})
	}
	return out
}

// lackingModel does that for what the agent thinks with.
func (p *providers) lackingModel(ctx context.Context, c sidetone.Call, s settings, drivers *closers) ([]support.Warning, error) {
	models, err := p.seekModels(ctx, c, s, drivers)
	if err != nil {
		return nil, err
	}
	a := c.Snapshot.Agent
	_, playbook, bad := scripted.InPrompt(c.Snapshot.Prompt.Content)
	if followsPlaybook(c.Snapshot) {
		models = sought[llm.Driver]{} // nobody is asked
	}
	out := lacks(models, "provider", "")
	switch {
	case len(models.found) > 0:
		out = append(out, unsent(a, models.found)...)
	case bad != nil:
		out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: badPlaybook})
	case !playbook:
		out = append(out, support.Warning{Property: "prompt", Reason: support.NoModel, Sentence: noPlaybook})
	default:
		out = append(out, unread(a)...)
	}
	if !slices.ContainsFunc(models.found, analyses) {
		out = append(out, notAnalysed(a)...)
	}
	return out, nil
}

// notAnalysed warns about what an agent wants to know after its calls while nobody can tell.
func notAnalysed(a sidetone.Agent) (out []support.Warning) {
	if len(a.Insights()) > 0 {
		out = append(out, support.Warning{Property: "post_call_insights", Reason: support.OfflineModel, Sentence: unanalysed})
	}
	if a.RunDoNotCall {
		out = append(out, support.Warning{Property: "run_do_not_call_detection", Reason: support.OfflineModel, Sentence: onlyPhrases})
	}
	return out
}

// unsent warns about what an agent says of its models and they do not take.
func unsent(a sidetone.Agent, found []served[llm.Driver]) (out []support.Warning) {
	say := func(property, sentence string) {
		out = append(out, support.Warning{Property: property, Reason: support.NotTaken, Sentence: sentence})
	}
	for i, f := range found {
		takes, selective := f.driver.(llm.Selective)
		if !selective {
			continue
		}
		if i == 0 && !takes.TakesTemperature(f.wish.model) {
			say("llm_temperature", noTemperature)
		}
		if i == 0 && cmp.Or(a.Model, a.ModelOverride) != "" && !takes.TakesModel() {
			say("model", noChoice)
		}
		if f.wish.property == "llm_fallback" && a.ExtraText("llm_fallback", "model_name") != "" && !takes.TakesModel() {
			say("llm_fallback", noChoice)
		}
	}
	return out
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
	if len(a.ExtraText("llm_fallback", "provider")+a.ExtraText("llm_fallback", "model_name")) > 0 {
		out = append(out, "llm_fallback")
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
