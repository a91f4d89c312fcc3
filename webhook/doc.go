// Package webhook decides what webhooks are told, how it is signed, and what follows
// from an endpoint's response. It does no I/O and reads no clock: package delivery sends.
package webhook
