package telephonytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports returns the first, an even one, of n consecutive ports of 127.0.0.1
// (n <= 127) for a peer that must be told its ports instead of taking port 0.
// They are free for UDP and TCP, outside the range from which Linux serves port
// 0, and no other test gets them, in whatever process, until this one ends.
func Ports(t testing.TB, n int) int {
	t.Helper()
	const low, blocks, size = 10000, 176, 128 // below 32768
	for range 20 * blocks {
		first := low + size*rand.IntN(blocks) //nolint:gosec // a choice, no secret
		guard, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", local(first+size-1))
		if err != nil {
			continue // another test has the block
		}
		if n < size && unused(t.Context(), first, n) {
			t.Cleanup(func() { _ = guard.Close() })
			return first
		}
		_ = guard.Close()
	}
	t.Fatalf("no %d free ports", n)
	return 0
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func unused(ctx context.Context, first, n int) bool {
	var lc net.ListenConfig
	for port := first; port < first+n; port++ {
		u, err := lc.ListenPacket(ctx, "udp4", local(port))
		if err != nil {
			return false
		}
		l, err := lc.Listen(ctx, "tcp4", local(port))
		if err != nil {
			_ = u.Close()
			return false
		}
		if errors.Join(u.Close(), l.Close()) != nil {
			return false
		}
	}
	return true
}
