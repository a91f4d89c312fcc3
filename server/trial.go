package server

import (
	"context"
	"slices"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// trialTimeout bounds each trial.
const trialTimeout = 10 * time.Second

// try asks the vendor of a connection for a little with each driver that works with it.
// It implements api.Config's TryConnection.
func (p *providers) try(ctx context.Context, c sidetone.Connection) ([]api.Trial, error) {
	a, err := connected(c)
	if err != nil {
		return nil, err
	}
	if err := checkAccount(c); err != nil {
		return nil, err
	}
	a.HTTP = p.keys.guard.Client(c.EnvironmentID)
	return p.vendors.trials(ctx, c.Type, a), nil
}

// trials asks for a little with each driver that works with accounts of a type.
func (all vendors) trials(ctx context.Context, kind string, a access) (out []api.Trial) {
	if v, ok := firstOf(all.models, kind, modelOrder()); ok {
		out = append(out, trial(ctx, "model", v.open(a, choice{}), tryModel))
	}
	if v, ok := firstOf(all.models, kind, []string{"harness"}); ok {
		out = append(out, trial(ctx, "model", v.open(a, choice{}), tryProgram))
	}
	if v, ok := firstOf(all.voices, kind, voiceOrder()); ok {
		out = append(out, trial(ctx, "voice", v.open(a, choice{Rate: 8000}), tryVoice))
	}
	if v, ok := firstOf(all.recognisers, kind, recogniserOrder()); ok {
		out = append(out, trial(ctx, "recogniser", v.open(a, choice{Rate: 8000}), tryRecogniser))
	}
	return out
}

// firstOf is the first vendor in an order that works with connections of a type.
func firstOf[D any](list map[string]vendor[D], kind string, order []string) (vendor[D], bool) {
	for _, name := range order {
		if v, ok := list[name]; ok && supplierOf(v.supplier).account == kind {
			return v, true
		}
	}
	return vendor[D]{}, false
}

// trial runs ask and measures it.
func trial[D any](ctx context.Context, part string, driver D, ask func(context.Context, D) error) api.Trial {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	var drivers closers
	drivers.add(driver)
	defer drivers.close()
	begin := time.Now()
	err := ask(ctx, driver)
	return api.Trial{Part: part, Latency: time.Since(begin), Err: err}
}

// trialError is a constant error of trials.
type trialError string

// Error returns the text.
func (e trialError) Error() string { return string(e) }

// errNothing says that a vendor answered without anything.
const errNothing trialError = "the vendor reported success and delivered nothing"

// tryProgram only reaches a customer's program: what it would be asked is a call.
func tryProgram(ctx context.Context, d llm.Driver) error {
	if program, ok := d.(interface{ Try(context.Context) error }); ok {
		return program.Try(ctx) //nolint:wrapcheck // it names the vendor
	}
	return errNothing
}

// tryModel asks for a word.
func tryModel(ctx context.Context, d llm.Driver) error {
	for delta, err := range d.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Say yes."}}, MaxTokens: 64}) {
		if err != nil || delta.Text != "" {
			return err //nolint:wrapcheck // it names the vendor
		}
	}
	return errNothing
}

// tryVoice asks for a word.
func tryVoice(ctx context.Context, d synthesizer.Driver) error {
	for chunk, err := range d.Speak(ctx, synthesizer.Request{Text: "Yes.", Rate: 8000}) {
		if err != nil || len(chunk.PCM) > 0 {
			return err //nolint:wrapcheck // it names the vendor
		}
	}
	return errNothing
}

// tryRecogniser lets it hear 500 ms of a sound like speech, without which some ask
// their vendor nothing; it has to report the end.
func tryRecogniser(ctx context.Context, d transcriber.Driver) error {
	s, err := d.Open(ctx, transcriber.Config{Rate: 8000})
	if err != nil {
		return err //nolint:wrapcheck // it names the vendor
	}
	defer func() { _ = s.Close() }()
	for frame := range slices.Chunk(audio.SpeechLike(8000, 4000, -20, 1), 160) {
		if err := s.Write(audio.Frame{PCM: frame, Rate: 8000}); err != nil {
			return err //nolint:wrapcheck // it names the vendor
		}
	}
	s.Finalize()
	for e, err := range s.Events() {
		if err != nil || e.Flushed {
			return err //nolint:wrapcheck // it names the vendor
		}
	}
	return errNothing
}
