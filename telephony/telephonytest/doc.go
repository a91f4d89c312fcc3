// Package telephonytest holds what telephony is tested with: the conformance
// suite that every telephony.Driver passes, and MemoryDriver and MemoryLeg, a
// telephone network in memory.
//
// A MemoryLeg carries real frames but no packets: its far end speaks, listens,
// presses digits, holds and hangs up through a Far. Between the two lies a
// Network that loses, delays, reorders and skews. Everything waits on channels
// and timers only, so it runs inside a testing/synctest bubble, where a call of
// an hour takes milliseconds.
package telephonytest
