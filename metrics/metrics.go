// Package metrics counts what a server does and writes it in the text format
// that Prometheus reads.
//
// It knows counters and histograms with labels, and gauges that are asked when somebody
// looks; there is no more to it, so that a figure costs a map look-up and an addition.
package metrics

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContentType is that of what Registry.WriteTo writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Registry holds the figures of one process. Its methods may be called
// concurrently. The zero value is ready for use.
type Registry struct {
	mu       sync.Mutex
	families []family
}

// family is what is written under one name.
type family struct {
	name, help, kind string
	// samples returns values by what follows the name, such as {code="200"}.
	samples func() map[string]float64
	// order returns the keys of samples in order; nil: as text.
	order func() []string
}

// Counter is a family of sums that only grow, one for each combination of
// labels. Its methods may be called concurrently.
type Counter struct {
	labels []string
	mu     sync.Mutex
	// sums are by the values of the labels, each followed by a zero byte.
	sums map[string]*sum
}

// sum is one of a counter's, with its rendered labels.
type sum struct {
	labels string
	n      float64
}

// Counter makes a counter called name with the given label names. Names are
// those of Prometheus: letters, digits and underscores, ending in _total.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{labels: labels, sums: map[string]*sum{}}
	r.add(family{name: name, help: help, kind: "counter", samples: c.snapshot})
	return c
}

// Gauge makes a figure that read returns whenever somebody looks. Labels are
// pairs of name and value that never change.
func (r *Registry) Gauge(name, help string, read func() float64, labels ...string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	rendered := render(names, values)
	r.add(family{name: name, help: help, kind: "gauge", samples: func() map[string]float64 { return map[string]float64{rendered: read()} }})
}

// Gauges makes a family of figures whose labels are known only when somebody looks:
// read calls set for each, with its value and the values of the labels. A family
// without figures is not written.
func (r *Registry) Gauges(name, help string, labels []string, read func(set func(value float64, labels ...string))) {
	r.add(family{name: name, help: help, kind: "gauge", samples: func() map[string]float64 {
		out := map[string]float64{}
		read(func(value float64, values ...string) { out[render(labels, values)] = value })
		return out
	}})
}

func (r *Registry) add(f family) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.families = append(r.families, f)
}

// Add adds n, which is not negative, to the sum with these label values, given
// in the order of the names. The number of combinations must be bounded: each
// is kept for ever.
func (c *Counter) Add(n float64, values ...string) {
	var room [64]byte // a key on the stack costs no allocation
	key := room[:0]
	for _, v := range values {
		key = append(append(key, v...), 0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.sums[string(key)]
	if one == nil {
		one = &sum{labels: render(c.labels, values)}
		c.sums[string(key)] = one
	}
	one.n += n
}

func (c *Counter) snapshot() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]float64, len(c.sums))
	for _, one := range c.sums {
		out[one.labels] += one.n
	}
	return out
}

// WriteTo writes all figures, families in the order in which they were made.
// It implements io.WriterTo.
func (r *Registry) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	families := slices.Clone(r.families)
	r.mu.Unlock()
	counted := &counting{w: w}
	b := bufio.NewWriter(counted)
	for _, f := range families {
		samples := f.samples()
		if len(samples) == 0 {
			continue
		}
		_, _ = b.WriteString("# HELP " + f.name + " " + escape(f.help, false) + "\n# TYPE " + f.name + " " + f.kind + "\n")
		keys := slices.Sorted(maps.Keys(samples))
		if f.order != nil {
			keys = f.order()
		}
		for _, labels := range keys {
			_, _ = b.WriteString(f.name + labels + " " + strconv.FormatFloat(samples[labels], 'g', -1, 64) + "\n")
		}
	}
	err := b.Flush() // repeats the first error of the writes above
	return counted.n, err
}

type counting struct {
	w io.Writer
	n int64
}

// Write passes p on and counts it.
func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// render writes labels; a value that is missing is empty.
func render(names, values []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range names {
		value := ""
		if i < len(values) {
			value = values[i]
		}
		between := ","
		if i == 0 {
			between = "{"
		}
		b.WriteString(between + name + `="` + escape(value, true) + `"`)
	}
	return b.String() + "}"
}

func escape(text string, quoted bool) string {
	if !strings.ContainsAny(text, "\\\n\"") {
		return text
	}
	text = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(text)
	if quoted {
		text = strings.ReplaceAll(text, `"`, `\"`)
	}
	return text
}
