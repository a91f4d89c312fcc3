package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// settings are whom an environment's agents think, speak and listen with when they
// name nobody, and who takes over, each as parseWish reads it.
type settings struct {
	model, voice, recogniser                         string
	fallbackModel, fallbackVoice, fallbackRecogniser string
}

// settings are the environment's, the server's where it has none, and what follows
// from the keys that there are where neither says anything.
func (p *providers) settings(ctx context.Context, environmentID string) (settings, error) {
	e, err := p.keys.environment(ctx, environmentID)
	if err != nil {
		return settings{}, fmt.Errorf("find the environment: %w", err)
	}
	s := settings{model: cmp.Or(e.DefaultModel, p.defaults.Model), voice: cmp.Or(e.DefaultVoice, p.defaults.Voice),
		recogniser:    cmp.Or(e.DefaultTranscriber, p.defaults.Transcriber),
		fallbackModel: e.FallbackModel, fallbackVoice: e.FallbackVoice, fallbackRecogniser: e.FallbackTranscriber}
	if s.model == autoModel {
		s.model, err = p.findModel(ctx, environmentID)
	}
	if s.model == "" && err == nil {
		s.model, err = follows(ctx, p.keys, environmentID, p.vendors.models, modelOrder())
	}
	if s.voice == "" && err == nil {
		s.voice, err = follows(ctx, p.keys, environmentID, p.vendors.voices, voiceOrder())
	}
	if s.recogniser == "" && err == nil {
		s.recogniser, err = follows(ctx, p.keys, environmentID, p.vendors.recognisers, recogniserOrder())
	}
	return s, err
}

// findModel is what "auto" means in an environment: a model of its own account, or of a
// server on this machine; still "auto" where there is neither.
func (p *providers) findModel(ctx context.Context, environmentID string) (string, error) {
	a, account, err := p.keys.find(ctx, environmentID, supplierOf("ollama"), ownCredentials{})
	if bad := unfit(""); errors.As(err, &bad) {
		return autoModel, nil // whoever asks for it hears why
	}
	if account == "" || err != nil {
		return autoModel, err
	}
	return strings.TrimSuffix("ollama/"+a.Settings["model"], "/"), nil
}

// The orders in which vendors are taken whose keys there are.
func modelOrder() []string {
	return []string{"openai", "anthropic", "google", "azure_llm", "deepseek", "togetherai", "openrouter", "ollama"}
}

func recogniserOrder() []string {
	return []string{"transcriber_deepgram", "transcriber_assembly_ai", "transcriber_openai", "transcriber_whisper"}
}

func voiceOrder() []string {
	return []string{"voice_eleven_labs", "voice_cartesia", "voice_openai", "voice_deepgram", "voice_azure", "voice_rime", "voice_kokoro"}
}

// follows is the first of order that the environment can reach; "" for none.
func follows[D any](ctx context.Context, k keyring, environmentID string, list map[string]vendor[D], order []string) (string, error) {
	for _, kind := range order {
		v, ok := list[kind]
		if !ok || v.supplier == "ollama" && !k.providers["ollama"].configured() { // it is asked for by name
			continue
		}
		_, account, err := k.find(ctx, environmentID, supplierOf(v.supplier), ownCredentials{})
		if bad := unfit(""); errors.As(err, &bad) {
			continue
		}
		if account != "" || err != nil {
			return kind, err
		}
	}
	return "", nil
}

// modelWishes are the model of the agent and its fallbacks.
func (p *providers) modelWishes(c sidetone.Call, s settings) (out []wish) {
	a := c.Snapshot.Agent
	model := cmp.Or(a.ModelOverride, a.Model)
	kind := a.Provider
	if model == autoModel {
		kind, model = "ollama", ""
	}
	if (kind == "" || kind == "scripted") && model != autoModel {
		kind = p.providerOf(c.Snapshot, model)
	}
	if w, ok := parseModel(s.model); ok && (kind == "" || kind == w.kind) {
		w.model = cmp.Or(model, w.model)
		kind, model = w.kind, w.model
	}
	if kind != "" {
		w := p.modelWish(c.Snapshot, kind, model)
		if own := c.Snapshot.ModelAccount; own != nil && w.mine.Connection == nil {
			w.mine.unfit = unfit(p.vendors.misfit(kind, own.Type))
		}
		if kind == a.Provider {
			w.property = "provider"
		}
		out = append(out, w)
	}
	name := a.ExtraText("llm_fallback", "model_name")
	fallback := a.ExtraText("llm_fallback", "provider")
	if fallback == "" && name != "" {
		fallback = fallbackVendor(name, out)
	}
	if fallback != "" {
		w := p.modelWish(c.Snapshot, fallback, name)
		w.property = "llm_fallback"
		out = append(out, w)
	}
	if w, ok := parseModel(s.fallbackModel); ok {
		out = append(out, p.modelWish(c.Snapshot, w.kind, w.model))
	}
	return sameOwner(p.vendors.models, out)
}

// sameOwner lets fallbacks of the same vendor as the first one be paid by the same owner:
// the owner of a credential does not change within a call.
func sameOwner[D any](list map[string]vendor[D], wishes []wish) []wish {
	for i := range wishes {
		if list[wishes[i].kind].supplier == list[wishes[0].kind].supplier {
			wishes[i].mine = wishes[0].mine
		}
	}
	return wishes
}

// fallbackVendor is whose model a fallback is that names no provider: that of the agent's
// own, unless that one sells its own models only and the name is another's.
func fallbackVendor(model string, agents []wish) string {
	named := vendorOf(model)
	if len(agents) > 0 && (named == "" || !slices.Contains([]string{"openai", "anthropic", "google"}, agents[0].kind)) {
		return agents[0].kind
	}
	return named
}

// modelWish is a model, with the agent's own account if that is one of its vendor.
func (p *providers) modelWish(s sidetone.Snapshot, kind, model string) wish {
	w := wish{kind: kind, model: model}
	if c := s.ModelAccount; c != nil && supplierOf(p.vendors.models[kind].supplier).account == c.Type {
		w.mine.Connection = c
	}
	return w
}

// misfit says that agents of a provider do not think with an account of a type; "" when
// they do, or when nothing is known of the provider.
func (v vendors) misfit(provider, account string) string {
	model, ok := v.models[provider]
	if wants := supplierOf(model.supplier).account; ok && wants != account {
		return fmt.Sprintf("openai_account_connection must be of type %s for provider %s, not %s", wants, provider, account)
	}
	return ""
}

// providerOf guesses the provider of an agent that names none, from its account or from
// its model; "" when nothing tells.
func (p *providers) providerOf(s sidetone.Snapshot, model string) string {
	if s.ModelAccount != nil {
		for _, kind := range modelOrder() {
			if v, ok := p.vendors.models[kind]; ok && supplierOf(v.supplier).account == s.ModelAccount.Type {
				return kind
			}
		}
	}
	return vendorOf(model)
}

// vendorOf guesses it from the name of the model alone.
func vendorOf(model string) string {
	for prefix, kind := range map[string]string{"gpt-": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "chatgpt-": "openai", "claude-": "anthropic", "gemini-": "google"} {
		if strings.HasPrefix(model, prefix) {
			return kind
		}
	}
	return ""
}

// voiceWishes are the voice of the agent, or the default one, and the fallbacks. There
// is one at least.
func (p *providers) voiceWishes(c sidetone.Call, s settings) []wish {
	v := c.Snapshot.Voice
	own := wish{kind: v.Type, config: v.Config, mine: ownCredentials{Key: v.APIKey}, property: "voice.type"}
	if c.Snapshot.Agent.VoiceID == "" || v.Type == "" {
		own = p.defaultVoice(s)
	}
	out := []wish{own}
	if w, ok := fallbackOf(v.Config); ok {
		w.property = "voice.fallback"
		out = append(out, w)
	}
	if w, ok := parseWish(s.fallbackVoice, "voice_id"); ok {
		out = append(out, w)
	}
	if p.substitute && p.voice != "tty" && english(c.Snapshot.Agent.Language) && !wishedFor(out, voiceFlite) {
		out = append(out, wish{kind: voiceFlite})
	}
	return sameOwner(p.vendors.voices, out)
}

// defaultVoice is what agents speak with that name no voice.
func (p *providers) defaultVoice(s settings) wish {
	w, _ := parseWish(cmp.Or(s.voice, "voice_"+p.voice), "voice_id")
	return w
}

// speaks tells which one that is in an environment. It implements api.Config's Speaks.
func (p *providers) speaks(ctx context.Context, environmentID string) (sidetone.Voice, error) {
	s, err := p.settings(ctx, environmentID)
	w := p.defaultVoice(s)
	return sidetone.Voice{Type: w.kind, Config: w.config}, err
}

// recogniserWishes are the recogniser of the agent, or the default one, and the
// fallbacks. There is one at least.
func (p *providers) recogniserWishes(c sidetone.Call, s settings) []wish {
	config := extra(c.Snapshot.Agent, "transcriber")
	own := wish{kind: recogniser(c.Snapshot.Agent), config: config, property: "transcriber.type"}
	if own.kind == "" {
		own.property = ""
		w, _ := parseWish(cmp.Or(s.recogniser, recogniserSpeech), "model")
		own.kind = w.kind
		own.config = withMembers(w.config, config)
	}
	out := []wish{own}
	if w, ok := fallbackOf(config); ok {
		w.property = "transcriber.fallback"
		out = append(out, w)
	}
	if w, ok := parseWish(s.fallbackRecogniser, "model"); ok {
		out = append(out, w)
	}
	if p.substitute && english(c.Snapshot.Agent.Language) && !wishedFor(out, recogniserSpeech) {
		out = append(out, wish{kind: recogniserSpeech})
	}
	return out
}

// withMembers are the members of two objects; those of the second win.
func withMembers(first, second json.RawMessage) json.RawMessage {
	members := map[string]json.RawMessage{}
	for _, one := range []json.RawMessage{first, second} {
		var more map[string]json.RawMessage
		_ = json.Unmarshal(one, &more) // what is no object has no members
		maps.Copy(members, more)
	}
	if len(members) == 0 {
		return nil
	}
	out, _ := json.Marshal(members) // members of JSON have JSON
	return out
}

// seekModels finds what the agent thinks with.
func (p *providers) seekModels(ctx context.Context, c sidetone.Call, s settings, drivers *closers) (sought[llm.Driver], error) {
	return seek(ctx, p.keys, c, "provider", p.vendors.models, p.modelWishes(c, s), choice{Language: c.Snapshot.Agent.Language, Call: c}, drivers)
}

// seekVoices finds what it speaks with on a line of rate Hz.
func (p *providers) seekVoices(ctx context.Context, c sidetone.Call, s settings, rate int, drivers *closers) (sought[synthesizer.Driver], error) {
	return seek(ctx, p.keys, c, "voice", p.vendors.voices, p.voiceWishes(c, s), choice{Rate: rate, Language: c.Snapshot.Agent.Language}, drivers)
}

// seekRecognisers finds what it listens with.
func (p *providers) seekRecognisers(ctx context.Context, c sidetone.Call, s settings, rate int, drivers *closers) (sought[transcriber.Driver], error) {
	ch := choice{Rate: rate, Language: c.Snapshot.Agent.Language, KeyTerms: keyTerms(c.Snapshot.Agent), LessNoise: c.Snapshot.Agent.NoiseSuppression}
	return seek(ctx, p.keys, c, "recogniser", p.vendors.recognisers, p.recogniserWishes(c, s), ch, drivers)
}

func wishedFor(wishes []wish, kind string) bool {
	return slices.ContainsFunc(wishes, func(w wish) bool { return w.kind == kind })
}

// fallbackOf is the member "fallback" of a voice or a transcriber: an object with a
// type.
func fallbackOf(config json.RawMessage) (wish, bool) {
	var members struct{ Fallback json.RawMessage }
	_ = json.Unmarshal(config, &members) // what is no object has no members
	w := wish{config: members.Fallback}
	w.kind = w.member("type")
	return w, w.kind != ""
}

// keyTerms are the words that the agent's transcriber is told to expect, and those of
// deepgram_keywords, which older clients weigh.
func keyTerms(a sidetone.Agent) (out []string) {
	var t struct {
		KeyTerms []string `json:"key_terms"`
	}
	_ = json.Unmarshal(extra(a, "transcriber"), &t) // what is something else has no terms
	out = append(out, t.KeyTerms...)
	var weighed map[string]json.RawMessage
	_ = json.Unmarshal(extra(a, "deepgram_keywords"), &weighed) // the same
	for term := range weighed {
		out = append(out, term)
	}
	var listed []string
	_ = json.Unmarshal(extra(a, "deepgram_keywords"), &listed) // the same
	for _, term := range listed {
		term, _, _ = strings.Cut(term, ":") // a weight may follow
		out = append(out, term)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// voiceNameOf is what a voice calls the name of its speaker.
func voiceNameOf(w wish) string {
	return cmp.Or(w.member("voice"), w.member("voice_id"), w.member("voice_name"), w.member("speaker"))
}

// extra is the member called name of what the agent only keeps; nil for none.
func extra(a sidetone.Agent, name string) json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(a.Extra, &members) // Extra is always an object
	return members[name]
}
