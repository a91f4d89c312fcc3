// Package openaispeech stands in for POST /v1/audio/speech of OpenAI, written from
// the vendor's OpenAPI file of 2026-08-21. Its sound has 24000 Hz.
package openaispeech

import (
	"encoding/binary"
	"io"
	"net/http"
	"slices"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/speech"
)

const (
	rate = 24000
	// maxInput is the vendor's limit of characters.
	maxInput = 4096
)

// Server is the stand-in, an http.Handler.
type Server struct {
	http.Handler
	o speech.Options
}

// New returns a stand-in.
func New(o speech.Options) *Server {
	s := &Server{o: o}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/audio/speech", o.Control.Handler(o.Key, refuse, s.serve))
	s.Handler = mux
	return s
}

// refuse writes the vendor's body of an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	code := map[int]string{http.StatusUnauthorized: "invalid_api_key", http.StatusNotFound: "model_not_found", http.StatusTooManyRequests: "rate_limit_exceeded"}[status]
	if reason != "" {
		code = reason
	}
	w.Header().Set("X-Request-Id", "req_openai_1")
	speech.JSON(w, status, map[string]any{"error": map[string]any{"message": "the stand-in refuses: " + code, "type": "invalid_request_error", "param": nil, "code": code}})
}

// request is the body of a request.
type request struct {
	Model        string  `json:"model"`
	Input        string  `json:"input"`
	Voice        any     `json:"voice"`
	Instructions string  `json:"instructions"`
	Format       string  `json:"response_format"`
	Speed        float64 `json:"speed"`
	StreamFormat string  `json:"stream_format"`
}

func (s *Server) serve(w http.ResponseWriter, r *standin.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Note(raw)
	var q request
	if err != nil || speech.Strict(raw, &q) != nil || q.Model == "" || q.Input == "" || len(q.Input) > maxInput || q.Voice == nil ||
		!slices.Contains([]string{"pcm", "wav"}, q.Format) || q.Speed != 0 && (q.Speed < 0.25 || q.Speed > 4) {
		refuse(w, http.StatusBadRequest, "invalid_value")
		return
	}
	w.Header().Set("X-Request-Id", "req_openai_1")
	w.Header().Set("Content-Type", "audio/"+q.Format)
	sound := s.o.Utter(q.Input, rate, false)
	if q.Format == "wav" {
		sound.Pieces = append([][]byte{header()}, sound.Pieces...)
	}
	if r.Fault.Kind == standin.Malformed {
		w.Header().Set("Content-Type", "application/json")
		sound.Pieces = [][]byte{[]byte(`{"answer`)}
	}
	speech.Body(w, r, sound, s.o.Pace)
}

// header begins a WAV file whose length is not known, see
// https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html.
func header() []byte {
	const unknown = 0xffffffff
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, unknown)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, 2*rate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, unknown)
}
