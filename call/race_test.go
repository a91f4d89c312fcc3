//go:build race

package call_test

// raceDetector says that the tests run with the race detector, which makes sums of sound
// take ten times as long: the long ones are shorter then, and `make test` runs them
// without it, too.
const raceDetector = true
