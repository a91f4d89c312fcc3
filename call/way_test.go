package call

import "testing"

// TestWayOfATransfer: the agent's wish comes before the trunk's, a trunk that cannot is not
// asked, and a call that we are needed in stays with us.
func TestWayOfATransfer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		agent, trunk   string
		refers, needed bool
		want           string
	}{
		{"", "", true, false, transferRefer},
		{"", "", true, true, transferBridge},
		{"", "", false, false, transferBridge},
		{"auto", "auto", true, false, transferRefer},
		{"auto", "refer", true, true, transferRefer},
		{"auto", "bridge", true, false, transferBridge},
		{"refer", "", true, true, transferRefer},
		{"refer", "bridge", true, false, transferBridge},
		{"refer", "", false, false, transferBridge},
		{"bridge", "refer", true, false, transferBridge},
	}
	for _, c := range cases {
		if got := wayOf(c.agent, c.trunk, c.refers, c.needed); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}
