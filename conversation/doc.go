// Package conversation decides who speaks when on a call: a pure state machine
// without clock, goroutine or I/O.
//
// The caller of Machine.Step passes the time since the call's beginning and one
// Input, and carries out the returned Outputs in order. Timers are outputs too
// (Arm), and come back as inputs (TimerFired). Every asynchronous result carries
// the generation or utterance it belongs to; a stale one is dropped by comparing
// one integer. The same inputs at the same times give the same outputs, so that
// a journal of inputs reproduces a call.
//
// Where to look:
//
//   - turn.go holds the decision whether the caller's turn is over, a pure
//     function; listen.go gathers what it decides from; yield.go is for callers
//     who say so themselves.
//   - bargein.go judges speech over the agent: pause, then resume or confirm.
//   - speak.go, chunk.go and ledger.go say what the model wrote, sentence by
//     sentence, and keep account of what was heard of it.
//   - late.go bridges the wait for sound that the voice does not deliver in time.
//   - model.go and tools.go ask the model, bridge its silence, run its tools.
//   - greet.go, idle.go, keys.go and leave.go are the rest of a call.
//
// The state of the agent is derived (Snapshot), not stored. Whole calls are text
// files in testdata; "go test ./conversation -rewrite" writes what the machine
// does into them.
package conversation
