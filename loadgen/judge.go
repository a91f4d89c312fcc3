package loadgen

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// Limits are the bounds that Results are judged by. A zero limit is replaced by
// the one DefaultLimits names.
type Limits struct {
	// GapRatio bounds the echo run's gap p99 over the calibration's.
	GapRatio float64 `json:"gap_p99_ratio"`
	// CPURatio bounds the echo run's processor time by call-minute over the
	// calibration's.
	CPURatio float64 `json:"cpu_ratio"`
	// G722CPU bounds the processor seconds by call-minute of a G.722 echo run.
	G722CPU float64 `json:"g722_cpu_s_per_call_minute"`
	// AddedP50 bounds the median added turn latency in milliseconds.
	AddedP50 float64 `json:"added_p50_ms"`
	// AddedP99 bounds the 99th percentile of added turn latency in
	// milliseconds.
	AddedP99 float64 `json:"added_p99_ms"`
	// BargeInP50 bounds the median barge-in time in milliseconds.
	BargeInP50 float64 `json:"barge_in_p50_ms"`
	// BargeInP95 bounds the 95th percentile of barge-in time in milliseconds.
	BargeInP95 float64 `json:"barge_in_p95_ms"`
	// BargeIn10P95 bounds it when noise lies only 10 dB below the speech.
	BargeIn10P95 float64 `json:"barge_in_10db_p95_ms"`
	// CoughSilence bounds the agent's longest silence after a cough in
	// milliseconds.
	CoughSilence float64 `json:"cough_silence_ms"`
	// SetupP50 bounds the median time from INVITE to 200 in milliseconds.
	SetupP50 float64 `json:"setup_p50_ms"`
	// KBPerCall bounds the memory of a live call in kibibytes.
	KBPerCall float64 `json:"kb_per_call"`
	// Recording bounds how far the caller's sound may lie, in a recording, from
	// where it was spoken, in milliseconds.
	Recording float64 `json:"recording_ms"`
	// ColdStart bounds the median time from exec to the first 200 in
	// milliseconds.
	ColdStart float64 `json:"cold_start_ms"`
	// Wire bounds how far what is reported of a turn may lie from what its far end
	// recorded, in milliseconds.
	Wire float64 `json:"wire_ms"`
	// WireSilence bounds how far the sum of all silence may lie from that of the far ends,
	// in percent.
	WireSilence float64 `json:"wire_silence_percent"`
	// PipelineLimits bound calls with vendors.
	PipelineLimits
	// SecureLimits bound calls over TLS and SRTP.
	SecureLimits
	// JournalLimits bound what journals cost.
	JournalLimits
}

// DefaultLimits returns the promised bounds.
func DefaultLimits() Limits {
	return Limits{
		GapRatio: 1.15, CPURatio: 2.5, G722CPU: 0.22,
		AddedP50: 40, AddedP99: 60, BargeInP50: 120, BargeInP95: 200, BargeIn10P95: 300, CoughSilence: 900,
		SetupP50: 3, KBPerCall: 150, Recording: 20, ColdStart: 150, Wire: 50, WireSilence: 2, PipelineLimits: defaultPipelineLimits(),
		SecureLimits: defaultSecureLimits(), JournalLimits: defaultJournalLimits(),
	}
}

// Results are the runs of one benchmark. A run that was not made is nil and is
// not judged.
type Results struct {
	// Calibration is the bare-socket run.
	Calibration *Report `json:"calibration,omitempty"`
	// Echo is the G.711 echo run, with memory read at 10 and at all calls.
	Echo *Report `json:"echo,omitempty"`
	// EchoG722 is the G.722 echo run.
	EchoG722 *Report `json:"echo_g722,omitempty"`
	// OneWheel is a G.722 echo run against a server with one wheel.
	OneWheel *Report `json:"one_wheel,omitempty"`
	// TwoWheels is the same against a server with two.
	TwoWheels *Report `json:"two_wheels,omitempty"`
	// TurnOne is the turn run with 1 call.
	TurnOne *Report `json:"turn_one,omitempty"`
	// TurnMany is the turn run with 100 calls.
	TurnMany *Report `json:"turn_many,omitempty"`
	// BargeIn is the barge-in run without noise.
	BargeIn *Report `json:"barge_in,omitempty"`
	// BargeIn20 is the barge-in run with noise 20 dB below the speech.
	BargeIn20 *Report `json:"barge_in_20db,omitempty"`
	// BargeIn10 is the barge-in run with noise 10 dB below the speech.
	BargeIn10 *Report `json:"barge_in_10db,omitempty"`
	// Cough is the cough run.
	Cough *Report `json:"cough,omitempty"`
	// Setup is the set-up run.
	Setup *Report `json:"setup,omitempty"`
	// Churn is the churn run.
	Churn *Report `json:"churn,omitempty"`
	// Recording is how a recording lined up with what was spoken.
	Recording *Alignment `json:"recording,omitempty"`
	// ColdStart holds the cold starts.
	ColdStart Quantiles `json:"cold_start"`
	// Wire is how what was reported of turns lies beside what far ends recorded.
	Wire *Wire `json:"wire,omitempty"`
	// Pipeline are the runs with vendors; nil: none was made.
	Pipeline *Pipeline `json:"pipeline,omitempty"`
	// Secure are the runs over TLS and SRTP; nil: none was made.
	Secure *Secure `json:"secure,omitempty"`
	// Journals are the runs with and without journals; nil: none was made.
	Journals *Journals `json:"journals,omitempty"`
}

// Baseline is an earlier benchmark with the limits to judge by, as committed
// beside the sources.
type Baseline struct {
	// Limits are the bounds.
	Limits Limits `json:"limits"`
	// Results are the earlier figures, shown beside the new ones.
	Results Results `json:"results"`
}

// Over returns the results with earlier ones in the place of runs that were not made.
func (r Results) Over(earlier Results) Results {
	all := reflect.ValueOf(&r).Elem()
	for i := range all.NumField() {
		if all.Field(i).IsZero() {
			all.Field(i).Set(reflect.ValueOf(earlier).Field(i))
		}
	}
	return r
}

// ReadBaseline reads a baseline written by WriteJSON. Missing limits take their
// defaults; an unknown field is an error, as it is a misspelt one.
func ReadBaseline(r io.Reader) (Baseline, error) {
	var b Baseline
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return Baseline{}, fmt.Errorf("read baseline: %w", err)
	}
	b.Limits = b.Limits.withDefaults()
	return b, nil
}

// WriteJSON writes the baseline so that ReadBaseline reads it.
func (b Baseline) WriteJSON(w io.Writer) error { return writeJSON(w, b) }

// withDefaults fills zero limits.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		GapRatio: or(l.GapRatio, d.GapRatio), CPURatio: or(l.CPURatio, d.CPURatio),
		G722CPU:  or(l.G722CPU, d.G722CPU),
		AddedP50: or(l.AddedP50, d.AddedP50), AddedP99: or(l.AddedP99, d.AddedP99),
		BargeInP50: or(l.BargeInP50, d.BargeInP50), BargeInP95: or(l.BargeInP95, d.BargeInP95),
		BargeIn10P95: or(l.BargeIn10P95, d.BargeIn10P95), CoughSilence: or(l.CoughSilence, d.CoughSilence), SetupP50: or(l.SetupP50, d.SetupP50),
		KBPerCall: or(l.KBPerCall, d.KBPerCall), Recording: or(l.Recording, d.Recording), ColdStart: or(l.ColdStart, d.ColdStart),
		Wire: or(l.Wire, d.Wire), WireSilence: or(l.WireSilence, d.WireSilence), PipelineLimits: l.PipelineLimits.withDefaults(),
		SecureLimits: l.SecureLimits.withDefaults(), JournalLimits: l.JournalLimits.withDefaults(),
	}
}

// Verdict is the outcome of one Judgement.
type Verdict string

const (
	// Met says that the value is within its limit.
	Met Verdict = "met"
	// Missed says that it is not.
	Missed Verdict = "MISSED"
	// NotCounted says that the generator was too late in every attempt for the
	// value to mean anything.
	NotCounted Verdict = "not counted"
)

// Judgement compares one figure with its limit.
type Judgement struct {
	// Name says what was measured.
	Name string `json:"name"`
	// Value is the figure, Limit its upper bound, both in Unit.
	Value float64 `json:"value"`
	// Limit is the upper bound of Value.
	Limit float64 `json:"limit"`
	// Unit is "ms", "KB", "s", "calls" or "x" for a ratio.
	Unit string `json:"unit"`
	// Verdict is the outcome.
	Verdict Verdict `json:"verdict"`
	// Earlier is the baseline's figure; zero: none.
	Earlier float64 `json:"earlier,omitempty"`
	// Attempts is the largest number of runs one of its reports took.
	Attempts int `json:"attempts"`
}

// measure is one figure of Results.
type measure struct {
	name, unit string
	limit      float64
	// value returns the figure; it is called only when every report of needs
	// is there, and made, if not nil, says so too.
	value func(r Results) float64
	needs func(r Results) []*Report
	// values returns how many values the figure was made of.
	values func(r Results) int
	made   func(r Results) bool
}

// measures lists what is judged.
func (l Limits) measures() []measure {
	one := func(pick func(Results) *Report) func(Results) []*Report {
		return func(r Results) []*Report { return []*Report{pick(r)} }
	}
	echo := func(r Results) []*Report { return []*Report{r.Echo, r.Calibration} }
	list := []measure{
		{
			name: "echo gap p99 / bare sockets", unit: "x", limit: l.GapRatio, needs: echo,
			value:  func(r Results) float64 { return ratio(r.Echo.Gap.P99, r.Calibration.Gap.P99) },
			values: func(r Results) int { return min(r.Echo.Gap.Count, r.Calibration.Gap.Count) },
		}, {
			name: "echo cpu / bare sockets", unit: "x", limit: l.CPURatio, needs: echo,
			value:  func(r Results) float64 { return ratio(r.Echo.CPUPerCallMinute, r.Calibration.CPUPerCallMinute) },
			values: func(r Results) int { return present(r.Echo.CPUPerCallMinute, r.Calibration.CPUPerCallMinute) },
		}, {
			name: "echo G.722 cpu per call-minute", unit: "s", limit: l.G722CPU,
			needs:  one(func(r Results) *Report { return r.EchoG722 }),
			value:  func(r Results) float64 { return r.EchoG722.CPUPerCallMinute },
			values: func(r Results) int { return present(r.EchoG722.CPUPerCallMinute) },
		}, {
			name: "memory per call", unit: "KB", limit: l.KBPerCall,
			needs:  one(func(r Results) *Report { return r.Echo }),
			value:  func(r Results) float64 { return r.Echo.KBPerCall },
			values: func(r Results) int { return present(r.Echo.FullKB) },
		}, {
			name: "cold start p50", unit: "ms", limit: l.ColdStart, needs: noReports,
			value:  func(r Results) float64 { return r.ColdStart.P50 },
			values: func(r Results) int { return r.ColdStart.Count },
			made:   func(r Results) bool { return r.ColdStart.Count > 0 },
		}, {
			name: "failed calls", unit: "calls", needs: noReports,
			value:  func(r Results) float64 { return float64(r.failed()) },
			values: func(Results) int { return 1 },
		},
	}
	return slices.Concat(list, l.times(), l.places(), l.truths(), l.PipelineLimits.measures(), l.SecureLimits.measures(), l.JournalLimits.measures())
}

// noReports is what figures need that are not made of a load run.
func noReports(Results) []*Report { return nil }

// places lists what is judged of a recording.
func (l Limits) places() []measure {
	var list []measure
	for _, third := range []struct {
		name string
		of   func(*Alignment) float64
	}{
		{"start", func(a *Alignment) float64 { return a.Start }},
		{"middle", func(a *Alignment) float64 { return a.Middle }},
		{"end", func(a *Alignment) float64 { return a.End }},
	} {
		list = append(list, measure{
			name: "recording off, " + third.name, unit: "ms", limit: l.Recording,
			value:  func(r Results) float64 { return third.of(r.Recording) },
			needs:  noReports,
			values: func(r Results) int { return r.Recording.Clicks },
			made:   func(r Results) bool { return r.Recording != nil },
		})
	}
	return list
}

// times lists the judged quantiles of single runs.
func (l Limits) times() []measure {
	var list []measure
	add := func(name string, limit float64, pick func(Results) *Report, from func(*Report) Quantiles, of func(Quantiles) float64) {
		list = append(list, measure{
			name: name, unit: "ms", limit: limit,
			value:  func(r Results) float64 { return of(from(pick(r))) },
			needs:  func(r Results) []*Report { return []*Report{pick(r)} },
			values: func(r Results) int { return from(pick(r)).Count },
		})
	}
	p50 := func(q Quantiles) float64 { return q.P50 }
	p95 := func(q Quantiles) float64 { return q.P95 }
	p99 := func(q Quantiles) float64 { return q.P99 }
	most := func(q Quantiles) float64 { return q.Max }
	added := func(r *Report) Quantiles { return r.Added }
	bargeIn := func(r *Report) Quantiles { return r.BargeIn }
	turnOne := func(r Results) *Report { return r.TurnOne }
	turnMany := func(r Results) *Report { return r.TurnMany }
	clean := func(r Results) *Report { return r.BargeIn }
	noisy := func(r Results) *Report { return r.BargeIn20 }
	noisier := func(r Results) *Report { return r.BargeIn10 }
	add("added latency p50, 1 call", l.AddedP50, turnOne, added, p50)
	add("added latency p99, 1 call", l.AddedP99, turnOne, added, p99)
	add("added latency p50, many calls", l.AddedP50, turnMany, added, p50)
	add("added latency p99, many calls", l.AddedP99, turnMany, added, p99)
	add("barge-in p50, clean", l.BargeInP50, clean, bargeIn, p50)
	add("barge-in p95, clean", l.BargeInP95, clean, bargeIn, p95)
	add("barge-in p50, 20 dB SNR", l.BargeInP50, noisy, bargeIn, p50)
	add("barge-in p95, 20 dB SNR", l.BargeInP95, noisy, bargeIn, p95)
	add("barge-in p95, 10 dB SNR", l.BargeIn10P95, noisier, bargeIn, p95)
	add("silence after a cough", l.CoughSilence, func(r Results) *Report { return r.Cough },
		func(r *Report) Quantiles { return r.Silence }, most)
	add("invite to 200 p50", l.SetupP50, func(r Results) *Report { return r.Setup },
		func(r *Report) Quantiles { return r.Setup }, p50)
	return list
}

// ratio returns a over b; zero when b is zero, which is never judged.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// present returns 1 when all of values are above zero, else 0.
func present(values ...float64) int {
	for _, v := range values {
		if v <= 0 {
			return 0
		}
	}
	return 1
}

// reports returns the runs that were made.
func (r Results) reports() []*Report {
	var made []*Report
	for _, report := range []*Report{
		r.Calibration, r.Echo, r.EchoG722, r.TurnOne, r.TurnMany, r.BargeIn, r.BargeIn20, r.BargeIn10, r.Cough, r.Setup, r.Churn, r.Wire.run(),
	} {
		if report != nil {
			made = append(made, report)
		}
	}
	return slices.Concat(made, r.Pipeline.reports(), r.Secure.reports(), r.Journals.reports())
}

// failed returns the number of failed calls in all runs.
func (r Results) failed() int {
	total := r.Secure.failed() + r.Journals.failed()
	for _, report := range r.reports() {
		total += report.Failed()
	}
	return total
}

// has says whether every report of m was made and holds values.
func (r Results) has(m measure) bool {
	for _, report := range m.needs(r) {
		if report == nil {
			return false
		}
	}
	return m.made == nil || m.made(r)
}

// Judge compares the results with the limits of the baseline. A run that was
// made but holds no value for a judged figure misses its limit.
func (r Results) Judge(b Baseline) []Judgement {
	var all []Judgement
	for _, m := range b.Limits.withDefaults().measures() {
		if !r.has(m) {
			continue
		}
		j := Judgement{Name: m.name, Value: m.value(r), Limit: m.limit, Unit: m.unit, Verdict: Met, Attempts: 1}
		if b.Results.has(m) {
			j.Earlier = m.value(b.Results)
		}
		if j.Value > j.Limit || m.values(r) == 0 {
			j.Verdict = Missed
		}
		for _, report := range m.needs(r) {
			j.Attempts = max(j.Attempts, report.Attempts)
			if !report.Counts() {
				j.Verdict = NotCounted
			}
		}
		all = append(all, j)
	}
	return all
}

// WriteText writes every report and the judgement for people. It returns
// whether every judged figure was met.
func (r Results) WriteText(w io.Writer, b Baseline) (bool, error) {
	for _, report := range r.reports() {
		if err := report.WriteText(w); err != nil {
			return false, err
		}
	}
	p := &printer{w: w}
	p.wheels("one wheel", r.OneWheel)
	p.wheels("two wheels", r.TwoWheels)
	if a := r.Recording; a != nil {
		p.line("recording: the caller's sound lies up to %.1f ms off at the start, %.1f ms in the middle, %.1f ms at the end (%d clicks)",
			a.Start, a.Middle, a.End, a.Clicks)
	}
	p.wire(r.Wire)
	p.quantiles("cold start", r.ColdStart)
	p.pipeline(r.Pipeline)
	p.secure(r.Secure)
	p.journals(r.Journals)
	p.line("")
	met := true
	for _, j := range r.Judge(b) {
		earlier := ""
		if j.Earlier != 0 {
			earlier = fmt.Sprintf("  (baseline %.3g)", j.Earlier)
		}
		if j.Attempts > 1 {
			earlier += fmt.Sprintf("  (%d attempts)", j.Attempts)
		}
		p.line("%-11s  %-32s %9.3f %-5s limit %g%s", j.Verdict, j.Name, j.Value, j.Unit, j.Limit, earlier)
		met = met && j.Verdict == Met
	}
	return met, p.err
}

// WriteJSON writes the results as indented JSON.
func (r Results) WriteJSON(w io.Writer) error { return writeJSON(w, r) }
