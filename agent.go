package sidetone

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Agent answers and places calls: instructions, voice and conversational dials.
type Agent struct {
	ID            string
	EnvironmentID string
	// Key is the name that files know it by, unique among the environment's
	// agents; "" for none.
	Key         string
	Name        string
	Label       string
	Description string
	PromptID    string
	// VoiceID "" means the server's default voice.
	VoiceID string
	// ActionIDs, WebhookID and VectorDatabaseID name resources; may be empty.
	ActionIDs        []string
	WebhookID        string
	VectorDatabaseID string
	// Language is a two-letter code.
	Language       string
	InitialMessage string
	// InitialMessageDelay is stored in whole milliseconds.
	InitialMessageDelay    time.Duration
	InterruptSensitivity   string
	EndpointingSensitivity string
	IVRNavigationMode      string
	// ConversationSpeed is 0.5 to 2.
	ConversationSpeed float64
	NoiseSuppression  bool
	ContextEndpoint   string
	// AskIfHumanPresentOnIdle asks after IdleTime of silence, MaxIdleChecks
	// times. IdleTime zero means the default.
	AskIfHumanPresentOnIdle bool
	IdleTime                time.Duration
	MaxIdleChecks           int
	// CallDuration caps a call; zero means the server's default.
	CallDuration       time.Duration
	EnableRecording    bool
	EnableDynamicTurns bool
	WaitForGreeting    bool
	RunDoNotCall       bool
	Provider           string
	Model              string
	ModelOverride      string
	ModelAccount       string
	Temperature        float64
	// Extra is a JSON object of further contract fields (llm_fallback, transcriber,
	// transfer, ...); see the table of package support for which act.
	Extra   []byte
	Version int64
	Created time.Time
	Updated time.Time
}

// NewAgent returns an agent with the documented defaults.
func NewAgent(id, environmentID, promptID string, now time.Time) Agent {
	return Agent{
		ID: id, EnvironmentID: environmentID, PromptID: promptID, ActionIDs: []string{},
		Language: "en", InterruptSensitivity: "low", EndpointingSensitivity: "auto", IVRNavigationMode: "off",
		ConversationSpeed: 1, EnableRecording: true, EnableDynamicTurns: true, WaitForGreeting: true,
		MaxIdleChecks: 2, Extra: []byte("{}"), Created: now, Updated: now,
	}
}

// ExtraText is the text called name of an object in Extra; "" for none.
func (a Agent) ExtraText(object, name string) string {
	var extra map[string]json.RawMessage
	_ = json.Unmarshal(a.Extra, &extra) // Extra is always an object
	var members map[string]json.RawMessage
	_ = json.Unmarshal(extra[object], &members) // what is no object has no members
	var text string
	_ = json.Unmarshal(members[name], &text) // what is no text counts as none
	return text
}

// Transfer is how the agent hands callers over: auto, refer or bridge; "" leaves it to the
// trunk.
func (a Agent) Transfer() string {
	var extra struct{ Transfer string }
	_ = json.Unmarshal(a.Extra, &extra) // Extra is always an object, and was checked
	return extra.Transfer
}

// TransferOnFailure is the number, E.164, to whom callers are handed when nobody is left to
// serve them; "" for nobody.
func (a Agent) TransferOnFailure() string {
	var extra struct {
		Number string `json:"transfer_on_failure"`
	}
	_ = json.Unmarshal(a.Extra, &extra) // Extra is always an object
	return extra.Number
}

// TransferWays lists how callers may be handed over.
func TransferWays() []string { return []string{"auto", "refer", "bridge"} }

// AgentChange is a partial update of an Agent. PromptID and the other ids are
// resolved by the caller.
type AgentChange struct {
	Key                     Optional[string]
	Name                    Optional[string]
	Label                   Optional[string]
	Description             Optional[string]
	PromptID                Optional[string]
	VoiceID                 Optional[string]
	ActionIDs               Optional[[]string]
	WebhookID               Optional[string]
	VectorDatabaseID        Optional[string]
	Language                Optional[string]
	InitialMessage          Optional[string]
	InitialMessageDelay     Optional[time.Duration]
	InterruptSensitivity    Optional[string]
	EndpointingSensitivity  Optional[string]
	IVRNavigationMode       Optional[string]
	ConversationSpeed       Optional[float64]
	NoiseSuppression        Optional[bool]
	ContextEndpoint         Optional[string]
	AskIfHumanPresentOnIdle Optional[bool]
	IdleTime                Optional[time.Duration]
	MaxIdleChecks           Optional[int]
	CallDuration            Optional[time.Duration]
	EnableRecording         Optional[bool]
	EnableDynamicTurns      Optional[bool]
	WaitForGreeting         Optional[bool]
	RunDoNotCall            Optional[bool]
	Provider                Optional[string]
	Model                   Optional[string]
	ModelOverride           Optional[string]
	ModelAccount            Optional[string]
	Temperature             Optional[float64]
	// Extra holds only the members the change mentions; the store merges it
	// member by member, null removes.
	Extra Optional[[]byte]
}

// Apply carries the change out on a, except Extra, which is merged by MergeJSON.
func (c AgentChange) Apply(a *Agent, now time.Time) {
	def := NewAgent("", "", a.PromptID, now)
	c.Key.Apply(&a.Key, "")
	c.Name.Apply(&a.Name, "")
	c.Label.Apply(&a.Label, "")
	c.Description.Apply(&a.Description, "")
	c.PromptID.Apply(&a.PromptID, def.PromptID)
	c.VoiceID.Apply(&a.VoiceID, "")
	c.ActionIDs.Apply(&a.ActionIDs, []string{})
	c.WebhookID.Apply(&a.WebhookID, "")
	c.VectorDatabaseID.Apply(&a.VectorDatabaseID, "")
	c.applyDials(a, def)
	c.EnableRecording.Apply(&a.EnableRecording, def.EnableRecording)
	c.RunDoNotCall.Apply(&a.RunDoNotCall, false)
	c.Provider.Apply(&a.Provider, "")
	c.Model.Apply(&a.Model, "")
	c.ModelOverride.Apply(&a.ModelOverride, "")
	c.ModelAccount.Apply(&a.ModelAccount, "")
	c.Temperature.Apply(&a.Temperature, 0)
	if c.Extra.Set {
		a.Extra = MergeJSON(a.Extra, c.Extra.Value)
	}
	a.Updated = now
}

func (c AgentChange) applyDials(a *Agent, def Agent) {
	c.Language.Apply(&a.Language, def.Language)
	c.InitialMessage.Apply(&a.InitialMessage, "")
	c.InitialMessageDelay.Apply(&a.InitialMessageDelay, 0)
	c.InterruptSensitivity.Apply(&a.InterruptSensitivity, def.InterruptSensitivity)
	c.EndpointingSensitivity.Apply(&a.EndpointingSensitivity, def.EndpointingSensitivity)
	c.IVRNavigationMode.Apply(&a.IVRNavigationMode, def.IVRNavigationMode)
	c.ConversationSpeed.Apply(&a.ConversationSpeed, def.ConversationSpeed)
	c.NoiseSuppression.Apply(&a.NoiseSuppression, false)
	c.ContextEndpoint.Apply(&a.ContextEndpoint, "")
	c.AskIfHumanPresentOnIdle.Apply(&a.AskIfHumanPresentOnIdle, false)
	c.IdleTime.Apply(&a.IdleTime, 0)
	c.MaxIdleChecks.Apply(&a.MaxIdleChecks, def.MaxIdleChecks)
	c.CallDuration.Apply(&a.CallDuration, 0)
	c.EnableDynamicTurns.Apply(&a.EnableDynamicTurns, def.EnableDynamicTurns)
	c.WaitForGreeting.Apply(&a.WaitForGreeting, def.WaitForGreeting)
}

// Languages lists the language codes an agent may have.
func Languages() []string {
	return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"}
}

// Validate checks enums and ranges; the message starts with the property's path.
func (a Agent) Validate() error {
	for _, e := range []struct {
		path, value string
		allowed     []string
	}{
		{"language", a.Language, Languages()},
		{"interrupt_sensitivity", a.InterruptSensitivity, []string{"low", "high"}},
		{"endpointing_sensitivity", a.EndpointingSensitivity, []string{"auto", "relaxed", "sensitive"}},
		{"ivr_navigation_mode", a.IVRNavigationMode, []string{"default", "off"}},
		{"transfer", cmp.Or(a.Transfer(), "auto"), TransferWays()},
	} {
		if !slices.Contains(e.allowed, e.value) {
			return Errorf(Invalid, "%s must be one of %s", e.path, strings.Join(e.allowed, ", "))
		}
	}
	if err := validKey(a.Key); err != nil {
		return err
	}
	if err := optionalAddress("context_endpoint", a.ContextEndpoint); err != nil {
		return err
	}
	if err := a.validateDisclosure(); err != nil {
		return err
	}
	if err := a.validateInsights(); err != nil {
		return err
	}
	return a.validateRanges()
}

func (a Agent) validateRanges() error {
	switch {
	case a.ConversationSpeed < 0.5 || a.ConversationSpeed > 2:
		return Errorf(Invalid, "conversation_speed must be between 0.5 and 2")
	case a.Temperature < 0 || a.Temperature > 1:
		return Errorf(Invalid, "llm_temperature must be between 0 and 1")
	case a.InitialMessageDelay < 0 || a.InitialMessageDelay > 10*time.Second:
		return Errorf(Invalid, "initial_message_delay must be between 0 and 10000 milliseconds (10 seconds)")
	case a.IdleTime < 0 || a.IdleTime > time.Hour:
		return Errorf(Invalid, "idle_time_seconds must be between 0 and 3600")
	case a.CallDuration < 0 || a.CallDuration > 24*time.Hour:
		return Errorf(Invalid, "call_duration_sec must be between 0 and 86400")
	case a.MaxIdleChecks < 0 || a.MaxIdleChecks > 100:
		return Errorf(Invalid, "max_idle_check_count must be between 0 and 100")
	}
	if err := maxLength("initial_message", a.InitialMessage, 4096); err != nil {
		return err
	}
	return maxLength("name", a.Name, 256)
}
