package sidetone

import "time"

// Job wakes up whoever carries out one kind of work. It names a row; the row is
// the record of what is to be done and whether it was. A job is stored as JSON.
type Job interface {
	// Kind names the kind of work, the same for every job of a type.
	Kind() string
}

// DialJob wakes up whoever carries out a DialIntent. Besides the row it names
// what decides when its turn comes; they never change.
type DialJob struct {
	EnvironmentID string
	IntentID      string
	// Provider, ConnectionID, FromNumber and AgentNumber are the call's: they tell the
	// trunk.
	Provider     string
	ConnectionID string
	FromNumber   string
	AgentNumber  string
	// NotAfter is when the call is not placed any more; zero: never.
	NotAfter time.Time
}

// Kind names the job type.
func (DialJob) Kind() string { return "dial" }
