package api

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/sidetone/sidetone"
)

// ladder returns the signalling of the call that a request names.
func (s *server) ladder(r *request) (sidetone.Call, sidetone.Ladder, error) {
	var out sidetone.Ladder
	call, _, err := s.call(r, r.PathValue("id"))
	if err != nil {
		return call, out, err
	}
	absent := sidetone.Errorf(sidetone.NotFound, "id names a call without signalling")
	if s.Ladders == nil {
		return call, out, absent
	}
	out, err = s.Ladders.Ladder(call.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = absent
	case err != nil:
		err = unavailable("the signalling cannot be read now", err)
	}
	return call, out, err
}

// getLadder returns the signalling of a call.
func (s *server) getLadder(r *request) (any, error) {
	_, l, err := s.ladder(r)
	return renderLadder(l), err
}

func renderLadder(l sidetone.Ladder) object {
	messages := make([]object, 0, len(l.Messages))
	for _, m := range l.Messages {
		direction := "received"
		if m.Sent {
			direction = "sent"
		}
		messages = append(messages, object{"at": m.At.UTC().Format(time.RFC3339Nano), "direction": direction, "local": m.Local,
			"remote": m.Remote, "transport": m.Transport, "text": m.Text})
	}
	return object{"messages": messages, "dropped": l.Dropped}
}

// getPCAP returns the signalling of a call as a capture file.
func (s *server) getPCAP(w http.ResponseWriter, r *request) error {
	call, l, err := s.ladder(r)
	if err != nil {
		return err
	}
	var file bytes.Buffer // it is bounded, as the ladder is
	if err := s.Ladders.WritePCAP(l, &file); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="`+call.ID+`.pcap"`)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Length", strconv.Itoa(file.Len()))
	_, _ = w.Write(file.Bytes()) // a client that is gone gets nothing
	return nil
}
