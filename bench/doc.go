// Package bench is what `sidetone bench` does: it starts a server of its own in
// an empty directory, gives it agents that cost no vendor anything, lets package
// loadgen call them, and judges the figures by the limits of a baseline.
//
// The server, the peer of the calibration and the callers are processes of
// their own, so that the processor time of each can be told apart. docs/
// measuring.md explains every figure.
package bench
