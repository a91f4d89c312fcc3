package api

import (
	"errors"
	"io/fs"
	"net/http"

	"github.com/sidetone/sidetone"
)

// getRecording serves the WAV file of a call, whole or in ranges.
func (s *server) getRecording(w http.ResponseWriter, r *request) error {
	call, _, err := s.call(r, r.query.Get("id"))
	if err != nil {
		return err
	}
	absent := sidetone.Errorf(sidetone.NotFound, "id names a call without recording")
	if call.RecordingPath == "" || s.Recordings == nil {
		return absent
	}
	file, err := s.Recordings.Open(call.RecordingPath)
	if errors.Is(err, fs.ErrNotExist) || sidetone.CodeOf(err) == sidetone.NotFound {
		return absent
	}
	if err != nil {
		return unavailable("the recording cannot be read now", err)
	}
	defer file.Close() //nolint:errcheck // only read from
	w.Header().Set("Content-Type", "audio/wav")
	w.Header().Set("Content-Disposition", `inline; filename="`+call.ID+`.wav"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("ETag", `"`+call.ID+`"`)
	http.ServeContent(&ranged{ResponseWriter: w, server: s, request: r}, r.Request, "", call.Ended, file)
	return nil
}

// ranged gives the refusal of a range the contract's shape.
type ranged struct {
	http.ResponseWriter
	server  *server
	request *request
	refused bool
}

// WriteHeader replaces 416 by an error of ours.
func (w *ranged) WriteHeader(status int) {
	if status != http.StatusRequestedRangeNotSatisfiable {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	for _, name := range []string{"ETag", "Content-Disposition", "Content-Length"} {
		w.Header().Del(name)
	}
	err := sidetone.Errorf(badRange, "Range lies outside of the recording")
	w.server.writeError(w.ResponseWriter, w.request.Request, w.request.view.profile, err)
}

// Write drops the standard library's text after a refusal.
func (w *ranged) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *ranged) Unwrap() http.ResponseWriter { return w.ResponseWriter }
