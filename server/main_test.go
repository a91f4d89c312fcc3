package server

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that no test leaves a goroutine behind, a stopped server
// least of all.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
