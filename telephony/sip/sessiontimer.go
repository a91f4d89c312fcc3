package sip

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// minSession is the shortest session interval we take, in seconds.
const minSession = 90

// sessionTimer is the session timer of a call
// (https://www.rfc-editor.org/rfc/rfc4028). The zero value has none.
type sessionTimer struct {
	interval time.Duration
	ours     bool      // we refresh
	began    time.Time // when it was agreed on, or refreshed
}

// sessionOf reads what a request asks for.
func sessionOf(req *sip.Request) (sessionTimer, *fault) {
	value := headerValue(req, "Session-Expires")
	if value == "" {
		return sessionTimer{}, nil
	}
	number, params := paramsOf(value)
	seconds, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return sessionTimer{}, nil // it asks for nothing
	}
	if seconds < minSession {
		return sessionTimer{}, &fault{422, "Session Interval Too Small", []header{{"Min-SE", strconv.Itoa(minSession)}}}
	}
	theirs := listed(req, "Supported", "timer") || listed(req, "Require", "timer")
	s := sessionTimer{interval: time.Duration(seconds) * time.Second}
	s.ours = refresher(params, "uas") || !theirs
	return s, nil
}

// sessionOfAnswer reads what the far end settled on for our request.
func sessionOfAnswer(res *sip.Response) sessionTimer {
	number, params := paramsOf(headerValue(res, "Session-Expires"))
	seconds, err := strconv.ParseUint(number, 10, 31)
	if err != nil || seconds < minSession {
		return sessionTimer{}
	}
	return sessionTimer{interval: time.Duration(seconds) * time.Second, ours: !refresher(params, "uas")}
}

// refresher says whether the parameters of a Session-Expires header name a role.
func refresher(params sip.HeaderParams, role string) bool {
	named, _ := param(params, "refresher")
	return strings.EqualFold(named, role)
}

// take follows a refresh.
func (s *sessionTimer) take(n sessionTimer) { s.interval, s.ours = n.interval, n.ours }

// inResponse are what a response of ours says about the timer.
func (s *sessionTimer) inResponse() []header {
	if s.interval == 0 {
		return nil
	}
	if s.ours {
		return []header{s.header("uas")}
	}
	return []header{s.header("uac"), {"Require", "timer"}}
}

// inRequest are what a request of ours says about the timer: who refreshes goes on
// doing so (RFC 4028, section 7.4).
func (s *sessionTimer) inRequest() []header {
	switch {
	case s.interval == 0:
		return nil
	case s.ours:
		return []header{s.header("uac")}
	}
	return []header{s.header("uas")}
}

func (s *sessionTimer) header(refresher string) header {
	return header{"Session-Expires", fmt.Sprintf("%d;refresher=%s", s.interval/time.Second, refresher)}
}

// half is when we refresh the session; zero when we do not.
func (s *sessionTimer) half() time.Time {
	if s.interval == 0 || !s.ours {
		return time.Time{}
	}
	return s.began.Add(s.interval / 2)
}

// end is when a session that was not refreshed is given up: shortly before its end,
// and not at the first refresh that fails (RFC 4028, section 10). Zero without a
// session.
func (s *sessionTimer) end() time.Time {
	if s.interval == 0 {
		return time.Time{}
	}
	return s.began.Add(s.interval - min(32*time.Second, s.interval/3))
}
