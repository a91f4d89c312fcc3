package call_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// measuredLeg is a leg that knows its line.
type measuredLeg struct {
	*telephonytest.MemoryLeg
	quality telephony.Quality
}

func (l measuredLeg) Quality() telephony.Quality { return l.quality }

// The record of a call has how its line was, both ways, and so have its events, right
// before the end; where nothing was measured neither has.
func TestRecordSaysHowTheLineWas(t *testing.T) {
	t.Parallel()
	near := telephony.Reception{Packets: 1000, Lost: 5, Jitter: 2345 * time.Microsecond, JitterMax: 20 * time.Millisecond, MOS: 4.36}
	far := telephony.Reception{Packets: 400, Lost: 40, Jitter: time.Millisecond, JitterMax: 2 * time.Millisecond, MOS: 3.4}
	end := func(r telephony.Reception) *sidetone.Reception { return new(sidetone.Reception(r)) }
	for name, test := range map[string]struct {
		quality telephony.Quality
		want    *sidetone.LineQuality
		text    string
	}{
		"both ways": {telephony.Quality{Near: near, Far: far, RoundTrip: 42 * time.Millisecond},
			&sidetone.LineQuality{Near: end(near), Far: end(far), RoundTrip: 42 * time.Millisecond},
			"received: loss 0.5 %, jitter 2.3 ms, MOS 4.4; sent: loss 10.0 %, jitter 1.0 ms, MOS 3.4; round trip 42 ms"},
		"no reports of the far end": {telephony.Quality{Near: near}, &sidetone.LineQuality{Near: end(near)}, "received: loss 0.5 %, jitter 2.3 ms, MOS 4.4"},
		"no sound":                  {telephony.Quality{Far: far}, &sidetone.LineQuality{Far: end(far)}, "sent: loss 10.0 %, jitter 1.0 ms, MOS 3.4"},
		"nothing":                   {telephony.Quality{}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var told []sidetone.LineQuality
				w := newWorld(t, func(w *world, c *call.Config) {
					w.snapshot.Agent.InitialMessage = ""
					c.Measured = func(q sidetone.LineQuality) { told = append(told, q) }
				})
				defer w.stop()
				leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{To: "+14155550100"})
				done := make(chan struct{})
				go func() {
					defer close(done)
					w.exchange.Answer(context.Background(), measuredLeg{leg, test.quality})
				}()
				<-far.Answered()
				synctest.Wait()
				far.Hangup()
				r, events := w.result()
				<-done
				if diff := cmp.Diff(test.want, r.Line); diff != "" {
					t.Errorf("line (-want +got):\n%s", diff)
				}
				if (len(told) == 1) != (test.want != nil) {
					t.Errorf("told %v", told)
				}
				before := events[len(events)-2]
				if (before.Kind == sidetone.EventLine) != (test.want != nil) || test.want != nil && before.Text != test.text {
					t.Errorf("the last but one event is %+v, want %q", before, test.text)
				}
				if name == "both ways" {
					checkLineData(t, before.Data)
				}
			})
		})
	}
}

func checkLineData(t *testing.T, raw []byte) {
	t.Helper()
	var got any
	if err := json.NewDecoder(strings.NewReader(string(raw))).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"round_trip_ms": 42.0,
		"near": map[string]any{"packets": 1000.0, "lost": 5.0, "loss_percent": 0.5, "jitter_ms": 2.3, "jitter_max_ms": 20.0, "mos": 4.36},
		"far":  map[string]any{"packets": 400.0, "lost": 40.0, "loss_percent": 10.0, "jitter_ms": 1.0, "jitter_max_ms": 2.0, "mos": 3.4}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}
