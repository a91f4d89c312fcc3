package sidetone

import (
	"slices"
	"time"
)

// CallStatus is how far a call has come.
type CallStatus string

// The statuses; they only move forward.
const (
	CallNotStarted CallStatus = "not_started"
	CallInProgress CallStatus = "in_progress"
	CallError      CallStatus = "error"
	CallEnded      CallStatus = "ended"
)

// Terminal reports whether the status never changes again.
func (s CallStatus) Terminal() bool { return s == CallError || s == CallEnded }

// CallStage is what the carrier's side has reached.
type CallStage string

// The stages.
const (
	StageCreated            CallStage = "created"
	StagePickedUp           CallStage = "picked_up"
	StageTransferStarted    CallStage = "transfer_started"
	StageTransferSuccessful CallStage = "transfer_successful"
)

// StageOutcome is how a call ended.
type StageOutcome string

// The outcomes.
const (
	OutcomeHumanUnanswered   StageOutcome = "human_unanswered"
	OutcomeDidNotConnect     StageOutcome = "call_did_not_connect"
	OutcomeHumanDisconnected StageOutcome = "human_disconnected"
	OutcomeBotDisconnected   StageOutcome = "bot_disconnected"
	// The caller left while somebody else was being fetched, or after talking to them.
	OutcomeTransferUnanswered   StageOutcome = "transfer_unanswered"
	OutcomeTransferDisconnected StageOutcome = "transfer_disconnected"
)

// Call is one phone call.
type Call struct {
	ID            string
	EnvironmentID string
	Status        CallStatus
	Stage         CallStage
	Outcome       StageOutcome
	// Outgoing says that we placed it.
	Outgoing   bool
	FromNumber string
	ToNumber   string
	// AgentNumber is our number on the call.
	AgentNumber string
	AgentID     string
	Provider    string
	// ConnectionID names the trunk or carrier account.
	ConnectionID string
	// CarrierID is the carrier's id of the call (SIP Call-ID).
	CarrierID string
	// Snapshot is the agent, prompt, voice and actions it ran with.
	Snapshot Snapshot
	// Context fills placeholders, a JSON object; Params go to the carrier.
	Context []byte
	Params  []byte
	// OnNoHuman is continue or hangup.
	OnNoHuman    string
	HIPAA        bool
	RunDoNotCall bool
	// HumanDetection is human or no_human; "" when that is not known.
	HumanDetection string
	// DoNotCall is yes when the person asked not to be called again, no when
	// not; "" when that is not known.
	DoNotCall string
	// HeadersOut are the headers that it is placed with.
	HeadersOut map[string]string
	// Signalling is what the caller's signalling said.
	Signalling Signalling
	// Metadata is what the carrier or whoever placed the call says about it, a
	// JSON object.
	Metadata []byte
	// RecordingPath is the WAV file; "" when none was made.
	RecordingPath string
	// Transcript is written when the call ends.
	Transcript string
	// Used is what vendors were used for, known when the call ends; an analysis after it
	// adds to it.
	Used []Used
	// Insights are what was found out after the call; nil when nothing was to be.
	Insights *Insights
	// Line is how good the line was, known when the call ends; nil when it is not.
	Line *LineQuality
	// ErrorMessage and Errors say what went wrong.
	ErrorMessage string
	Errors       []string
	// EndReason is our own precise reason: hangup, goodbye, idle, api, ...
	EndReason string
	// RefusedCount is how many calls to one number were refused that this row
	// stands for; 0 of a call that was not refused.
	RefusedCount int
	Created      time.Time
	// Started is when it was answered, Ended when it was over; zero until then.
	Started, Ended time.Time
	// Node and Lease say who runs it and until when that is believed.
	Node  string
	Lease time.Time
	// Deaths is how many processes have died that ran it.
	Deaths int64
	// Dialogs are its legs as their driver needs them to take them up or to hang them up
	// when the node is gone, one text each, which may hold keys. They are stored with a
	// call that has some, and read by Store.TakeOver only.
	Dialogs []string
	Version int64
}

// Ending is the wish that a call ends.
type Ending struct {
	CallID string
	// HeadersOut are all headers of the call towards its carrier; what of them has a
	// meaning there goes with the hang-up.
	HeadersOut map[string]string
}

// CallResult is what is known once a call is over; it is stored together with
// the terminal event.
type CallResult struct {
	Status CallStatus
	// Stage is how far the call came; "" leaves what is stored.
	Stage         CallStage
	Outcome       StageOutcome
	EndReason     string
	ErrorMessage  string
	Errors        []string
	Transcript    string
	Used          []Used
	Line          *LineQuality
	RecordingPath string
	Ended         time.Time
}

// Used is what one vendor was used for in a call, for one part of it.
type Used struct {
	// Part is recogniser, which gets the caller's sound; model, which gets the
	// conversation as text; or voice, which gets what the agent says as text.
	Part string
	// Vendor is its name; "local" for what the server has itself.
	Vendor string
	// Account is who pays: the id of a connection, "agent" for a key of the agent's
	// own, "server"; "" for nobody.
	Account string
	// Hosts are those that were sent it; none when it did not leave the machine.
	Hosts []string
	// Requests is how many requests, utterances or streams there were.
	Requests int64
	// Units is what was counted, by unit, such as "input_tokens" or "audio_seconds".
	Units map[string]float64
}

// AddUsed adds to a list, or to the entry of the same part and account: two models of one
// vendor are one entry.
func AddUsed(all []Used, u Used) []Used {
	i := slices.IndexFunc(all, func(o Used) bool {
		return o.Part == u.Part && o.Vendor == u.Vendor && o.Account == u.Account
	})
	if i < 0 {
		return append(all, u)
	}
	sum := &all[i]
	sum.Requests += u.Requests
	for _, host := range u.Hosts {
		if !slices.Contains(sum.Hosts, host) {
			sum.Hosts = append(sum.Hosts, host)
		}
	}
	if sum.Units == nil {
		sum.Units = u.Units
		return all
	}
	for unit, n := range u.Units {
		sum.Units[unit] += n
	}
	return all
}

// Snapshot is the configuration a call runs with. In a call that is read its
// secrets are stars; the store hands them out, until the call is over, only with
// the claim to dial it.
type Snapshot struct {
	Agent  Agent
	Prompt Prompt
	Voice  Voice
	// Actions are in the agent's order.
	Actions []Action
	// Webhook, VectorDatabase and ModelAccount are nil when the agent has none.
	Webhook        *Webhook
	VectorDatabase *VectorDatabase
	ModelAccount   *Connection
}

// DialIntent is the durable wish to place a call. It is attempted at most once.
type DialIntent struct {
	ID            string
	EnvironmentID string
	CallID        string
	// State is planned, dialling, done, failed or unknown.
	State string
	// Fence grows with every claim; a stale claimer's write misses.
	Fence    int64
	NotAfter time.Time
	Created  time.Time
}
