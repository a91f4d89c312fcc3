package metrics_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/metrics"
)

func TestText(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	requests := r.Counter("requests_total", `Answers, by code; \ and
lines.`, "operation", "code")
	r.Counter("nothing_total", "Never counted.")
	plain := r.Counter("plain_total", "No labels.")
	live := 2.0
	r.Gauge("calls", "Live calls.", func() float64 { return live })
	r.Gauge("build_info", "The version.", func() float64 { return 1 }, "version", `1.0 "x"`, "go", "go1\\26\n")
	requests.Add(1, "get", "404")
	requests.Add(2, "get", "200")
	requests.Add(0.5, "get", "200")
	requests.Add(1, "lost")
	plain.Add(1e9)
	live = 3
	want := `# HELP requests_total Answers, by code; \\ and\nlines.
# TYPE requests_total counter
requests_total{operation="get",code="200"} 2.5
requests_total{operation="get",code="404"} 1
requests_total{operation="lost",code=""} 1
# HELP plain_total No labels.
# TYPE plain_total counter
plain_total 1e+09
# HELP calls Live calls.
# TYPE calls gauge
calls 3
# HELP build_info The version.
# TYPE build_info gauge
build_info{version="1.0 \"x\"",go="go1\\26\n"} 1
`
	var b strings.Builder
	n, err := r.WriteTo(&b)
	if diff := cmp.Diff(want, b.String()); diff != "" || err != nil || n != int64(len(want)) {
		t.Errorf("%d bytes, %v: %s", n, err, diff)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	h := r.Histogram("size", "How big.", "end", 1, 2.5, 10)
	r.Histogram("none", "Nothing yet.", "end", 1)
	for _, v := range []float64{0.5, 1, 2, 10, 11} {
		h.Observe(v, "near")
	}
	h.Observe(3, "far")
	want := `# HELP size How big.
# TYPE size histogram
size_bucket{end="far",le="1"} 0
size_bucket{end="far",le="2.5"} 0
size_bucket{end="far",le="10"} 1
size_bucket{end="far",le="+Inf"} 1
size_sum{end="far"} 3
size_count{end="far"} 1
size_bucket{end="near",le="1"} 2
size_bucket{end="near",le="2.5"} 3
size_bucket{end="near",le="10"} 4
size_bucket{end="near",le="+Inf"} 5
size_sum{end="near"} 24.5
size_count{end="near"} 5
`
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestConcurrentCounts(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	c := r.Counter("n_total", "h", "l")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				c.Add(1, "x")
			}
			_, _ = r.WriteTo(&strings.Builder{})
		})
	}
	wg.Wait()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil || !strings.Contains(b.String(), `n_total{l="x"} 8000`) {
		t.Errorf("%v: %s", err, b.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	r.Counter("n_total", "h").Add(1)
	if _, err := r.WriteTo(broken{}); err == nil {
		t.Error("no error")
	}
}

// Gauges are asked for all their labels when somebody looks; without any there is
// nothing to write.
func TestGauges(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	state := map[string]float64{}
	r.Gauges("up", "Whether it is up.", []string{"trunk"}, func(set func(float64, ...string)) {
		for name, value := range state {
			set(value, name)
		}
	})
	text := func() string {
		var b strings.Builder
		if _, err := r.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := text(); got != "" {
		t.Errorf("without labels: %q", got)
	}
	state["a"], state["b\"c"] = 1, 0
	if got, want := text(), "# HELP up Whether it is up.\n# TYPE up gauge\nup{trunk=\"a\"} 1\nup{trunk=\"b\\\"c\"} 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
