package telephonytest

import (
	"net"
	"testing"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	var taken []int
	for range 8 {
		first := Ports(t, 40)
		if first%2 != 0 || first < 10000 || first+40 >= 32768 {
			t.Errorf("ports from %d", first)
		}
		for _, other := range taken {
			if first < other+40 && other < first+40 {
				t.Errorf("ports from %d and from %d at once", first, other)
			}
		}
		taken = append(taken, first)
		c, err := net.ListenPacket("udp4", local(first+39))
		if err != nil {
			t.Fatalf("port %d of 40: %v", first+39, err)
		}
		if unused(t.Context(), first, 40) {
			t.Error("a port that a program holds is called unused")
		}
		_ = c.Close()
	}
}
