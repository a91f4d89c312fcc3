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

// Heard is a recogniser's text, in which digits and words are hidden (HiddenDigit) between
// Cover and Uncover. Final text is stable; Flushed marks the
// result of a FinalizeSpeech (its Text may be empty). Ago is how long before now the words
// ended, when the recogniser knows, else zero.
type Heard struct {
	Text    string
	Final   bool
	Flushed bool
	Ago     time.Duration
}

// TurnYielded says that the caller ended the turn: explicitly (TTY "GA"), or so a
// recogniser judges that knows ends of turns. A turn in which something is read out
// still gets its wait from the latter.
type TurnYielded struct{}

// TurnEnding says that the recogniser takes the turn for probably over. It starts
// a generation, with Config.Eager, and nothing else.
type TurnEnding struct{}

// TurnGoesOn takes a TurnEnding back.
type TurnGoesOn struct{}

// CallerLeaves says that the caller ends the call explicitly (TTY "SK").
type CallerLeaves struct{}

// Digit is a pressed key. Ref is not zero for a digit whose value is hidden, because it was
// pressed between Cover and Uncover: it is the number of HiddenDigit, and Key is HiddenKey.
type Digit struct {
	Key rune
	Ref uint64
}

// HiddenKey is the Key of a Digit whose value is hidden.
const HiddenKey = 'x'

// ModelText is more of the model's text in generation Gen. Protected says that the
// caller cannot interrupt the answer from here on. Held is for how long it was kept back
// because nothing could be said of it yet.
type ModelText struct {
	Gen       uint64
	Text      string
	Protected bool
	Held      time.Duration
}

// ModelWaits says that the model has something to say that nobody asked it for: it is
// asked as soon as nobody speaks. Keys that the caller is still pressing are given to
// it at once.
type ModelWaits struct{}

// ModelCall is a complete tool call of generation Gen. Args is a JSON object as
// the model wrote it. Unoffered says that the model was offered no such tool.
type ModelCall struct {
	Gen            uint64
	ID, Name, Args string
	Unoffered      bool
}

// ModelDone says that generation Gen is complete. Silent says that it is meant to
// have no text, also when it ends the call; otherwise one without text or a tool call
// is a failure.
type ModelDone struct {
	Gen    uint64
	Silent bool
}

// ModelFailed says that generation Gen ended without success. Hopeless says that the
// same request would fail again.
type ModelFailed struct {
	Gen      uint64
	Reason   string
	Hopeless bool
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
// after some sound of it. Hopeless says that the same request would fail again.
type VoiceFailed struct {
	Utt      uint64
	Reason   string
	Hopeless bool
}

// Audible says that the first frame of utterance Utt was accepted by the leg.
type Audible struct{ Utt uint64 }

// Played says that the last sample of utterance Utt was played.
type Played struct{ Utt uint64 }

// Stopped is the response to PausePlayout and StopPlayout: At is how much of
// utterance Utt's sound the far end has heard. Utt 0 means that nothing was
// playing: what had become audible before was played to its end. When both are
// known, Stopped comes before HungUp; without a Stopped the machine counts as
// heard only what its own clock proves.
type Stopped struct {
	Utt uint64
	At  time.Duration
}

// Held says that the far end put us on hold.
type Held struct{}

// Unheld is the counterpart of Held.
type Unheld struct{}

// Resumed says that the process that held the call died, and that another one goes on
// with a machine made from the call's inputs. Until is the time since the call's beginning
// up to which it is known what happened: from then to now nobody knows what was said, and
// we played nothing. What the outputs before it began is gone, and no answer to any of
// them comes: generations, sound, timers, tools. The timers that run are armed anew.
type Resumed struct{ Until time.Duration }

// HungUp says that the leg is over. Remote: the far end ended it. Reason is a
// telephony cause.
type HungUp struct {
	Remote bool
	Reason string
}

// Command is an order from the API.
type Command struct {
	// Verb is "end" or "say".
	Verb string
	// Text is what to say.
	Text string
}

// ToolDone is the result of tool call ID. Result is JSON or text for the model. Say, when
// not empty, is said because of it instead of an answer of the model's. Failed says that it
// was not done; Unknown, with Failed, that nobody knows whether it was; Misused, with Failed,
// that the arguments were wrong: the model may call it again with others.
type ToolDone struct {
	ID, Result, Say          string
	Failed, Unknown, Misused bool
}

// RecogniserLost says that the recogniser failed and could not be reopened.
type RecogniserLost struct{ Reason string }

// RecogniserAway says that nobody listens for the time being: RecogniserReplaced or
// RecogniserLost follows.
type RecogniserAway struct{}

// RecogniserReplaced says that another recogniser listens from now on, or the same
// one again; the members
// are those of Config.
type RecogniserReplaced struct{ FinalWait, FirstTextWait time.Duration }

// Born says that a model that speaks itself has begun an utterance: sound that
// the machine has not asked for, and can neither cancel nor cut. Its number is the
// session's, from FirstBorn on. Played says when it is over.
type Born struct{ Utt uint64 }

// FirstBorn is the first number of utterances that were born; the machine's own
// numbers are lower.
const FirstBorn = 1 << 62

// Worded is more of the text of an utterance that was born, which comes later than
// its sound. Done says that it is complete.
type Worded struct {
	Utt  uint64
	Text string
	Done bool
}

// TimerFired says that the timer armed with this name and epoch is due.
type TimerFired struct {
	Name  Timer
	Epoch uint64
}

func (MediaStarted) input()   {}
func (Resumed) input()        {}
func (SpeechStarted) input()  {}
func (SpeechEnded) input()    {}
func (Heard) input()          {}
func (TurnYielded) input()    {}
func (TurnEnding) input()     {}
func (TurnGoesOn) input()     {}
func (CallerLeaves) input()   {}
func (Digit) input()          {}
func (ModelText) input()      {}
func (ModelWaits) input()     {}
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
func (Born) input()           {}
func (Worded) input()         {}

func (RecogniserAway) input()     {}
func (RecogniserReplaced) input() {}

// Output is an instruction of the machine; the session carries outputs out in
// order.
type Output interface{ output() }

// AskModel starts generation Gen over the history. The session responds
// with ModelText, ModelCall and ModelDone or ModelFailed, all carrying Gen.
type AskModel struct {
	Gen      uint64
	Messages []Message
	// Hedge asks the fallback model beside the running one: the same Gen, and
	// the session passes on the events of whichever speaks first.
	Hedge bool
	// Continue asks for the rest of an answer that broke off: the last message is
	// what was said of it. No text means that nothing is missing.
	Continue bool
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
	// Ahead, when not zero, is an utterance whose synthesis goes on: this one is
	// synthesised at the same time and queued before it, or not at all when that
	// one has sound already. The machine sends Unsay for it in that case.
	Ahead uint64
}

// Unsay drops utterance Utt, whose synthesis is cancelled. The others go on.
type Unsay struct{ Utt uint64 }

// PausePlayout stops sending at once, also when the first frame is still to
// come; the session responds with Stopped. Sound that is delivered meanwhile is
// queued.
type PausePlayout struct{}

// ResumePlayout continues utterance Utt from position At of its sound, with
// a 20 ms fade in. Utt 0 means that nothing is left of what was paused: the
// session only leaves the pause.
type ResumePlayout struct {
	Utt uint64
	At  time.Duration
}

// StopPlayout drops everything queued, clears the leg, cancels synthesis and
// ends a pause; the session responds with Stopped. Utterances that are said after
// it play.
type StopPlayout struct{}

// FinalizeSpeech asks the recogniser for the final of what was heard so far.
type FinalizeSpeech struct{}

// ResetDetector forces the voice detector back to silence.
type ResetDetector struct{}

// Arm asks for TimerFired{Name, Epoch} at time At, which is in whole
// microseconds since the call's beginning. Arming a name replaces the
// timer of that name.
type Arm struct {
	Name  Timer
	Epoch uint64
	At    time.Duration
}

// Disarm cancels the timer of that name.
type Disarm struct{ Name Timer }

// RunTool runs a tool call of the model; the session responds with ToolDone. Unoffered
// says that the model was offered no such tool: it is told so, and nothing is run.
type RunTool struct {
	ID, Name, Args string
	Unoffered      bool
}

// Cover says that the caller is asked for a secret field: until Uncover, what is heard and
// pressed is given to the machine as HiddenDigit, and neither side is recorded.
type Cover struct{}

// Uncover ends what Cover began.
type Uncover struct{}

// Collected says that a secret field was given: Digits are words of HiddenDigit. None say
// that it was not given after all.
type Collected struct{ Field, Digits string }

// Hangup ends the call from our side. Reason is for the record:
// "goodbye", "idle", "max_duration", "api", "error".
// Cause says what went wrong, for the reason "error".
type Hangup struct{ Reason, Cause string }

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
	// came before the reply to it was audible, and the model sees one turn.
	Continues bool
	// Figures are the measured times of a turn. One that was not measured is
	// absent.
	Figures map[Figure]time.Duration
}

// Figure names a measured time of a turn. All but FigureWait count from the
// caller's last voiced sample.
type Figure string

// The figures of a turn.
const (
	// FigureWait is the wait that was applied.
	FigureWait Figure = "wait"
	// FigureFinal is when the recogniser's final text came.
	FigureFinal Figure = "final"
	// FigureCommit is when the turn was over.
	FigureCommit Figure = "commit"
	// FigureModelFirst is when the model's first text came.
	FigureModelFirst Figure = "model_first"
	// FigureSay is when the first text was given to the voice.
	FigureSay Figure = "say"
	// FigureGap is when the first frame of the reply was sent.
	FigureGap Figure = "gap"
)

// Figures returns the names of all figures in the order in which they happen.
func Figures() []Figure {
	return []Figure{FigureWait, FigureFinal, FigureCommit, FigureModelFirst, FigureSay, FigureGap}
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
	// NoteTurn carries the figures of a turn once the reply is audible; Text is
	// the rule that chose the wait.
	NoteTurn NoteKind = "turn"
	// NoteAction is an action taken.
	NoteAction NoteKind = "action"
	// NoteDisclosed: the caller has heard that the agent is a machine.
	NoteDisclosed NoteKind = "disclosed"
	// NoteDigits are keys the caller pressed.
	NoteDigits NoteKind = "digits"
	// NoteError is a failure, whether the call goes on or ends because of it.
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
func (Cover) output()          {}
func (Uncover) output()        {}
func (Collected) output()      {}
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
	// HeardFor is how much of an interrupted message's sound was heard.
	HeardFor time.Duration
	// CallID names, on a ToolRole message, the call whose result it is.
	CallID string
	// Calls are the tool calls of an Assistant message.
	Calls []ToolCall
}
