// Package harness lets a program of the customer's own answer in place of a
// language model: one WebSocket for each call, text only. Programs written for
// Twilio's ConversationRelay or for Retell's custom LLM work unchanged; which of the
// two is a setting.
//
// ConversationRelay, as described on 2026-08-19 at
// https://www.twilio.com/docs/voice/conversationrelay/websocket-messages: we send
// setup, prompt, dtmf, interrupt and error, and take text, sendDigits and end.
// The callStatus of setup is a guess: the page shows a ringing call only.
//
// Retell's LLM WebSocket, as described on 2026-11-28 (the stored page has no date
// of its own) at https://docs.retellai.com/api-references/llm-websocket: we send
// call_details, ping_pong and response_required, and take config, response,
// agent_interrupt, tool_call_invocation, tool_call_result and ping_pong. update_only
// is not sent, nor reminder_required: an agent's own questions to a silent caller
// take its place.
//
// What a program wants and does not get is an event of the call, once for each kind,
// and an error frame to a program of ConversationRelay's: play and language, the
// attributes lang and preemptible, the handoffData of end, transfer_number,
// update_agent, metadata and transcript_with_tool_calls, and frames of no known type.
//
// Not verified by a client of either vendor, but for the signature: the frames are
// re-created from these descriptions.
package harness

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"iter"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// Protocol is the frames that a program speaks.
type Protocol string

// The protocols.
const (
	// ConversationRelay is Twilio's.
	ConversationRelay Protocol = "conversation_relay"
	// Retell is that of Retell's custom LLM.
	Retell Protocol = "retell"
)

// Call is what a program is told of its call.
type Call struct {
	// ID names it, Account the environment and Agent the agent.
	ID, Account, Agent string
	// From and To are numbers, E.164 with plus where they have a certain meaning.
	From, To string
	// Outgoing says that we placed it.
	Outgoing bool
	// Values are the texts of the call's context, by name.
	Values map[string]string
}

// Options say which program a Driver works with.
type Options struct {
	// Client opens the WebSocket.
	Client *provider.Client
	// URL is the program's, with the scheme ws or wss. Retell's protocol adds the
	// call's id to the path.
	URL string
	// Protocol is what the program speaks; "" is ConversationRelay.
	Protocol Protocol
	// Language is the call's, such as "en-US"; programs are told.
	Language string
	// Call is the call.
	Call Call
}

// Driver is an llm.Driver and an llm.Attendant for one call. Attend opens the socket,
// else the first request does, and it stays open between requests; when it broke off,
// the next request opens another, and the program gets what it has not answered. A
// program keeps a conversation of its own, so requests are made one after the other:
// Generate waits until the one before has ended.
//
// A request without new words returns what the program has said meanwhile, else it is
// Silent. What still comes of an answer that was left early is dropped. Close ends the
// socket; a Driver must be closed.
type Driver struct {
	o       Options
	dialing chan struct{} // held by whoever opens the socket
	told    chan struct{} // frames wait for the goroutine that Attend starts
	life    context.Context
	end     context.CancelFunc
	done    sync.WaitGroup

	turn     sync.Mutex // one request at a time; it guards what follows
	past     past
	refused  map[string]bool   // of what the program has been told that it does not get
	toolName map[string]string // of Retell's tool calls, by their id
	greets   bool              // the program speaks when it gets setup

	flushing sync.Mutex // held while what waits is sent

	mu     sync.Mutex
	news   []any // frames that wait to be sent
	link   *link // nil while there is none
	closed bool
	fresh  bool // no request has used it
	asking bool // a request takes the frames
	owed   bool // the end of an answer that was left
	wake   func(error)
}

// newsAhead is how many frames may wait to be sent; nobody presses more keys on purpose.
const newsAhead = 64

// New returns a Driver.
func New(o Options) *Driver {
	if o.Protocol == "" {
		o.Protocol = ConversationRelay
	}
	d := &Driver{o: o, dialing: make(chan struct{}, 1), told: make(chan struct{}, 1), refused: map[string]bool{}, toolName: map[string]string{}}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// Sign returns the header X-Twilio-Signature with which a program knows that a
// connection is its own, by SHA-1 as Twilio has defined it: the secret is the auth
// token, see
// https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func Sign(address string, token sidetone.Secret) string {
	mac := hmac.New(sha1.New, []byte(token.Reveal()))
	_, _ = mac.Write([]byte(address)) // a hash takes everything
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Close ends the socket and waits for what reads and writes it. It may be called more
// than once.
func (d *Driver) Close() error {
	d.mu.Lock()
	l := d.link
	d.link, d.closed = nil, true
	d.mu.Unlock()
	d.end()
	if l != nil {
		l.close()
	}
	d.done.Wait()
	return nil
}

// Attend implements llm.Attendant: it opens the socket, so that a program can speak
// first.
func (d *Driver) Attend(wake func(error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.wake = wake
	d.done.Go(func() {
		if _, err := d.connect(d.life); err != nil && d.life.Err() == nil {
			wake(err)
		}
		d.sendNews()
	})
}

// Press implements llm.Attendant.
func (d *Driver) Press(key rune) { d.tell(dtmf(key)) }

// Interrupted implements llm.Attendant.
func (d *Driver) Interrupted(text string, length time.Duration) { d.tell(interrupt(text, length)) }

// tell has a frame sent soon. Retell's protocol has none for such news: they are in the
// transcript.
func (d *Driver) tell(f any) {
	if d.o.Protocol == Retell {
		return
	}
	d.mu.Lock()
	if len(d.news) < newsAhead {
		d.news = append(d.news, f)
	}
	d.mu.Unlock()
	select {
	case d.told <- struct{}{}:
	default:
	}
}

// sendNews tells the program what happens until the driver is closed.
func (d *Driver) sendNews() {
	for {
		select {
		case <-d.told:
			if l, err := d.connect(d.life); err == nil {
				_ = d.flush(d.life, l) // a lost socket is found by the next request
			}
		case <-d.life.Done():
			return
		}
	}
}

// flush sends the news that wait, and returns when they are sent.
func (d *Driver) flush(ctx context.Context, l *link) error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	d.mu.Lock()
	frames := d.news
	d.news = nil
	d.mu.Unlock()
	for _, f := range frames {
		if err := l.send(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// Generate asks the program, see llm.Driver. Model, Tools but end_conversation, and
// Temperature mean nothing to it. Its answer may call send_digits, which no request
// offers.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		d.turn.Lock()
		defer d.turn.Unlock()
		a := &answer{driver: d, request: r, yield: yield}
		before := d.past
		d.begin()
		err := ctx.Err()
		if err == nil {
			err = a.run(ctx)
		}
		d.finish(a.asked && !a.finished)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			err = context.Cause(ctx)
		case err != nil:
			d.past.forget(before)
		}
		if err != nil && !a.left {
			yield(llm.Delta{}, err)
		}
	}
}

// TakesTemperature implements llm.Selective: a program decides itself.
func (d *Driver) TakesTemperature(string) bool { return false }

// TakesModel implements llm.Selective.
func (d *Driver) TakesModel() bool { return false }

// attends reports whether news are sent as they come.
func (d *Driver) attends() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wake != nil
}

// begin lets a request take the frames.
func (d *Driver) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking, d.owed = true, false
}

// finish ends that; what has not been taken by then waits for another request.
func (d *Driver) finish(owed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking, d.owed = false, owed
	if d.link == nil {
		return
	}
	if owed {
		d.link.drop()
	}
	if d.wake != nil && d.link.wakes() {
		d.wake(nil)
	}
}

// arrived takes a frame from the reader of a link.
func (d *Driver) arrived(l *link, f frame) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.asking && (f.late() || d.owed && f.said()) {
		d.owed = d.owed && !f.Last
		return nil
	}
	if err := l.put(f); err != nil {
		return err
	}
	if !d.asking && d.wake != nil && !f.quiet() {
		d.wake(nil)
	}
	return nil
}

// ended is called by the reader of a link that is over: a program that has hung up is
// asked once more, and answers so.
func (d *Driver) ended(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link == l && !d.asking && d.wake != nil && d.hangsUp(l.err) {
		d.wake(nil)
	}
}

// hangsUp reports whether a socket ended because the program ends the call: so does
// one of Retell's that closes it in order.
func (d *Driver) hangsUp(err error) bool {
	f := (*provider.Failure)(nil)
	return d.o.Protocol == Retell && errors.As(err, &f) && f.Status == int(websocket.StatusNormalClosure)
}

// unused reports whether no request has used the socket, and notes that one does.
func (d *Driver) unused() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.fresh
	d.fresh = false
	return was
}

// connect returns the open socket, or opens one.
func (d *Driver) connect(ctx context.Context) (l *link, err error) {
	select {
	case d.dialing <- struct{}{}:
		defer func() { <-d.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d.mu.Lock()
	l, closed := d.link, d.closed
	d.mu.Unlock()
	switch {
	case closed:
		return nil, d.o.Client.Fail(provider.Unreachable, "the call is over")
	case l != nil && !l.over():
		return l, nil
	case l != nil && d.hangsUp(l.err):
		return nil, l.err
	case l != nil:
		l.close()
	}
	l, err = d.dial(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	closed = d.closed
	if !closed {
		d.link, d.fresh = l, true
	}
	d.mu.Unlock()
	if closed {
		l.close()
		return nil, d.o.Client.Fail(provider.Unreachable, "the call is over")
	}
	return l, nil
}

// address is where the program is for a call.
func (d *Driver) address(call string) (string, error) {
	switch u, err := url.Parse(d.o.URL); {
	case d.o.Protocol != Retell && d.o.Protocol != ConversationRelay:
		return "", d.o.Client.Fail(provider.Rejected, "the protocol %q is not known: it is %s or %s", d.o.Protocol, ConversationRelay, Retell)
	case err == nil && d.o.Protocol == Retell:
		return u.JoinPath(url.PathEscape(call)).String(), nil
	}
	return d.o.URL, nil
}

// dial opens a socket and tells the program of the call.
func (d *Driver) dial(ctx context.Context) (*link, error) {
	address, err := d.address(d.o.Call.ID)
	if err != nil {
		return nil, err
	}
	socket, err := d.o.Client.Dial(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	l := open(d, socket)
	if d.o.Protocol == Retell {
		return l, nil
	}
	if err := l.send(ctx, d.o.Call.setup()); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}
