package metrics

import (
	"maps"
	"slices"
	"strconv"
	"sync"
)

// Histogram counts values by size, for each value of one label. Its methods may be
// called concurrently.
type Histogram struct {
	label  string
	bounds []float64
	mu     sync.Mutex
	all    map[string]*buckets // by the value of the label
}

// buckets are the values of one label.
type buckets struct {
	counts []float64 // up to each bound
	sum, n float64
}

// Histogram makes a histogram called name with one label, whose values are counted up
// to each of the bounds, which ascend.
func (r *Registry) Histogram(name, help, label string, bounds ...float64) *Histogram {
	h := &Histogram{label: label, bounds: bounds, all: map[string]*buckets{}}
	r.add(family{name: name, help: help, kind: "histogram", samples: h.samples, order: h.order})
	return h
}

// Observe counts a value for a value of the label, of which there is a bounded number:
// each is kept for ever.
func (h *Histogram) Observe(v float64, label string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.all[label]
	if b == nil {
		b = &buckets{counts: make([]float64, len(h.bounds))}
		h.all[label] = b
	}
	for i, bound := range h.bounds {
		if v <= bound {
			b.counts[i]++
		}
	}
	b.sum += v
	b.n++
}

// keys are what follows the name in the lines of one label: those of the bounds, of
// what is beyond them, of the sum and of the number.
func (h *Histogram) keys(label string) []string {
	names := []string{h.label, "le"}
	out := make([]string, 0, len(h.bounds)+3)
	for _, bound := range h.bounds {
		out = append(out, "_bucket"+render(names, []string{label, strconv.FormatFloat(bound, 'g', -1, 64)}))
	}
	plain := render(names[:1], []string{label})
	return append(out, "_bucket"+render(names, []string{label, "+Inf"}), "_sum"+plain, "_count"+plain)
}

func (h *Histogram) order() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, label := range slices.Sorted(maps.Keys(h.all)) {
		all = append(all, h.keys(label)...)
	}
	return all
}

func (h *Histogram) samples() map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]float64{}
	for label, b := range h.all {
		for i, key := range h.keys(label) {
			out[key] = append(slices.Clone(b.counts), b.n, b.sum, b.n)[i]
		}
	}
	return out
}
