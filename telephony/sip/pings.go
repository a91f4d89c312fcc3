package sip

import (
	"bytes"
	"errors"
	"os"
	"time"
)

const (
	// ping and pong keep a connection alive (https://www.rfc-editor.org/rfc/rfc5626#section-3.5.1).
	ping, pong = "\r\n\r\n", "\r\n"
	// pingEvery is how long nothing comes on a connection of ours before it is pinged.
	pingEvery = 100 * time.Second
	// pongWithin is how long the pong may take.
	pongWithin = 10 * time.Second
)

// pings are the keep-alives of one connection. Only its reader uses them.
type pings struct {
	ours    bool // we made the connection, so we ping
	waiting bool // for a pong
	answers bool // the far end has answered one
	quiet   int  // pings since something came
	ends    int  // bytes of line ends that came since the last message
}

// until is when the reader looks up, at the latest at the deadline.
func (p *pings) until(deadline time.Time) time.Time {
	switch {
	case !p.ours:
		return deadline
	case p.waiting && p.answers:
		return earlier(deadline, time.Now().Add(pongWithin))
	}
	return earlier(deadline, time.Now().Add(pingEvery))
}

// due says that a ping is to be sent because nothing came until then. A far end that
// used to answer pings and does not any more is gone; one that never did may not
// know them, and is pinged on.
func (p *pings) due(err error, between bool) bool {
	if !p.ours || !between || !errors.Is(err, os.ErrDeadlineExceeded) || p.waiting && p.answers ||
		p.quiet >= int(tcpIdle/pingEvery) {
		return false
	}
	p.waiting = true
	p.quiet++
	return true
}

// take notes what came; only says that it was nothing but line ends, and pongs how
// many pings among these are to be answered.
func (p *pings) take(data []byte) (pongs int, only bool) {
	was := p.waiting
	p.waiting, p.quiet = false, 0
	if len(bytes.Trim(data, "\r\n")) > 0 {
		p.ends = 0
		return 0, false
	}
	if was && len(data) <= len(pong) {
		p.answers = true
		return 0, true
	}
	p.ends += len(data)
	pongs = p.ends / len(ping)
	p.ends %= len(ping)
	return pongs, true
}
