//go:build !race

package sip

const raceDetector = false
