package server

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestMembersOfTranscribers: what of an agent's transcriber reaches a driver; members of
// another form count as absent.
func TestMembersOfTranscribers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"model":"flux-general-en","endpointing":300,"eot_threshold":0.8,"eager_eot_threshold":0.4,"eot_timeout_ms":4000,"force_end_turn":true,"min_turn_silence":100,"max_turn_silence":900}`: `{flux-general-en 300 0.8 0.4 4000 true 100 900}`,
		`{"model":7,"endpointing":false,"eot_threshold":"0.8"}`: `{ false 0 0 0 false 0 0}`,
		`[]`: `{  0 0 0 false 0 0}`,
	} {
		c := transcriberOf(choice{Config: json.RawMessage(text)})
		got := fmt.Sprintf("{%s %s %v %v %v %v %v %v}", c.Model, c.Endpointing, c.EOTThreshold, c.EagerEOTThreshold, c.EOTTimeoutMS, c.ForceEndTurn, c.MinTurnSilence, c.MaxTurnSilence)
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
