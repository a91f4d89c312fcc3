package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
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
	profile dialect.Profile
	fields  wire.Object
}

// since is the patch without what is as it was shown of current.
func (p agentPatch) since(current sidetone.Snapshot) (agentPatch, error) {
	shown := func() object { return renderAgent(view{profile: p.profile}, current) }
	return decodeAgent(p.profile, p.profile.Changed(p.fields, shown))
}

// decodeAgent reads the agent's properties from f. Read-only ones and unknown
// ones are dropped, so that a client can send back an agent as it read it.
func decodeAgent(p dialect.Profile, f wire.Object) (agentPatch, error) {
	d := newDecoder(p, f)
	patch := agentPatch{
		profile: p, fields: f,
		change: decodeAgentChange(d), prompt: prompts().relation(d, "prompt"), voice: voices().relation(d, "voice"),
		webhook: webhooks().relation(d, "webhook"), vectors: vectorDatabases().relation(d, "vector_database"),
		account: connections().relation(d, "openai_account_connection"),
	}
	items := d.List("actions")
	patch.listed = items.Set
	for i, item := range items.Value {
		path := fmt.Sprintf("actions[%d]", i)
		ref, ok := wire.ReferenceOf(item)
		if !ok {
			d.Faults = append(d.Faults, path+" must be an id or an object")
			continue
		}
		patch.actions = append(patch.actions, actions().related(d, path, ref))
	}
	return patch, d.Err()
}

func decodeAgentChange(d *decoder) sidetone.AgentChange {
	return sidetone.AgentChange{
		Key: d.Text("key"), Name: d.Text("name"), Label: d.Text("label"), Description: d.Text("description"),
		Language: d.Text("language"), InitialMessage: d.Text("initial_message"),
		InitialMessageDelay:  d.Duration("initial_message_delay", d.profile.DelayUnit),
		InterruptSensitivity: d.Text("interrupt_sensitivity"), EndpointingSensitivity: d.Text("endpointing_sensitivity"),
		IVRNavigationMode: d.Text("ivr_navigation_mode"), ConversationSpeed: d.Number("conversation_speed"),
		NoiseSuppression: d.Bool("noise_suppression"), ContextEndpoint: d.Text("context_endpoint"),
		AskIfHumanPresentOnIdle: d.Bool("ask_if_human_present_on_idle"),
		IdleTime:                d.Duration("idle_time_seconds", time.Second), MaxIdleChecks: d.Int("max_idle_check_count"),
		CallDuration: d.Duration("call_duration_sec", time.Second), EnableRecording: d.Bool("enable_recording"),
		EnableDynamicTurns: d.Bool("enable_dynamic_turns"), WaitForGreeting: d.Bool("wait_for_greeting"),
		RunDoNotCall: d.Bool("run_do_not_call_detection"), Provider: d.Text("provider"), Model: d.Text("model"),
		ModelOverride: d.Text("openai_model_name_override"), Temperature: d.Number("llm_temperature"),
		Extra: d.extra(),
	}
}

// extraNames are the contract's fields that are stored and returned as they are.
func extraNames() []string {
	return []string{"llm_fallback", "deepgram_keywords", "transcriber", "post_call_actions", "post_call_insights", "transfer_on_failure", "transfer", "ai_disclosure"}
}

// extra reads the fields of extraNames.
func (d *decoder) extra() sidetone.Optional[[]byte] {
	if keywords, ok := d.Members.Get("deepgram_keywords"); ok {
		return d.inner(d.Members.With("deepgram_keywords", weighted(keywords))).only(extraNames())
	}
	return d.only(extraNames())
}

// weighted gives keywords whose weight is null the weight 1, which words in a
// list have.
func weighted(keywords any) any {
	weights, ok := keywords.(wire.Object)
	if !ok {
		return keywords
	}
	out := slices.Clone(weights)
	for i := range out {
		if out[i].Value == nil {
			out[i].Value = json.Number("1")
		}
	}
	return out
}

// renderAgent renders an agent with what it names as objects, or as ids in lists
// of families that want it so.
func renderAgent(v view, s sidetone.Snapshot) object {
	a := s.Agent
	o := object{}
	setMembers(o, hideKeys(a.Extra))
	o["id"] = a.ID
	o["user_id"] = v.account
	if v.list && !v.profile.ListedAgents {
		o["prompt"] = s.Prompt.ID
		o["voice"] = s.Voice.ID
		o["actions"] = a.ActionIDs
		setText(o, "webhook", a.WebhookID)
	} else {
		o["prompt"] = renderPrompt(v, s.Prompt)
		o["voice"] = renderVoice(v, s.Voice)
		o["actions"] = renderAgentActions(v, s.Actions)
		setRelated(v, o, "webhook", s.Webhook, renderWebhook)
	}
	setRelated(v, o, "vector_database", s.VectorDatabase, renderVectorDatabase)
	setRelated(v, o, "openai_account_connection", s.ModelAccount, renderConnection)
	setText(o, "key", a.Key)
	setText(o, "name", a.Name)
	setText(o, "label", a.Label)
	setText(o, "description", a.Description)
	setText(o, "initial_message", a.InitialMessage)
	setText(o, "context_endpoint", a.ContextEndpoint)
	setText(o, "provider", a.Provider)
	setText(o, "model", a.Model)
	setText(o, "openai_model_name_override", a.ModelOverride)
	renderSettings(v, o, a)
	return v.profile.Adapt(dialect.Agent(), o)
}

func renderAgentActions(v view, actions []sidetone.Action) []object {
	out := make([]object, len(actions))
	for i, a := range actions {
		out[i] = renderAction(v, a)
	}
	return out
}

// renderSettings adds what every agent has.
func renderSettings(v view, o object, a sidetone.Agent) {
	o["ask_if_human_present_on_idle"] = a.AskIfHumanPresentOnIdle
	o["conversation_speed"] = a.ConversationSpeed
	o["enable_dynamic_turns"] = a.EnableDynamicTurns
	o["enable_recording"] = a.EnableRecording
	o["endpointing_sensitivity"] = a.EndpointingSensitivity
	o["initial_message_delay"] = float64(a.InitialMessageDelay) / float64(v.profile.DelayUnit)
	o["interrupt_sensitivity"] = a.InterruptSensitivity
	o["ivr_navigation_mode"] = a.IVRNavigationMode
	o["language"] = a.Language
	o["llm_temperature"] = a.Temperature
	o["max_idle_check_count"] = a.MaxIdleChecks
	o["noise_suppression"] = a.NoiseSuppression
	o["run_do_not_call_detection"] = a.RunDoNotCall
	o["wait_for_greeting"] = a.WaitForGreeting
	if a.IdleTime > 0 {
		o["idle_time_seconds"] = a.IdleTime.Seconds()
	}
	if a.CallDuration > 0 {
		o["call_duration_sec"] = a.CallDuration.Seconds()
	}
}
