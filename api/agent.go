package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/sidetone/sidetone"
)

// agentPatch is a decoded agent of a request: what to change, and the
// relations still to be resolved.
type agentPatch struct {
	change  sidetone.AgentChange
	prompt  relation[sidetone.Prompt]
	voice   relation[sidetone.Voice]
	webhook relation[sidetone.Webhook]
	vectors relation[sidetone.VectorDatabase]
	account relation[sidetone.Connection]
	// actions are meaningful when listed.
	actions []relation[sidetone.Action]
	listed  bool
	// profile and fields are what the patch was decoded from.
	profile profile
	fields  fields
}

// since is the patch without what is as it was shown of current.
func (p agentPatch) since(current sidetone.Snapshot) (agentPatch, error) {
	shown := func() object { return renderAgent(view{profile: p.profile}, current) }
	return decodeAgent(p.profile, withoutEcho(p.profile, shown, p.fields))
}

// decodeAgent reads the agent's properties from f. Read-only ones and unknown
// ones are dropped, so that a whole agent can be sent back.
func decodeAgent(p profile, f fields) (agentPatch, error) {
	d := &decoder{fields: f, profile: p}
	patch := agentPatch{
		profile: p, fields: f,
		change: decodeAgentChange(d), prompt: prompts().relation(d, "prompt"), voice: voices().relation(d, "voice"),
		webhook: webhooks().relation(d, "webhook"), vectors: vectorDatabases().relation(d, "vector_database"),
		account: connections().relation(d, "openai_account_connection"),
	}
	items := read[[]json.RawMessage](d, "actions", "a list")
	patch.listed = items.Set
	for i, raw := range items.Value {
		path := fmt.Sprintf("actions[%d]", i)
		ref, ok := referenceOf(raw)
		if !ok {
			d.faults = append(d.faults, path+" must be an id or an object")
			continue
		}
		patch.actions = append(patch.actions, actions().related(d, path, ref))
	}
	return patch, d.err()
}

func decodeAgentChange(d *decoder) sidetone.AgentChange {
	return sidetone.AgentChange{
		Key: d.text("key"), Name: d.text("name"), Label: d.text("label"), Description: d.text("description"),
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
		Extra: d.extra(),
	}
}

// extraNames are the contract's fields that are kept and returned but that no
// part acts on yet.
func extraNames() []string {
	return []string{"llm_fallback", "deepgram_keywords", "transcriber", "post_call_actions", "post_call_insights"}
}

// extra reads the fields of extraNames.
func (d *decoder) extra() sidetone.Optional[[]byte] {
	raw, ok := d.fields["deepgram_keywords"]
	if !ok {
		return d.members(extraNames())
	}
	d.fields = maps.Clone(d.fields)
	d.fields["deepgram_keywords"] = weighted(raw)
	return d.members(extraNames())
}

// weighted gives keywords whose weight is null the weight 1, which words in a
// list have.
func weighted(keywords json.RawMessage) json.RawMessage {
	var weights map[string]*float64
	if json.Unmarshal(keywords, &weights) != nil || weights == nil {
		return keywords
	}
	out := make(map[string]float64, len(weights))
	for word, weight := range weights {
		if out[word] = 1; weight != nil {
			out[word] = *weight
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return keywords // numbers always encode
	}
	return raw
}

// agentMembers is about how many members a rendered agent has.
const agentMembers = 40

// renderAgent renders an agent with what it names as objects, or as ids in lists
// of families that want it so.
func renderAgent(v view, s sidetone.Snapshot) object {
	a := s.Agent
	o := make(object, 0, agentMembers)
	o.members(a.Extra)
	o.set("id", a.ID)
	o.set("user_id", v.account)
	if v.list && !v.profile.listedAgents {
		o.set("prompt", s.Prompt.ID)
		o.set("voice", s.Voice.ID)
		o.set("actions", a.ActionIDs)
		o.text("webhook", a.WebhookID)
	} else {
		o.set("prompt", renderPrompt(v, s.Prompt))
		o.set("voice", renderVoice(v, s.Voice))
		o.set("actions", renderAgentActions(v, s.Actions))
		related(v, &o, "webhook", s.Webhook, renderWebhook)
	}
	related(v, &o, "vector_database", s.VectorDatabase, renderVectorDatabase)
	related(v, &o, "openai_account_connection", s.ModelAccount, renderConnection)
	o.text("key", a.Key)
	o.text("name", a.Name)
	o.text("label", a.Label)
	o.text("description", a.Description)
	o.text("initial_message", a.InitialMessage)
	o.text("context_endpoint", a.ContextEndpoint)
	o.text("provider", a.Provider)
	o.text("model", a.Model)
	o.text("openai_model_name_override", a.ModelOverride)
	renderDials(v, &o, a)
	return v.finish("agent", o)
}

func renderAgentActions(v view, actions []sidetone.Action) []object {
	out := make([]object, len(actions))
	for i, a := range actions {
		out[i] = renderAction(v, a)
	}
	return out
}

// related sets name to the row that an agent names, if there is one.
func related[T any](v view, o *object, name string, row *T, render func(view, T) object) {
	if row != nil {
		o.set(name, render(v, *row))
	}
}

func renderDials(v view, o *object, a sidetone.Agent) {
	o.set("ask_if_human_present_on_idle", a.AskIfHumanPresentOnIdle)
	o.set("conversation_speed", a.ConversationSpeed)
	o.set("enable_dynamic_turns", a.EnableDynamicTurns)
	o.set("enable_recording", a.EnableRecording)
	o.set("endpointing_sensitivity", a.EndpointingSensitivity)
	o.set("initial_message_delay", float64(a.InitialMessageDelay)/float64(v.profile.delayUnit))
	o.set("interrupt_sensitivity", a.InterruptSensitivity)
	o.set("ivr_navigation_mode", a.IVRNavigationMode)
	o.set("language", a.Language)
	o.set("llm_temperature", a.Temperature)
	o.set("max_idle_check_count", a.MaxIdleChecks)
	o.set("noise_suppression", a.NoiseSuppression)
	o.set("run_do_not_call_detection", a.RunDoNotCall)
	o.set("wait_for_greeting", a.WaitForGreeting)
	if a.IdleTime > 0 {
		o.set("idle_time_seconds", a.IdleTime.Seconds())
	}
	if a.CallDuration > 0 {
		o.set("call_duration_sec", a.CallDuration.Seconds())
	}
}
