// Package transcribertest holds the conformance suite that every transcriber
// driver passes, and a stub driver for tests of whatever uses one.
package transcribertest
