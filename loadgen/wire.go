package loadgen

import (
	"fmt"
	"math"
	"time"
)

// Reported is what a server says of one call; times are in milliseconds.
type Reported struct {
	// From is the caller's user part.
	From string
	// Turns are those in which the agent spoke.
	Turns []ReportedTurn
}

// ReportedTurn is what a server says of one turn.
type ReportedTurn struct {
	// Gap and BargeIn are nil when they were not measured.
	Gap, BargeIn *float64
	// Silence is how long neither spoke, Stages the sum of what that was made of.
	Silence, Stages float64
}

// Wire is how what a server reports of its turns lies beside what the far ends recorded.
// Times are in milliseconds.
type Wire struct {
	// Run is the load; nil in the report of an earlier benchmark.
	Run *Report `json:"run,omitempty"`
	// Calls and Turns are how many were compared.
	Calls int `json:"calls"`
	Turns int `json:"turns"`
	// Unlike is how many calls have other turns, or figures, on the one side than on the
	// other; Differences says which, of the first of them.
	Unlike      int      `json:"unlike"`
	Differences []string `json:"differences,omitempty"`
	// Gap, BargeIn and Silence are how far the figures of one turn lie apart.
	Gap     Quantiles `json:"gap"`
	BargeIn Quantiles `json:"barge_in"`
	Silence Quantiles `json:"silence"`
	// Heard is all silence that the far ends recorded, Attributed the sum of all stages.
	Heard      float64 `json:"heard"`
	Attributed float64 `json:"attributed"`
}

// run is the load; nil when there is none.
func (w *Wire) run() *Report {
	if w == nil {
		return nil
	}
	return w.Run
}

// Off is how far the sums lie apart, in percent.
func (w *Wire) Off() float64 { return 100 * math.Abs(ratio(w.Attributed-w.Heard, w.Heard)) }

// Compare holds what was reported of calls against what their far ends recorded. Calls are
// found by their callers.
func Compare(run *Report, reported []Reported) Wire {
	by := map[string][]ReportedTurn{}
	for _, r := range reported {
		by[r.From] = r.Turns
	}
	w := Wire{Run: run}
	var gaps, bargeIns, silences []time.Duration
	for _, far := range run.FarEnds {
		turns := by[far.From]
		if len(turns) != len(far.Turns) || len(turns) == 0 {
			w.differ("the call of %s: %d turns heard, %d reported", far.From, len(far.Turns), len(turns))
			continue
		}
		w.Calls++
		for i, heard := range far.Turns {
			w.Turns++
			w.Heard += heard.Silence
			w.Attributed += turns[i].Stages
			turn := fmt.Sprintf("the call of %s, turn %d: ", far.From, i+1)
			gaps = w.apart(gaps, turn+"gap", heard.Gap, turns[i].Gap)
			bargeIns = w.apart(bargeIns, turn+"barge-in", heard.BargeIn, turns[i].BargeIn)
			silences = w.apart(silences, turn+"silence", &heard.Silence, &turns[i].Silence)
		}
	}
	w.Gap, w.BargeIn, w.Silence = quantiles(gaps), quantiles(bargeIns), quantiles(silences)
	return w
}

// mostDifferences is how many are described.
const mostDifferences = 10

// differ counts something that only one side has.
func (w *Wire) differ(format string, args ...any) {
	if w.Unlike++; len(w.Differences) < mostDifferences {
		w.Differences = append(w.Differences, fmt.Sprintf(format, args...))
	}
}

// apart adds how far two figures lie apart, when both sides have one.
func (w *Wire) apart(all []time.Duration, what string, heard, reported *float64) []time.Duration {
	switch {
	case heard == nil && reported == nil:
		return all
	case heard == nil:
		w.differ("%s: %.1f ms reported, none heard", what, *reported)
		return all
	case reported == nil:
		w.differ("%s: %.1f ms heard, none reported", what, *heard)
		return all
	}
	return append(all, time.Duration(math.Abs(*heard-*reported)*float64(time.Millisecond)))
}

// truths lists what is judged of reported turns.
func (l Limits) truths() []measure {
	var list []measure
	add := func(name, unit string, limit float64, value func(*Wire) float64, values func(*Wire) int) {
		list = append(list, measure{
			name: name, unit: unit, limit: limit,
			value: func(r Results) float64 { return value(r.Wire) }, values: func(r Results) int { return values(r.Wire) },
			needs: func(r Results) []*Report { return []*Report{r.Wire.run()} }, made: func(r Results) bool { return r.Wire != nil },
		})
	}
	worst := func(name string, of func(*Wire) Quantiles) {
		add("reported "+name+" off, worst", "ms", l.Wire, func(w *Wire) float64 { return of(w).Max }, func(w *Wire) int { return of(w).Count })
	}
	worst("gap", func(w *Wire) Quantiles { return w.Gap })
	worst("barge-in", func(w *Wire) Quantiles { return w.BargeIn })
	worst("silence", func(w *Wire) Quantiles { return w.Silence })
	turns := func(w *Wire) int { return w.Turns }
	add("sum of the stages off", "%", l.WireSilence, (*Wire).Off, turns)
	add("turns unlike the far end's", "", 0, func(w *Wire) float64 { return float64(w.Unlike) }, turns)
	return list
}

// wire prints how reports lie beside recordings.
func (p *printer) wire(w *Wire) {
	if w == nil {
		return
	}
	p.line("reported turns beside far-end recordings: %d calls, %d turns, %d unlike", w.Calls, w.Turns, w.Unlike)
	for _, text := range w.Differences {
		p.line("  unlike           %s", text)
	}
	p.quantiles("gap off", w.Gap)
	p.quantiles("barge-in off", w.BargeIn)
	p.quantiles("silence off", w.Silence)
	p.line("  silence          %.0f ms heard, %.0f ms attributed to stages: %.2f %% off", w.Heard, w.Attributed, w.Off())
}
