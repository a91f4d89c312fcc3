package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Call is a phone call. Lists carry it without ActionHistory, Usage and
// LineQuality, and without the Transcript of running calls.
type Call struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// UserID is the account.
	UserID string `json:"user_id,omitempty"`
	// Agent is who talks, as it was when the call began; in lists the id alone,
	// unless expanded.
	Agent Ref[Agent] `json:"agent,omitzero"`
	// Status is not_started, in_progress, ended or error.
	Status string `json:"status,omitempty"`
	// Stage is what the carrier's side has reached: created, picked_up,
	// transfer_started or transfer_successful.
	Stage string `json:"stage,omitempty"`
	// StageOutcome is how the call ended.
	StageOutcome string `json:"stage_outcome,omitempty"`
	// EndReason is the precise reason.
	EndReason string `json:"end_reason,omitempty"`
	// RefusedCount is how many incoming calls were refused that this one stands
	// for; 0 when it was not refused.
	RefusedCount int `json:"refused_count,omitempty"`
	// ErrorMessage says what went wrong.
	ErrorMessage string `json:"error_message,omitempty"`
	// Errors are all that went wrong.
	Errors []string `json:"errors,omitempty"`
	// FromNumber is the caller.
	FromNumber string `json:"from_number,omitempty"`
	// ToNumber is the called.
	ToNumber string `json:"to_number,omitempty"`
	// AgentPhoneNumber is the number of ours that the agent speaks on.
	AgentPhoneNumber string `json:"agent_phone_number,omitempty"`
	// IsOutgoing says that the server placed it.
	IsOutgoing bool `json:"is_outgoing"`
	// Transcript has one line for each utterance.
	Transcript string `json:"transcript,omitempty"`
	// RecordingAvailable says that Calls.Recording works.
	RecordingAvailable bool `json:"recording_available"`
	// HumanDetectionResult is human or no_human; empty when nobody looked.
	HumanDetectionResult string `json:"human_detection_result,omitempty"`
	// DoNotCallResult says whether the person asked not to be called again; nil
	// when nobody looked.
	DoNotCallResult *bool `json:"do_not_call_result,omitempty"`
	// RunDoNotCallDetection says that somebody looks.
	RunDoNotCallDetection bool `json:"run_do_not_call_detection"`
	// OnNoHumanAnswer is continue or hangup.
	OnNoHumanAnswer string `json:"on_no_human_answer,omitempty"`
	// HIPAACompliant says that nothing of what is said is kept.
	HIPAACompliant bool `json:"hipaa_compliant"`
	// Context are the values of the prompt's placeholders.
	Context map[string]any `json:"context,omitempty"`
	// TelephonyID is the carrier's name of the call.
	TelephonyID string `json:"telephony_id,omitempty"`
	// TelephonyProvider is the carrier.
	TelephonyProvider string `json:"telephony_provider,omitempty"`
	// TelephonyAccountConnection is the account at the carrier; none for the
	// server's own. In lists it can be expanded.
	TelephonyAccountConnection Ref[AccountConnection] `json:"telephony_account_connection,omitzero"`
	// TelephonyParams are what the carrier was told.
	TelephonyParams map[string]any `json:"telephony_params,omitempty"`
	// TelephonyMetadata is what is known of the call at the carrier.
	TelephonyMetadata map[string]any `json:"telephony_metadata,omitempty"`
	// HeadersOut are the headers that it was placed with.
	HeadersOut map[string]string `json:"headers_out,omitempty"`
	// Signalling is what the caller's signalling said; nil for nothing. Single calls
	// only.
	Signalling *Signalling `json:"signalling,omitempty"`
	// Usage is what vendors were used for, once the call is over.
	Usage []CallUsage `json:"usage,omitempty"`
	// LineQuality is how good the line was, once the call is over; nil when that is not
	// known.
	LineQuality *LineQuality `json:"line_quality,omitempty"`
	// Insights are what was found out after the call; nil when nothing was to be.
	Insights *Insights `json:"insights,omitempty"`
	// CollectedFields are the values of the prompt's fields so far, by name; "****" for a
	// secret one. Single calls only.
	CollectedFields map[string]string `json:"collected_fields,omitempty"`
	// ActionHistory is what the agent did.
	ActionHistory []ActionRun `json:"action_history,omitempty"`
	// CreatedAt is when the call was asked for or came in.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// StartTime is the answer; zero before.
	StartTime time.Time `json:"start_time,omitzero"`
	// EndTime is the end; zero before.
	EndTime time.Time `json:"end_time,omitzero"`
}

// CallUsage is what one vendor was used for in a call, for one part of it.
type CallUsage struct {
	// Part is recogniser, model or voice.
	Part string `json:"part"`
	// Vendor is its name; local for what the server has itself.
	Vendor string `json:"vendor"`
	// Account is who pays: the id of an account connection, agent or server; empty
	// for local.
	Account string `json:"account,omitempty"`
	// Hosts were sent it; empty when nothing left the server's machine.
	Hosts []string `json:"hosts"`
	// Received is what they got: audio or text.
	Received string `json:"received"`
	// Requests is how many requests, utterances or streams there were.
	Requests int64 `json:"requests"`
	// Units are what was counted, by unit such as input_tokens, characters or
	// audio_seconds.
	Units map[string]float64 `json:"units"`
}

// Insights are what was found out about a call that is over.
type Insights struct {
	// Status is waiting, ready or failed.
	Status string `json:"status"`
	// Attempts is how often it was tried.
	Attempts int `json:"attempts"`
	// Error says why it failed, or why the last attempt did.
	Error string `json:"error,omitempty"`
	// CompletedAt is when it was over; zero before.
	CompletedAt time.Time `json:"completed_at,omitzero"`
	// Results are in the order of the agent's PostCallInsights.
	Results []Insight `json:"results"`
}

// Insight is what was found out for one of the agent's PostCallInsights.
type Insight struct {
	// Name and Type are those that the agent gives.
	Name string `json:"name"`
	Type string `json:"type"`
	// Value is JSON of the form of the type; nil when there is an Error.
	Value json.RawMessage `json:"value,omitempty"`
	// Error says why there is no value.
	Error string `json:"error,omitempty"`
}

// LineQuality is how well sound went over the line of a call.
type LineQuality struct {
	// Near is what the server received, Far what the far end says it received; nil
	// when that is not known.
	Near *LineReception `json:"near,omitempty"`
	Far  *LineReception `json:"far,omitempty"`
	// RoundTripMS is the mean time to the far end and back; 0 when it is not known.
	RoundTripMS float64 `json:"round_trip_ms,omitempty"`
}

// LineReception is how one end of a line received the other's sound.
type LineReception struct {
	// Packets is how many were to come, Lost how many of them came too late or never.
	Packets int64 `json:"packets"`
	Lost    int64 `json:"lost"`
	// LossPercent is the share that was lost.
	LossPercent float64 `json:"loss_percent"`
	// JitterMS is the mean, JitterMaxMS the largest of the estimates.
	JitterMS    float64 `json:"jitter_ms"`
	JitterMaxMS float64 `json:"jitter_max_ms"`
	// MOS is what listeners would say, estimated, from 1 (bad) to 5.
	MOS float64 `json:"mos"`
}

// Over reports whether the call will not change any more.
func (c Call) Over() bool { return c.Status == "ended" || c.Status == "error" }

// ActionRun is an action that an agent carried out during a call.
type ActionRun struct {
	// EventType is the kind of entry.
	EventType string `json:"event_type,omitempty"`
	// Timestamp is when it was done.
	Timestamp time.Time `json:"timestamp,omitzero"`
	// ActionID names the action; empty for built-in ones.
	ActionID string `json:"action_id,omitempty"`
	// ActionType is what kind of action it is.
	ActionType string `json:"action_type,omitempty"`
	// ActionLabel is the action's name for people.
	ActionLabel string `json:"action_label,omitempty"`
	// Parameters are what the agent chose.
	Parameters map[string]any `json:"parameters,omitempty"`
	// Result is what came of it.
	Result ActionResult `json:"result,omitzero"`
}

// ActionResult is what came of an action.
type ActionResult struct {
	// JSON is the answer.
	JSON map[string]any `json:"json,omitempty"`
	// HTTPStatusCode is the status of an external action's answer; 0 for none.
	HTTPStatusCode int `json:"http_status_code,omitempty"`
	// Error is what went wrong; nil for nothing.
	Error *string `json:"error,omitempty"`
}

// CallRequest asks for an outbound call.
type CallRequest struct {
	// FromNumber is one of ours.
	FromNumber string `json:"from_number"`
	// ToNumber is whom to call.
	ToNumber string `json:"to_number"`
	// AgentPhoneNumber is the number of ours that the call is made as; empty is
	// FromNumber.
	AgentPhoneNumber string `json:"agent_phone_number,omitempty"`
	// Agent is an agent's id, "default", or an object: an Agent or a
	// map[string]any. One with an id and other members holds for this call only.
	Agent any `json:"agent"`
	// Context fills the prompt's placeholders.
	Context map[string]any `json:"context,omitempty"`
	// TelephonyProvider is the carrier; empty is FromNumber's.
	TelephonyProvider string `json:"telephony_provider,omitempty"`
	// TelephonyAccountConnection is the id of the account to call with.
	TelephonyAccountConnection string `json:"telephony_account_connection,omitempty"`
	// TelephonyParams are what the carrier is told.
	TelephonyParams map[string]any `json:"telephony_params,omitempty"`
	// HeadersOut are headers of the call to the carrier: X-, User-to-User, Diversion and
	// History-Info.
	HeadersOut map[string]string `json:"headers_out,omitempty"`
	// OnNoHumanAnswer is continue or hangup; empty for the default.
	OnNoHumanAnswer string `json:"on_no_human_answer,omitempty"`
	// RunDoNotCallDetection notices wishes not to be called again; nil is the
	// agent's setting.
	RunDoNotCallDetection *bool `json:"run_do_not_call_detection,omitempty"`
	// HIPAACompliant keeps nothing of what is said.
	HIPAACompliant bool `json:"hipaa_compliant,omitempty"`
}

// Calls are phone calls.
type Calls struct{ Reader[Call] }

// Calls are phone calls.
func (c *Client) Calls() Calls { return Calls{readerAt[Call](c, "/v1/calls")} }

// Create accepts a call to be placed. With an IdempotencyKey it can be repeated
// safely.
func (s Calls) Create(ctx context.Context, r CallRequest, options ...Option) (Call, error) {
	var out Call
	err := s.c.post(ctx, s.path+"/create", nil, r, &out, options...)
	return out, err
}

// End hangs a call up.
func (s Calls) End(ctx context.Context, id string) (Call, error) {
	var out Call
	err := s.c.post(ctx, s.path+"/end", byID(id), nil, &out)
	return out, err
}

// Ending says more about how a call is hung up.
type Ending struct {
	// HeadersOut go with the hang-up: X- and any name, User-to-User.
	HeadersOut map[string]string `json:"headers_out,omitempty"`
}

// EndWith is End with more about how.
func (s Calls) EndWith(ctx context.Context, id string, e Ending) (Call, error) {
	var out Call
	err := s.c.post(ctx, s.path+"/end", byID(id), e, &out)
	return out, err
}

// PauseRecording makes both sides of a live call's recording silent, or ends that.
func (s Calls) PauseRecording(ctx context.Context, id string, paused bool) (PausedRecording, error) {
	var out PausedRecording
	err := s.c.post(ctx, s.path+"/recording", byID(id), PauseRecording{paused}, &out)
	return out, err
}

// PauseRecording is an order about the recording of a live call.
type PauseRecording struct {
	// Paused true pauses it, false goes on with it.
	Paused bool `json:"paused"`
}

// PausedRecording is the state of the recording of a live call.
type PausedRecording struct {
	// ID is the call's.
	ID     string `json:"id"`
	Paused bool   `json:"paused"`
}

const (
	// WAV asks for a recording as it is stored.
	WAV = "audio/wav"
	// MP3 asks for a recording as MP3, which servers without lame answer as WAV.
	MP3 = "audio/mpeg"
)

// SignalMessage is one SIP message of a call, without its secrets.
type SignalMessage struct {
	// At is when it was sent or came.
	At time.Time `json:"at"`
	// Direction is sent or received, seen from the server.
	Direction string `json:"direction"`
	// Local and Remote are the server's and the other end's address, with ports.
	Local  string `json:"local"`
	Remote string `json:"remote"`
	// Transport is UDP, TCP or TLS.
	Transport string `json:"transport"`
	// Text is the message.
	Text string `json:"text"`
}

// Ladder is the signalling of a call.
type Ladder struct {
	// Messages are in the order of time.
	Messages []SignalMessage `json:"messages"`
	// Dropped is how many later messages were not kept.
	Dropped int `json:"dropped"`
}

// Ladder returns the SIP messages of a call.
func (s Calls) Ladder(ctx context.Context, id string) (Ladder, error) {
	var out Ladder
	err := s.c.get(ctx, s.path+"/"+url.PathEscape(id)+"/ladder", nil, &out)
	return out, err
}

// SilenceStages are how many milliseconds of a silence each stage made: whom or what the
// call waited for.
type SilenceStages struct {
	// Caller: the caller was to speak.
	Caller float64 `json:"caller,omitempty"`
	// EndpointWait: the caller might have gone on.
	EndpointWait float64 `json:"endpoint_wait,omitempty"`
	// Recogniser: the wait was over and the words were not there.
	Recogniser float64 `json:"recogniser,omitempty"`
	// Model: the language model had given nothing to say.
	Model float64 `json:"model,omitempty"`
	// Voice: there was something to say and no sound of it.
	Voice float64 `json:"voice,omitempty"`
	// Action: an action of the agent ran.
	Action float64 `json:"action,omitempty"`
	// VendorFailure: waiting for somebody who then failed.
	VendorFailure float64 `json:"vendor_failure,omitempty"`
	// Playout: there was sound and its first packet was not sent.
	Playout float64 `json:"playout,omitempty"`
	// Restart: the process that held the call had died and no other one went on with it.
	Restart float64 `json:"restart,omitempty"`
}

// Turn is what one turn of a call took: the caller's words, and what the agent said after
// them. Times are in milliseconds and count from the last voiced sample of the caller
// unless they say otherwise; nil: not measured.
type Turn struct {
	// Number counts from 1.
	Number int `json:"number"`
	// Kind is reply, unasked (the agent speaks by itself) or unanswered.
	Kind string `json:"kind"`
	// FromMS and ToMS are when it began and was over, since the answer.
	FromMS float64 `json:"from_ms"`
	ToMS   float64 `json:"to_ms"`
	// Rule chose the wait.
	Rule string `json:"rule,omitempty"`
	// WaitMS is how long it was waited for more words; a length.
	WaitMS *float64 `json:"wait_ms,omitempty"`
	// FinalMS is when the recogniser had given its last words.
	FinalMS *float64 `json:"final_ms,omitempty"`
	// CommitMS is when the caller's turn was over.
	CommitMS *float64 `json:"commit_ms,omitempty"`
	// ModelFirstMS is when the model's first text came.
	ModelFirstMS *float64 `json:"model_first_ms,omitempty"`
	// SayMS is when the first sentence went to the voice.
	SayMS *float64 `json:"say_ms,omitempty"`
	// GapMS is when the first audible packet was sent: what the caller waits.
	GapMS *float64 `json:"gap_ms,omitempty"`
	// Interrupted says that the caller cut the agent off, BargeInMS when the agent was
	// silent, counted from the caller's first voiced sample.
	Interrupted bool     `json:"interrupted,omitempty"`
	BargeInMS   *float64 `json:"barge_in_ms,omitempty"`
	// SilenceMS is how long neither side made a sound, Stages what that was made of.
	SilenceMS float64       `json:"silence_ms"`
	Stages    SilenceStages `json:"stages"`
	// Vendors is who served the recogniser, the model and the voice.
	Vendors map[string]string `json:"vendors,omitempty"`
}

// Turns are what the turns of a call took.
type Turns struct {
	// Turns are those that are over, in order.
	Turns []Turn `json:"turns"`
	// SilenceMS and Stages are sums of all turns.
	SilenceMS float64       `json:"silence_ms"`
	Stages    SilenceStages `json:"stages"`
}

// Turns returns what the turns of a call took, as far as they are over.
func (s Calls) Turns(ctx context.Context, id string) (Turns, error) {
	var out Turns
	err := s.c.get(ctx, s.path+"/"+url.PathEscape(id)+"/turns", nil, &out)
	return out, err
}

// PCAP writes the SIP messages of a call to w, and the packets of its sound where the
// server keeps them, as a capture file.
func (s Calls) PCAP(ctx context.Context, id string, w io.Writer) error {
	res, err := s.c.send(ctx, request{method: http.MethodGet, path: s.path + "/" + url.PathEscape(id) + "/pcap",
		header: http.Header{"Accept": {"application/vnd.tcpdump.pcap"}}})
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, res.Body)
	return err
}

// Journal writes the journal of a call to w.
func (s Calls) Journal(ctx context.Context, id string, w io.Writer) error {
	res, err := s.c.send(ctx, request{method: http.MethodGet, path: s.path + "/" + url.PathEscape(id) + "/journal",
		header: http.Header{"Accept": {"text/plain"}}})
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, res.Body)
	return err
}

const (
	// CSV asks for an export for spreadsheets.
	CSV = "csv"
	// JSONLines asks for an export with a JSON object a line.
	JSONLines = "jsonl"
)

// Export writes the calls that a query selects to w, all of them, in a format (CSV or
// JSONLines). Of the query, order and filters count. After an error what was written is not
// all.
func (s Calls) Export(ctx context.Context, format string, q Query, w io.Writer) error {
	query := Query{SortColumn: q.SortColumn, SortDesc: q.SortDesc, Filters: q.Filters}.values()
	query.Set("format", format)
	res, err := s.c.send(ctx, request{method: http.MethodGet, path: s.path + "/export", query: query,
		header: http.Header{"Accept": {"text/csv, application/x-ndjson"}}})
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, res.Body)
	return err
}

// Recording writes the stereo recording of a call to w: the caller left, the
// agent right. It asks for the media type (WAV or MP3) and returns the one that
// came.
func (s Calls) Recording(ctx context.Context, id, mediaType string, w io.Writer) (string, error) {
	r := request{method: http.MethodGet, path: s.path + "/recording", query: byID(id), header: http.Header{"Accept": {mediaType}}}
	res, err := s.c.send(ctx, r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, res.Body)
	return res.Header.Get("Content-Type"), err
}
