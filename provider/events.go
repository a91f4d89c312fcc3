package provider

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
)

// Event is one server-sent event.
type Event struct {
	// Name is the event's type; "" when it has none.
	Name string
	// Data is what it carries, its lines joined by newlines. It is valid until
	// the next event.
	Data []byte
}

// EventLimit is how many bytes an event, or a message of a WebSocket, may have.
const EventLimit = 4 << 20

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// errTooLong says that an event is longer than EventLimit.
const errTooLong Error = "an event is longer than 4 MiB"

// Events reads a stream of server-sent events up to its end, see
// https://html.spec.whatwg.org/multipage/server-sent-events.html. An event whose
// last line is missing is yielded too: some servers end so. An error comes as
// the last pair.
func Events(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 4096), EventLimit)
		lines.Split(splitLine)
		var e Event
		some := false
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) == 0 {
				if some && !yield(e, nil) {
					return
				}
				e, some = Event{Data: e.Data[:0]}, false
				continue
			}
			name, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				e.Name = strings.Clone(string(value))
			case "data":
				if some {
					e.Data = append(e.Data, '\n')
				}
				if e.Data, some = append(e.Data, value...), true; len(e.Data) > EventLimit {
					yield(Event{}, errTooLong)
					return
				}
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(Event{}, errTooLong)
		case err != nil:
			yield(Event{}, err)
		case some:
			yield(e, nil)
		}
	}
}

// splitLine ends lines at "\n", "\r\n" or "\r".
func splitLine(data []byte, atEOF bool) (advance int, line []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0:
		return 0, nil, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i+1 == len(data) && !atEOF:
		return 0, nil, nil // the newline may be still to come
	}
	return i + 1, data[:i], nil
}
