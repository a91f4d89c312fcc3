// Package faults holds the tests that do to a running server what the world
// does to it: broken and hostile messages, callers that vanish, programs that
// die, disks that fill, processes that are killed. Each shows a clear error and
// a clean state afterwards: the next ordinary call works and no call is left
// open in the record.
package faults
