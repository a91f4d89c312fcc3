package server

import (
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	ttyvoice "github.com/sidetone/sidetone/synthesizer/tty"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
	ttyears "github.com/sidetone/sidetone/transcriber/tty"
)

// pocketsphinxFinal is the recogniser's P99 from silence to its final.
const pocketsphinxFinal = 900 * time.Millisecond

// providers is the only list of speech and model drivers. It implements
// call.Planner.
type providers struct {
	sphinx  *pocketsphinx.Driver
	offline int // streams the recogniser may have
	tty     transcriber.Driver
	flite   synthesizer.Driver
	baudot  synthesizer.Driver
	script  llm.Driver
	voice   string // default voice type: flite or tty
}

func newProviders(c Config) *providers {
	return &providers{
		sphinx:  pocketsphinx.New(pocketsphinx.Options{Program: c.Speech.Pocketsphinx, MaxStreams: c.Calls.Offline}),
		offline: c.Calls.Offline,
		tty:     ttyears.New(ttyears.Options{}),
		flite:   flite.New(flite.Options{Program: c.Speech.Flite}),
		baudot:  ttyvoice.New(ttyvoice.Options{Characters: true}),
		script:  scripted.New(),
		voice:   c.Speech.Voice,
	}
}

// Plan implements call.Planner.
func (p *providers) Plan(s sidetone.Snapshot, rate int) (call.Plan, error) {
	switch s.Agent.Provider {
	case "echo":
		return call.Plan{Echo: true}, nil
	case "bench":
		return benchPlan(s.Agent.Model), nil
	case "", "scripted":
	default:
		return call.Plan{}, sidetone.Errorf(sidetone.Invalid, "provider %q is not configured", s.Agent.Provider)
	}
	plan := call.Plan{Model: p.script, ModelName: s.Agent.Model}
	switch p.voiceType(s.Voice) {
	case "voice_tty":
		plan.Voice, plan.Transcriber, plan.Carrier = p.baudot, p.tty, true
	case "voice_flite":
		plan.Voice, plan.VoiceName = p.flite, voiceName(s.Voice)
		if rate == 16000 {
			if p.sphinx.Streams() >= p.offline {
				return call.Plan{}, transcriber.ErrBusy // told while it rings, as busy
			}
			plan.Transcriber, plan.FinalWait = p.sphinx, pocketsphinxFinal
		} else {
			plan.Transcriber = p.tty
		}
	default:
		return call.Plan{}, fmt.Errorf("voice type %q is not configured", s.Voice.Type)
	}
	return plan, nil
}

func (p *providers) voiceType(v sidetone.Voice) string {
	if v.Type == "" {
		return "voice_" + p.voice
	}
	return v.Type
}
