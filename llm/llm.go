// Package llm is the contract for language models.
package llm

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// Driver generates answers. Generate may be called concurrently.
type Driver interface {
	// Generate streams one answer. The stream ends after a Delta with Done, or
	// with an error as its last pair. Leaving the loop or ending ctx stops the
	// generation; nothing keeps running after the iterator returned.
	Generate(ctx context.Context, r Request) iter.Seq2[Delta, error]
}

// Attendant is implemented by drivers that follow a call by themselves, such as one
// that a program of the customer's stands behind. Their methods do not wait. Their answers
// may call send_digits, which no Request lists.
type Attendant interface {
	// Attend is called once, when the call was answered. wake is called, from any
	// goroutine, when there is something to say that nobody asked for: a Generate
	// without new words returns it. An error says that the driver cannot follow the
	// call.
	Attend(wake func(error))
	// Press tells of a key that the caller pressed: 0-9, * or #. A message of the
	// caller's names it later too.
	Press(key rune)
	// Interrupted tells of an assistant message that was cut off: text is what was
	// heard of it, and length how much of its sound. A message says so later too.
	Interrupted(text string, length time.Duration)
}

// Warmer is an optional interface of drivers that can connect before they are asked.
type Warmer interface {
	// Warm opens what the first Generate needs, sends nothing of a conversation and
	// costs nothing. It returns when that is done or has failed, which does not matter,
	// at the latest when ctx ends. It may be called concurrently with Generate.
	Warm(ctx context.Context)
}

// Selective is a Driver that does not take all that a Request says.
type Selective interface {
	// TakesTemperature says whether a model does; "" is the driver's default.
	TakesTemperature(model string) bool
	// TakesModel says whether a request may choose one.
	TakesModel() bool
}

// Role is who said a message.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

const (
	// FailedResult is what the text of a ToolRole message begins with when the
	// tool has failed.
	FailedResult = "failed: "
	// PendingResult is that text while the tool is still running.
	PendingResult = "in progress"
	// KeysPressed is what comes before the keys, separated by blanks, in the text of a
	// User message.
	KeysPressed = "keys pressed: "
)

// Request asks for the next assistant message.
type Request struct {
	// Model names the vendor's model; "" means the driver's default.
	Model string
	// Messages is the conversation, system prompt first.
	Messages []Message
	// Tools lists what the model may call.
	Tools []Tool
	// Temperature is 0 to 1. It is sent to all models that take one, 0 too: that is what
	// agents have that name none.
	Temperature float64
	// MaxTokens bounds the answer; 0 means the driver's default.
	MaxTokens int
	// Seed identifies the call, so that deterministic drivers can vary between
	// calls and repeat within one.
	Seed string
}

// Message is one entry of the conversation.
type Message struct {
	Role Role
	// Text is what was said. Of an interrupted assistant message it is only
	// what was heard.
	Text string
	// Interrupted marks an assistant message that was cut off; HeardFor is how much of
	// its sound was heard.
	Interrupted bool
	HeardFor    time.Duration
	// CallID names the tool call that a ToolRole message answers.
	CallID string
	// Calls are the tool calls an assistant message made.
	Calls []ToolCall
}

// Tool describes something the model may call.
type Tool struct {
	// Name is unique in the request: letters, digits and underscores.
	Name string
	// Description is for the model.
	Description string
	// Schema is the JSON Schema of the arguments.
	Schema json.RawMessage
}

// ToolCall is a complete call the model made.
type ToolCall struct {
	ID, Name string
	// Args is the JSON object of arguments, as the model wrote it; it may be
	// malformed.
	Args json.RawMessage
}

// Delta is a piece of an answer.
type Delta struct {
	// Text continues the answer. Protected says that the caller cannot interrupt it
	// from here on.
	Text      string
	Protected bool
	// Call, when not nil, is one complete tool call.
	Call *ToolCall
	// Done, when not nil, ends the answer.
	Done *Usage
	// Silent, beside Done, says that the answer is to say nothing. Without it an empty
	// answer is a failure of the model.
	Silent bool
	// Note, when not nil, is for the record of the call. It is no part of the answer.
	Note *Note
}

// Note is something that whoever answers did, or wanted and did not get.
type Note struct {
	// Action names what was done, and Text its result; a failure begins with
	// FailedResult. Without an Action, Text says what was not done.
	Action, Text string
}

// Usage counts tokens.
type Usage struct{ In, Cached, Out int }

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ErrNoModel says that an agent has nothing to think with.
const ErrNoModel Error = "no language model is configured"
