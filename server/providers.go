package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	ttyvoice "github.com/sidetone/sidetone/synthesizer/tty"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
	ttyears "github.com/sidetone/sidetone/transcriber/tty"
)

// pocketsphinxFinal is the recogniser's P99 from silence to its final.
const pocketsphinxFinal = 900 * time.Millisecond

// providers is the only list of speech and model drivers. It implements
// call.Planner.
type providers struct {
	sphinx *pocketsphinx.Driver
	slots  *slots // at the recogniser
	tty    transcriber.Driver
	flite  synthesizer.Driver
	baudot synthesizer.Driver
	voice  string // default voice type: flite or tty
	// substitute lets the default voice speak for one that cannot.
	substitute bool
	tests      bool // echo and bench agents may take calls
	vendors    vendors
	keys       keyring
	defaults   DefaultsConfig
	table      *support.Table
}

// newProviders tells freed of each place at the recogniser that became free.
func newProviders(c Config, v vendors, k keyring, log *slog.Logger, freed func()) *providers {
	return &providers{
		// a recogniser that is opened again may overlap with the one it replaces
		sphinx: pocketsphinx.New(pocketsphinx.Options{Program: c.Speech.Pocketsphinx, MaxStreams: 2*c.Calls.Offline + 1, Logger: log}),
		slots:  newSlots(c.Calls.Offline, freed),
		tty:    ttyears.New(ttyears.Options{}),
		flite:  flite.New(flite.Options{Program: c.Speech.Flite}),
		baudot: ttyvoice.New(ttyvoice.Options{Characters: true}),
		voice:  c.Speech.Voice, substitute: c.Speech.Substitute,
		tests: c.testAgents(), vendors: v, keys: k, defaults: c.Defaults, table: support.NewTable(),
	}
}

// Plan implements call.Planner.
func (p *providers) Plan(ctx context.Context, c sidetone.Call, rate int) (plan call.Plan, err error) {
	a := c.Snapshot.Agent
	if testsTheLine(a.Provider) {
		return p.test(c)
	}
	var drivers closers
	defer func() {
		if err != nil {
			drivers.close()
		}
	}()
	settings, err := p.settings(ctx, c.EnvironmentID)
	if err != nil {
		return call.Plan{}, err
	}
	if err := p.think(ctx, c, settings, &plan, &drivers); err != nil {
		return call.Plan{}, err
	}
	voice, err := p.speak(ctx, c, settings, &plan, &drivers, rate)
	if err != nil {
		return call.Plan{}, err
	}
	kept, err := p.kept(c)
	if err != nil {
		return call.Plan{}, err
	}
	plan.Notices = append(plan.Notices, kept...)
	if a.VoiceID == "" {
		w := p.defaultVoice(settings)
		shown := c.Snapshot.Voice.OrDefault(w.kind, w.config)
		plan.Voice = &shown
	}
	plan.Close = func() { drivers.close() }
	if voice == voiceTTY {
		plan.Recognisers = []call.Recogniser{{Driver: p.tty, Carrier: true}}
		if kind := recogniser(a); kind != "" && kind != recogniserTTY {
			plan.Notices = append(plan.Notices, fmt.Sprintf("recogniser %q is for speech: a voice for text telephones listens with %q", kind, recogniserTTY))
		}
		return plan, nil
	}
	return plan, p.listen(ctx, c, settings, &plan, &drivers, rate)
}

// think chooses what the agent thinks with: its vendor's model and its fallbacks, or
// a playbook, which needs no vendor.
func (p *providers) think(ctx context.Context, c sidetone.Call, s settings, plan *call.Plan, drivers *closers) error {
	a := c.Snapshot.Agent
	book, playbook, bad := scripted.InPrompt(c.Snapshot.Prompt.Content)
	offline := playbook || bad != nil
	if named := a.Provider != "" && a.Provider != "scripted"; !offline || named {
		models, err := p.seekModels(ctx, c, s, drivers)
		if err != nil {
			return err
		}
		found, missing := models.found, models.missing
		for _, f := range found {
			plan.Models = append(plan.Models, call.Model{Driver: f.driver, Name: f.wish.model, Source: f.source, Eager: f.wish.kind != "harness"})
		}
		switch {
		case len(found) > 0:
			if len(missing) > 0 && found[0].wish.kind != a.Provider {
				plan.Notices = append(plan.Notices, fmt.Sprintf("%s: %q answers instead", why(missing), found[0].wish.kind))
			}
			return nil
		case !offline && len(missing) > 0:
			return unserved("the agent has nothing to think with: %s, and the prompt has no playbook", why(missing))
		case !offline && a.Model != "":
			return unserved("the agent has nothing to think with: model %q is not configured here, and the prompt has no playbook", a.Model)
		case !offline:
			return unserved("the agent has nothing to think with: it names no provider, and its prompt has no playbook")
		}
		plan.Notices = append(plan.Notices, why(missing)+": the playbook answers")
	}
	if bad != nil {
		return unserved("the agent has nothing to think with: the playbook in its prompt cannot be read: %v", bad)
	}
	plan.Models = []call.Model{{Driver: scripted.New(book, call.Values(c.Context))}}
	for _, property := range ofModels(a) {
		plan.Notices = append(plan.Notices, "agent."+property+": "+noModelHere)
	}
	return nil
}

// The types of the voices that the server has itself.
const (
	voiceFlite = "voice_flite"
	voiceTTY   = "voice_tty"
)

// The types of the recognisers that the server has itself.
const (
	recogniserSpeech = "pocketsphinx"
	recogniserTTY    = "tty"
)

// speak gives the call the agent's voice and its fallbacks, or the server's own one in
// their place, and returns the type of what speaks first.
func (p *providers) speak(ctx context.Context, c sidetone.Call, s settings, plan *call.Plan, drivers *closers, rate int) (string, error) {
	a := c.Snapshot.Agent
	v, err := p.seekVoices(ctx, c, s, rate, drivers)
	if err != nil {
		return "", err
	}
	first := v.first.kind
	switch {
	case first == voiceTTY: // a text telephone has letters and figures, in any language
		plan.Voices = []call.Voice{{Driver: p.baudot}}
		return first, nil
	case first == voiceFlite && v.own:
		plan.Voices = []call.Voice{{Driver: p.flite, Name: voiceNameOf(v.first)}}
		return first, nil
	}
	for _, f := range v.found {
		plan.Voices = append(plan.Voices, call.Voice{Driver: f.driver, Name: voiceNameOf(f.wish), Source: f.source, Settings: f.wish.kind + " " + string(f.wish.config)})
	}
	lacks, speaker := why(v.missing), voiceFlite
	if first == voiceFlite {
		lacks = fmt.Sprintf("voice %s speaks English only, not %q", first, a.Language)
	}
	switch {
	case len(v.found) > 0:
		speaker = v.found[0].wish.kind
	case v.own:
	case !p.substitute:
		return "", unserved("%s, and speech.substitute is off", lacks)
	case p.voice == "tty":
		return "", unserved("%s, and the server's own voice is for text telephones", lacks)
	default:
		return "", unserved("%s, and the server has no other voice for language %q", lacks, a.Language)
	}
	if lacks != "" {
		plan.Notices = append(plan.Notices, fmt.Sprintf("%s: %s speaks instead", lacks, speaker))
	}
	// As the last, for all languages: an apology in English is better than silence.
	plan.Voices = append(plan.Voices, call.Voice{Driver: p.flite, PhrasesOnly: !v.own})
	return speaker, nil
}

// listen completes a plan with the agent's recogniser and its fallbacks, or the
// server's own one in their place.
func (p *providers) listen(ctx context.Context, c sidetone.Call, s settings, plan *call.Plan, drivers *closers, rate int) error {
	a := c.Snapshot.Agent
	r, err := p.seekRecognisers(ctx, c, s, rate, drivers)
	if err != nil {
		return err
	}
	switch kind := r.first.kind; {
	case kind == recogniserTTY:
		plan.Recognisers = []call.Recogniser{{Driver: p.tty, Carrier: true}}
		return nil
	case kind == recogniserSpeech && !r.own:
		return unserved("the server's recogniser understands English only, not %q", a.Language)
	case kind == recogniserSpeech:
		return p.offline(c, plan)
	}
	for _, f := range r.found {
		plan.Recognisers = append(plan.Recognisers, call.Recogniser{Driver: f.driver, Source: f.source, FinalWait: p.vendors.recognisers[f.wish.kind].finalWait})
	}
	lacks, listener := why(r.missing), "the server's own one"
	switch {
	case len(r.found) > 0:
		listener = r.found[0].wish.kind
	case r.own:
	case !p.substitute:
		return unserved("%s, and speech.substitute is off", lacks)
	default:
		return unserved("%s, and the server's own one understands English only, not %q", lacks, a.Language)
	}
	if lacks != "" {
		plan.Notices = append(plan.Notices, fmt.Sprintf("%s: %s listens instead", lacks, listener))
	}
	switch {
	case len(r.found) == 0:
		return p.offline(c, plan)
	case r.own:
		plan.Recognisers = append(plan.Recognisers, p.offlineFallback(c))
	}
	return nil
}

// offlineFallback is the offline recogniser as one that takes over.
func (p *providers) offlineFallback(c sidetone.Call) call.Recogniser {
	return call.Recogniser{Driver: p.sphinx, FinalWait: pocketsphinxFinal, Reserve: func() (func(), error) {
		release, ok := p.slots.take(c.ID, c.EnvironmentID, c.Outgoing)
		if !ok {
			return nil, transcriber.ErrBusy
		}
		return release, nil
	}}
}

// kept says what of the call is stored and does not act. What the plan decides
// and tells itself is left out.
func (p *providers) kept(c sidetone.Call) ([]string, error) {
	found, err := api.Kept(p.table, c)
	if err != nil {
		return nil, fmt.Errorf("find what does not act: %w", err)
	}
	planned := []string{"agent.provider", "agent.language", "agent.voice.type", "agent.transcriber.type"}
	if c.Snapshot.Agent.Provider == "bench" { // which reads it
		planned = append(planned, "agent.model")
	}
	var out []string
	for _, w := range found {
		if !slices.Contains(planned, w.Property) {
			out = append(out, w.Property+": "+w.Sentence)
		}
	}
	return out, nil
}

// english says that the offline voice and recogniser serve a language; "" is the
// default, English.
func english(language string) bool {
	main, _, _ := strings.Cut(strings.ToLower(language), "-")
	return main == "" || main == "en"
}

// unserved is the refusal of a call for which something is not configured.
func unserved(format string, args ...any) error {
	return &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: fmt.Sprintf(format, args...)}
}

// test is the plan of an agent that tests the line or measures the server.
func (p *providers) test(c sidetone.Call) (call.Plan, error) {
	a := c.Snapshot.Agent
	if !p.tests {
		return call.Plan{}, unserved("agents of provider %s take calls on loopback only, elsewhere with calls.test_agents", a.Provider)
	}
	plan := benchPlan(a.Model)
	if a.Provider == "echo" {
		plan = call.Plan{Echo: true}
		for _, property := range ofModels(a) {
			plan.Notices = append(plan.Notices, "agent."+property+": "+noModelHere)
		}
	}
	kept, err := p.kept(c)
	plan.Notices = append(plan.Notices, kept...)
	return plan, err
}

// offline completes a plan with the offline recogniser and takes one of its
// places, so that a caller too many is told while it rings.
func (p *providers) offline(c sidetone.Call, plan *call.Plan) error {
	release, ok := p.slots.take(c.ID, c.EnvironmentID, c.Outgoing)
	if !ok {
		return transcriber.ErrBusy
	}
	plan.Release = release
	plan.Recognisers = []call.Recogniser{{Driver: p.sphinx, FinalWait: pocketsphinxFinal}}
	return nil
}
