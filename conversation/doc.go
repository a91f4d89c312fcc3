// Package conversation decides who speaks when on a call: a pure state machine
// without clock, goroutine or I/O.
//
// The session that runs the call passes the time since the call's beginning and
// one Input to Machine.Step, and carries out the returned Outputs in order. Timers are outputs too
// (Arm), and come back as inputs (TimerFired). Every asynchronous result carries
// the generation or utterance it belongs to; a stale one is dropped by comparing
// one integer. The same inputs at the same times give the same outputs, so that
// a journal of inputs reproduces a call.
//
// Where to look:
//
//   - turn.go decides whether the caller's turn is over, in a pure function;
//     listen.go gathers the facts for it; yield.go is for callers who end their
//     turn explicitly.
//   - bargein.go judges speech over the agent: pause, then resume or confirm.
//   - speak.go, chunk.go and ledger.go say what the model wrote, sentence by
//     sentence, and record how much of it the caller heard.
//   - overdue.go handles sound that the voice does not deliver in time.
//   - model.go and tools.go ask the model, ask for the rest of an answer that
//     broke off, say a filler while it is silent, and run its tools; early.go asks
//     it before the caller's turn is surely over.
//   - action.go has the rules of actions, trigger.go starts them by the agent's words, and
//     claims.go holds back sentences that claim what was not done.
//   - resume.go goes on with a call after its process has died.
//   - born.go takes sound of models that speak themselves.
//   - greet.go, idle.go, keys.go, hold.go and leave.go handle the greeting,
//     silence, pressed keys, being put on hold, and the end of the call.
//
// A filler is a short phrase ("One moment, please.") that is said while the
// caller waits for something else. Hold always means that the far end has put
// the call on hold.
//
// All decisions use integers: floating point may round differently on another
// machine, and a journal of inputs would then not reproduce its call.
//
// The state of the agent is derived (Snapshot), not stored. Package script gives
// inputs and outputs a text form. Whole calls are text files in testdata;
// "go test ./conversation -rewrite" writes the machine's outputs into them.
package conversation
