package client

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// Prompt is an agent's instructions.
type Prompt struct {
	// ID names the prompt; empty in a request makes one.
	ID string `json:"id,omitempty"`
	// Content is the instructions, with ${name} placeholders.
	Content string `json:"content,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
}

// Voice is a way to speak.
type Voice struct {
	// ID names the voice.
	ID string `json:"id,omitempty"`
	// Type is voice_flite, voice_tty or a vendor's.
	Type string `json:"type,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
}

// Agent answers and places calls. In a request, what is left out gets its
// default (create) or stays (update).
type Agent struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// Name is a name for people.
	Name string `json:"name,omitempty"`
	// Prompt is the instructions; creating an agent needs it.
	Prompt *Prompt `json:"prompt,omitempty"`
	// Voice is how it speaks; nil is the server's default.
	Voice *Voice `json:"voice,omitempty"`
	// Language is a two-letter code.
	Language string `json:"language,omitempty"`
	// InitialMessage is what it says first.
	InitialMessage string `json:"initial_message,omitempty"`
	// InitialMessageDelay is in milliseconds.
	InitialMessageDelay float64 `json:"initial_message_delay,omitempty"`
	// InterruptSensitivity is low or high.
	InterruptSensitivity string `json:"interrupt_sensitivity,omitempty"`
	// EndpointingSensitivity is auto, relaxed or sensitive.
	EndpointingSensitivity string `json:"endpointing_sensitivity,omitempty"`
	// ConversationSpeed is 0.5 to 2.
	ConversationSpeed float64 `json:"conversation_speed,omitempty"`
	// WaitForGreeting lets the other side speak first on outbound calls.
	WaitForGreeting *bool `json:"wait_for_greeting,omitempty"`
	// AskIfHumanPresentOnIdle asks after IdleTimeSeconds of silence.
	AskIfHumanPresentOnIdle *bool `json:"ask_if_human_present_on_idle,omitempty"`
	// IdleTimeSeconds is 0 for the default.
	IdleTimeSeconds float64 `json:"idle_time_seconds,omitempty"`
	// CallDurationSec caps a call; 0 for the default.
	CallDurationSec float64 `json:"call_duration_sec,omitempty"`
	// EnableDynamicTurns lets the agent wait longer or shorter for the end of a
	// turn by what was said.
	EnableDynamicTurns *bool `json:"enable_dynamic_turns,omitempty"`
	// Provider is whose model thinks; empty is the server's default.
	Provider string `json:"provider,omitempty"`
	// Model is the provider's name of the model; empty is its default.
	Model string `json:"model,omitempty"`
}

// CreateAgent stores a new agent.
func (c *Client) CreateAgent(ctx context.Context, a Agent) (Agent, error) {
	var out Agent
	err := c.post(ctx, "/v1/agents/create", nil, a, &out)
	return out, err
}

// UpdateAgent changes the agent by the members of change that are not empty.
func (c *Client) UpdateAgent(ctx context.Context, id string, change Agent) (Agent, error) {
	var out Agent
	err := c.post(ctx, "/v1/agents/update", byID(id), change, &out)
	return out, err
}

// Agent returns an agent.
func (c *Client) Agent(ctx context.Context, id string) (Agent, error) {
	var out Agent
	err := c.get(ctx, "/v1/agents", byID(id), &out)
	return out, err
}

// Agents returns one page of agents.
func (c *Client) Agents(ctx context.Context, q Query) (Page[Agent], error) {
	var out Page[Agent]
	err := c.get(ctx, "/v1/agents/list", q.values(), &out)
	return out, err
}

// Voices returns one page of voices.
func (c *Client) Voices(ctx context.Context, q Query) (Page[Voice], error) {
	var out Page[Voice]
	err := c.get(ctx, "/v1/voices/list", q.values(), &out)
	return out, err
}

// Number is a phone line.
type Number struct {
	// ID is given by the server.
	ID string `json:"id"`
	// Number is E.164 with plus.
	Number string `json:"number"`
	// Active is false for numbers for sale and cancelled ones.
	Active bool `json:"active"`
	// Label is a name for people.
	Label string `json:"label"`
	// TelephonyProvider is the carrier.
	TelephonyProvider string `json:"telephony_provider"`
	// OutboundOnly refuses incoming calls.
	OutboundOnly bool `json:"outbound_only"`
	// MaxConcurrentCalls is how many incoming calls it takes at a time; 0 means
	// no limit.
	MaxConcurrentCalls int `json:"max_concurrent_calls,omitempty"`
	// InboundAgentName is the name of who answers.
	InboundAgentName string `json:"inbound_agent_name"`
}

// Offers returns up to limit numbers for sale, in the area code unless that is
// empty.
func (c *Client) Offers(ctx context.Context, areaCode string, limit int) ([]Number, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if areaCode != "" {
		query.Set("filters", `{"area_code":`+strconv.Quote(areaCode)+`}`)
	}
	var out Page[Number]
	err := c.get(ctx, "/v1/numbers/available", query, &out)
	return out.Items, err
}

// BuyNumber buys number, or with an empty one the first for sale.
func (c *Client) BuyNumber(ctx context.Context, number string) (Number, error) {
	body := map[string]string{}
	if number != "" {
		body["phone_number"] = number
	}
	var out Number
	err := c.post(ctx, "/v1/numbers/buy", nil, body, &out)
	return out, err
}

// CancelNumber gives a number back.
func (c *Client) CancelNumber(ctx context.Context, number string) (Number, error) {
	var out Number
	err := c.post(ctx, "/v1/numbers/cancel", byPhone(number), nil, &out)
	return out, err
}

// UpdateNumber changes a number by the members of change: any of label,
// description, outbound_only, max_concurrent_calls, inbound_agent,
// example_context, tags.
func (c *Client) UpdateNumber(ctx context.Context, number string, change map[string]any) (Number, error) {
	body := map[string]any{"example_context": map[string]any{}}
	for name, value := range change {
		body[name] = value
	}
	var out Number
	err := c.post(ctx, "/v1/numbers/update", byPhone(number), body, &out)
	return out, err
}

// Number returns a number.
func (c *Client) Number(ctx context.Context, number string) (Number, error) {
	var out Number
	err := c.get(ctx, "/v1/numbers", byPhone(number), &out)
	return out, err
}

// Numbers returns one page of numbers.
func (c *Client) Numbers(ctx context.Context, q Query) (Page[Number], error) {
	var out Page[Number]
	err := c.get(ctx, "/v1/numbers/list", q.values(), &out)
	return out, err
}

// Query asks for one page of a list; the zero value is the first ten, newest
// first.
type Query struct {
	// Page counts from 1; 0 means 1.
	Page int
	// Size is 1 to 100; 0 means 10.
	Size int
	// Cursor is an earlier page's NextCursor; Page is then ignored.
	Cursor string
	// SortColumn is a documented column; "" means newest first.
	SortColumn string
	// SortDesc reverses SortColumn's order.
	SortDesc bool
	// Filters is a JSON object as the API documents it; "" means none.
	Filters string
}

func (q Query) values() url.Values {
	v := url.Values{}
	if q.Page > 0 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.Size > 0 {
		v.Set("size", strconv.Itoa(q.Size))
	}
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
	}
	if q.SortColumn != "" {
		v.Set("sort_column", q.SortColumn)
		v.Set("sort_desc", strconv.FormatBool(q.SortDesc))
	}
	if q.Filters != "" {
		v.Set("filters", q.Filters)
	}
	return v
}

// Call is a phone call. Lists carry it without Transcript of running calls.
type Call struct {
	// ID is given by the server.
	ID string `json:"id"`
	// Status is not_started, in_progress, ended or error.
	Status string `json:"status"`
	// Stage is what the carrier's side has reached.
	Stage string `json:"stage"`
	// StageOutcome is how the call ended.
	StageOutcome string `json:"stage_outcome"`
	// EndReason is the precise reason.
	EndReason string `json:"end_reason"`
	// FromNumber is the caller.
	FromNumber string `json:"from_number"`
	// ToNumber is the called.
	ToNumber string `json:"to_number"`
	// IsOutgoing says that the server placed it.
	IsOutgoing bool `json:"is_outgoing"`
	// Transcript has one line for each utterance.
	Transcript string `json:"transcript"`
	// RecordingAvailable says that Recording works.
	RecordingAvailable bool `json:"recording_available"`
	// ErrorMessage says what went wrong.
	ErrorMessage string `json:"error_message"`
	// StartTime is the answer; zero before.
	StartTime time.Time `json:"start_time"`
	// EndTime is the end; zero before.
	EndTime time.Time `json:"end_time"`
}

// Over reports whether the call will not change any more.
func (c Call) Over() bool { return c.Status == "ended" || c.Status == "error" }

// CallRequest asks for an outbound call.
type CallRequest struct {
	// FromNumber is one of ours, ToNumber whom to call.
	FromNumber string `json:"from_number"`
	// ToNumber is whom to call.
	ToNumber string `json:"to_number"`
	// Agent is an agent's id, or an object.
	Agent any `json:"agent"`
	// Context fills the prompt's placeholders.
	Context map[string]any `json:"context,omitempty"`
}

// CreateCall accepts a call to be placed.
func (c *Client) CreateCall(ctx context.Context, r CallRequest) (Call, error) {
	var out Call
	err := c.post(ctx, "/v1/calls/create", nil, r, &out)
	return out, err
}

// Call returns a call.
func (c *Client) Call(ctx context.Context, id string) (Call, error) {
	var out Call
	err := c.get(ctx, "/v1/calls", byID(id), &out)
	return out, err
}

// Calls returns one page of calls.
func (c *Client) Calls(ctx context.Context, q Query) (Page[ListedCall], error) {
	var out Page[ListedCall]
	err := c.get(ctx, "/v1/calls/list", q.values(), &out)
	return out, err
}

// ListedCall is a call in a list.
type ListedCall struct {
	Call
	// Agent is the agent's id.
	Agent string `json:"agent"`
}

// EndCall hangs a call up.
func (c *Client) EndCall(ctx context.Context, id string) (Call, error) {
	var out Call
	err := c.post(ctx, "/v1/calls/end", byID(id), nil, &out)
	return out, err
}

func byID(id string) url.Values { return url.Values{"id": {id}} }

func byPhone(number string) url.Values { return url.Values{"phone_number": {number}} }
