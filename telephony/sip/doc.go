// Package sip is the telephony driver for SIP trunks, desk phones and
// softphones (https://www.rfc-editor.org/rfc/rfc3261).
//
// Messages are parsed with sipgo. Transactions are this package's own, because
// the order of messages matters: one goroutine reads the UDP socket and one
// each TCP connection, and each handles its messages one after the other, so
// that no message of a call overtakes another. The handling never waits; only
// Dial, Hangup and the like wait, on their callers' goroutines.
//
// Sound goes over one UDP socket per call. Leg.Events runs its receive loop:
// packets are checked against the negotiated source, brought into order,
// decoded and handed on as 20 ms frames. There is no other goroutine per call.
package sip
