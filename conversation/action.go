package conversation

import "time"

// Action is what a Machine must know of a tool that the model can call, beside its name.
// The zero value of everything else is a tool that runs at once and whose result the
// model is told.
type Action struct {
	// Name is the tool's, as ToolCall has it.
	Name string
	// AfterSpeech says that it runs when the words before it in its answer were heard. A
	// caller who interrupts them withdraws it.
	AfterSpeech bool
	// Repeatable says that it may run again with the same arguments, also soon.
	Repeatable bool
	// Muted says that the caller's words wait while it runs: they become a turn together
	// with the result. Otherwise they are answered at once.
	Muted bool
	// SaysFirst says that the argument user_message is spoken before it runs, and that it
	// runs when that was heard.
	SaysFirst bool
	// OnSend are sentences, one of which is spoken before it runs.
	OnSend []string
	// Waiting are sentences, one of which is spoken when there is no result after
	// WaitingAfter; 0 means that the machine's own filler serves.
	Waiting      []string
	WaitingAfter time.Duration
	// OnDone are sentences, one of which is spoken when it succeeded, instead of an answer
	// of the model's.
	OnDone []string
	// Silent says that its result is put into history and nothing is said because of it.
	Silent bool
	// OnFailure are sentences, one of which is spoken when it failed, instead of an answer
	// of the model's.
	OnFailure []string
	// Claims are words in the call's language, such as "booked". A sentence of the model's
	// that has one claims the action's effect.
	Claims []string
	// Otherwise is spoken instead of such a sentence when no run of it succeeded.
	Otherwise string
	// Phrases start it when the agent says one of them.
	Phrases []string
}
