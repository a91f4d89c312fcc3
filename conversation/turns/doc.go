// Package turns measures what each turn of a call took, and of what its silence was
// made: whom the call waited for while neither side spoke.
//
// A Meter sees what goes into a conversation.Machine and what comes out of it, with
// times, and nothing else, so that a replayed call is measured as it was when it was
// live. It reads no clock.
package turns
