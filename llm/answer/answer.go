// Package answer is what the drivers of vendors' language models do alike: what a
// conversation looks like to a model, one request, and what makes an answer whole.
package answer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// Request is one request to a vendor.
type Request struct {
	// Client sends it.
	Client *provider.Client
	// URL is the whole address.
	URL string
	// Header is added to that of the client.
	Header http.Header
	// Body becomes JSON.
	Body any
	// Refine, when not nil, corrects the kind of a failure where the vendor says
	// more in its message than by the status.
	Refine func(*provider.Failure)
	// Parser returns a reader of the answer.
	Parser func(*Out) Parser
}

// Parser reads the events of one answer and writes to an Out. It never panics,
// whatever it is given.
type Parser interface {
	// Event reads one event. ended says that it was the vendor's mark of the end.
	Event(provider.Event) (ended bool, err error)
	// End is called when the stream ends without such a mark. It returns a failure
	// unless the answer is whole all the same.
	End() error
}

// tailTime is how long the rest of a stream may take after its mark of the end. A
// connection whose stream was read to its end serves the next request.
const tailTime = 50 * time.Millisecond

// Limit is how many bytes the events of one answer may have. An answer on the telephone
// is far shorter.
const Limit = 4 << 20

// Stream sends the request once and yields the answer as llm.Driver promises. A
// failure is a *provider.Failure, with the vendor's own name of the request where
// there is one: also for an answer that the vendor reports as a success and that
// says and does nothing, or that lacks its end.
func Stream(ctx context.Context, r Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		out := &Out{client: r.Client, yield: yield}
		err := r.read(ctx, out)
		if err == nil || out.left {
			return
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			err = context.Cause(ctx)
		}
		if f := (*provider.Failure)(nil); errors.As(err, &f) {
			if f.RequestID == "" {
				f.RequestID = r.Client.Name(out.RequestID)
			}
			if r.Refine != nil {
				r.Refine(f)
			}
		}
		yield(llm.Delta{}, err)
	}
}

// read writes the answer to out.
func (r Request) read(ctx context.Context, out *Out) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.Body); err != nil {
		return r.Client.Fail(provider.Rejected, "the request has no JSON: %v", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer out.count(provider.MeterOf(ctx))
	parser, whole := r.Parser(out), false
	answered := func(h http.Header) { out.RequestID = r.Client.RequestID(h) }
	read := 0
	for e, err := range r.Client.Stream(ctx, r.URL, r.Header, bytes.TrimSpace(body.Bytes()), answered) {
		if read += len(e.Data); read > Limit {
			return r.Client.Fail(provider.Broken, "the answer is longer than 4 MiB")
		}
		if whole {
			continue // up to the end of the stream, or of tailTime
		}
		if err == nil {
			whole, err = parser.Event(e)
		}
		if whole && err == nil {
			err = out.end()
			defer time.AfterFunc(tailTime, stop).Stop()
		}
		if err != nil || out.left {
			return err
		}
	}
	if whole {
		return nil
	}
	if err := parser.End(); err != nil {
		return err
	}
	return out.end()
}

// Out takes what a Parser reads. It belongs to one answer.
type Out struct {
	// Usage is what the vendor has counted.
	Usage llm.Usage
	// RequestID is the vendor's own name of the request.
	RequestID string
	// Reason is the vendor's word for why the answer ended.
	Reason string
	// Cut says that the answer ended because it became too long. What was said
	// stands; a call of a tool whose arguments are not whole is left out.
	Cut bool

	client *provider.Client
	yield  func(llm.Delta, error) bool
	left   bool // the reader left
	held   string
	spoke  bool
	calls  []llm.ToolCall
}

// count tells the meter what the vendor has told so far, also of an answer that was
// left or broke off.
func (o *Out) count(m *provider.Meter) {
	o.client.Named(m, o.RequestID)
	m.Used(provider.InputTokens, float64(o.Usage.In))
	m.Used(provider.CachedTokens, float64(min(o.Usage.Cached, o.Usage.In)))
	m.Used(provider.OutputTokens, float64(o.Usage.Out))
}

// Text continues the answer. White space at its beginning is left out, and so is
// the mark of interruptions, which some models imitate.
func (o *Out) Text(piece string) {
	o.held = strings.ReplaceAll(o.held+piece, interrupted, "")
	if !o.spoke {
		o.held = strings.TrimLeftFunc(o.held, unicode.IsSpace)
	}
	keep := ""
	if i := strings.LastIndexByte(o.held, interrupted[0]); i >= 0 && strings.HasPrefix(interrupted, o.held[i:]) {
		keep = o.held[i:]
	}
	o.say(strings.TrimSuffix(o.held, keep))
	o.held = keep
}

func (o *Out) say(text string) {
	if text == "" || o.left {
		return
	}
	o.spoke = true
	o.left = !o.yield(llm.Delta{Text: text}, nil)
}

// Call adds a call of a tool, which is made at the end of the answer: none is made
// by an answer that broke off. A call without an id gets one.
func (o *Out) Call(c llm.ToolCall) {
	if c.ID == "" {
		c.ID = NewCallID()
	}
	if len(bytes.TrimSpace(c.Args)) == 0 {
		c.Args = json.RawMessage(`{}`)
	}
	o.calls = append(o.calls, c)
}

// NewCallID makes an id for a call of a tool.
func NewCallID() string { return "call_" + strings.ToLower(rand.Text()) }

// end completes the answer.
func (o *Out) end() error {
	o.say(o.held)
	made := 0
	for _, c := range o.calls {
		if o.left || o.Cut && !json.Valid(c.Args) {
			continue
		}
		made++
		o.left = !o.yield(llm.Delta{Call: &c}, nil)
	}
	switch {
	case o.left:
	case !o.spoke && made == 0 && o.Reason != "":
		return o.client.Fail(provider.Empty, "the answer says and does nothing, and ended with %q", o.Reason)
	case !o.spoke && made == 0:
		return o.client.Fail(provider.Empty, "the answer says and does nothing")
	default:
		used := o.Usage
		used.Cached = min(used.Cached, used.In)
		o.left = !o.yield(llm.Delta{Done: &used}, nil)
	}
	return nil
}
