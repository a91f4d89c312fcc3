package standin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Kind names what a stand-in does wrong.
type Kind string

// The faults. Those of the first group are carried out by Control.Handler, the
// others by the stand-ins, each as its vendor would.
const (
	// Refuse closes the connection before any answer.
	Refuse Kind = "refuse"
	// Status answers with Fault.Status and the vendor's body of such an error.
	Status Kind = "status"
	// HalfOpen takes the request and never answers, not even the upgrade.
	HalfOpen Kind = "half-open"

	// Mute opens the stream and delivers nothing.
	Mute Kind = "mute"
	// Reset breaks the connection off after Fault.After pieces.
	Reset Kind = "reset"
	// Close ends a WebSocket after Fault.After pieces with Fault.Status and Reason.
	Close Kind = "close"
	// Slow delivers one byte, or one tiny piece, every Fault.Delay.
	Slow Kind = "slow"
	// InBand reports an error inside the stream, after Fault.After pieces.
	InBand Kind = "in-band"
	// Malformed delivers what does not follow the protocol.
	Malformed Kind = "malformed"
	// EmptySuccess ends well without delivering anything.
	EmptySuccess Kind = "empty"
	// Blank answers with white space only.
	Blank Kind = "blank"
	// Pictographs answers with nothing that can be said.
	Pictographs Kind = "pictographs"
	// Unoffered answers with a call of a tool that was not offered, send_digits, and no
	// text.
	Unoffered Kind = "unoffered"
	// ToolOnly answers with a call of a tool and no text.
	ToolOnly Kind = "tool-only"
	// ToolLoop calls the same tool again and again.
	ToolLoop Kind = "tool-loop"
	// NoStart leaves out the message that begins a stream or a turn.
	NoStart Kind = "no-start"
	// NoEnd leaves out the message that ends a stream, and ends it all the same.
	NoEnd Kind = "no-end"
	// EarlyTurn opens a turn before any sound was sent.
	EarlyTurn Kind = "early-turn"
	// LateAudio delivers sound after it was cancelled.
	LateAudio Kind = "late-audio"
	// Unknown mixes in events and members that nobody documents.
	Unknown Kind = "unknown"
	// Null sets every member that may be null to null.
	Null Kind = "null"
	// Oversized delivers a message larger than any client accepts.
	Oversized Kind = "oversized"
	// Expire ends the session as the vendor does at its limit, after a notice
	// where the vendor gives one.
	Expire Kind = "expire"
	// SlowPong answers pings after Fault.Delay.
	SlowPong Kind = "slow-pong"
)

func kinds() []Kind {
	return []Kind{Refuse, Status, HalfOpen, Mute, Reset, Close, Slow, InBand, Malformed, EmptySuccess, Blank, Pictographs, Unoffered, ToolOnly,
		ToolLoop, NoStart, NoEnd, EarlyTurn, LateAudio, Unknown, Null, Oversized, Expire, SlowPong}
}

// Fault is what goes wrong with a request.
type Fault struct {
	Kind Kind
	// Status is the HTTP status, or the close code of a WebSocket.
	Status int
	// Reason is the reason of a close, or the vendor's code of an error; "" lets the
	// stand-in choose.
	Reason string
	// RetryAfter is sent with a status.
	RetryAfter time.Duration
	// After is how many pieces of the answer are delivered before the fault.
	After int
	// Delay slows a delivery down.
	Delay time.Duration
	// Times is how many requests have the fault; 0 means every one until Clear.
	Times int
}

// ParseFault reads the form of the header Standin-Fault and of the command line:
// a kind, and options behind it as in a query, such as
// "status?status=429&retry-after=2s&times=1".
func ParseFault(text string) (Fault, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	f, q := Fault{Kind: Kind(u.Path)}, u.Query()
	if !slices.Contains(kinds(), f.Kind) {
		return Fault{}, fmt.Errorf("fault %q: no such kind; there are %v", text, kinds())
	}
	for name, values := range q {
		var err error
		switch value := values[0]; name {
		case "status":
			f.Status, err = strconv.Atoi(value)
		case "reason":
			f.Reason = value
		case "after":
			f.After, err = strconv.Atoi(value)
		case "times":
			f.Times, err = strconv.Atoi(value)
		case "retry-after":
			f.RetryAfter, err = time.ParseDuration(value)
		case "delay":
			f.Delay, err = time.ParseDuration(value)
		default:
			err = errors.New("no such option; there are status, reason, after, times, retry-after and delay")
		}
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: %s: %w", text, name, err)
		}
	}
	return f, nil
}

// Entry is what a stand-in was asked.
type Entry struct {
	// At is when the request came.
	At time.Time
	// Method, Path and Query are those of the request.
	Method, Path string
	Query        url.Values
	// Header is the request's, without credentials.
	Header http.Header
	// Credential is what was shown as the key, whichever way.
	Credential string
	// Body is the request's body, or the messages of a WebSocket, each of them
	// one element; sound is not kept.
	Body [][]byte
	// Fault is what was done wrong.
	Fault Kind
}

// Control holds the faults and the ledger of a stand-in. The zero value is ready;
// it is safe for concurrent use.
type Control struct {
	mu     sync.Mutex
	faults []Fault
	ledger []*Entry
	active int
}

// Inject adds a fault; the oldest that is left is the next request's.
func (c *Control) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
}

// Clear removes all faults.
func (c *Control) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// Ledger returns copies of what was asked so far, in the order of arrival.
func (c *Control) Ledger() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Entry, len(c.ledger))
	for i, e := range c.ledger {
		out[i] = *e
		out[i].Body = slices.Clone(e.Body)
	}
	return out
}

// Active returns how many requests are being served.
func (c *Control) Active() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}

// take is the fault of the next request.
func (c *Control) take(header string) (Fault, error) {
	if header != "" {
		return ParseFault(header)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) == 0 {
		return Fault{}, nil
	}
	f := c.faults[0]
	if f.Times == 1 {
		c.faults = c.faults[1:]
	} else if f.Times > 1 {
		c.faults[0].Times--
	}
	return f, nil
}
