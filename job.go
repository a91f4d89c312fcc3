package sidetone

// DialJob wakes up the worker that carries out a DialIntent. It names the row;
// the row is the record.
type DialJob struct {
	EnvironmentID string
	IntentID      string
}

// Kind names the job type.
func (DialJob) Kind() string { return "dial" }
