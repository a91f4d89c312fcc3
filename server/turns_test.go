package server

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/turns"
	"github.com/sidetone/sidetone/metrics"
)

// sampleTurn is a reply that was cut off.
func sampleTurn() call.TurnTaken {
	return call.TurnTaken{CallID: "01a22436-46ee-7000-9a71-cb9290b69199", EnvironmentID: "env", AgentID: "agent", Began: time.Unix(1_700_000_000, 0),
		Vendors: map[string]string{"recogniser": "deepgram", "model": "openai", "voice": "local"},
		Turn: turns.Turn{Number: 2, Kind: turns.Reply, From: time.Second, To: 4 * time.Second, Rule: "short", Interrupted: true, BargeIn: 110 * time.Millisecond,
			Figures: map[conversation.Figure]time.Duration{conversation.FigureGap: 900 * time.Millisecond},
			Pieces: []turns.Piece{{Stage: turns.Wait, From: 1100 * time.Millisecond, To: 1600 * time.Millisecond},
				{Stage: turns.Model, From: 1600 * time.Millisecond, To: 2 * time.Second}}}}
}

func TestTurnsAreCounted(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	count := countTurns(&r)
	count(sampleTurn())
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`sidetone_turn_silence_seconds_bucket{stage="endpoint_wait",le="0.3"} 0`, `sidetone_turn_silence_seconds_bucket{stage="endpoint_wait",le="0.5"} 1`,
		`sidetone_turn_silence_seconds_count{stage="model"} 1`, `sidetone_turn_gap_seconds_sum{vendor="openai"} 0.9`,
		`sidetone_turn_barge_in_seconds_bucket{vendor="deepgram",le="0.2"} 1`, `sidetone_turn_model_seconds_sum{vendor="openai"} 0.4`,
		`sidetone_turn_voice_seconds_bucket{vendor="local",le="0.02"} 1`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), `stage="caller"`) {
		t.Error("a stage without silence is counted")
	}
}

func TestTurnsBecomeSpans(t *testing.T) {
	t.Parallel()
	var got []string
	spans := spansOf(sampleTurn())
	for _, s := range spans {
		if hex.EncodeToString(s.Trace[:]) != "01a2243646ee70009a71cb9290b69199" {
			t.Errorf("the trace is %x, want the call's id", s.Trace)
		}
		got = append(got, fmt.Sprintf("%s %d-%d child=%t %v", s.Name, s.From.UnixMilli()-1_700_000_000_000, s.To.UnixMilli()-1_700_000_000_000, s.Parent == spans[0].ID, s.Attributes["sidetone.vendor"]))
	}
	if diff := cmp.Diff([]string{"turn 1000-4000 child=false <nil>", "endpoint_wait 1100-1600 child=true <nil>", "model 1600-2000 child=true openai"}, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	want := map[string]any{"sidetone.call": "01a22436-46ee-7000-9a71-cb9290b69199", "sidetone.environment": "env", "sidetone.agent": "agent",
		"sidetone.turn.number": int64(2), "sidetone.turn.kind": "reply", "sidetone.turn.interrupted": true, "sidetone.turn.silence_ms": 900.0,
		"sidetone.turn.gap_ms": 900.0, "sidetone.turn.barge_in_ms": 110.0, "sidetone.recogniser": "deepgram", "sidetone.model": "openai", "sidetone.voice": "local"}
	if diff := cmp.Diff(want, spans[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	seen := map[[8]byte]bool{}
	for _, s := range spans {
		if seen[s.ID] {
			t.Errorf("two spans have the id %x", s.ID)
		}
		seen[s.ID] = true
	}
}

func TestTracesSettings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"traces: {endpoint: 'http://127.0.0.1:4318'}":                                           "",
		"traces: {endpoint: 'https://collector.example/otlp', headers: 'X-Key=secret,b=c%20d'}": "",
		"traces: {endpoint: 'collector:4318'}":                                                  "traces.endpoint must be a URL",
		"traces: {endpoint: 'http://user:pass@collector'}":                                      "traces.endpoint must be a URL",
		"traces: {headers: 'X-Key=secret,b=c%20d'}":                                             "traces.headers must go with traces.endpoint",
		"traces: {endpoint: 'http://127.0.0.1:4318', headers: 'X Key=secret'}":                  "traces.headers must be name=value",
		"traces: {endpoint: 'http://127.0.0.1:4318', headers: 'X-Key=secret%0Ab'}":              "traces.headers must be name=value",
		"traces: {endpoint: 'http://127.0.0.1:4318', retries: 4}":                               "traces.retries",
	} {
		c, err := LoadConfig(write(t, text), nil)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error shows the header: %v", text, err)
		case want == "" && strings.Contains(fmt.Sprintf("%+v", c), "secret"):
			t.Error("the configuration shows a header")
		}
		if got, err := c.Traces.headers(); want == "" && c.Traces.Headers != "" && (err != nil || got["X-Key"] != "secret" || got["b"] != "c d") {
			t.Errorf("headers %v, %v", got, err)
		}
	}
}
