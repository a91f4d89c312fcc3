package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is an entry of a call's record.
type Event struct {
	// CallID names the call.
	CallID string `json:"call_id,omitempty"`
	// Sequence counts from 1 within the call.
	Sequence int64 `json:"sequence"`
	// Type is ringing, connected, caller, agent, turn, ended and so on.
	Type string `json:"type"`
	// At is when it happened.
	At time.Time `json:"at,omitzero"`
	// OffsetMS is milliseconds since the answer.
	OffsetMS int64 `json:"offset_ms"`
	// Text is what was said or happened.
	Text string `json:"text,omitempty"`
	// Data holds further members, depending on Type.
	Data map[string]any `json:"data,omitempty"`
}

// maxEvent bounds one line of an event stream.
const maxEvent = 1 << 20

// Events yields the events of a call after the sequence number, first the ones
// that happened and then as they happen, until the call is over, ctx ends or
// the loop is left. An error is yielded last; a stream that was cut off can be
// continued from the last sequence number seen.
func (s Calls) Events(ctx context.Context, id string, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		header := http.Header{"Accept": {"text/event-stream"}}
		if after > 0 {
			header.Set("Last-Event-ID", strconv.FormatInt(after, 10))
		}
		res, err := s.c.send(ctx, request{method: http.MethodGet, path: s.path + "/" + url.PathEscape(id) + "/events", header: header})
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer res.Body.Close() //nolint:errcheck // only read from
		if err := readEvents(res.Body, yield); err != nil {
			yield(Event{}, fmt.Errorf("read events of call %s: %w", id, err))
		}
	}
}

// readEvents decodes a stream of server-sent events, of which it needs the
// data lines only.
func readEvents(body io.Reader, yield func(Event, error) bool) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		if !yield(e, nil) {
			return nil
		}
	}
	return lines.Err()
}
