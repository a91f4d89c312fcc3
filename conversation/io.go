package conversation

import "time"

// Input is something that happened; Machine.Step takes one at a time.
type Input interface{ input() }

// MediaStarted says that sound flows both ways, or that a second passed
// without any.
type MediaStarted struct{}

// SpeechStarted is the voice detector's start of a burst. Ago is how long
// before now its first voiced sample was.
type SpeechStarted struct{ Ago time.Duration }

// SpeechEnded is the end of a burst. Ago is how long before now its last
// voiced sample was; Length is the burst's voiced length.
type SpeechEnded struct{ Ago, Length time.Duration }

// Heard is a recogniser's text. Final text is stable; Flushed marks the answer
// to a Finalize (its Text may be empty). Ago is how long before now the words
// ended, when the recogniser knows, else zero.
type Heard struct {
	Text    string
	Final   bool
	Flushed bool
	Ago     time.Duration
}

// TurnYielded says that the caller ended the turn explicitly (TTY "GA", or the
// recogniser's own end of turn).
type TurnYielded struct{}

// CallerLeaves says that the caller ends the call explicitly (TTY "SK").
type CallerLeaves struct{}

// Digit is a pressed key.
type Digit struct{ Key rune }

// ModelText continues the model's answer of generation Gen.
type ModelText struct {
	Gen  uint64
	Text string
}

// ModelCall is a complete tool call of generation Gen. Args is a JSON object as
// the model wrote it.
type ModelCall struct {
	Gen            uint64
	ID, Name, Args string
}

// ModelDone ends the answer of generation Gen.
type ModelDone struct{ Gen uint64 }

// ModelFailed ends the answer of generation Gen without success.
type ModelFailed struct {
	Gen    uint64
	Reason string
}

// Word is a spoken word of an utterance: byte offsets into the Say's text, and
// the position in the utterance's sound at which its last sample ends.
type Word struct {
	Start, End int
	From, To   time.Duration
}

// Voiced reports sound that the synthesiser delivered for utterance Utt: Total
// is all sound so far, Words the words whose sound ended in it. Done marks the
// end of the utterance's sound.
type Voiced struct {
	Utt   uint64
	Words []Word
	Total time.Duration
	Done  bool
}

// VoiceFailed says that the synthesiser gave up on utterance Utt, before or
// after some sound of it.
type VoiceFailed struct {
	Utt    uint64
	Reason string
}

// Audible says that the first frame of utterance Utt was accepted by the leg.
type Audible struct{ Utt uint64 }

// Played says that the last sample of utterance Utt was played.
type Played struct{ Utt uint64 }

// Stopped answers PausePlayout and StopPlayout: At is how much of utterance
// Utt's sound the far end has heard. Utt 0 means that nothing was playing:
// what had become audible before was played to its end. Stopped is wanted
// before HungUp when both are known; without it the machine credits what its
// own clock proves.
type Stopped struct {
	Utt uint64
	At  time.Duration
}

// Held says that the far end put us on hold.
type Held struct{}

// Unheld is the counterpart of Held.
type Unheld struct{}

// HungUp says that the leg is over. Remote: the far end ended it. Reason is a
// telephony cause.
type HungUp struct {
	Remote bool
	Reason string
}

// Command is a wish from the API.
type Command struct {
	// Verb is "end" or "say".
	Verb string
	// Text is what to say.
	Text string
}

// ToolDone is the result of tool call ID. Result is JSON or text for the model.
type ToolDone struct {
	ID, Result string
	Failed     bool
}

// RecogniserLost says that the recogniser failed and could not be reopened.
type RecogniserLost struct{ Reason string }

// TimerFired says that the timer armed with this name and epoch is due.
type TimerFired struct {
	Name  Timer
	Epoch uint64
}

func (MediaStarted) input()   {}
func (SpeechStarted) input()  {}
func (SpeechEnded) input()    {}
func (Heard) input()          {}
func (TurnYielded) input()    {}
func (CallerLeaves) input()   {}
func (Digit) input()          {}
func (ModelText) input()      {}
func (ModelCall) input()      {}
func (ModelDone) input()      {}
func (ModelFailed) input()    {}
func (Voiced) input()         {}
func (VoiceFailed) input()    {}
func (Audible) input()        {}
func (Played) input()         {}
func (Stopped) input()        {}
func (Held) input()           {}
func (Unheld) input()         {}
func (HungUp) input()         {}
func (Command) input()        {}
func (ToolDone) input()       {}
func (RecogniserLost) input() {}
func (TimerFired) input()     {}

// Output is a wish of the machine; the session carries outputs out in order.
type Output interface{ output() }

// AskModel starts generation Gen over the history. The session answers with
// ModelText, ModelCall and ModelDone or ModelFailed, all carrying Gen.
type AskModel struct {
	Gen      uint64
	Messages []Message
	// Hedge asks the fallback model beside the running one: the same Gen, and
	// the session passes on the events of whichever speaks first.
	Hedge bool
	// NoTools forbids further tool calls: the chain was long enough.
	NoTools bool
}

// CancelModel stops generation Gen; later results of it are dropped.
type CancelModel struct{ Gen uint64 }

// Say synthesises and queues utterance Utt behind what is already queued.
// Cached utterances (greeting, prompts, apology) may come from a phrase cache.
type Say struct {
	Utt    uint64
	Gen    uint64
	Text   string
	Cached bool
	// Ahead, when not zero, is an utterance whose synthesis is under way and goes
	// on: this one is made beside it and queued before it, or not at all when it
	// has sound already. The machine takes it back with Unsay in that case.
	Ahead uint64
}

// Unsay drops utterance Utt, whose synthesis is cancelled. The others go on.
type Unsay struct{ Utt uint64 }

// PausePlayout stops sending at once, also when the first frame is still to
// come; the session answers with Stopped. Sound that is delivered meanwhile is
// queued.
type PausePlayout struct{}

// ResumePlayout goes on with utterance Utt from position At of its sound, with
// a 20 ms fade in. Utt 0 means that nothing is left of what was paused: the
// session only leaves the pause.
type ResumePlayout struct {
	Utt uint64
	At  time.Duration
}

// StopPlayout drops everything queued, clears the leg, cancels synthesis and
// ends a pause; the session answers with Stopped. What is said after it plays.
type StopPlayout struct{}

// FinalizeSpeech asks the recogniser for the final of what was heard so far.
type FinalizeSpeech struct{}

// ResetDetector forces the voice detector back to silence.
type ResetDetector struct{}

// Arm asks for TimerFired{Name, Epoch} at time At. Arming a name replaces the
// timer of that name.
type Arm struct {
	Name  Timer
	Epoch uint64
	At    time.Duration
}

// Disarm cancels the timer of that name.
type Disarm struct{ Name Timer }

// RunTool runs a tool call of the model; the session answers with ToolDone.
type RunTool struct{ ID, Name, Args string }

// Hangup ends the call from our side. Reason is for the record:
// "goodbye", "idle", "max_duration", "api", "error".
type Hangup struct{ Reason string }

// Note is an entry of the call's record and of its event stream.
type Note struct {
	// Kind is one of the NoteKind constants.
	Kind NoteKind
	// Text is what was said or happened.
	Text string
	// Said is, on agent messages, the whole text of which Text was heard.
	Said string
	// Interrupted marks an agent message that was cut off.
	Interrupted bool
	// Continues marks caller words that continue the caller turn before: they
	// came before its answer was audible, and the model sees one turn.
	Continues bool
	// Values carries measured figures of a turn by name, in milliseconds since
	// the caller's last voiced sample: wait_ms (the wait that was applied),
	// final_ms, commit_ms, model_first_ms, say_ms and gap_ms (first audible
	// frame of the answer).
	Values map[string]float64
}

// NoteKind classifies a Note.
type NoteKind string

// The kinds of notes.
const (
	// NoteCaller is a committed caller turn.
	NoteCaller NoteKind = "caller"
	// NoteAgent is what the caller heard of an agent message.
	NoteAgent NoteKind = "agent"
	// NoteIgnored is caller speech that was judged a backchannel.
	NoteIgnored NoteKind = "ignored"
	// NotePaused and NoteResumed frame a suspected interruption.
	NotePaused NoteKind = "paused"
	// NoteResumed is the counterpart of NotePaused.
	NoteResumed NoteKind = "resumed"
	// NoteInterrupted is a confirmed interruption.
	NoteInterrupted NoteKind = "interrupted"
	// NoteTurn carries the figures of a turn once the answer is audible; Text is
	// the rule that chose the wait.
	NoteTurn NoteKind = "turn"
	// NoteAction is an action taken.
	NoteAction NoteKind = "action"
	// NoteDigits are keys the caller pressed.
	NoteDigits NoteKind = "digits"
	// NoteError is a failure the call survived or died of.
	NoteError NoteKind = "error"
)

func (AskModel) output()       {}
func (CancelModel) output()    {}
func (Say) output()            {}
func (Unsay) output()          {}
func (PausePlayout) output()   {}
func (ResumePlayout) output()  {}
func (StopPlayout) output()    {}
func (FinalizeSpeech) output() {}
func (ResetDetector) output()  {}
func (Arm) output()            {}
func (Disarm) output()         {}
func (RunTool) output()        {}
func (Hangup) output()         {}
func (Note) output()           {}

// Role is who said a Message.
type Role string

// The roles.
const (
	// User is the caller.
	User Role = "user"
	// Assistant is the agent.
	Assistant Role = "assistant"
	// ToolRole is the result of a tool.
	ToolRole Role = "tool"
)

// ToolCall is a tool call the model made.
type ToolCall struct{ ID, Name, Args string }

// Message is an entry of the history as the model sees it. The system prompt is
// not part of it: the session puts it in front.
type Message struct {
	Role        Role
	Text        string
	Interrupted bool
	// CallID names, on a ToolRole message, the call it answers.
	CallID string
	// Calls are the tool calls of an Assistant message.
	Calls []ToolCall
}
