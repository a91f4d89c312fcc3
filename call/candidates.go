package call

import (
	"errors"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

// part is what somebody does in a call.
type part string

const (
	partRecogniser part = "recogniser"
	partModel      part = "model"
	partVoice      part = "voice"
)

// Refused tells that a vendor does not accept a credential.
type Refused struct {
	// EnvironmentID, AgentID and CallID name the call in which it was used.
	EnvironmentID, AgentID, CallID string
	// Source is the vendor and the account.
	Source Source
	// Reason is what the vendor says; it holds no secret.
	Reason string
}

// Accepted tells that a vendor accepts a credential.
type Accepted struct {
	EnvironmentID string
	Source        Source
}

// candidates are those who can serve one part of a call, in the order in which
// they are used. They are safe for concurrent use.
type candidates struct {
	part     part
	circuits []circuit
	meters   []*provider.Meter // of each circuit
	breakers *breakers
	// refused takes credentials that were refused; nil: nobody wants to know.
	refused func(Refused)
	// accepted takes credentials with which somebody has worked for the first time in
	// the call, or since they were refused; nil: nobody wants to know.
	accepted func(Accepted)
	call     Refused // the names of the call
	// private says that what vendors say of failures is not recorded: it may repeat
	// what was said.
	private bool
	post    func(any)

	mu    sync.Mutex
	known map[int]bool // those that the call's record names; the first it always does
	fine  map[int]bool // those whose credential was accepted
}

// asked is a post: somebody gets a part of the call who is not in its record yet.
type asked struct {
	part   part
	source Source
}

// failure is a post: somebody who serves the call has failed. in, when not nil, is
// what the machine is told of it: nobody takes over.
type failure struct {
	part   part
	source Source
	err    error
	// next is who takes over; the zero value: nobody, or the same one again.
	next Source
	in   conversation.Input
}

// add adds a candidate at the end.
func (c *candidates) add(s Source, name string) {
	k := circuit{part: c.part, source: s, name: name}
	if s.Account == "agent" {
		k.owner = c.call.EnvironmentID + "/" + c.call.AgentID
	}
	c.circuits, c.meters = append(c.circuits, k), append(c.meters, &provider.Meter{})
}

// source is who the candidate is.
func (c *candidates) source(i int) Source { return c.circuits[i].source }

// vendor reports whether the candidate is somebody else's service.
func (c *candidates) vendor(i int) bool { return c.circuits[i].source.Vendor != "" }

// next returns the first candidate that is not excluded, from a preferred one on
// and then from the first; those behind an open breaker come last. It returns -1
// when all are excluded.
func (c *candidates) next(from int, excluded func(int) bool) int {
	last := -1
	for k := range c.circuits {
		i := (from + k) % len(c.circuits)
		switch {
		case excluded(i):
		case !c.vendor(i) || c.breakers.allows(c.circuits[i]):
			return i
		case last < 0:
			last = i
		}
	}
	return last
}

// asks notes that a candidate gets what the caller says, or what the agent is to say. A
// vendor's driver counts itself what it sends.
func (c *candidates) asks(i int) {
	if !c.vendor(i) {
		c.meters[i].Sent("")
	}
	if c.name(i) && c.vendor(i) {
		c.post(asked{part: c.part, source: c.source(i)})
	}
}

// name notes that the record names a candidate; false when it did already.
func (c *candidates) name(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i == 0 || c.known[i] {
		return false
	}
	if c.known == nil {
		c.known = map[int]bool{}
	}
	c.known[i] = true
	return true
}

// worked notes that a candidate did what it was asked.
func (c *candidates) worked(i int) {
	if !c.vendor(i) {
		return
	}
	c.breakers.worked(c.circuits[i])
	if c.accepted != nil && c.judge(i, true) {
		c.accepted(Accepted{c.call.EnvironmentID, c.source(i)})
	}
}

// judge notes whether the credential of a candidate is accepted, and reports whether that
// is news.
func (c *candidates) judge(i int, fine bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fine == nil {
		c.fine = map[int]bool{}
	}
	was := c.fine[i]
	c.fine[i] = fine
	return was != fine
}

// failed notes that a candidate has failed, and puts it into the call's record. next
// is who takes over, -1 when nobody does; in is for the machine, nil when it
// need not know.
func (c *candidates) failed(i int, err error, next int, in conversation.Input) {
	f := failure{part: c.part, source: c.source(i), err: c.plain(err), in: in}
	if next >= 0 && next != i {
		f.next = c.source(next)
		c.name(next)
	}
	if c.vendor(i) {
		c.breakers.failed(c.circuits[i], err)
		if asFailure(err).Credential() && c.refused != nil {
			c.judge(i, false)
			told := c.call
			told.Source, told.Reason = f.source, f.reason()
			c.refused(told)
		}
	}
	c.post(f)
}

// reason is what the machine is told of a failure.
func (c *candidates) reason(i int, err error) string {
	return failure{part: c.part, source: c.source(i), err: c.plain(err)}.reason()
}

// plain is a failure without what the vendor says of it, when that is private.
func (c *candidates) plain(err error) error {
	f := asFailure(err)
	switch {
	case !c.private:
		return err
	case f.Vendor == "":
		return errors.New("failed")
	}
	return &provider.Failure{Vendor: f.Vendor, Kind: f.Kind, Status: f.Status, RequestID: f.RequestID}
}

// fault is a failure of a candidate that it did not report itself.
func (c *candidates) fault(i int, kind provider.Kind, what string) error {
	if !c.vendor(i) {
		return errors.New(what)
	}
	return &provider.Failure{Vendor: c.source(i).Vendor, Kind: kind, Message: what}
}

// hopeless reports whether the same request would fail again.
func hopeless(err error) bool {
	if errors.Is(err, transcriber.ErrBusy) {
		return true
	}
	switch provider.KindOf(err) {
	case provider.Unauthorised, provider.Exhausted, provider.Missing, provider.Limited, provider.Rejected:
		return true
	default:
		return false
	}
}

// reason is the text of the failure for the call's record: who failed and how,
// without the names of requests, which stand beside it.
func (f failure) reason() string {
	text := public(f.err)
	var v *provider.Failure
	if errors.As(f.err, &v) {
		bare := *v
		bare.RequestID = ""
		text = strings.ReplaceAll(text, public(v), public(&bare))
	}
	if f.source.Vendor != "" && !strings.Contains(text, f.source.Vendor) {
		text = f.source.Vendor + ": " + text
	}
	return text
}

// text is the failure's entry in the call's record.
func (f failure) text() string { return string(f.part) + ": " + f.reason() }

// data is what stands beside the text in the call's record.
func (f failure) data() map[string]any {
	out := map[string]any{"part": string(f.part)}
	for name, value := range map[string]string{"vendor": f.source.Vendor, "next": f.next.Vendor} {
		if value != "" {
			out[name] = value
		}
	}
	var v *provider.Failure
	if !errors.As(f.err, &v) {
		return out
	}
	out["kind"] = v.Kind.String()
	if v.Status != 0 {
		out["status"] = v.Status
	}
	if v.RequestID != "" {
		out["request_id"] = v.RequestID
	}
	return out
}
