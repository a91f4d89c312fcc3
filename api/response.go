package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// gzipFrom is the size from which bodies are compressed.
const gzipFrom = 1 << 10

// writeJSON writes body as JSON.
func (s *server) writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) error {
	b, err := encodeBody(body)
	if err == nil {
		s.writeEncoded(w, r, status, b)
	}
	return err
}

// encodeBody encodes the body of a response: JSON and a line break.
func encodeBody(body any) ([]byte, error) {
	b, err := wire.Encode(body)
	return append(b, '\n'), err
}

// writeEncoded writes a body that is JSON already.
func (s *server) writeEncoded(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s.writeBody(w, r, status, body)
}

// writeBody writes a complete body, compressed if it is large and the client
// accepts that. A client that is gone is no error.
func (s *server) writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Add("Vary", "Accept-Encoding")
	if len(body) > gzipFrom && acceptsGzip(r) {
		body = s.compress(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (s *server) compress(body []byte) []byte {
	var b bytes.Buffer
	z := s.gzips.Get().(*gzip.Writer) //nolint:forcetypeassert // the pool holds nothing else
	defer s.gzips.Put(z)
	z.Reset(&b)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name != "gzip" {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return err != nil || q > 0
	}
	return false
}

// writeError writes err as the profile renders it.
func (s *server) writeError(w http.ResponseWriter, r *http.Request, p dialect.Profile, err error) {
	var op contract.Operation
	if t, ok := w.(*statusWriter); ok {
		if op = t.operation; t.status != 0 {
			return // too late: a part of another response was sent
		}
	}
	o, body := errorBody(p.Errors, op, err)
	if o.retry != "" {
		w.Header().Set("Retry-After", o.retry)
	}
	_ = s.writeJSON(w, r, o.status, body) // strings and numbers always encode
}
