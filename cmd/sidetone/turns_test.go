package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/client"
)

func TestDrawTurns(t *testing.T) {
	t.Parallel()
	turns := client.Turns{SilenceMS: 2420, Stages: client.SilenceStages{Caller: 1000, EndpointWait: 500, Model: 800, Voice: 110, Playout: 10},
		Turns: []client.Turn{
			{Number: 1, Kind: "unasked", Interrupted: true, BargeInMS: new(96.2), SilenceMS: 10, Stages: client.SilenceStages{Playout: 10}},
			{Number: 2, Kind: "reply", FromMS: 2100, GapMS: new(1410.0), SilenceMS: 2410, Stages: client.SilenceStages{Caller: 1000, EndpointWait: 500, Model: 800, Voice: 110}},
			{Number: 3, Kind: "unanswered", FromMS: 9000},
		}}
	var got bytes.Buffer
	if err := drawTurns(&got, turns); err != nil {
		t.Fatal(err)
	}
	const want = `turn  at      kind        gap      barge-in  silence  stage          ms
1     0.00 s  unasked              96 ms     10 ms    playout        10    #
2     2.10 s  reply       1410 ms            2410 ms  caller         1000
                                                      endpoint wait  500   #########################
                                                      model          800   ########################################
                                                      voice          110   ######
3     9.00 s  unanswered                     0 ms
all                                          2420 ms
                                                      caller         1000  41 %
                                                      endpoint wait  500   21 %
                                                      model          800   33 %
                                                      voice          110   5 %
                                                      playout        10    0 %
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s\n%s", diff, got.String())
	}
}

func TestMeasuredText(t *testing.T) {
	t.Parallel()
	for want, data := range map[string]map[string]any{
		"silence 610 ms, endpoint wait 500, voice 110": {"silence_ms": 610.2, "stages": map[string]any{"endpoint_wait": 500.0, "voice": 110.2}},
		"silence 0 ms": {"stages": map[string]any{}},
		"the text":     {"stages": "of another server"},
	} {
		if got := measuredText(client.Event{Type: "measured", Text: "the text", Data: data}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
