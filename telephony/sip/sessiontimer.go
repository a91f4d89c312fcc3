package sip

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// minSession is the shortest session interval that we ask for and let others ask
	// for, in seconds.
	minSession = 90
	// shortestFollowed is the shortest one that an answer may settle on: less is meant
	// by nobody, and would end the call with the first message that is lost.
	shortestFollowed = 10 * time.Second
)

// sessionTimer is the session timer of a call
// (https://www.rfc-editor.org/rfc/rfc4028). The zero value has none.
type sessionTimer struct {
	interval time.Duration
	ours     bool      // we refresh
	began    time.Time // when it was agreed on, or refreshed
	// least is the longest Min-SE that came in a 422 or with a session: no request of
	// ours may ask for less (RFC 4028, section 7.4).
	least time.Duration
}

// sessionOf reads what a request asks for; settled is the interval in force, which may
// be kept however short it is.
func sessionOf(req *sip.Request, settled time.Duration) (sessionTimer, *fault) {
	value := headerValue(req, "Session-Expires")
	if value == "" {
		return sessionTimer{}, nil
	}
	number, params := paramsOf(value)
	seconds, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return sessionTimer{}, nil // it asks for nothing
	}
	interval := time.Duration(seconds) * time.Second
	if seconds < minSession && (settled == 0 || interval < settled) {
		return sessionTimer{}, &fault{422, "Session Interval Too Small", []header{{"Min-SE", strconv.Itoa(minSession)}}}
	}
	theirs := listed(req, "Supported", "timer") || listed(req, "Require", "timer")
	s := sessionTimer{interval: interval, least: minimumIn(req)}
	s.ours = refresher(params, "uas") || !theirs
	return s, nil
}

// sessionOfAnswer reads what the far end settled on for our request. Less than what may
// be asked for is a fault of the far end, which ends the call when it is not met.
func sessionOfAnswer(res *sip.Response) sessionTimer {
	number, params := paramsOf(headerValue(res, "Session-Expires"))
	seconds, err := strconv.ParseUint(number, 10, 31)
	if err != nil || seconds == 0 {
		return sessionTimer{}
	}
	return sessionTimer{interval: max(time.Duration(seconds)*time.Second, shortestFollowed), ours: !refresher(params, "uas")}
}

// refresher says whether the parameters of a Session-Expires header name a role.
func refresher(params sip.HeaderParams, role string) bool {
	named, _ := param(params, "refresher")
	return strings.EqualFold(named, role)
}

// take follows a refresh.
func (s *sessionTimer) take(n sessionTimer) {
	s.least = max(s.least, n.least)
	if n.interval > 0 {
		s.interval, s.ours = n.interval, n.ours
	}
}

// inResponse are what a response of ours says about the timer.
func (s *sessionTimer) inResponse() []header {
	if s.interval == 0 {
		return nil
	}
	if s.ours {
		return []header{s.header(s.interval, "uas")}
	}
	return []header{s.header(s.interval, "uac"), {"Require", "timer"}}
}

// inRequest are what a request of ours says about the timer: who refreshes goes on
// doing so (RFC 4028, section 7.4).
func (s *sessionTimer) inRequest() []header {
	var out []header
	asked := max(s.interval, s.least, minSession*time.Second)
	switch {
	case s.interval == 0 && s.least == 0:
	case s.interval == 0:
		out = []header{{"Session-Expires", strconv.Itoa(int(asked / time.Second))}}
	case s.ours:
		out = []header{s.header(asked, "uac")}
	default:
		out = []header{s.header(asked, "uas")}
	}
	if s.least > 0 {
		out = append(out, header{"Min-SE", strconv.Itoa(int(s.least / time.Second))})
	}
	return out
}

func (s *sessionTimer) header(interval time.Duration, refresher string) header {
	return header{"Session-Expires", fmt.Sprintf("%d;refresher=%s", interval/time.Second, refresher)}
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
