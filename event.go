package sidetone

import "time"

// Event is an entry of a call's record, in order of Sequence.
type Event struct {
	CallID        string
	EnvironmentID string
	// Sequence counts from 1 within the call.
	Sequence int64
	// Kind is one of the EventKind constants.
	Kind EventKind
	// At is when it happened; Offset the same since the answer.
	At     time.Time
	Offset time.Duration
	// Text is what was said or happened.
	Text string
	// Data is a JSON object of further members.
	Data []byte
}

// EventKind classifies an Event.
type EventKind string

// The kinds of events.
const (
	EventRinging     EventKind = "ringing"
	EventConnected   EventKind = "connected"
	EventCaller      EventKind = "caller"
	EventAgent       EventKind = "agent"
	EventIgnored     EventKind = "ignored"
	EventPaused      EventKind = "paused"
	EventResumed     EventKind = "resumed"
	EventInterrupted EventKind = "interrupted"
	EventTurn        EventKind = "turn"
	EventMeasured    EventKind = "measured"
	EventAction      EventKind = "action"
	// EventTransfer tells of somebody who is to take the agent's place.
	EventTransfer EventKind = "transfer"
	EventDigits   EventKind = "digits"
	// EventDisclosed: the caller has heard, to its last word, that the agent is a machine.
	EventDisclosed EventKind = "ai_disclosed"
	// EventCollected: a field has a value. The text is its name.
	EventCollected EventKind = "collected"
	// EventRecordingPaused and EventRecordingResumed: both sides of the recording are
	// silent between them.
	EventRecordingPaused  EventKind = "recording_paused"
	EventRecordingResumed EventKind = "recording_resumed"
	EventRestarted        EventKind = "restarted"
	EventError            EventKind = "error"
	EventLine             EventKind = "line_quality"
	EventEnded            EventKind = "ended"
)
