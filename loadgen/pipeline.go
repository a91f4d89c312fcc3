package loadgen

// PipelineLimits bound calls whose recogniser, model and voice are vendors'.
type PipelineLimits struct {
	// PipelineP50 bounds the median added turn latency in milliseconds.
	PipelineP50 float64 `json:"pipeline_added_p50_ms"`
	// PipelineP99 bounds the 99th percentile of it in milliseconds.
	PipelineP99 float64 `json:"pipeline_added_p99_ms"`
	// PipelineCPU bounds the processor time by call-minute over that of bare sockets
	// at the same number of calls.
	PipelineCPU float64 `json:"pipeline_cpu_ratio"`
	// PipelineKB bounds the memory of a call in kibibytes.
	PipelineKB float64 `json:"pipeline_kb_per_call"`
	// PipelineCalls is how many calls must be served at once, at least.
	PipelineCalls float64 `json:"pipeline_calls"`
}

func defaultPipelineLimits() PipelineLimits {
	return PipelineLimits{PipelineP50: 45, PipelineP99: 90, PipelineCPU: 5, PipelineKB: 350, PipelineCalls: 150}
}

// withDefaults fills zero limits.
func (l PipelineLimits) withDefaults() PipelineLimits {
	d := defaultPipelineLimits()
	return PipelineLimits{
		PipelineP50: or(l.PipelineP50, d.PipelineP50), PipelineP99: or(l.PipelineP99, d.PipelineP99),
		PipelineCPU: or(l.PipelineCPU, d.PipelineCPU), PipelineKB: or(l.PipelineKB, d.PipelineKB),
		PipelineCalls: or(l.PipelineCalls, d.PipelineCalls),
	}
}

// Pipeline are the runs of calls with vendors. A run that was not made is nil.
type Pipeline struct {
	// Calibration is the bare-socket run at the number of calls of Turns.
	Calibration *Report `json:"calibration,omitempty"`
	// Turns is the turn run, and Memory another one with memory read at 50 and at all
	// of its calls.
	Turns  *Report `json:"turns,omitempty"`
	Memory *Report `json:"memory,omitempty"`
	// Most is how many calls were served at once while packets still came in time.
	Most int `json:"most"`
}

// rampGap is the inter-arrival p99 in milliseconds above which calls are not served in
// time.
const rampGap = 25

// InTime says whether a run of a ramp was served in time, by a generator that was in
// time itself.
func (r *Report) InTime() bool { return r.Gap.P99 <= rampGap && r.Counts() && r.Failed() == 0 }

// reports returns the runs that were made.
func (p *Pipeline) reports() (made []*Report) {
	if p == nil {
		return nil
	}
	for _, r := range []*Report{p.Calibration, p.Turns, p.Memory} {
		if r != nil {
			made = append(made, r)
		}
	}
	return made
}

// measures lists what is judged.
func (l PipelineLimits) measures() []measure {
	of := func(p *Pipeline) Pipeline {
		if p == nil {
			return Pipeline{}
		}
		return *p
	}
	turns := func(r Results) []*Report { return []*Report{of(r.Pipeline).Turns} }
	return []measure{
		{
			name: "pipeline added latency p50", unit: "ms", limit: l.PipelineP50, needs: turns,
			value:  func(r Results) float64 { return r.Pipeline.Turns.Added.P50 },
			values: func(r Results) int { return r.Pipeline.Turns.Added.Count },
		}, {
			name: "pipeline added latency p99", unit: "ms", limit: l.PipelineP99, needs: turns,
			value:  func(r Results) float64 { return r.Pipeline.Turns.Added.P99 },
			values: func(r Results) int { return r.Pipeline.Turns.Added.Count },
		}, {
			name: "pipeline cpu / bare sockets", unit: "x", limit: l.PipelineCPU,
			needs: func(r Results) []*Report { return []*Report{of(r.Pipeline).Turns, of(r.Pipeline).Calibration} },
			value: func(r Results) float64 {
				return ratio(r.Pipeline.Turns.CPUPerCallMinute, r.Pipeline.Calibration.CPUPerCallMinute)
			},
			values: func(r Results) int {
				return present(r.Pipeline.Turns.CPUPerCallMinute, r.Pipeline.Calibration.CPUPerCallMinute)
			},
		}, {
			name: "pipeline memory per call", unit: "KB", limit: l.PipelineKB,
			needs:  func(r Results) []*Report { return []*Report{of(r.Pipeline).Memory} },
			value:  func(r Results) float64 { return r.Pipeline.Memory.KBPerCall },
			values: func(r Results) int { return present(r.Pipeline.Memory.FullKB) },
		}, {
			name: "pipeline calls too few", unit: "calls", needs: noReports,
			value:  func(r Results) float64 { return max(0, l.PipelineCalls-float64(r.Pipeline.Most)) },
			values: func(Results) int { return 1 },
			made:   func(r Results) bool { return r.Pipeline != nil && r.Pipeline.Most > 0 },
		},
	}
}

// pipeline prints how many calls were served.
func (p *printer) pipeline(r *Pipeline) {
	if r != nil {
		p.line("pipeline: %d calls with vendors at once in time", r.Most)
	}
}
