// Package harness lets a program of the customer's own answer in place of a
// language model: one WebSocket for each call, text only. Programs written for
// Twilio's ConversationRelay or for Retell's custom LLM work unchanged; which of the
// two is a setting.
//
// ConversationRelay, as described on 2026-08-19 at
// https://www.twilio.com/docs/voice/conversationrelay/websocket-messages: we send
// setup, prompt and interrupt, and take text and end. Its play, sendDigits and
// language are taken and do nothing, and dtmf is not sent.
//
// Retell's LLM WebSocket, as described on 2026-11-28 (the stored page has no date
// of its own) at https://docs.retellai.com/api-references/llm-websocket: we send
// call_details, ping_pong, response_required and reminder_required, and take
// config, response and ping_pong. Its agent_interrupt, its tool events, and
// transfer_number and digit_to_press of a response are taken and do nothing.
//
// Not verified by a client of either vendor: the frames are re-created from these
// descriptions.
package harness

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"iter"
	"net/url"
	"strings"
	"sync"

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
}

// Driver is an llm.Driver for one call. The socket is opened by the first request
// and stays open between requests; when it broke off, the next request opens
// another, and the program gets what it has not answered. A program keeps a
// conversation of its own, so requests are made one after the other: Generate waits
// until the one before has ended.
//
// A program that has nothing to answer, because the caller said nothing new, is
// silent: the answer is Silent. Close ends the socket; a Driver must be closed.
type Driver struct {
	o Options

	turn sync.Mutex // one request at a time; it guards what follows
	past past

	mu     sync.Mutex
	link   *link // nil while there is none
	closed bool
}

// New returns a Driver.
func New(o Options) *Driver {
	if o.Protocol == "" {
		o.Protocol = ConversationRelay
	}
	return &Driver{o: o}
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

// Close ends the socket and waits for its reader. It may be called more than once.
func (d *Driver) Close() error {
	d.mu.Lock()
	l := d.link
	d.link, d.closed = nil, true
	d.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// Generate asks the program, see llm.Driver. Model, Tools but end_conversation, and
// Temperature mean nothing to it.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		d.turn.Lock()
		defer d.turn.Unlock()
		a := &answer{driver: d, request: r, yield: yield}
		err := a.run(ctx)
		if errors.Is(ctx.Err(), context.Canceled) {
			err = context.Cause(ctx)
		}
		if err != nil && !a.left {
			yield(llm.Delta{}, err)
		}
	}
}

// connect returns the open socket, or opens one. fresh says that it is new.
func (d *Driver) connect(ctx context.Context, call string) (l *link, fresh bool, err error) {
	d.mu.Lock()
	l, closed := d.link, d.closed
	d.mu.Unlock()
	switch {
	case closed:
		return nil, false, d.o.Client.Fail(provider.Unreachable, "the call is over")
	case l != nil && !l.over():
		return l, false, nil
	case l != nil:
		l.close()
	}
	address := d.o.URL
	if d.o.Protocol == Retell {
		address = strings.TrimRight(address, "/") + "/" + url.PathEscape(call)
	}
	socket, err := d.o.Client.Dial(ctx, address, nil)
	if err != nil {
		return nil, false, err
	}
	l = open(d.o.Client, socket, call)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		l.close()
		return nil, false, d.o.Client.Fail(provider.Unreachable, "the call is over")
	}
	d.link = l
	return l, true, nil
}
