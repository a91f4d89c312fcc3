package call

import (
	"context"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// Route is who answers a number.
type Route struct {
	Number   sidetone.Number
	Snapshot sidetone.Snapshot
	// HasAgent is false when the number has nobody to answer.
	HasAgent bool
	// Trunks are the names of the trunks the number rings through, "" being
	// the local one; nil means any.
	Trunks []string
	// From is the caller's number: E.164 with plus, or as it was sent when it has
	// no certain meaning.
	From string
}

// Directory finds the agent of a called number, from memory.
type Directory interface {
	// Route returns who answers a call to a number on a trunk, "" for the local
	// one, and from whom it is. The numbers are as they were sent. An error with
	// code NotFound says that nobody owns it; an *UnknownNumber says why, too.
	Route(ctx context.Context, from, to, trunk string) (Route, error)
	// Trunk returns what its owner calls a trunk, and which environment that is; "" is the
	// operator, who owns what it does not know, too.
	Trunk(trunk string) (name, environmentID string)
}

// UnknownNumber says why a called number is nobody's. Its code is NotFound.
type UnknownNumber struct {
	// Tried are the numbers, E.164, that were looked for.
	Tried []string
	// Why says it for the operator. Callers are not told.
	Why string
}

// Error names what was tried.
func (u *UnknownNumber) Error() string {
	if len(u.Tried) == 0 {
		return "nobody has this number: " + u.Why
	}
	return "nobody has this number: " + u.Why + "; looked for " + strings.Join(u.Tried, ", ")
}

// Unwrap returns an error with code NotFound.
func (u *UnknownNumber) Unwrap() error {
	return sidetone.Errorf(sidetone.NotFound, "nobody has this number")
}

// Refusals keeps which incoming calls were refused.
type Refusals interface {
	// StoreRefusedCall stores one, which may be nobody's.
	StoreRefusedCall(ctx context.Context, c sidetone.RefusedCall) error
}

// Ledger keeps the record of calls. Every method returns after the change was
// committed.
type Ledger interface {
	// StartCall stores the row of an inbound call; an error with code Limited
	// when its number takes most such calls already. most 0 means no limit.
	StartCall(ctx context.Context, c sidetone.Call, most int) error
	// MarkCall changes the row of a call that is not over.
	MarkCall(ctx context.Context, environmentID, callID string, change func(*sidetone.Call)) (sidetone.Call, error)
	// AppendEvents stores events; it is idempotent on the sequence.
	AppendEvents(ctx context.Context, environmentID string, events []sidetone.Event) error
	// FinishCall stores the terminal state and the remaining events together.
	// A call that is over already stays as it is.
	FinishCall(ctx context.Context, environmentID, callID string, r sidetone.CallResult, events []sidetone.Event) error
	// RenewLeases says that this node still runs the calls, and returns those
	// that it must end: somebody asked another node for that, or the record says
	// that they are over.
	RenewLeases(ctx context.Context, node string, callIDs []string, until time.Time) (end []sidetone.Ending, err error)
}

// Carriers finds who places a call.
type Carriers interface {
	// For returns the driver that places c; an error with code Invalid, which the
	// call's record shows, when none is configured for it.
	For(ctx context.Context, c sidetone.Call) (telephony.Driver, error)
}

// Numbers knows which numbers may be called.
type Numbers interface {
	// Callable returns the number, E.164, that a text of a carrier's means, to which a
	// call of an environment goes. An error says why it must not be called; the rules are those
	// of a call that is placed.
	Callable(ctx context.Context, environmentID, text string) (e164 string, err error)
}

// Handovers knows how callers may be handed to somebody else.
type Handovers interface {
	// Colleague says why the agents of an environment hand nobody over to a number, E.164; the
	// error's text reaches the model.
	Colleague(ctx context.Context, environmentID, number string) error
	// Recorded reports whether an environment wants people recorded to whom a caller was
	// handed, once no agent is on the line.
	Recorded(ctx context.Context, environmentID string) bool
	// Way is how callers on a trunk are handed over: auto, also when empty, refer or bridge.
	Way(trunk string) string
	// Shows reports whether who carries c shows a number that is not ours.
	Shows(c sidetone.Call, number string) bool
}

// Publisher takes a call's events to whoever watches it live. It never waits.
type Publisher interface {
	Publish(e sidetone.Event)
}

// Recorder keeps the sound of one call on one time base, whose zero is the beginning
// of the recording. Its methods never wait for a disk and may be called
// concurrently.
type Recorder interface {
	// Caller adds a received frame that arrived at the given time.
	Caller(f audio.Frame, at time.Duration)
	// Expect says, before anything is added, that received frames of the first d, at
	// most 2 s, are added later than others of their time.
	Expect(d time.Duration)
	// Agent adds what was sent in the slot that begins at the given time.
	Agent(pcm []int16, at time.Duration)
	// Close completes the file, at most at end.
	Close(end time.Duration) error
	// Discard closes and removes the file; nothing may be given to it after.
	Discard() error
	// Path names the file in the record.
	Path() string
}

// Recordings makes recorders.
type Recordings interface {
	Create(callID string, rate int) (Recorder, error)
	// Resume goes on with the recording of a call whose process died, on the same time
	// base; rate must be that of the recording.
	Resume(callID string, rate int) (Recorder, error)
}

// Tape keeps the packets of a call's sound.
type Tape interface {
	telephony.PacketSink
	// Close completes the file; an error says that packets are missing.
	Close() error
	// Discard closes and removes the file.
	Discard() error
}

// Tapes makes tapes.
type Tapes interface {
	Record(callID string) (Tape, error)
	// Resume goes on with the tape of a call whose process died.
	Resume(callID string) (Tape, error)
}

// Signalling keeps the signalling of calls.
type Signalling interface {
	// Belongs says to which call of ours messages belong, by Info.Signalling of its
	// leg. It never waits.
	Belongs(name, callID string)
	// Exchange returns the first messages of that name while they belong to no call,
	// without secrets. It never waits.
	Exchange(name string) []sidetone.SignalMessage
}

// Journals keeps what becomes of the machines of calls.
type Journals interface {
	// Begin begins the journal of a call; nil when it gets none. It never waits.
	Begin(environmentID string, h journal.Header) Journal
	// Resume reads the journal of a call whose process died and goes on with it. The
	// Journal is nil when what follows cannot be kept.
	Resume(ctx context.Context, environmentID, callID string) (journal.Past, Journal, error)
}

// Journal is that of one call. Its methods never wait.
type Journal interface {
	// Input takes what the machine is about to be given, Outputs what it answered.
	Input(at time.Duration, in conversation.Input)
	Outputs(outs []conversation.Output)
	// Comment takes what the session did and the machine does not see.
	Comment(at time.Duration, text string)
	// Commit returns when what was given until now survives the death of this process, or
	// cannot. It alone waits for the disk.
	Commit(ctx context.Context) error
	// End takes the end of the call.
	End(at time.Duration)
}

// Action is something that the agent of a call can do.
type Action struct {
	// ID is that of the action that the agent has; "" for what has no row.
	ID string
	// Offer is what the model is told of it; its name is that of Rule. The zero value is
	// not offered: only a phrase of the agent's starts it.
	Offer llm.Tool
	// Rule is what the machine must know of it.
	Rule conversation.Action
	// Tool runs it; nil: the session does, see RunsItself.
	Tool Tool
	// Timeout is how long a run may take; 0 means 10 s.
	Timeout time.Duration
	// Once says that it does something outside of the server, which must not be done twice
	// and whose result is data from outside: each run is kept, see Runs.
	Once bool
	// Type and Config are of the action, for what the session itself runs, whose Tool is nil:
	// Config is the JSON object of its row.
	Type   string
	Config []byte
}

// Runs keeps the runs of actions that do something outside of the server, so that none is
// lost and none is done twice. Every method returns after the change was committed.
type Runs interface {
	// BeginRun stores a run before anything of it is sent. It is a Conflict when there is
	// one of its key, or, unless it is Repeatable, one of the same call and Digest that is
	// being done or of which nobody knows whether it was.
	BeginRun(ctx context.Context, r sidetone.ActionRun) error
	// SettleRun stores the state and the result of a run.
	SettleRun(ctx context.Context, r sidetone.ActionRun) error
	// LoseRuns makes unknown what runs of a call were begun by a process that has died. It
	// returns all runs of the call as they were before, in the order in which they were
	// begun.
	LoseRuns(ctx context.Context, environmentID, callID string) ([]sidetone.ActionRun, error)
}

// Source names who serves a part of a call, and who pays.
type Source struct {
	// Vendor is such as "openai"; "" for what the server has itself.
	Vendor string
	// Account names the credential and shows nothing of it: the id of a connection,
	// "agent" for a key of the agent's own, "server" for one of the server's.
	Account string
	// Key tells this credential from one that the account had before or gets later: what
	// is known of the one says nothing of the other. It shows nothing of it, and is 0
	// for what the server has itself.
	Key uint64
}

// Recogniser is one that can listen to a call.
type Recogniser struct {
	Driver transcriber.Driver
	Source Source
	// Carrier says that it detects speech itself (a TTY modem).
	Carrier bool
	// FinalWait is its P99 from silence to its final.
	FinalWait time.Duration
	// FirstTextWait is its P95 from the first sound of a word to its first text; 0
	// means that it is not known.
	FirstTextWait time.Duration
	// Reserve takes what is scarce, such as a place, before the driver is opened as
	// a fallback, and returns how to give it back; an error says that there is none.
	// Plan has reserved for the first one already. Nil: nothing is scarce.
	Reserve func() (release func(), err error)
}

// Model is a language model that can think for a call.
type Model struct {
	Driver llm.Driver
	// Name is the vendor's name of the model; "" means the driver's default.
	Name   string
	Source Source
	// Eager says that it may be asked before the caller's turn is surely over; an
	// answer that is not needed is cancelled.
	Eager bool
	// Ends says that it ends the call by a plan of its own, such as a playbook, also when
	// the agent has no action for that.
	Ends bool
}

// Voice is one that can speak in a call.
type Voice struct {
	Driver synthesizer.Driver
	// Name is the driver's name of the voice; "" means its default.
	Name   string
	Source Source
	// Settings is what else makes its sound, such as the JSON of its configuration.
	// Calls whose voices have the same source, name and settings share the sound of
	// phrases.
	Settings string
	// PhrasesOnly voices, the last ones, say nothing but what is prepared for the case
	// that something is wrong (the request to wait, the apology and the goodbye), in the
	// language of these phrases, when no other voice of the call can.
	PhrasesOnly bool
}

// Plan says which drivers serve a call.
type Plan struct {
	// Recognisers may be empty: then nobody listens.
	Recognisers []Recogniser
	// Models may be empty: then the agent only greets.
	Models []Model
	// Voices may be empty: then nothing is said.
	Voices []Voice
	// Voice is the voice of an agent that names none, for the call's record; nil: that
	// of its snapshot.
	Voice *sidetone.Voice
	// Actions are what the agent can do besides talking.
	Actions []Action
	// Notices say what the call has to do without or with another than its agent
	// names. They stand in its first event and in its errors.
	Notices []string
	// Release gives back what Plan reserved for the call; it may be called more
	// than once. Nil: nothing was reserved.
	Release func()
	// Close ends the drivers of this call that hold connections. It is called once,
	// when the call is over. Nil: there are none.
	Close func()
	// Echo returns the caller's sound instead of a conversation; the other
	// members are not used.
	Echo bool
}

// local is how records name what the server has itself: nothing leaves the machine.
const local = "local"

// recogniser is the one that listens first; the zero value when nobody does.
func (p Plan) recogniser() Recogniser {
	if len(p.Recognisers) == 0 {
		return Recogniser{}
	}
	return p.Recognisers[0]
}

// model is the one that thinks first; the zero value when there is none.
func (p Plan) model() Model {
	if len(p.Models) == 0 {
		return Model{}
	}
	return p.Models[0]
}

// voice is the one that speaks first; the zero value when there is none.
func (p Plan) voice() Voice {
	if len(p.Voices) == 0 {
		return Voice{}
	}
	return p.Voices[0]
}

// end gives back what was reserved and ends the drivers of the call; it is called
// once.
func (p Plan) end() {
	if p.Close != nil {
		p.Close()
	}
	if p.Release != nil {
		p.Release()
	}
}

// Planner chooses the drivers for a call and reserves what is scarce.
type Planner interface {
	// Plan returns the drivers for c on a line of rate Hz. The snapshot of c
	// holds its secrets, which Plan hands to drivers and nowhere else. An error
	// refuses the call; a *telephony.Refusal says why.
	Plan(ctx context.Context, c sidetone.Call, rate int) (Plan, error)
}
