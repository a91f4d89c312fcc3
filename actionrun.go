package sidetone

import "time"

// RunState is what is known of a run of an action.
type RunState string

// The states of a run.
const (
	// RunBegun: it is being run, or its process died and nobody has looked since.
	RunBegun RunState = "begun"
	// RunSucceeded and RunFailed: it was done, and it was not done.
	RunSucceeded RunState = "succeeded"
	RunFailed    RunState = "failed"
	// RunUnknown: it was begun, and nobody knows whether it was done.
	RunUnknown RunState = "unknown"
)

// ActionRun is one run of an action that does something outside of the server. Its row is
// there before anything is sent, and says what came of it before anybody is told.
type ActionRun struct {
	// ID is the key of the run, which whoever does it gets with the request.
	ID            string
	EnvironmentID string
	CallID        string
	ActionID      string
	// Name is what the model calls the action, ToolID what it calls the run.
	Name, ToolID string
	// Digest stands for the name and the input: runs that ask for the same have the same.
	Digest string
	// Repeatable says that it may be done twice.
	Repeatable bool
	State      RunState
	// Result is what the model is told of it, as long as the call may go on; "" of calls
	// that may keep no text.
	Result  string
	Begun   time.Time
	Settled time.Time
	Version int64
}
