package server

import (
	"cmp"
	"context"
	"encoding/json"
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
		tests: c.testAgents(), vendors: v, keys: k, table: support.NewTable(),
	}
}

// Plan implements call.Planner.
func (p *providers) Plan(ctx context.Context, c sidetone.Call, rate int) (call.Plan, error) {
	a := c.Snapshot.Agent
	if testsTheLine(a.Provider) {
		return p.test(c)
	}
	var plan call.Plan
	if err := p.think(ctx, c, &plan); err != nil {
		return call.Plan{}, err
	}
	voice, err := p.speak(ctx, c, &plan, rate)
	if err != nil {
		return call.Plan{}, err
	}
	kept, err := p.kept(c)
	if err != nil {
		return call.Plan{}, err
	}
	plan.Notices = append(plan.Notices, kept...)
	if voice == voiceTTY {
		plan.Recognisers = []call.Recogniser{{Driver: p.tty, Carrier: true}}
		if kind := recogniser(a); kind != "" && kind != recogniserTTY {
			plan.Notices = append(plan.Notices, fmt.Sprintf("recogniser %q is for speech: a voice for text telephones listens with %q", kind, recogniserTTY))
		}
		return plan, nil
	}
	return p.listen(ctx, c, plan, rate)
}

// think chooses what the agent thinks with: its vendor's model, or a playbook,
// which needs no vendor.
func (p *providers) think(ctx context.Context, c sidetone.Call, plan *call.Plan) error {
	a := c.Snapshot.Agent
	model, source, ok, err := open(ctx, p.keys, c.EnvironmentID, p.vendors.models, a.Provider, ownCredentials{Connection: c.Snapshot.ModelAccount}, choice{Language: a.Language})
	if err != nil {
		return err
	}
	if ok {
		plan.Models = []call.Model{{Driver: model, Name: modelName(a), Source: source}}
		return nil
	}
	vendor := a.Provider != "" && a.Provider != "scripted"
	book, playbook, err := scripted.InPrompt(c.Snapshot.Prompt.Content)
	switch {
	case err != nil:
		return unserved("the agent has nothing to think with: the playbook in its prompt cannot be read: %v", err)
	case playbook:
		plan.Models = []call.Model{{Driver: scripted.New(book, call.Values(c.Context)), Name: a.Model}}
		if vendor {
			plan.Notices = append(plan.Notices, fmt.Sprintf("provider %q is not configured here: the playbook answers", a.Provider))
		}
	case vendor:
		return unserved("the agent has nothing to think with: provider %q is not configured here, and the prompt has no playbook", a.Provider)
	case a.Model != "":
		return unserved("the agent has nothing to think with: model %q is not configured here, and the prompt has no playbook", a.Model)
	default:
		return unserved("the agent has nothing to think with: it names no provider, and its prompt has no playbook")
	}
	return nil
}

// cannotThink says why calls of an agent are not answered for want of something to
// think with: what think refuses whatever the call is.
func cannotThink(c Config, v vendors) func(sidetone.Snapshot) string {
	return func(s sidetone.Snapshot) string {
		_, driver := v.models[s.Agent.Provider]
		_, playbook, err := scripted.InPrompt(s.Prompt.Content)
		test := testsTheLine(s.Agent.Provider)
		switch {
		case test && !c.testAgents():
			return "Calls are refused: agents that test the line take calls on loopback only, elsewhere with calls.test_agents."
		case !test && !driver && err != nil:
			return "Calls are refused: the playbook in the prompt has a mistake and cannot be read."
		case test, driver, playbook:
			return ""
		default:
			return "Calls are refused: the prompt has no playbook, and no language model is configured for the agent."
		}
	}
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

// speak gives the call the agent's voice, or the server's default one in its
// place, and returns the type of what speaks.
func (p *providers) speak(ctx context.Context, c sidetone.Call, plan *call.Plan, rate int) (string, error) {
	s := c.Snapshot
	kind, own := p.voiceType(s), "voice_"+p.voice
	voice, source, ok, err := open(ctx, p.keys, c.EnvironmentID, p.vendors.voices, kind, ownCredentials{Key: s.Voice.APIKey},
		choice{Config: s.Voice.Config, Rate: rate, Language: s.Agent.Language})
	switch {
	case err != nil:
		return "", err
	case ok:
		plan.Voices = []call.Voice{{Driver: voice, Name: voiceName(s.Voice), Source: source}}
		return kind, nil
	case kind == voiceTTY: // a text telephone has letters and figures, in any language
		plan.Voices = []call.Voice{{Driver: p.baudot}}
		return kind, nil
	case kind == voiceFlite && english(s.Agent.Language):
		plan.Voices = []call.Voice{{Driver: p.flite, Name: voiceName(s.Voice)}}
		return kind, nil
	}
	lacks := fmt.Sprintf("voice %s is not configured here", kind)
	if kind == voiceFlite {
		lacks = fmt.Sprintf("voice %s speaks English only, not %q", kind, s.Agent.Language)
	}
	switch {
	case !p.substitute:
		return "", unserved("%s, and speech.substitute is off", lacks)
	case own == voiceTTY:
		return "", unserved("%s, and the server's own voice is for text telephones", lacks)
	case !english(s.Agent.Language):
		return "", unserved("%s, and the server has no other voice for language %q", lacks, s.Agent.Language)
	}
	plan.Voices = []call.Voice{{Driver: p.flite}}
	plan.Notices = append(plan.Notices, fmt.Sprintf("%s: %s speaks instead", lacks, own))
	return own, nil
}

// listen completes a plan with the agent's recogniser, or the server's own one in
// its place.
func (p *providers) listen(ctx context.Context, c sidetone.Call, plan call.Plan, rate int) (call.Plan, error) {
	a := c.Snapshot.Agent
	kind := recogniser(a)
	ears, source, ok, err := open(ctx, p.keys, c.EnvironmentID, p.vendors.recognisers, kind, ownCredentials{},
		choice{Config: extra(a, "transcriber"), Rate: rate, Language: a.Language})
	switch {
	case err != nil:
		return call.Plan{}, err
	case ok:
		plan.Recognisers = []call.Recogniser{{Driver: ears, Source: source}}
		return plan, nil
	case kind == recogniserTTY:
		plan.Recognisers = []call.Recogniser{{Driver: p.tty, Carrier: true}}
		return plan, nil
	case kind == "" || kind == recogniserSpeech:
		if !english(a.Language) {
			return call.Plan{}, unserved("the server's recogniser understands English only, not %q", a.Language)
		}
		return p.offline(c, plan, rate)
	}
	lacks := fmt.Sprintf("recogniser %q is not configured here", kind)
	switch {
	case !p.substitute:
		return call.Plan{}, unserved("%s, and speech.substitute is off", lacks)
	case !english(a.Language):
		return call.Plan{}, unserved("%s, and the server's own one understands English only, not %q", lacks, a.Language)
	case rate != wideband:
		return call.Plan{}, unserved("%s, and the server's own one understands speech at 16 kHz only, while this line has 8 kHz", lacks)
	}
	plan.Notices = append(plan.Notices, lacks+": the server's own one listens instead")
	return p.offline(c, plan, rate)
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
	}
	var err error
	plan.Notices, err = p.kept(c)
	return plan, err
}

// wideband is the sample rate that the offline recogniser understands.
const wideband = 16000

// offline completes a plan with the offline recogniser and takes one of its
// places, so that a caller too many is told while it rings.
func (p *providers) offline(c sidetone.Call, plan call.Plan, rate int) (call.Plan, error) {
	if rate != wideband {
		plan.Recognisers = []call.Recogniser{{Driver: p.tty}}
		plan.Notices = append(plan.Notices, "the offline recogniser understands speech at 16 kHz only and this line has 8 kHz: let the caller's side offer G.722")
		return plan, nil
	}
	release, ok := p.slots.take(c.EnvironmentID, c.Outgoing)
	if !ok {
		return call.Plan{}, transcriber.ErrBusy
	}
	plan.Release = release
	plan.Recognisers = []call.Recogniser{{Driver: p.sphinx, FinalWait: pocketsphinxFinal}}
	return plan, nil
}

// voiceType is the type of the agent's voice, the server's default when the
// agent names none.
func (p *providers) voiceType(s sidetone.Snapshot) string {
	if s.Agent.VoiceID == "" || s.Voice.Type == "" {
		return "voice_" + p.voice
	}
	return s.Voice.Type
}

// modelName is the vendor's name of the agent's model; "" means the driver's
// default.
func modelName(a sidetone.Agent) string { return cmp.Or(a.ModelOverride, a.Model) }

// extra is the member called name of what the agent only keeps; nil for none.
func extra(a sidetone.Agent, name string) json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(a.Extra, &members) // Extra is always an object
	return members[name]
}
