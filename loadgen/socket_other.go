//go:build !linux

package loadgen

import (
	"context"
	"time"
)

// stampPackets does nothing: there are no kernel timestamps here, packets are
// timed when they are read.
func stampPackets(uintptr) error { return nil }

// stampOf never finds a receive time.
func stampOf([]byte) (time.Time, bool) { return time.Time{}, false }

// ticks calls tick at every millisecond of c until ctx ends.
func ticks(ctx context.Context, c clock, tick func(at time.Duration)) {
	for at := c.now().Truncate(time.Millisecond); ctx.Err() == nil; {
		at += time.Millisecond
		time.Sleep(at - c.now())
		tick(at)
	}
}
