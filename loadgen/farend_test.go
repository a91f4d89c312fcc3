package loadgen

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// still is a behaviour that says and hears nothing.
type still struct{ behaviour }

func (still) fill([]int16, time.Duration)  {}
func (still) sent(time.Duration)           {}
func (still) heard([]int16, time.Duration) {}
func (still) report(*tally)                {}

// recorded plays a call of whole frames: a period of each side's sound, in milliseconds.
func recorded(own, agent [][2]int, length int) []FarTurn {
	f := &farEnd{behaviour: still{}, rate: 8000, answered: 100 * time.Millisecond}
	in := func(all [][2]int, ms int) bool {
		for _, p := range all {
			if ms >= p[0] && ms < p[1] {
				return true
			}
		}
		return false
	}
	pcm := make([]int16, 160)
	fill := func(loud bool) {
		clear(pcm)
		for i := range pcm {
			if loud {
				pcm[i] = 8000
			}
		}
	}
	for ms := 100; ms < length; ms += 20 {
		at := time.Duration(ms) * time.Millisecond
		fill(in(own, ms-20)) // what was spoken until now is sent now
		f.first, f.last, f.frame = firstAudible(pcm), lastAudible(pcm), len(pcm)
		f.sent(at)
		fill(in(agent, ms))
		f.heard(pcm, at)
	}
	return f.turns()
}

func TestFarEndRecordsTurns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own, agent [][2]int
		want       []FarTurn
	}{
		"a greeting and an answer": {[][2]int{{2000, 2400}}, [][2]int{{300, 1000}, {3000, 3500}},
			[]FarTurn{{Silence: 200}, {Gap: new(600.0), Silence: 1600}}},
		"an interruption": {[][2]int{{2000, 3000}}, [][2]int{{1000, 2100}, {3500, 4000}},
			[]FarTurn{{BargeIn: new(80.0), Silence: 900}, {Gap: new(500.0), Silence: 500}}},
		"the agent speaks into a burst": {[][2]int{{1000, 2000}}, [][2]int{{1500, 3000}}, []FarTurn{{Silence: 900}}},
		"short pauses are no silence":   {[][2]int{{1000, 1400}, {1600, 2000}}, [][2]int{{2500, 3000}, {3100, 3500}}, []FarTurn{{Gap: new(500.0), Silence: 1400}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, recorded(c.own, c.agent, 5000)); diff != "" {
				t.Errorf("turns (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	run := &Report{FarEnds: []FarEnd{
		{From: "a", Turns: []FarTurn{{Silence: 1000}, {Gap: new(500.0), BargeIn: new(80.0), Silence: 500}}},
		{From: "b", Turns: []FarTurn{{Silence: 1}}}, {From: "c", Turns: []FarTurn{{Gap: new(1.0), Silence: 500}}}, {From: "d"},
	}}
	w := Compare(run, []Reported{
		{From: "a", Turns: []ReportedTurn{{Silence: 1030, Stages: 1030}, {Gap: new(490.0), BargeIn: new(95.0), Silence: 500, Stages: 500}}},
		{From: "c", Turns: []ReportedTurn{{Silence: 500, Stages: 510}}},
	})
	if w.Calls != 2 || w.Turns != 3 || w.Unlike != 3 || len(w.Differences) != 3 {
		t.Errorf("%d calls, %d turns, %d unlike: %q", w.Calls, w.Turns, w.Unlike, w.Differences)
	}
	if w.Gap.Max != 10 || w.BargeIn.Max != 15 || w.Silence.Max != 30 || w.Heard != 2000 || w.Attributed != 2040 || w.Off() != 2 {
		t.Errorf("%+v", w)
	}
}
