package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestLineText(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"c","line_quality":{"near":{"packets":1500,"lost":7,"loss_percent":0.47,"jitter_ms":1.4,"jitter_max_ms":9,"mos":4.33},` +
			`"far":{"packets":9,"lost":0,"loss_percent":0,"jitter_ms":0.8,"jitter_max_ms":2.1,"mos":4.4},"round_trip_ms":41.3}}`: "received: loss 0.47 %, jitter 1.4 ms, MOS 4.33; sent: loss 0 %, jitter 0.8 ms, MOS 4.4; round trip 41.3 ms",
		`{"id":"c","line_quality":{"near":{"loss_percent":1,"jitter_ms":2,"mos":4}}}`: "received: loss 1 %, jitter 2 ms, MOS 4\n",
	} {
		var o object
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := (remote{}).show(&app{out: &out}, o); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%v: %q, want %q", err, out.String(), want)
		}
	}
}
