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
	p := &providers{
		// a recogniser that is opened again may overlap with the one it replaces
		sphinx: pocketsphinx.New(pocketsphinx.Options{Program: c.Speech.Pocketsphinx, MaxStreams: 2*c.Calls.Offline + 1, Logger: log}),
		slots:  newSlots(c.Calls.Offline, freed),
		tty:    ttyears.New(ttyears.Options{}),
		flite:  flite.New(flite.Options{Program: c.Speech.Flite}),
		baudot: ttyvoice.New(ttyvoice.Options{Characters: true}),
		voice:  c.Speech.Voice, substitute: c.Speech.Substitute,
		tests: c.testAgents(), keys: k, defaults: c.Defaults, table: support.NewTable(),
	}
	p.vendors = v.withOwn(p.flite, p.sphinx)
	return p
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
	if !slices.ContainsFunc(plan.Models, func(m call.Model) bool { return m.Source.Vendor != "" && m.Source.Vendor != "harness" }) {
		plan.Notices = append(plan.Notices, unanalysedNotices(a)...)
	}
	p.act(c, &plan)
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

// think chooses what the agent thinks with: its vendor's model and its fallbacks, the
// last of which is the playbook where its prompt has one; or that alone.
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
			plan.Notices = append(plan.Notices, models.instead("answers")...)
			if playbook && bad == nil {
				plan.Models = append(plan.Models, call.Model{Driver: scripted.New(book, call.Values(c.Context)), Ends: true})
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
	plan.Models = []call.Model{{Driver: scripted.New(book, call.Values(c.Context)), Ends: true}}
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
	if first == voiceTTY { // a text telephone has letters and figures, in any language
		plan.Voices = []call.Voice{{Driver: p.baudot}}
		return first, nil
	}
	if len(v.found) == 0 {
		return "", p.speechless(a, v)
	}
	for _, f := range v.found {
		voice := call.Voice{Driver: f.driver, Name: voiceNameOf(f.wish), Source: f.source}
		if f.source.Vendor != "" {
			voice.Settings = f.wish.kind + " " + string(f.wish.config)
		}
		plan.Voices = append(plan.Voices, voice)
	}
	plan.Notices = append(plan.Notices, v.instead("speaks")...)
	if !v.serves(voiceFlite) {
		// As the last, for all languages: an apology in English is better than silence.
		plan.Voices = append(plan.Voices, call.Voice{Driver: understudy{p.flite, language(a.Language)}, PhrasesOnly: true})
	}
	return v.found[0].wish.kind, nil
}

// speechless is the refusal of a call that nobody can speak in.
func (p *providers) speechless(a sidetone.Agent, v sought[synthesizer.Driver]) error {
	lacks := why(v.missing)
	switch {
	case !english(a.Language):
		return unserved("%s, and the server has no other voice for language %q", lacks, a.Language)
	case !p.substitute:
		return unserved("%s, and speech.substitute is off", lacks)
	}
	return unserved("%s, and the server's own voice is for text telephones", lacks)
}

// listen completes a plan with the agent's recogniser and its fallbacks, or the
// server's own one in their place.
func (p *providers) listen(ctx context.Context, c sidetone.Call, s settings, plan *call.Plan, drivers *closers, rate int) error {
	a := c.Snapshot.Agent
	r, err := p.seekRecognisers(ctx, c, s, rate, drivers)
	if err != nil {
		return err
	}
	if r.first.kind == recogniserTTY {
		plan.Recognisers = []call.Recogniser{{Driver: p.tty, Carrier: true}}
		return nil
	}
	if len(r.found) == 0 {
		lacks := why(r.missing)
		if !english(a.Language) {
			return unserved("%s, and the server's own one understands English only, not %q", lacks, a.Language)
		}
		return unserved("%s, and speech.substitute is off", lacks)
	}
	if r, err = p.place(c, r, plan); err != nil {
		return err
	}
	for _, f := range r.found {
		one := call.Recogniser{Driver: f.driver, Source: f.source}
		if wait := p.vendors.recognisers[f.wish.kind].finalWait; wait != nil {
			one.FinalWait = wait(f.wish.member("model"))
		}
		if f.wish.kind == recogniserSpeech {
			one.Reserve = func() (func(), error) { return p.reserve(c) }
		}
		plan.Recognisers = append(plan.Recognisers, one)
	}
	plan.Notices = append(plan.Notices, r.instead("listens")...)
	return nil
}

// place takes a place for the offline recogniser where that listens first, so that a
// caller too many is told while it rings. Without a free one the others come first.
func (p *providers) place(c sidetone.Call, r sought[transcriber.Driver], plan *call.Plan) (sought[transcriber.Driver], error) {
	if r.found[0].wish.kind != recogniserSpeech {
		return r, nil
	}
	release, err := p.reserve(c)
	if err == nil || len(r.found) == 1 {
		plan.Release = release
		return r, err
	}
	r.found = append(r.found[1:], r.found[0])
	r.missing = append([]lacking{{reason: fmt.Sprintf("recogniser %q has no free place", recogniserSpeech)}}, r.missing...)
	return r, nil
}

// reserve takes a place at the offline recogniser, and returns how to give it back.
func (p *providers) reserve(c sidetone.Call) (func(), error) {
	release, ok := p.slots.take(c.ID, c.EnvironmentID, c.Outgoing)
	if !ok {
		return nil, transcriber.ErrBusy
	}
	return release, nil
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
	plan.Notices = append(append(plan.Notices, kept...), unanalysedNotices(a)...)
	return plan, err
}

// unanalysedNotices say in the record what will not be found out after the call, because the
// agent has no model that can be asked.
func unanalysedNotices(a sidetone.Agent) (out []string) {
	for _, w := range notAnalysed(a) {
		out = append(out, "agent."+w.Property+": "+w.Sentence)
	}
	return out
}
