// Package vault is the cipher of stored secrets: AES-256-GCM with envelopes.
//
// A master key, which the operator holds, wraps the data keys; each environment
// has data keys of its own, numbered by version; a data key seals values. Each
// ciphertext is bound to its place (environment, table, row, column), so that
// one that was moved does not open. The package is pure: it reads no file and
// no clock, and its only input besides arguments is the system's randomness.
package vault
