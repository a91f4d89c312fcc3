package telephony

import "fmt"

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// Errors that legs and number shops return.
const (
	// ErrGone says that the call is over.
	ErrGone Error = "call is over"
	// ErrSlow says that the far end does not read and the frame was dropped.
	ErrSlow Error = "far end does not read"
	// ErrTaken says that a number is no longer for sale.
	ErrTaken Error = "number is taken"
	// ErrUnconfirmed says that the far end has not confirmed that a call is over.
	ErrUnconfirmed Error = "the far end has not confirmed that the call is over"
	// ErrUnacknowledged is ErrUnconfirmed of a far end that has not even acknowledged
	// that the call was answered; it is hung up when it has, or will not any more.
	ErrUnacknowledged Error = "the far end has not acknowledged that the call was answered, so it is not told yet that the call is over"
)

// Cause is why a call ended or was refused. Drivers map it to their own
// vocabulary (a SIP status, a hang-up reason) in one table.
type Cause uint8

// The causes.
const (
	// CauseNormal is an ordinary hang-up.
	CauseNormal Cause = iota
	// CauseUnknownNumber refuses: nobody owns the number (SIP 404).
	CauseUnknownNumber
	// CauseUnavailable refuses: no agent, inactive or outbound-only (480).
	CauseUnavailable
	// CauseBusy refuses: the number's own limit is reached (486).
	CauseBusy
	// CauseOverload refuses: node full, draining or store down (503).
	CauseOverload
	// CauseDeclined refuses: the callee does not want the call (603).
	CauseDeclined
	// CauseCancelled says that the caller gave up while it rang (487).
	CauseCancelled
	// CauseNoAnswer says that nobody answered in time (408 or 480).
	CauseNoAnswer
	// CauseFarEndGone ended the call because its far end no longer has it: it says
	// so, or nothing comes and it answers nothing.
	CauseFarEndGone
	// CauseSessionTimeout ended the call because the session timer ran out.
	CauseSessionTimeout
	// CauseNotAcceptable refuses: no common codec or only SRTP (488).
	CauseNotAcceptable
	// CauseFailure is our own failure (500).
	CauseFailure
	// CauseUnauthorised says that the far end refused our credentials.
	CauseUnauthorised
)

// String returns the cause as it appears in logs and events.
func (c Cause) String() string {
	names := [...]string{"normal", "unknown_number", "unavailable", "busy", "overload", "declined",
		"cancelled", "no_answer", "far_end_gone", "session_timeout", "not_acceptable", "failure", "unauthorised"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("cause(%d)", c)
}

// Refusal refuses a call with a cause and the words a human reads in the
// Reason header.
type Refusal struct {
	// Cause selects the status.
	Cause Cause
	// Reason is a short sentence for people.
	Reason string
}

// Error returns the reason and the cause.
func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Reason, r.Cause) }

// DialError is a call that was not answered.
type DialError struct {
	// Cause classifies the failure.
	Cause Cause
	// Status is the carrier's own code (a SIP status), 0 when none came.
	Status int
	// Sent says that the attempt reached the network: it must not be repeated
	// without asking the carrier.
	Sent bool
	// Err is the underlying error, may be nil.
	Err error
	// Tries are the places where the call was tried, in order.
	Tries []Try
	// RedirectedTo is the number to which the far end redirected the call, and that was
	// called too; empty: none was.
	RedirectedTo string
}

// Try is a place where a driver tried to place a call.
type Try struct {
	// Target is the place: a transport, an address, and the name it has.
	Target string
	// Left says why the driver went on from it, or gave the call up there; empty
	// where the call was answered.
	Left string
}

// Error names the cause and the status.
func (e *DialError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("dial: %s (status %d): %v", e.Cause, e.Status, e.Err)
	}
	return fmt.Sprintf("dial: %s (status %d)", e.Cause, e.Status)
}

// Unwrap returns the underlying error.
func (e *DialError) Unwrap() error { return e.Err }
