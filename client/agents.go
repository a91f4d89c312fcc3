package client

// Prompt is an agent's instructions. In a request, ID refers to a stored one,
// which the other members change; without ID they make one.
type Prompt struct {
	// ID names the prompt.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Key is the name that files know it by, unique among prompts.
	Key string `json:"key,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Type is prompt; answers only.
	Type string `json:"type,omitempty"`
	// Content is the instructions, with ${name} placeholders.
	Content string `json:"content,omitempty"`
	// ContextEndpoint is a URL that is asked for values of the placeholders.
	ContextEndpoint string `json:"context_endpoint,omitempty"`
	// CollectFields are what the agent asks for: names, or objects.
	CollectFields []any `json:"collect_fields,omitempty"`
	// Tags are for people.
	Tags []string `json:"tags,omitempty"`
	// PromptTemplate names what the placeholders need; nil for none.
	PromptTemplate *PromptTemplate `json:"prompt_template,omitempty"`
}

// PromptTemplate names the keys of a call's context that a prompt cannot do
// without. It belongs to one prompt.
type PromptTemplate struct {
	// ID names the template; answers only, unless it is the prompt's own.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// RequiredContextKeys are names of placeholders.
	RequiredContextKeys []string `json:"required_context_keys"`
}

// Voice is a way to speak. Type decides which of the other members count; nil
// means the vendor's default. ID works as in Prompt.
type Voice struct {
	// ID names the voice.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Type is voice_flite, voice_tty or a vendor's.
	Type string `json:"type,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// APIKey is the account's secret at the vendor.
	APIKey Credential `json:"api_key,omitempty"`
	// Voice is the voice's name at flite.
	Voice string `json:"voice,omitempty"`
	// VoiceName is the voice's name at Azure.
	VoiceName string `json:"voice_name,omitempty"`
	// Pitch is in percent of the voice's own.
	Pitch *int `json:"pitch,omitempty"`
	// Rate is in percent of the voice's own.
	Rate *int `json:"rate,omitempty"`
	// Speaker is the voice's name at Rime.
	Speaker string `json:"speaker,omitempty"`
	// SpeedAlpha is Rime's speed.
	SpeedAlpha *float64 `json:"speed_alpha,omitempty"`
	// ModelID is the vendor's model.
	ModelID string `json:"model_id,omitempty"`
	// VoiceID is the vendor's id of the voice.
	VoiceID string `json:"voice_id,omitempty"`
	// Stability is ElevenLabs' steadiness.
	Stability *float64 `json:"stability,omitempty"`
	// SimilarityBoost is ElevenLabs' likeness.
	SimilarityBoost *float64 `json:"similarity_boost,omitempty"`
	// OptimizeStreamingLatency trades quality for speed at ElevenLabs.
	OptimizeStreamingLatency *int `json:"optimize_streaming_latency,omitempty"`
	// ExperimentalInputStreaming sends text while it is written.
	ExperimentalInputStreaming *bool `json:"experimental_input_streaming,omitempty"`
	// APIUserID is the account's name at PlayHT.
	APIUserID string `json:"api_user_id,omitempty"`
	// Version is PlayHT's engine.
	Version string `json:"version,omitempty"`
	// Speed is PlayHT's speed.
	Speed *float64 `json:"speed,omitempty"`
	// Quality is PlayHT's quality.
	Quality string `json:"quality,omitempty"`
	// Temperature is PlayHT's variation.
	Temperature *float64 `json:"temperature,omitempty"`
	// TopP is PlayHT's choice among likely sounds.
	TopP *float64 `json:"top_p,omitempty"`
	// TextGuidance is how closely PlayHT keeps to the text.
	TextGuidance *float64 `json:"text_guidance,omitempty"`
	// VoiceGuidance is how closely PlayHT keeps to the voice.
	VoiceGuidance *float64 `json:"voice_guidance,omitempty"`
	// ExperimentalRemoveSilence cuts silence.
	ExperimentalRemoveSilence *bool `json:"experimental_remove_silence,omitempty"`
	// Fallback is the voice that takes over when this one fails: its type and members.
	Fallback map[string]any `json:"fallback,omitempty"`
}

// ActionTrigger is what makes an agent act.
type ActionTrigger struct {
	// Type is action_trigger_function_call or action_trigger_phrase_based.
	Type string `json:"type,omitempty"`
	// Config is what the type needs.
	Config map[string]any `json:"config,omitempty"`
}

// Action is something that an agent can do during a call. ID works as in
// Prompt.
type Action struct {
	// ID names the action.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Key is the name that files know it by, unique among actions.
	Key string `json:"key,omitempty"`
	// Type is action_transfer_call, action_end_conversation, action_dtmf,
	// action_add_to_conference, action_set_hold, action_set_recording,
	// action_warm_transfer or action_external.
	Type string `json:"type,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Config is what the type needs.
	Config map[string]any `json:"config,omitempty"`
	// Trigger is what makes the agent act; nil is a function call.
	Trigger *ActionTrigger `json:"action_trigger,omitempty"`
}

// Agent answers and places calls. In Create, what is empty gets its default;
// what it refers to is named by ID or made of the other members.
type Agent struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Key is the name that files know it by, unique among agents.
	Key string `json:"key,omitempty"`
	// Name is a name for people.
	Name string `json:"name,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Prompt is the instructions; creating an agent needs it.
	Prompt *Prompt `json:"prompt,omitempty"`
	// Voice is how it speaks; nil is the server's default.
	Voice *Voice `json:"voice,omitempty"`
	// Actions are what it can do during a call.
	Actions []Action `json:"actions,omitempty"`
	// Webhook hears of its calls; nil for none.
	Webhook *Webhook `json:"webhook,omitempty"`
	// VectorDatabase is where it looks things up; nil for none.
	VectorDatabase *VectorDatabase `json:"vector_database,omitempty"`
	// OpenAIAccountConnection is whose account thinks; nil is the server's.
	OpenAIAccountConnection *AccountConnection `json:"openai_account_connection,omitempty"`
	// Language is a two-letter code.
	Language string `json:"language,omitempty"`
	// InitialMessage is what it says first.
	InitialMessage string `json:"initial_message,omitempty"`
	// InitialMessageDelay is in milliseconds, 0 to 10000.
	InitialMessageDelay float64 `json:"initial_message_delay,omitempty"`
	// InterruptSensitivity is low or high.
	InterruptSensitivity string `json:"interrupt_sensitivity,omitempty"`
	// EndpointingSensitivity is auto, relaxed or sensitive.
	EndpointingSensitivity string `json:"endpointing_sensitivity,omitempty"`
	// IVRNavigationMode is default or off.
	IVRNavigationMode string `json:"ivr_navigation_mode,omitempty"`
	// ConversationSpeed is 0.5 to 2; reply delays are divided by it.
	ConversationSpeed float64 `json:"conversation_speed,omitempty"`
	// NoiseSuppression cleans what the caller says.
	NoiseSuppression *bool `json:"noise_suppression,omitempty"`
	// ContextEndpoint is a URL that is asked for values of the placeholders.
	ContextEndpoint string `json:"context_endpoint,omitempty"`
	// AskIfHumanPresentOnIdle asks after IdleTimeSeconds of silence.
	AskIfHumanPresentOnIdle *bool `json:"ask_if_human_present_on_idle,omitempty"`
	// IdleTimeSeconds is up to 3600; 0 for the default.
	IdleTimeSeconds float64 `json:"idle_time_seconds,omitempty"`
	// MaxIdleCheckCount is how often it asks, 0 to 100; nil for the default.
	MaxIdleCheckCount *int `json:"max_idle_check_count,omitempty"`
	// CallDurationSec caps a call, up to 86400; 0 for the default.
	CallDurationSec float64 `json:"call_duration_sec,omitempty"`
	// EnableRecording records calls; nil for the default.
	EnableRecording *bool `json:"enable_recording,omitempty"`
	// EnableDynamicTurns lets the agent wait longer or shorter for the end of a
	// turn by what was said.
	EnableDynamicTurns *bool `json:"enable_dynamic_turns,omitempty"`
	// WaitForGreeting lets the other side speak first on outbound calls.
	WaitForGreeting *bool `json:"wait_for_greeting,omitempty"`
	// RunDoNotCallDetection notices wishes not to be called again.
	RunDoNotCallDetection *bool `json:"run_do_not_call_detection,omitempty"`
	// Provider is whose model thinks; empty is the server's default.
	Provider string `json:"provider,omitempty"`
	// Model is the provider's name of the model; empty is its default.
	Model string `json:"model,omitempty"`
	// OpenAIModelNameOverride replaces Model at OpenAI.
	OpenAIModelNameOverride string `json:"openai_model_name_override,omitempty"`
	// LLMTemperature is 0 to 1; nil for the default.
	LLMTemperature *float64 `json:"llm_temperature,omitempty"`
	// AIDisclosure says whether and how the agent says that it is a machine: mode (auto,
	// always or never), text, and texts by country.
	AIDisclosure map[string]any `json:"ai_disclosure,omitempty"`
	// LLMFallback names provider and model_name to use when Model fails.
	LLMFallback map[string]any `json:"llm_fallback,omitempty"`
	// DeepgramKeywords are words to listen for: []string, or weights by word.
	DeepgramKeywords any `json:"deepgram_keywords,omitempty"`
	// Transcriber configures who listens.
	Transcriber map[string]any `json:"transcriber,omitempty"`
	// PostCallActions are what happens after a call.
	PostCallActions []map[string]any `json:"post_call_actions,omitempty"`
	// PostCallInsights are what is asked about a call when it is over.
	PostCallInsights []map[string]any `json:"post_call_insights,omitempty"`
	// TransferOnFailure is the number, with plus, of who takes callers whom nobody here serves
	// any more.
	TransferOnFailure string `json:"transfer_on_failure,omitempty"`
	// Transfer is how callers are handed over: auto, refer or bridge; empty leaves it to the
	// trunk.
	Transfer string `json:"transfer,omitempty"`
}

// Agents are who answers and places calls.
func (c *Client) Agents() Resource[Agent] { return resourceAt[Agent](c, "/v1/agents") }

// Prompts are agents' instructions.
func (c *Client) Prompts() Resource[Prompt] { return resourceAt[Prompt](c, "/v1/prompts") }

// Voices are ways to speak, built-in ones included.
func (c *Client) Voices() Resource[Voice] { return resourceAt[Voice](c, "/v1/voices") }

// Actions are what agents can do during calls.
func (c *Client) Actions() Resource[Action] { return resourceAt[Action](c, "/v1/actions") }
