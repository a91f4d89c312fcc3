package api

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/metrics"
)

// requestCounters count requests and their duration.
type requestCounters struct {
	requests, seconds *metrics.Counter
}

func newRequestCounters(r *metrics.Registry) requestCounters {
	return requestCounters{
		requests: r.Counter("sidetone_http_requests_total", "Answers to requests.", "operation", "code"),
		seconds:  r.Counter("sidetone_http_request_seconds_total", "Time spent answering requests.", "operation"),
	}
}

// count counts one request. Requests to no operation are counted as none.
func (c requestCounters) count(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "none"
	}
	c.requests.Add(1, operation, strconv.Itoa(status))
	c.seconds.Add(took.Seconds(), operation)
}

// getMetrics writes the metrics of the whole server in the text format of
// Prometheus.
func (s *server) getMetrics(w http.ResponseWriter, r *request) error {
	var b bytes.Buffer
	if _, err := s.Metrics.WriteTo(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", metrics.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	s.writeBody(w, r.Request, http.StatusOK, b.Bytes())
	return nil
}

// getHealth says that the process runs.
func (s *server) getHealth(w http.ResponseWriter, r *request) error {
	return s.writeJSON(w, r.Request, http.StatusOK, object{"status": "ok"})
}

// getReadiness says whether the server can take work.
func (s *server) getReadiness(w http.ResponseWriter, r *request) error {
	if s.stopping() {
		return shuttingDown()
	}
	if err := s.Ready(r.ctx); err != nil {
		if code := sidetone.CodeOf(err); code == sidetone.Unavailable {
			return err // whose message is for everybody
		}
		return unavailable("not ready", err)
	}
	return s.writeJSON(w, r.Request, http.StatusOK, object{"status": "ok"})
}

// stopping reports whether the server has begun to shut down.
func (s *server) stopping() bool {
	select {
	case <-s.Stopping:
		return true
	default:
		return false
	}
}

// shuttingDown is the error of what a server that shuts down does not begin.
func shuttingDown() error {
	return unavailable("the server is shutting down", errShuttingDown)
}

// constantError is an error to compare with errors.Is.
type constantError string

// Error implements error.
func (e constantError) Error() string { return string(e) }

// errShuttingDown is the cause of shuttingDown, by which the log tells it from a fault.
const errShuttingDown constantError = "shutdown"
