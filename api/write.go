package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// gzipFrom is the size from which answers are compressed.
const gzipFrom = 1 << 10

// writeJSON writes an answer.
func (s *server) writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) error {
	return s.encoded(body, func(b []byte) { s.writeEncoded(w, r, status, b) })
}

// maxRoom bounds the room for an answer that is used again, in bytes.
const maxRoom = 64 << 10

// encoded calls use with body as JSON, which is gone when use returns: answers
// are written into the room of earlier ones.
func (s *server) encoded(body any, use func([]byte)) error {
	room, _ := s.rooms.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	b, err := appendJSON((*room)[:0], body)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	b = append(b, '\n')
	use(b)
	if *room = b; cap(b) <= maxRoom {
		s.rooms.Put(room)
	}
	return nil
}

// writeEncoded writes an answer that is JSON already.
func (s *server) writeEncoded(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s.writeBody(w, r, status, body)
}

// writeBody writes a complete body, compressed when that is worth while and
// wanted. A client that is gone is no error.
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
func (s *server) writeError(w http.ResponseWriter, r *http.Request, p profile, err error) {
	if t, ok := w.(*tracked); ok && t.status != 0 {
		return // too late: the answer was begun
	}
	o, body := p.errors.body(err)
	if o.retry != "" {
		w.Header().Set("Retry-After", o.retry)
	}
	_ = s.writeJSON(w, r, o.status, body) // three plain members always encode
}
