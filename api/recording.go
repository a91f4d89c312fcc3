package api

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone"
)

// getRecording serves the recording of a call, all of it or ranges: WAV when the
// client asks for it, else MP3 where that can be made, else WAV.
func (s *server) getRecording(w http.ResponseWriter, r *request) error {
	call, _, err := s.call(r, r.query.Get("id"))
	if err != nil {
		return err
	}
	absent := sidetone.Errorf(sidetone.NotFound, "id names a call without recording")
	if call.RecordingPath == "" || s.Recordings == nil {
		return absent
	}
	form, file, err := s.openRecording(r, call.RecordingPath)
	if errors.Is(err, fs.ErrNotExist) || sidetone.CodeOf(err) == sidetone.NotFound {
		return absent
	}
	if err != nil {
		return unavailable("the recording cannot be read now", err)
	}
	defer file.Close() //nolint:errcheck // only read from
	w.Header().Set("Content-Type", form.mime)
	w.Header().Set("Content-Disposition", `inline; filename="`+call.ID+"."+form.name+`"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("Vary", "Accept")
	w.Header().Set("ETag", `"`+call.ID+"-"+form.name+`"`)
	http.ServeContent(&ranged{ResponseWriter: w, server: s, request: r}, r.Request, "", call.Ended, file)
	return nil
}

// soundForm is a format in which a recording can be sent.
type soundForm struct{ name, mime string }

func (s *server) openRecording(r *request, path string) (soundForm, io.ReadSeekCloser, error) {
	if s.MP3 != nil && !prefersWAV(r.Request.Header.Get("Accept")) {
		file, err := s.MP3.Open(r.ctx, path)
		if err == nil {
			return soundForm{"mp3", "audio/mpeg"}, file, nil
		}
		if r.ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) {
			return soundForm{}, nil, err
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			s.Log.Error("send a recording as WAV, because MP3 failed", slog.Any("error", err))
		}
	}
	file, err := s.Recordings.Open(path)
	return soundForm{"wav", "audio/wav"}, file, err
}

// prefersWAV reports whether an Accept header asks for WAV, and not for MP3
// more than for that.
func prefersWAV(accept string) bool {
	var wav, mp3 float64
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				q = 1
			}
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains([]string{"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"}, name) {
			wav = max(wav, q)
		}
		if slices.Contains([]string{"audio/mpeg", "audio/mp3"}, name) {
			mp3 = max(mp3, q)
		}
	}
	return wav > 0 && wav >= mp3
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
