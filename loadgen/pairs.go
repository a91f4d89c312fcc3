package loadgen

import (
	"cmp"
	"slices"
)

// pair are two runs whose processor times are compared.
type pair interface {
	comparable
	ratio() float64
	counts() bool
	failed() int
}

// PairStats says of pairs of runs what one pair alone does not.
type PairStats struct {
	// Pairs is how many pairs count, Late how many do not.
	Pairs int `json:"pairs"`
	// Late is how many pairs do not count.
	Late int `json:"late_pairs"`
	// Least and Most are the smallest and the largest ratio of those that count.
	Least float64 `json:"least_cpu_ratio"`
	// Most is the largest ratio.
	Most float64 `json:"most_cpu_ratio"`
	// Failed is the number of calls that failed in the other pairs that count.
	Failed int `json:"failed_elsewhere"`
}

// sumUp returns the pair that stands for all, of which there is at least one: that with
// the middle ratio among those that count; when no more than half of all count, one that
// does not.
func sumUp[P pair](pairs []P) (kept P, s PairStats) {
	counting := slices.DeleteFunc(slices.Clone(pairs), func(p P) bool { return !p.counts() })
	slices.SortFunc(counting, func(p, q P) int { return cmp.Compare(p.ratio(), q.ratio()) })
	s.Pairs, s.Late = len(counting), len(pairs)-len(counting)
	if s.Pairs > 0 {
		s.Least, s.Most = counting[0].ratio(), counting[s.Pairs-1].ratio()
	}
	if 2*s.Pairs > len(pairs) {
		kept = counting[s.Pairs/2]
	} else {
		kept = pairs[slices.IndexFunc(pairs, func(p P) bool { return !p.counts() })]
	}
	for _, p := range counting {
		if p != kept {
			s.Failed += p.failed()
		}
	}
	return kept, s
}
