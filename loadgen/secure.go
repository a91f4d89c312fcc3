package loadgen

// SecureLimits bound calls over TLS and SRTP.
type SecureLimits struct {
	// SecureCPU bounds the processor time of echo calls over TLS and SRTP, after their
	// set-up, over that of as many plain ones in the same run.
	SecureCPU float64 `json:"secure_cpu_ratio"`
	// SecureSetupP50 bounds the median time from INVITE to 200 over a TLS connection that
	// is open, in milliseconds.
	SecureSetupP50 float64 `json:"secure_setup_p50_ms"`
}

func defaultSecureLimits() SecureLimits { return SecureLimits{SecureCPU: 1.15, SecureSetupP50: 6} }

// withDefaults fills zero limits.
func (l SecureLimits) withDefaults() SecureLimits {
	d := defaultSecureLimits()
	return SecureLimits{SecureCPU: or(l.SecureCPU, d.SecureCPU), SecureSetupP50: or(l.SecureSetupP50, d.SecureSetupP50)}
}

// SecurePair are two runs of as many echo calls, one right after the other, against one
// server: in plain, and over TLS and SRTP.
type SecurePair struct{ Plain, Secure *Report }

// ratio is the pair's ratio of processor time.
func (p SecurePair) ratio() float64 {
	return ratio(p.Secure.CPUPerCallMinute, p.Plain.CPUPerCallMinute)
}

// counts says whether both runs count.
func (p SecurePair) counts() bool { return p.Plain.Counts() && p.Secure.Counts() }

func (p SecurePair) failed() int { return p.Plain.Failed() + p.Secure.Failed() }

// Secure sums up pairs of runs.
type Secure struct {
	// Plain and Secure are the pair with the middle ratio of processor time among those
	// that count; when no more than half of them do, it is one that does not.
	Plain *Report `json:"plain"`
	// Secure is the pair's run over TLS and SRTP.
	Secure *Report `json:"secure"`
	PairStats
}

// SumUp returns what pairs, of which there is at least one, say together.
func SumUp(pairs []SecurePair) *Secure {
	kept, stats := sumUp(pairs)
	return &Secure{Plain: kept.Plain, Secure: kept.Secure, PairStats: stats}
}

// reports returns the runs that were kept.
func (s *Secure) reports() []*Report {
	if s == nil {
		return nil
	}
	return []*Report{s.Plain, s.Secure}
}

// failed returns the number of calls that failed in the other runs.
func (s *Secure) failed() int {
	if s == nil {
		return 0
	}
	return s.Failed
}

// measures lists what is judged.
func (l SecureLimits) measures() []measure {
	needs := func(r Results) []*Report { return r.Secure.reports() }
	made := func(r Results) bool { return r.Secure != nil }
	return []measure{
		{
			name: "cpu over tls and srtp / plain", unit: "x", limit: l.SecureCPU, needs: needs, made: made,
			value: func(r Results) float64 { return SecurePair{r.Secure.Plain, r.Secure.Secure}.ratio() },
			values: func(r Results) int {
				return present(r.Secure.Plain.CPUPerCallMinute, r.Secure.Secure.CPUPerCallMinute)
			},
		}, {
			name: "invite to 200 p50 over tls", unit: "ms", limit: l.SecureSetupP50, needs: needs, made: made,
			value:  func(r Results) float64 { return r.Secure.Secure.Setup.P50 },
			values: func(r Results) int { return r.Secure.Secure.Setup.Count },
		},
	}
}

// secure prints the comparison.
func (p *printer) secure(s *Secure) {
	if s == nil {
		return
	}
	p.line("over TLS and SRTP: %.3f times the processor time of plain calls (%d pairs, from %.3f to %.3f; %d more do not count)",
		SecurePair{s.Plain, s.Secure}.ratio(), s.Pairs, s.Least, s.Most, s.Late)
	p.line("  INVITE to 200 p50 %.2f ms, p95 %.2f ms (plain: %.2f, %.2f); packet gap p99 %.2f ms (plain: %.2f); %d calls failed",
		s.Secure.Setup.P50, s.Secure.Setup.P95, s.Plain.Setup.P50, s.Plain.Setup.P95, s.Secure.Gap.P99, s.Plain.Gap.P99,
		s.Failed+s.Plain.Failed()+s.Secure.Failed())
}
