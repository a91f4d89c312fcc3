// Package loadgen places many telephone calls at once and measures what comes
// back: set-up time, packet gaps, loss, echo, turn latency, barge-in, the
// server's processor time and memory.
//
// It is meant to run as a process of its own beside the server. It speaks SIP
// and RTP through a minimal stack of its own, so that the product's stack is not
// measured by itself; of the product it uses only package audio, for codecs and
// test sounds. Received packets are timed by the kernel (SO_TIMESTAMPNS on
// Linux), sent ones immediately before the system call, both on one monotonic
// clock. How late the generator itself was is part of every report: a run
// counts only when its 99th percentile is at most 3 ms.
//
// Run measures one scenario, Calibrate bare sockets under the same load, ColdStart
// times a start from nothing, and Results.Judge compares all of it with the
// limits.
package loadgen
