package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func agentTable() *configurationTable[sidetone.Agent] {
	tb := newTable("agents", "agent", agentColumns, map[string]listed{
		"id": text("id"), "key": filterOnly(text("resource_key")), "label": search("label", "label_folded"), "name": search("name", "name_folded"),
		"language": filterOnly(text("language")), "created": instant("created"), "updated": instant("updated"),
		"prompt": filterOnly(text("prompt_id")), "voice": filterOnly(text("voice_id")),
		"webhook": filterOnly(text("webhook_id")), "vector_database": filterOnly(text("vector_database_id")),
		"openai_account_connection": filterOnly(text("model_account")),
	})
	return &configurationTable[sidetone.Agent]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Agent { return e.Agents }),
		detach: func(a *sidetone.Agent) { a.ActionIDs, a.Extra = slices.Clone(a.ActionIDs), slices.Clone(a.Extra) },
		uses:   []use{{table: "numbers", noun: "number", column: "inbound_agent_id", shown: "number", and: "active"}},
	}
}

func agentColumns(a *sidetone.Agent) []column {
	return append([]column{
		{name: "id", ref: &a.ID, fixed: true}, {name: "environment_id", ref: &a.EnvironmentID, fixed: true},
		{name: "resource_key", ref: &a.Key},
		{name: "name", ref: &a.Name}, {name: "name_folded", ref: folded(a.Name)},
		{name: "label", ref: &a.Label}, {name: "label_folded", ref: folded(a.Label)},
		{name: "description", ref: &a.Description}, {name: "prompt_id", ref: &a.PromptID}, {name: "voice_id", ref: &a.VoiceID},
		{name: "action_ids", ref: list{&a.ActionIDs}}, {name: "webhook_id", ref: &a.WebhookID},
		{name: "vector_database_id", ref: &a.VectorDatabaseID}, {name: "provider", ref: &a.Provider}, {name: "model", ref: &a.Model},
		{name: "model_override", ref: &a.ModelOverride}, {name: "model_account", ref: &a.ModelAccount},
		{name: "temperature", ref: &a.Temperature}, {name: "extra", ref: raw{&a.Extra, "{}"}},
		{name: "version", ref: &a.Version},
		{name: "created", ref: millis{&a.Created}, fixed: true}, {name: "updated", ref: millis{&a.Updated}},
	}, dialColumns(a)...)
}

func dialColumns(a *sidetone.Agent) []column {
	return []column{
		{name: "language", ref: &a.Language}, {name: "initial_message", ref: &a.InitialMessage},
		{name: "initial_message_delay", ref: durationMillis{&a.InitialMessageDelay}},
		{name: "interrupt_sensitivity", ref: &a.InterruptSensitivity},
		{name: "endpointing_sensitivity", ref: &a.EndpointingSensitivity},
		{name: "ivr_navigation_mode", ref: &a.IVRNavigationMode}, {name: "conversation_speed", ref: &a.ConversationSpeed},
		{name: "noise_suppression", ref: &a.NoiseSuppression}, {name: "context_endpoint", ref: &a.ContextEndpoint},
		{name: "ask_if_human_present_on_idle", ref: &a.AskIfHumanPresentOnIdle}, {name: "idle_time", ref: durationMillis{&a.IdleTime}},
		{name: "max_idle_checks", ref: &a.MaxIdleChecks}, {name: "call_duration", ref: durationMillis{&a.CallDuration}},
		{name: "enable_recording", ref: &a.EnableRecording}, {name: "enable_dynamic_turns", ref: &a.EnableDynamicTurns},
		{name: "wait_for_greeting", ref: &a.WaitForGreeting}, {name: "run_do_not_call", ref: &a.RunDoNotCall},
	}
}

// Agent returns the agent with id.
func (t *Tx) Agent(id string) (sidetone.Agent, error) { return t.store.tables.agents.get(t, id) }

// Agents lists the agents.
func (t *Tx) Agents(q sidetone.PageQuery) (sidetone.Page[sidetone.Agent], error) {
	return page(t, t.store.tables.agents.table, q)
}

// InsertAgent stores a new agent.
func (t *Tx) InsertAgent(a sidetone.Agent) error { return t.store.tables.agents.insert(t, a) }

// UpdateAgent stores a if a.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateAgent(a sidetone.Agent) error { return t.store.tables.agents.update(t, a) }

// DeleteAgent removes the agent with id. One that answers active numbers, or is
// the environment's default, is a Conflict that says so.
func (t *Tx) DeleteAgent(id string) error {
	environment, err := t.Environment()
	if err != nil {
		return err
	}
	if environment.DefaultAgentID == id && id != "" {
		return sidetone.Errorf(sidetone.Conflict, "the agent is used by the environment as its default agent")
	}
	return t.store.tables.agents.remove(t, id)
}
