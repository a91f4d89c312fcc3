package sip

import (
	"context"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

// longestMinimum bounds the shortest session that is asked for, in seconds.
const longestMinimum = 24 * 60 * 60

// longerSession are the headers of an INVITE that is sent again after 422: a proxy on
// the way had added an interval that is too short for another one
// (https://www.rfc-editor.org/rfc/rfc4028#section-7.3). Nil when res says nothing that
// can be met.
func longerSession(res *sip.Response) []header {
	s := sessionTimer{least: leastSession(res)}
	return s.inRequest()
}

// leastSession is the shortest session that a 422 says can be; 0 for another response,
// and when it says nothing that can be met.
func leastSession(res *sip.Response) time.Duration {
	if res.StatusCode != 422 {
		return 0
	}
	return minimumIn(res)
}

// minimumIn is what a message has as Min-SE, and at least what always holds; 0 for
// nothing that can be met.
func minimumIn(m sip.Message) time.Duration {
	value, _ := paramsOf(headerValue(m, "Min-SE"))
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err != nil || seconds > longestMinimum {
		return 0
	}
	return time.Duration(max(seconds, minSession)) * time.Second
}

// requestSession sends a request that refreshes the session. Where that would be too
// short for the far end or a proxy, it is sent again for a longer one
// (https://www.rfc-editor.org/rfc/rfc4028#section-7.4).
func (l *leg) requestSession(ctx context.Context, method string, extra []header, body []byte) (exchange, error) {
	for round := 0; ; round++ {
		l.mu.Lock()
		session := l.session.inRequest()
		l.mu.Unlock()
		x, err := l.request(ctx, method, append(session, extra...), body)
		if err != nil || round == maxRounds || !l.lengthen(leastSession(x.res)) {
			return x, err
		}
	}
}

// lengthen notes the shortest session that can be; false when it was known before, or is
// 0.
func (l *leg) lengthen(least time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if least <= l.session.least {
		return false
	}
	l.session.least = least
	return true
}
