package api

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/sidetone/sidetone"
)

// getJournal returns the journal of a call, as text.
func (s *server) getJournal(w http.ResponseWriter, r *request) error {
	call, _, err := s.call(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	absent := sidetone.Errorf(sidetone.NotFound, "id names a call without a journal")
	if s.Journals == nil {
		return absent
	}
	text, err := s.Journals.Text(r.Context(), call.EnvironmentID, call.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return absent
	case err != nil:
		return unavailable("the journal cannot be read: the log of the server says why", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+call.ID+`.journal"`)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // a client that is gone gets nothing
	return nil
}
