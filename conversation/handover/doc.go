// Package handover decides how a caller is handed to a person who is asked first: who is
// rung, what they are told, what counts as yes and no, and with what the caller comes back
// otherwise. It is pure, as package conversation is: a Machine takes one input at a time with
// its time and returns what is to be done; it reads no clock and does no I/O.
//
// Inputs have a text form, of one line each, which journals and the stories in testdata are
// written in:
//
//	summary "They want to move an appointment."
//	answered
//	heard "yes please"
package handover
