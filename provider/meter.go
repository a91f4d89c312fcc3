package provider

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Unit is what a vendor counts, or bills.
type Unit string

// The units.
const (
	// InputTokens are those of what a model was given, CachedTokens those of them that
	// the vendor had kept, OutputTokens those of its answers.
	InputTokens  Unit = "input_tokens"
	CachedTokens Unit = "cached_tokens"
	OutputTokens Unit = "output_tokens"
	// Characters are those of the texts that a voice has taken.
	Characters Unit = "characters"
	// AudioSeconds is the sound that a recogniser was sent, silence included, or that
	// a voice has delivered.
	AudioSeconds Unit = "audio_seconds"
	// SessionSeconds is how long sessions were open, of vendors that report it.
	SessionSeconds Unit = "session_seconds"
)

// mostNames bounds the names of requests that nobody has taken.
const mostNames = 100

// Meter takes what comes of the requests that are made with a context: how many there
// were, which hosts got them, how the vendor names them and what it counts. A nil
// Meter takes nothing. Its methods may be called concurrently.
type Meter struct {
	mu    sync.Mutex
	total Metered
	news  News
	last  string
}

// Metered is what a Meter has taken.
type Metered struct {
	// Requests is how many requests, utterances or streams were sent.
	Requests int64
	// Hosts are those that were sent them, without ports.
	Hosts []string
	// Used is what was counted, by unit.
	Used map[Unit]float64
}

// News is what a Meter has taken since it was asked last.
type News struct {
	// Hosts are those that got something for the first time.
	Hosts []string
	// Requests are the vendor's own names of requests, the newest 100.
	Requests []string
}

type meterKey struct{}

// WithMeter returns a context whose requests m takes.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// MeterOf returns the meter of a context; nil when it has none.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Sent notes a request to a host; "" is this machine.
func (m *Meter) Sent(host string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Requests++
	if host != "" && !slices.Contains(m.total.Hosts, host) {
		m.total.Hosts = append(m.total.Hosts, host)
		m.news.Hosts = append(m.news.Hosts, host)
	}
}

// Named tells a meter the vendor's own name of a request; "" is none. What is named
// twice in a row is one request.
func (c *Client) Named(m *Meter, id string) {
	if m == nil || id == "" {
		return
	}
	id = c.Name(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if id == m.last {
		return
	}
	m.last = id
	m.news.Requests = append(m.news.Requests, id)
	if over := len(m.news.Requests) - mostNames; over > 0 {
		m.news.Requests = slices.Delete(m.news.Requests, 0, over)
	}
}

// Used adds to what was counted; what is not positive adds nothing.
func (m *Meter) Used(u Unit, n float64) {
	if m == nil || !(n > 0) { // not a number neither
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total.Used == nil {
		m.total.Used = map[Unit]float64{}
	}
	m.total.Used[u] += n
}

// Total returns all that was taken.
func (m *Meter) Total() Metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Metered{Requests: m.total.Requests, Hosts: slices.Clone(m.total.Hosts), Used: maps.Clone(m.total.Used)}
}

// News returns what was taken since the last time.
func (m *Meter) News() News {
	m.mu.Lock()
	defer m.mu.Unlock()
	news := m.news
	m.news = News{}
	return news
}
