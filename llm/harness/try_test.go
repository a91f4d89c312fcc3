package harness

import (
	"testing"

	"github.com/sidetone/sidetone/provider"
)

// TestAddress: an account is tried where its calls go.
func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol  Protocol
		url, want string
	}{
		{ConversationRelay, "wss://box.example/agent?token=x", "wss://box.example/agent?token=x"},
		{Retell, "wss://box.example/agent", "wss://box.example/agent/c%201"},
		{Retell, "wss://box.example/agent/?token=x", "wss://box.example/agent/c%201?token=x"},
		{"vapi", "wss://box.example", ""},
	} {
		d := New(Options{Client: &provider.Client{Vendor: "harness"}, URL: c.url, Protocol: c.protocol})
		got, err := d.address("c 1")
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %s: %q, %v", c.protocol, c.url, got, err)
		}
		if tried := d.Try(t.Context()); c.want == "" && provider.KindOf(tried) != provider.Rejected {
			t.Errorf("%s is tried: %v", c.protocol, tried)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
