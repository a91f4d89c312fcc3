package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// renderEvent renders an entry of a call's record.
func renderEvent(v view, e sidetone.Event) object {
	o := object{"call_id": e.CallID, "sequence": e.Sequence, "type": e.Kind, "offset_ms": e.Offset.Milliseconds()}
	o["at"] = dialect.ISOTime.Render(e.At)
	setText(o, "text", e.Text)
	if len(e.Data) > 0 && string(e.Data) != "{}" {
		o["data"] = json.RawMessage(e.Data)
	}
	return o
}

// stream writes a call's events in order, each once.
type stream struct {
	server *server
	w      http.ResponseWriter
	r      *request
	callID string
	// last is the sequence number of the newest event written.
	last int64
	// over says that nothing will follow.
	over bool
}

// streamEvents replays what is stored after the client's position and goes on
// with what happens, until the call's last event. Live events bring speed, the
// store brings certainty: what no live event announced is found by polling.
func (s *server) streamEvents(w http.ResponseWriter, r *request) error {
	after, err := position(r)
	if err != nil {
		return err
	}
	e := &stream{server: s, w: w, r: r, callID: r.PathValue("id"), last: after}
	var live <-chan sidetone.Event
	if s.Feed != nil {
		events, cancel := s.Feed.Subscribe(e.callID) // before the first read, so that nothing falls between
		defer cancel()
		live = events
	}
	stored, over, err := e.stored()
	if err != nil {
		return err
	}
	if over && len(stored) == 0 {
		w.WriteHeader(http.StatusNoContent) // tells an EventSource not to come back
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	e.over = over
	if e.write(stored) == nil && !e.over {
		e.follow(live)
	}
	return nil
}

// position is where the client wants to go on.
func position(r *request) (int64, error) {
	text, name := r.Header.Get("Last-Event-ID"), "Last-Event-ID"
	if text == "" {
		text, name = r.query.Get("after"), "after"
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, invalid("%s must be a whole number, 0 or more", name)
	}
	return n, nil
}

// stored reads the events not yet written and whether more can come.
func (e *stream) stored() (events []sidetone.Event, over bool, err error) {
	err = e.server.read(e.r, func(w work) error {
		call, err := w.tx.Call(e.callID)
		if err != nil {
			return named(err, "id", "call")
		}
		over = call.Status.Terminal()
		events, err = w.tx.Events(e.callID, e.last)
		return err
	})
	return events, over, err
}

// permitted says that the bearer is still good for the stream: keys are revoked
// and tokens expire while it lasts.
func (e *stream) permitted() bool {
	who, err := e.server.authenticate(e.r.Request)
	return err == nil && who.EnvironmentID == e.r.who.EnvironmentID && who.Has(sidetone.ScopeRead)
}

// follow writes what happens until the call or the client is gone, or the
// bearer is no longer good.
func (e *stream) follow(live <-chan sidetone.Event) {
	heartbeat := time.NewTicker(e.server.Heartbeat)
	defer heartbeat.Stop()
	poll := time.NewTicker(e.server.Poll)
	defer poll.Stop()
	for !e.over {
		write := e.catchUp
		select {
		case <-e.r.ctx.Done():
			return
		case <-e.server.Drain:
			return
		case event, open := <-live:
			if !open {
				live = nil
				continue
			}
			write = func() error { return e.next(event) }
		case <-poll.C:
		case <-heartbeat.C:
			write = func() error { return e.send(": still here\n\n") }
		}
		if !e.permitted() || write() != nil {
			return
		}
	}
}

// next writes a live event, after whatever is missing before it.
func (e *stream) next(event sidetone.Event) error {
	if event.Sequence > e.last+1 {
		if err := e.catchUp(); err != nil {
			return err
		}
	}
	return e.write([]sidetone.Event{event})
}

func (e *stream) catchUp() error {
	events, over, err := e.stored()
	if err != nil {
		return err
	}
	err = e.write(events)
	e.over = e.over || over
	return err
}

// write sends the events that were not sent yet.
func (e *stream) write(events []sidetone.Event) error {
	text := ""
	for _, event := range events {
		if event.Sequence <= e.last {
			continue
		}
		data, err := json.Marshal(renderEvent(e.r.view, event))
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		text += fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", event.Sequence, event.Kind, data)
		e.last = event.Sequence
		e.over = e.over || event.Kind == sidetone.EventEnded
	}
	return e.send(text)
}

// send writes and flushes within a deadline, so that a client that does not
// read cannot hold the stream.
func (e *stream) send(text string) error {
	control := http.NewResponseController(e.w)
	_ = control.SetWriteDeadline(time.Now().Add(writeWithin)) // absent in tests without a connection
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}
