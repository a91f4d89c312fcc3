package api

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sidetone/sidetone"
)

// ladder returns the signalling of the call that a request names.
func (s *server) ladder(r *request) (out sidetone.Ladder, err error) {
	call, _, err := s.call(r, r.PathValue("id"))
	if err != nil {
		return out, err
	}
	if s.Ladders == nil {
		return out, noSignalling()
	}
	if out, err = s.Ladders.Ladder(call.ID); err != nil {
		err = unreadSignalling(err)
	}
	return out, err
}

func noSignalling() error {
	return sidetone.Errorf(sidetone.NotFound, "id names a call without signalling")
}

// unreadSignalling is what a client is told when there is none to read.
func unreadSignalling(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return noSignalling()
	}
	return unavailable("the signalling cannot be read now", err)
}

// getLadder returns the signalling of a call.
func (s *server) getLadder(r *request) (any, error) {
	l, err := s.ladder(r)
	return renderLadder(l), err
}

func renderLadder(l sidetone.Ladder) object {
	return object{"messages": renderMessages(l.Messages), "dropped": l.Dropped}
}

func renderMessages(all []sidetone.SignalMessage) []object {
	messages := make([]object, 0, len(all))
	for _, m := range all {
		direction := "received"
		if m.Sent {
			direction = "sent"
		}
		messages = append(messages, object{"at": m.At.UTC().Format(time.RFC3339Nano), "direction": direction, "local": m.Local,
			"remote": m.Remote, "transport": m.Transport, "text": m.Text})
	}
	return messages
}

// getPCAP returns the signalling of a call as a capture file, with the packets of its
// sound where they were kept: they are there when its recording is.
func (s *server) getPCAP(w http.ResponseWriter, r *request) error {
	call, _, err := s.call(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	if s.Ladders == nil {
		return noSignalling()
	}
	file, err := s.Ladders.Capture(call.ID, call.RecordingPath != "")
	if err != nil {
		return unreadSignalling(err)
	}
	defer file.Close() //nolint:errcheck // only read from
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="`+call.ID+`.pcap"`)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Length", strconv.FormatInt(file.Size(), 10))
	if _, err := file.WriteTo(w); err != nil && r.ctx.Err() == nil { // a client that is gone gets nothing
		s.Log.Error("send a capture file", slog.String("call", call.ID), slog.Any("error", err))
	}
	return nil
}
