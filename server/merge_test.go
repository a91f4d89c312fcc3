package server

import (
	"testing"

	"github.com/sidetone/sidetone"
)

// TestMembersOfAnAgentWithoutType: what an agent says of its transcriber acts beside the
// environment's default, whose model is one of the members.
func TestMembersOfAnAgentWithoutType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ agent, setting, want string }{
		{`{"endpointing":777}`, "transcriber_deepgram/nova-2", `{"endpointing":777,"model":"nova-2"}`},
		{`{"endpointing":777}`, "transcriber_deepgram", `{"endpointing":777}`},
		{`{"model":"nova-3"}`, "transcriber_deepgram/nova-2", `{"model":"nova-3"}`},
		{``, "transcriber_deepgram/nova-2", `{"model":"nova-2"}`},
		{``, "transcriber_deepgram", ``},
	} {
		a := sidetone.Agent{Extra: []byte(`{}`)}
		if c.agent != "" {
			a.Extra = []byte(`{"transcriber":` + c.agent + `}`)
		}
		own := (&providers{}).recogniserWishes(planned(a, sidetone.Voice{}), settings{recogniser: c.setting})[0]
		if own.kind != "transcriber_deepgram" || string(own.config) != c.want {
			t.Errorf("%s with %s: %s %s, want %s", c.agent, c.setting, own.kind, own.config, c.want)
		}
	}
}
