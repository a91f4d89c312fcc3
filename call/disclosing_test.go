package call_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
)

// An agent says first that it is a machine where the call's numbers, or its settings, want
// it; what was waived is recorded.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		extra, from string
		hears       string
		disclosed   int
		recorded    string
	}{
		"country":     {`{"ai_disclosure":{"text":"i am a machine"}}`, "+4930901820", "i am a machine hello", 1, `{"country":"DE","text":"i am a machine","waived":false}`},
		"of a region": {`{"ai_disclosure":{"text":"x","texts":{"FR":"je suis une machine"}}}`, "+33123456789", "je suis une machine hello", 1, `{"country":"FR","text":"je suis une machine","waived":false}`},
		"elsewhere":   {`{"ai_disclosure":{"text":"i am a machine"}}`, "+12025550123", "hello", 0, ``},
		"always":      {`{"ai_disclosure":{"mode":"always","text":"i am a machine"}}`, "+12025550123", "i am a machine hello", 1, `{"country":"","text":"i am a machine","waived":false}`},
		"waived":      {`{"ai_disclosure":{"mode":"never"}}`, "+4930901820", "hello", 0, `{"country":"DE","text":"","waived":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) {
					w.snapshot.Agent.InitialMessage = "hello"
					w.snapshot.Agent.Extra = []byte(c.extra)
					w.caller = c.from
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				time.Sleep(6 * time.Second)
				if got := heard(far); got != c.hears {
					t.Errorf("heard %q, want %q", got, c.hears)
				}
				far.Hangup()
				_, events := w.result()
				if got := told(events, sidetone.EventDisclosed); len(got) != c.disclosed {
					t.Errorf("disclosed: %q", got)
				}
				var data struct {
					Disclosure json.RawMessage `json:"ai_disclosure"`
				}
				for _, e := range events {
					if e.Kind == sidetone.EventConnected {
						if err := json.Unmarshal(e.Data, &data); err != nil {
							t.Error(err)
						}
					}
				}
				if string(data.Disclosure) != c.recorded {
					t.Errorf("recorded %s, want %s", data.Disclosure, c.recorded)
				}
			})
		})
	}
}
