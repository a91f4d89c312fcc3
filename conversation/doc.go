// Package conversation decides who speaks when on a call: a pure state machine
// without clock, goroutine or I/O.
//
// The caller of Machine.Step passes the time since the call's beginning and one
// Input, and carries out the returned Outputs in order. Timers are outputs too
// (Arm), and come back as inputs (TimerFired). Every asynchronous result carries
// the generation or utterance it belongs to; a stale one is dropped by comparing
// one integer. Whole calls are text files in testdata.
package conversation
