package sidetone

import "time"

// RefusedCall is an incoming call from an admitted source that was refused, or
// several alike.
type RefusedCall struct {
	ID string
	// EnvironmentID is whose number was called; "" when it is nobody's.
	EnvironmentID string
	// Trunk is the trunk that the call came by; "" is the local one.
	Trunk string
	// Source is the address that it came from, CarrierID the carrier's id of it.
	Source, CarrierID string
	// FromNumber and ToNumber are what the trunk sent.
	FromNumber, ToNumber string
	// Number is the number of ours that was called, E.164; "" when none was found.
	Number string
	// Tried are the numbers, E.164, that were looked for.
	Tried []string
	// Cause is why it was refused, as in the events of calls; Reason says it for
	// people.
	Cause, Reason string
	// Exchange are the messages of the first of them, without secrets and bounded; of
	// calls to numbers of ours it is empty, for these have a ladder.
	Exchange []SignalMessage
	// Count is how many calls the row stands for.
	Count int
	// Created is when the first of them came, Last the last.
	Created, Last time.Time
	Version       int64
}

// Signalling is what the signalling of a call said besides the numbers. Nothing of
// it was checked.
type Signalling struct {
	// Said are the values of headers that the trunk's settings list, by variable: the
	// words of the caller's side, which the call's context has, too.
	Said map[string]string `json:"said,omitempty"`
	// Attestation says who vouches for the caller's number, by header.
	Attestation map[string]string `json:"attestation,omitempty"`
	// Parts are those of the INVITE's body besides the session description.
	Parts []BodyPart `json:"parts,omitempty"`
}

// BodyPart is a part of an INVITE's body.
type BodyPart struct {
	// Type is its Content-Type.
	Type string `json:"type"`
	// Content is the part, in base64 when Encoding says so.
	Content  string `json:"content"`
	Encoding string `json:"encoding,omitempty"`
	// Truncated says that there was more.
	Truncated bool `json:"truncated,omitempty"`
}

// Empty says that there was nothing.
func (s Signalling) Empty() bool {
	return len(s.Said) == 0 && len(s.Attestation) == 0 && len(s.Parts) == 0
}
