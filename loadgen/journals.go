package loadgen

import "time"

// JournalLimits bound what journals cost.
type JournalLimits struct {
	// JournalCPU bounds the processor time of calls with vendors that keep journals over
	// that of as many calls with as many turns without.
	JournalCPU float64 `json:"journal_cpu_ratio"`
}

func defaultJournalLimits() JournalLimits { return JournalLimits{JournalCPU: 1.05} }

// withDefaults fills zero limits.
func (l JournalLimits) withDefaults() JournalLimits {
	return JournalLimits{JournalCPU: or(l.JournalCPU, defaultJournalLimits().JournalCPU)}
}

// JournalPair are two runs of as many turns in as many calls, one right after the other,
// against servers that keep journals and that do not.
type JournalPair struct {
	Without, With *Report
	// WithoutCPU and WithCPU are the servers' processor times from the first INVITE until
	// the last journal was closed.
	WithoutCPU, WithCPU time.Duration
}

func (p JournalPair) ratio() float64 { return ratio(p.WithCPU.Seconds(), p.WithoutCPU.Seconds()) }

func (p JournalPair) counts() bool { return p.Without.Counts() && p.With.Counts() }

func (p JournalPair) failed() int { return p.Without.Failed() + p.With.Failed() }

// Journals sums up pairs of runs.
type Journals struct {
	// Without and With are the runs of the pair with the middle ratio of processor time
	// among those that count; when no more than half of them do, it is one that does not.
	Without *Report `json:"without"`
	// With is the pair's run with journals.
	With *Report `json:"with"`
	// WithoutCPU and WithCPU are the processor times of the pair in seconds.
	WithoutCPU float64 `json:"without_cpu_s"`
	// WithCPU is that with journals.
	WithCPU float64 `json:"with_cpu_s"`
	PairStats
}

// SumUpJournals returns what pairs, of which there is at least one, say together.
func SumUpJournals(pairs []JournalPair) *Journals {
	kept, stats := sumUp(pairs)
	return &Journals{Without: kept.Without, With: kept.With, WithoutCPU: kept.WithoutCPU.Seconds(), WithCPU: kept.WithCPU.Seconds(), PairStats: stats}
}

// reports returns the runs that were kept.
func (j *Journals) reports() []*Report {
	if j == nil {
		return nil
	}
	return []*Report{j.Without, j.With}
}

// failed returns the number of calls that failed in the other runs.
func (j *Journals) failed() int {
	if j == nil {
		return 0
	}
	return j.Failed
}

// measures lists what is judged.
func (l JournalLimits) measures() []measure {
	return []measure{{
		name: "cpu with journals / without", unit: "x", limit: l.JournalCPU,
		needs:  func(r Results) []*Report { return r.Journals.reports() },
		made:   func(r Results) bool { return r.Journals != nil },
		value:  func(r Results) float64 { return ratio(r.Journals.WithCPU, r.Journals.WithoutCPU) },
		values: func(r Results) int { return present(r.Journals.WithCPU, r.Journals.WithoutCPU) },
	}}
}

// journals prints the comparison.
func (p *printer) journals(j *Journals) {
	if j == nil {
		return
	}
	p.line("journals: %.3f times the processor time of the same calls with vendors without them, %.2f and %.2f s (%d pairs, from %.3f to %.3f; %d more do not count; %d calls failed)",
		ratio(j.WithCPU, j.WithoutCPU), j.WithCPU, j.WithoutCPU, j.Pairs, j.Least, j.Most, j.Late, j.Failed+j.Without.Failed()+j.With.Failed())
	p.line("  echo calls have no conversation and so no journal: they cost the same either way")
}

// ProcessorTime returns how much processor time a process has used, exact to 10 ms.
func ProcessorTime(pid int) (time.Duration, error) { return process{pid, "/proc"}.cpu() }
