package loadgen

import (
	"fmt"
	"slices"
	"time"
)

// Quantiles summarises a measured duration. All times are in milliseconds.
type Quantiles struct {
	// Count is the number of values.
	Count int `json:"count"`
	// P50 is the median.
	P50 float64 `json:"p50_ms"`
	// P95 is the 95th percentile.
	P95 float64 `json:"p95_ms"`
	// P99 is the 99th percentile.
	P99 float64 `json:"p99_ms"`
	// Max is the largest value.
	Max float64 `json:"max_ms"`
}

// Summary summarises values, which it sorts.
func Summary(values []time.Duration) Quantiles { return quantiles(values) }

// quantiles summarises values, which it sorts. A quantile is the smallest value
// that at least that share of the values do not exceed.
func quantiles(values []time.Duration) Quantiles {
	if len(values) == 0 {
		return Quantiles{}
	}
	slices.Sort(values)
	at := func(percent int) float64 {
		index := (len(values)*percent + 99) / 100
		return milliseconds(values[max(index-1, 0)])
	}
	return Quantiles{Count: len(values), P50: at(50), P95: at(95), P99: at(99), Max: at(100)}
}

// milliseconds returns d in milliseconds.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// String returns the summary in one line.
func (q Quantiles) String() string {
	if q.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %.2f  p95 %.2f  p99 %.2f  max %.2f ms  (n=%d)", q.P50, q.P95, q.P99, q.Max, q.Count)
}
