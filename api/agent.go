package api

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
)

// agentPatch is a decoded agent of a request: what to change, and the
// relations still to be resolved.
type agentPatch struct {
	change        sidetone.AgentChange
	prompt, voice reference
	promptChange  sidetone.PromptChange
	// unknown are relations to kinds of resources that this server does not
	// have: only null is possible.
	unknown []namedReference
}

type namedReference struct {
	path, noun string
	ref        reference
}

// decodeAgent reads the agent's properties from f. Read-only ones and unknown
// ones are dropped, so that a whole agent can be sent back.
func decodeAgent(p profile, f fields) (agentPatch, error) {
	d := &decoder{fields: f, profile: p}
	patch := agentPatch{change: decodeAgentChange(d), prompt: d.reference("prompt"), voice: d.reference("voice")}
	for _, relation := range []struct{ name, noun string }{
		{"webhook", "webhook"}, {"vector_database", "vector database"}, {"openai_account_connection", "account connection"},
	} {
		patch.unknown = append(patch.unknown, namedReference{relation.name, relation.noun, d.reference(relation.name)})
	}
	patch.unknown = append(patch.unknown, decodeActions(d)...)
	prompt := &decoder{fields: patch.prompt.fields, profile: p}
	patch.promptChange = decodePromptChange(prompt)
	for _, fault := range prompt.faults {
		d.faults = append(d.faults, "prompt."+fault)
	}
	return patch, d.err()
}

func decodeAgentChange(d *decoder) sidetone.AgentChange {
	return sidetone.AgentChange{
		Name: d.text("name"), Label: d.text("label"), Description: d.text("description"),
		Language: d.text("language"), InitialMessage: d.text("initial_message"),
		InitialMessageDelay:  d.span("initial_message_delay", d.profile.delayUnit),
		InterruptSensitivity: d.text("interrupt_sensitivity"), EndpointingSensitivity: d.text("endpointing_sensitivity"),
		IVRNavigationMode: d.text("ivr_navigation_mode"), ConversationSpeed: d.number("conversation_speed"),
		NoiseSuppression: d.truth("noise_suppression"), ContextEndpoint: d.text("context_endpoint"),
		AskIfHumanPresentOnIdle: d.truth("ask_if_human_present_on_idle"),
		IdleTime:                d.span("idle_time_seconds", time.Second), MaxIdleChecks: d.whole("max_idle_check_count"),
		CallDuration: d.span("call_duration_sec", time.Second), EnableRecording: d.truth("enable_recording"),
		EnableDynamicTurns: d.truth("enable_dynamic_turns"), WaitForGreeting: d.truth("wait_for_greeting"),
		RunDoNotCall: d.truth("run_do_not_call_detection"), Provider: d.text("provider"), Model: d.text("model"),
		ModelOverride: d.text("openai_model_name_override"), Temperature: d.number("llm_temperature"),
		Extra: decodeExtra(d),
	}
}

// extraNames are the contract's fields that are kept and returned but that no
// part acts on yet.
func extraNames() []string {
	return []string{"llm_fallback", "deepgram_keywords", "transcriber", "post_call_actions", "post_call_insights"}
}

func decodeExtra(d *decoder) sidetone.Optional[[]byte] {
	extra := fields{}
	for _, name := range extraNames() {
		if d.fields.has(name) {
			extra[name] = d.fields[name]
		}
	}
	if len(extra) == 0 {
		return sidetone.Optional[[]byte]{}
	}
	raw, err := json.Marshal(extra)
	if err != nil {
		d.faults = append(d.faults, "body must be JSON")
		return sidetone.Optional[[]byte]{}
	}
	return sidetone.Some(raw)
}

func decodeActions(d *decoder) []namedReference {
	items := read[[]json.RawMessage](d, "actions", "a list")
	var out []namedReference
	for i, raw := range items.Value {
		path := fmt.Sprintf("actions[%d]", i)
		ref, ok := referenceOf(raw)
		if !ok {
			d.faults = append(d.faults, path+" must be an id or an object")
			continue
		}
		out = append(out, namedReference{path, "action", ref})
	}
	return out
}

func decodePromptChange(d *decoder) sidetone.PromptChange {
	return sidetone.PromptChange{
		Label: d.text("label"), Description: d.text("description"), Content: d.text("content"),
		ContextEndpoint: d.text("context_endpoint"), CollectFields: d.raw("collect_fields"), Tags: d.texts("tags"),
	}
}

// renderAgent renders an agent with its prompt and voice as objects.
func renderAgent(v view, s sidetone.Snapshot) object {
	a := s.Agent
	o := object{}
	o.members(a.Extra)
	o["id"], o["user_id"], o["actions"] = a.ID, v.account, a.ActionIDs
	if v.list && !v.profile.listedAgents {
		o["prompt"], o["voice"] = s.Prompt.ID, s.Voice.ID
	} else {
		o["prompt"], o["voice"] = renderPrompt(v, s.Prompt), renderVoice(v, s.Voice)
	}
	for name, value := range map[string]string{
		"name": a.Name, "label": a.Label, "description": a.Description, "initial_message": a.InitialMessage,
		"context_endpoint": a.ContextEndpoint, "provider": a.Provider, "model": a.Model,
		"openai_model_name_override": a.ModelOverride,
	} {
		o.text(name, value)
	}
	renderDials(v, o, a)
	return v.finish("agent", o)
}

func renderDials(v view, o object, a sidetone.Agent) {
	o["language"] = a.Language
	o["initial_message_delay"] = float64(a.InitialMessageDelay) / float64(v.profile.delayUnit)
	o["interrupt_sensitivity"], o["endpointing_sensitivity"] = a.InterruptSensitivity, a.EndpointingSensitivity
	o["ivr_navigation_mode"], o["conversation_speed"] = a.IVRNavigationMode, a.ConversationSpeed
	o["noise_suppression"], o["enable_recording"] = a.NoiseSuppression, a.EnableRecording
	o["ask_if_human_present_on_idle"], o["max_idle_check_count"] = a.AskIfHumanPresentOnIdle, a.MaxIdleChecks
	o["enable_dynamic_turns"], o["wait_for_greeting"] = a.EnableDynamicTurns, a.WaitForGreeting
	o["run_do_not_call_detection"], o["llm_temperature"] = a.RunDoNotCall, a.Temperature
	if a.IdleTime > 0 {
		o["idle_time_seconds"] = a.IdleTime.Seconds()
	}
	if a.CallDuration > 0 {
		o["call_duration_sec"] = a.CallDuration.Seconds()
	}
}

func renderPrompt(v view, p sidetone.Prompt) object {
	o := object{"id": p.ID, "user_id": v.account, "content": p.Content,
		"collect_fields": json.RawMessage(p.CollectFields), "tags": p.Tags}
	o.text("label", p.Label)
	o.text("description", p.Description)
	o.text("context_endpoint", p.ContextEndpoint)
	return v.finish("prompt", o)
}
