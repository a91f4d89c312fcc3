package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// queueLimit is how many groups of spans wait to be sent, batchLimit how many are sent
	// at a time.
	queueLimit, batchLimit = 1024, 128
	// gather is how long spans wait for others to be sent with.
	gather = 2 * time.Second
	// tries is how often a batch is sent; between two tries pass retryAfter and twice that.
	tries      = 3
	retryAfter = time.Second
	timeout    = 10 * time.Second
	// lastWords bounds what is sent when the exporter is to end.
	lastWords = 2 * time.Second
)

// Config is what an Exporter works with.
type Config struct {
	// Endpoint is the base address of the collector, to which /v1/traces is added.
	Endpoint string
	// Headers go with each request, such as those that hold a key.
	Headers map[string]string
	// Client makes the requests.
	Client *http.Client
	// Service are attributes of everything that is sent; Version is that of the program.
	Service map[string]any
	Version string
	// Dropped is told how many spans are not sent because too many wait or the collector does
	// not take them; nil: nobody is.
	Dropped func(n int)
	Log     *slog.Logger
}

// Exporter sends spans in the background. Add may be called concurrently.
type Exporter struct {
	c     Config
	url   string
	queue chan []Span
}

// New returns an exporter that sends nothing until Run.
func New(c Config) *Exporter {
	return &Exporter{c: c, url: strings.TrimRight(c.Endpoint, "/") + "/v1/traces", queue: make(chan []Span, queueLimit)}
}

// Add queues spans, or drops them when too many wait. It never waits.
func (e *Exporter) Add(spans []Span) {
	select {
	case e.queue <- spans:
	default:
		e.drop(len(spans))
	}
}

func (e *Exporter) drop(n int) {
	if e.c.Dropped != nil && n > 0 {
		e.c.Dropped(n)
	}
}

// Run sends until ctx ends, then what waits once, for up to 2 s.
func (e *Exporter) Run(ctx context.Context) {
	warned := false
	for {
		batch, ended := e.batch(ctx)
		if ended {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			e.flush(last, batch)
			cancel()
			return
		}
		err := e.deliver(ctx, batch)
		if err != nil {
			e.drop(len(batch))
		}
		if err != nil && !warned {
			e.c.Log.Warn("spans are not taken by the collector", slog.Any("error", err))
		} else if err == nil && warned {
			e.c.Log.Info("the collector takes spans again")
		}
		warned = err != nil
	}
}

// batch waits for spans, and then for those that come soon after.
func (e *Exporter) batch(ctx context.Context) (all []Span, ended bool) {
	select {
	case <-ctx.Done():
		return nil, true
	case all = <-e.queue:
	}
	enough := time.NewTimer(gather)
	defer enough.Stop()
	for range batchLimit - 1 {
		select {
		case <-ctx.Done():
			return all, true
		case <-enough.C:
			return all, false
		case more := <-e.queue:
			all = append(all, more...)
		}
	}
	return all, false
}

// flush sends what is left once.
func (e *Exporter) flush(ctx context.Context, all []Span) {
	for {
		select {
		case more := <-e.queue:
			all = append(all, more...)
			continue
		default:
		}
		break
	}
	if len(all) == 0 {
		return
	}
	if _, err := e.send(ctx, all); err != nil {
		e.c.Log.Warn("the last spans were not taken by the collector", slog.Any("error", err))
		e.drop(len(all))
	}
}

// deliver sends a batch, again when that may help.
func (e *Exporter) deliver(ctx context.Context, batch []Span) error {
	wait := retryAfter
	for try := 1; ; try++ {
		again, err := e.send(ctx, batch)
		if err == nil || !again || try == tries {
			return err
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		wait *= 2
	}
}

// send makes one request; again says that the same one may succeed later.
func (e *Exporter) send(ctx context.Context, batch []Span) (again bool, err error) {
	body, err := encode(e.c.Service, e.c.Version, batch)
	if err != nil {
		return false, fmt.Errorf("encode spans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	for name, value := range e.c.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := e.c.Client.Do(r)
	if err != nil {
		return true, fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read from
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, fmt.Errorf("send spans: the collector answers %s", res.Status)
	}
	return false, fmt.Errorf("send spans: the collector answers %s", res.Status)
}

// attributes are the pairs in the order of their names.
func attributes(in map[string]any) []attribute {
	out := make([]attribute, 0, len(in))
	for _, key := range slices.Sorted(maps.Keys(in)) {
		a := attribute{Key: key}
		switch v := in[key].(type) {
		case string:
			a.Value.String = &v
		case bool:
			a.Value.Bool = &v
		case int64:
			a.Value.Int = new(strconv.FormatInt(v, 10))
		case float64:
			a.Value.Double = &v
		default:
			continue
		}
		out = append(out, a)
	}
	return out
}
