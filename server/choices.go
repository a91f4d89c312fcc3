package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/support"
)

const (
	keyless     = "Nobody's key for it serves this environment: agents that name none do without, or their calls are refused."
	notServed   = "The server's own keys do not serve it, for providers.NAME.environments does not list it: "
	othersAlike = " Environments that are not listed lose them, too, once there are several."
)

// lackingEnvironment says what an environment names and has no key for, and of a new one
// whose keys of the server's do not serve it. It implements api.Config's
// LackingEnvironment.
func (p *providers) lackingEnvironment(ctx context.Context, e sidetone.Environment, made bool) (out []support.Warning, err error) {
	for _, one := range namedBy(p.vendors, settings{e.DefaultModel, e.DefaultVoice, e.DefaultTranscriber, e.FallbackModel, e.FallbackVoice, e.FallbackTranscriber}) {
		if one.supplier == "" {
			continue
		}
		_, account, err := p.keys.find(ctx, e.ID, supplierOf(one.supplier), ownCredentials{})
		if bad := unfit(""); err != nil && !errors.As(err, &bad) {
			return nil, err
		}
		if account == "" || err != nil {
			out = append(out, support.Warning{Property: one.property, Reason: support.NoDriver, Sentence: keyless})
		}
	}
	if !made {
		return out, nil
	}
	var lost []string
	for _, name := range slices.Sorted(maps.Keys(p.keys.providers)) {
		serves, err := p.keys.serves(ctx, p.keys.providers[name], e.ID)
		if err != nil {
			return nil, err
		}
		if p.keys.providers[name].configured() && !serves {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		out = append(out, support.Warning{Property: "id", Reason: support.NoDriver, Sentence: notServed + strings.Join(lost, ", ") + "." + othersAlike})
	}
	return out, nil
}

// choiceMade is somebody whom a setting names for agents that name nobody.
type choiceMade struct {
	// property is that of an environment; key is that of the configuration.
	property, key string
	// text is the setting, supplier who is paid, and known says that there is a driver.
	text, supplier string
	known          bool
}

// namedBy are those whom settings name.
func namedBy(v vendors, s settings) (out []choiceMade) {
	add := func(property, key, text string, find func(kind string) (string, bool)) {
		kind, name, slash := strings.Cut(text, "/")
		if text == "" || kind == autoModel && !slash {
			return
		}
		supplier, known := find(kind)
		out = append(out, choiceMade{property, key, text, supplier, known && (!slash || name != "")})
	}
	add("default_model", "defaults.model", s.model, findIn(v.models, "scripted"))
	add("default_voice", "defaults.voice", s.voice, findIn(v.voices, voiceFlite, voiceTTY))
	add("default_transcriber", "defaults.transcriber", s.recogniser, findIn(v.recognisers, recogniserSpeech, recogniserTTY))
	add("fallback_model", "", s.fallbackModel, findIn(v.models))
	add("fallback_voice", "", s.fallbackVoice, findIn(v.voices, voiceFlite))
	add("fallback_transcriber", "", s.fallbackRecogniser, findIn(v.recognisers, recogniserSpeech))
	return out
}

// findIn finds the suppliers of drivers; own are the server's own.
func findIn[D any](list map[string]vendor[D], own ...string) func(kind string) (string, bool) {
	return func(kind string) (string, bool) {
		v, ok := list[kind]
		return v.supplier, ok || slices.Contains(own, kind)
	}
}

// defaultsMade are those of the configuration.
func (c Config) defaultsMade() []choiceMade {
	return namedBy(newVendors(), settings{model: c.Defaults.Model, voice: c.Defaults.Voice, recogniser: c.Defaults.Transcriber})
}

// validateDefaults refuses defaults that nobody can ever serve.
func (c Config) validateDefaults() error {
	for _, one := range c.defaultsMade() {
		if !one.known {
			return fmt.Errorf("%s: nobody serves %q: docs/vendors.md lists who does, as KIND or KIND/NAME", one.key, one.text)
		}
	}
	return nil
}

// doubts are what the configuration says that does not act as things are;
// environments are the ids of those that there are.
func (c Config) doubts(environments []string) (out []string) {
	for _, one := range c.defaultsMade() {
		if s := supplierOf(one.supplier); one.supplier != "" && one.supplier != "ollama" && !c.Providers[one.supplier].configured() {
			from := "providers." + s.name
			if s.variable != "" {
				from += " or " + s.variable
			}
			out = append(out, fmt.Sprintf("%s is %s, for which the server has no key (%s): it serves environments with an account connection of their own only", one.key, one.text, from))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		p := c.Providers[name]
		for _, id := range p.Environments {
			if !slices.Contains(environments, id) {
				out = append(out, fmt.Sprintf("providers.%s.environments lists %s, and there is no such environment", name, id))
			}
		}
		if p.configured() && len(p.Environments) == 0 && len(environments) > 1 {
			out = append(out, fmt.Sprintf("the server's key for %s serves nobody: there are %d environments, and providers.%s.environments lists none", name, len(environments), name))
		}
	}
	if c.Server.Resume && !c.Recordings.Journals {
		out = append(out, "server.resume needs recordings.journals: without them calls are hung up when the server dies")
	}
	return out
}

// unserved says why the server's own account does not serve an environment.
func (p ProviderConfig) unserved(name, environmentID string) unfit {
	if len(p.Environments) == 0 {
		return unfit(fmt.Sprintf("there are several environments, and providers.%s.environments does not list %s", name, environmentID))
	}
	return unfit(fmt.Sprintf("providers.%s.environments does not list environment %s", name, environmentID))
}
