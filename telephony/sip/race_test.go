//go:build race

package sip

// raceDetector says that the tests run with the race detector, with which pools of memory
// drop what they are given.
const raceDetector = true
