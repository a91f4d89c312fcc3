//go:build faults

package faults

import "testing"

// Two thousand runs, with twenty deaths of the server.
func TestTwoThousandActionsAreDoneOnce(t *testing.T) {
	actionRuns(t, "", 12, 20, 2000)
}
