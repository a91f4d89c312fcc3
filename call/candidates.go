package call

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

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

	mu     sync.Mutex
	first  int               // who serves at the beginning, whom the call's record always names
	known  map[int]bool      // the others that it names
	fine   map[int]bool      // those whose credential was accepted; false: it was refused
	passed map[int]time.Time // those passed over, by when their breaker opened
	// refusal is what was said of the credential that was refused last.
	refusal string
	latest  int // who has done what was asked last, or is to serve first
}

// passed is a post: somebody who was to serve a part of the call does not get it, because
// it has failed in this call or in others.
type passed struct {
	part   part
	source Source
	next   Source
	why    breaker
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
	// next is who takes over: a vendor, or local; "": nobody, or the same one again.
	next string
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
// and then from the first; those behind an open breaker come last, and those whose
// credential was refused in this call not at all. It returns -1 when nobody is left. Who
// is passed over for another is put into the call's record.
func (c *candidates) next(from int, excluded func(int) bool) int {
	return c.choose(from, excluded, func(i int) bool { return c.breakers.allows(c.circuits[i]) }, c.passOver)
}

// leader is who next would return, whom nobody is going to ask now.
func (c *candidates) leader(from int) int {
	return c.choose(from, func(int) bool { return false }, func(i int) bool { return c.breakers.blocks(c.circuits[i]) == nil }, func(int, int) {})
}

// choose finds the candidate for next; skip is called with those passed over for it.
func (c *candidates) choose(from int, excluded, allowed func(int) bool, skip func(i, chosen int)) int {
	var blocked []int
	for k := range c.circuits {
		i := (from + k) % len(c.circuits)
		switch {
		case excluded(i):
		case !c.vendor(i) || allowed(i):
			for _, b := range blocked {
				skip(b, i)
			}
			return i
		default:
			blocked = append(blocked, i)
		}
	}
	for _, i := range blocked {
		if !c.spent(i) {
			return i
		}
	}
	return -1
}

// spent reports whether the credential of a candidate was refused in this call.
func (c *candidates) spent(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	fine, judged := c.fine[i]
	return judged && !fine
}

// passOver puts into the record why a candidate does not serve, once for each time that
// its breaker opened.
func (c *candidates) passOver(i, next int) {
	why := c.breakers.blocks(c.circuits[i])
	if why == nil {
		return
	}
	c.mu.Lock()
	if c.passed == nil {
		c.passed = map[int]time.Time{}
	}
	told := c.passed[i].Equal(why.opened)
	c.passed[i] = why.opened
	c.mu.Unlock()
	if !told {
		c.name(next)
		c.post(passed{part: c.part, source: c.source(i), next: c.source(next), why: *why})
	}
}

// begins notes who serves when the call begins, and returns it; -1 for nobody.
func (c *candidates) begins() int {
	i := c.leader(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first, c.latest = max(0, i), i
	return i
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
	if i == c.first || c.known[i] {
		return false
	}
	if c.known == nil {
		c.known = map[int]bool{}
	}
	c.known[i] = true
	return true
}

// worked notes that a candidate did what it was asked at a time.
func (c *candidates) worked(i int, began time.Time) {
	c.mu.Lock()
	c.latest = i
	c.mu.Unlock()
	if !c.vendor(i) {
		return
	}
	c.breakers.worked(c.circuits[i], began)
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
		f.next = who(c.source(next))
		c.name(next)
	}
	if c.vendor(i) {
		c.breakers.failed(c.circuits[i], err)
		if asFailure(err).Credential() {
			c.judge(i, false)
			c.mu.Lock()
			c.refusal = f.reason()
			c.mu.Unlock()
		}
		if asFailure(err).Credential() && c.refused != nil {
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

// nobody is why nobody can be asked: what was said of the last credential that was refused.
func (c *candidates) nobody() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal
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
	text := Public(f.err)
	var v *provider.Failure
	if errors.As(f.err, &v) {
		bare := *v
		bare.RequestID = ""
		text = strings.ReplaceAll(text, Public(v), Public(&bare))
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
	for name, value := range map[string]string{"vendor": f.source.Vendor, "next": f.next} {
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

// text is the entry in the call's record of somebody who is passed over.
func (p passed) text() string {
	at := func(t time.Time) string { return t.UTC().Format(time.TimeOnly) }
	return fmt.Sprintf("%s: %s is passed over until %s UTC: %s at %s", p.part, p.source.Vendor, at(p.why.until), p.why.plain(), at(p.why.opened))
}

// data is what stands beside the text in the call's record.
func (p passed) data() map[string]any {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	out := map[string]any{"part": string(p.part), "vendor": p.source.Vendor, "next": who(p.next), "passed_over": true,
		"since": at(p.why.opened), "until": at(p.why.until), "kind": p.why.cause.Kind.String()}
	if p.why.cause.Status != 0 {
		out["status"] = p.why.cause.Status
	}
	return out
}

// plain says why the breaker is open.
func (b breaker) plain() string {
	if b.cause.Status == 0 {
		return b.cause.Kind.String()
	}
	return fmt.Sprintf("%s (%d)", b.cause.Kind, b.cause.Status)
}

// who is how records name a source.
func who(s Source) string { return cmp.Or(s.Vendor, local) }
