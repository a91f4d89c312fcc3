package api

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/sidetone/sidetone/metrics"
)

// figures are what the interface counts.
type figures struct {
	requests, seconds *metrics.Counter
}

func newFigures(r *metrics.Registry) figures {
	return figures{
		requests: r.Counter("sidetone_http_requests_total", "Answers to requests.", "operation", "code"),
		seconds:  r.Counter("sidetone_http_request_seconds_total", "Time spent answering requests.", "operation"),
	}
}

// count takes an answer in. Requests to no operation are counted as none.
func (f figures) count(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "none"
	}
	f.requests.Add(1, operation, strconv.Itoa(status))
	f.seconds.Add(took.Seconds(), operation)
}

// getMetrics writes the figures of the whole server in the text format of
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
