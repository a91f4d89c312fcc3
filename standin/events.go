package standin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Events writes one answer of server-sent events, see
// https://html.spec.whatwg.org/multipage/server-sent-events.html, and carries out
// the faults that are alike for all vendors: Mute, Reset, Slow, Malformed,
// Oversized and InBand. It belongs to the goroutine of its request.
type Events struct {
	// Error is the event with which the vendor reports an error inside a stream;
	// a stand-in sets it before the first Send.
	Error func() (name string, data any)

	w    http.ResponseWriter
	r    *Request
	sent int
	over bool
}

// oversize is the length of an event that no client accepts.
const oversize = 8 << 20

// slowness is the time between two bytes when a fault names none.
const slowness = 100 * time.Millisecond

// OpenEvents begins the answer with status 200.
func OpenEvents(w http.ResponseWriter, r *Request) *Events {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	e := &Events{w: w, r: r}
	e.flush()
	return e
}

// Send writes one event; name may be "", and data that is a json.RawMessage is
// written as it is. It returns false when nothing more can be sent: the client
// left, or a fault ended the answer. The fault Reset breaks the connection off and
// ends the handler with it.
func (e *Events) Send(name string, data any) bool {
	if !e.over && e.sent >= e.r.Fault.After {
		e.fail()
	}
	if e.over || e.r.Context().Err() != nil {
		return false
	}
	e.sent++
	raw, ok := data.(json.RawMessage)
	if !ok {
		raw = marshal(data)
	}
	return e.write(event(name, raw))
}

// fail carries out the fault, unless it is one that the stand-in carries out.
func (e *Events) fail() {
	switch e.r.Fault.Kind {
	case Mute:
		<-e.r.Context().Done()
	case Reset:
		panic(http.ErrAbortHandler)
	case Malformed:
		e.write(event("", []byte(`{"this is": not JSON`)))
	case Oversized:
		e.write(event("", []byte(`"`+strings.Repeat("x", oversize)+`"`)))
	case InBand:
		name, data := e.Error()
		e.write(event(name, marshal(data)))
	default:
		return
	}
	e.over = true
}

// write sends bytes, one by one when the answer is to be slow.
func (e *Events) write(raw []byte) bool {
	if e.r.Fault.Kind != Slow {
		_, err := e.w.Write(raw)
		e.flush()
		return err == nil
	}
	delay := e.r.Fault.Delay
	if delay == 0 {
		delay = slowness
	}
	tick := time.NewTicker(delay)
	defer tick.Stop()
	for i := range raw {
		if _, err := e.w.Write(raw[i : i+1]); err != nil {
			return false
		}
		e.flush()
		select {
		case <-tick.C:
		case <-e.r.Context().Done():
			return false
		}
	}
	return true
}

func (e *Events) flush() {
	if f, ok := e.w.(http.Flusher); ok {
		f.Flush()
	}
}

// event is an event as it is sent.
func event(name string, data []byte) []byte {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// marshal is the JSON of a value that stand-ins build themselves.
func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a stand-in sent what has no JSON
	}
	return raw
}

// WriteJSON answers with a status and a JSON body.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(v)) // a client that left has nobody to tell
}
