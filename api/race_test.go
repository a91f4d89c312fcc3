//go:build race

package api

// raceDetector says that the tests run with the race detector. SQLite, C that was
// translated to Go, takes six times as long with it: `make test` runs the tests on
// SQLite without it.
const raceDetector = true
