package server

import (
	"fmt"
	"log/slog"
	"sync"
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
	sphinx *pocketsphinx.Driver
	slots  chan struct{} // one for each call that may use the recogniser
	tty    transcriber.Driver
	flite  synthesizer.Driver
	baudot synthesizer.Driver
	script llm.Driver
	voice  string // default voice type: flite or tty
}

func newProviders(c Config, log *slog.Logger) *providers {
	return &providers{
		// a recogniser that is opened again may overlap with the one it replaces
		sphinx: pocketsphinx.New(pocketsphinx.Options{Program: c.Speech.Pocketsphinx, MaxStreams: 2*c.Calls.Offline + 1, Logger: log}),
		slots:  make(chan struct{}, c.Calls.Offline),
		tty:    ttyears.New(ttyears.Options{}),
		flite:  flite.New(flite.Options{Program: c.Speech.Flite}),
		baudot: ttyvoice.New(ttyvoice.Options{Characters: true}),
		script: scripted.New(),
		voice:  c.Speech.Voice,
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
	switch p.voiceType(s) {
	case "voice_tty":
		plan.Voice, plan.Transcriber, plan.Carrier = p.baudot, p.tty, true
	case "voice_flite":
		plan.Voice, plan.VoiceName = p.flite, voiceName(s.Voice)
		return p.offline(plan, rate)
	default:
		return call.Plan{}, fmt.Errorf("voice type %q is not configured", s.Voice.Type)
	}
	return plan, nil
}

// offline completes a plan with the offline recogniser and takes one of its
// places, so that a caller too many is told while it rings.
func (p *providers) offline(plan call.Plan, rate int) (call.Plan, error) {
	if rate != 16000 {
		plan.Transcriber = p.tty
		plan.Notice = "the offline recogniser understands speech at 16 kHz only and this line has 8 kHz: let the caller's side offer G.722"
		return plan, nil
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return call.Plan{}, transcriber.ErrBusy
	}
	plan.Release = sync.OnceFunc(func() { <-p.slots })
	plan.Transcriber, plan.FinalWait = p.sphinx, pocketsphinxFinal
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
