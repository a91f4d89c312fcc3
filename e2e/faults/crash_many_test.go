//go:build faults

package faults

import "testing"

// Fifty live calls are hung up within 5 s of the start.
func TestKilledServersManyCallsAreHungUp(t *testing.T) { crash(t, "", 50) }
