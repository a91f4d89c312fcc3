package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// minSession is the shortest session interval we take, in seconds.
const minSession = 90

// sessionTimer is the session timer of a call
// (https://www.rfc-editor.org/rfc/rfc4028). The zero value has none.
type sessionTimer struct {
	interval time.Duration
	ours     bool // we refresh
	inbound  bool
	leg      *leg
	timer    *time.Timer
}

// sessionOf reads what a request asks for.
func sessionOf(req *sip.Request) (sessionTimer, *fault) {
	value := headerValue(req, "Session-Expires")
	if value == "" {
		value = headerValue(req, "x")
	}
	if value == "" {
		return sessionTimer{}, nil
	}
	number, params, _ := strings.Cut(value, ";")
	seconds, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil {
		return sessionTimer{}, &fault{status: 400, reason: "Bad Request: Session-Expires"}
	}
	if seconds < minSession {
		return sessionTimer{}, &fault{422, "Session Interval Too Small", []header{{"Min-SE", strconv.Itoa(minSession)}}}
	}
	theirs := listed(req, "Supported", "timer") || listed(req, "Require", "timer") || listed(req, "k", "timer")
	s := sessionTimer{interval: time.Duration(seconds) * time.Second, inbound: true}
	s.ours = strings.Contains(params, "refresher=uas") || !theirs
	return s, nil
}

// sessionOfAnswer reads what the far end settled on for our request.
func sessionOfAnswer(res *sip.Response) sessionTimer {
	number, params, _ := strings.Cut(headerValue(res, "Session-Expires"), ";")
	seconds, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil || seconds < minSession {
		return sessionTimer{}
	}
	return sessionTimer{interval: time.Duration(seconds) * time.Second, ours: !strings.Contains(params, "refresher=uas")}
}

func (s *sessionTimer) bind(l *leg) { s.leg = l }

// take follows a refresh.
func (s *sessionTimer) take(n sessionTimer) {
	s.interval, s.ours, s.inbound = n.interval, n.ours, n.inbound
}

func (s *sessionTimer) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// headers are what a message of ours says about the timer.
func (s *sessionTimer) headers() []header {
	if s.interval == 0 {
		return nil
	}
	refresher := "uac"
	if s.ours == s.inbound {
		refresher = "uas"
	}
	hs := []header{{"Session-Expires", fmt.Sprintf("%d;refresher=%s", s.interval/time.Second, refresher)}}
	if s.inbound && !s.ours {
		hs = append(hs, header{"Require", "timer"})
	}
	return hs
}

// armSession starts the timer anew; l.mu is held.
func (l *leg) armSession() {
	s := &l.session
	s.stop()
	if s.interval == 0 || l.state == legOver {
		return
	}
	if s.ours {
		s.timer = time.AfterFunc(s.interval/2, func() { l.d.background(l.refresh) })
		return
	}
	s.timer = time.AfterFunc(s.interval-s.grace(), func() {
		l.giveUp(telephony.CauseSessionTimeout, "the session was not refreshed")
	})
}

// grace is how long before its end a session that was not refreshed is given up.
func (s *sessionTimer) grace() time.Duration { return min(32*time.Second, s.interval/3) }

// refresh renews the session, again and again until shortly before its end
// (RFC 4028, section 10, would end it at the first failure).
func (l *leg) refresh(ctx context.Context) {
	l.mu.Lock()
	spare := l.session.interval/2 - l.session.grace()
	l.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, spare)
	defer cancel()
	for {
		err := l.renew(limited)
		if err == nil {
			break
		}
		wait, hopeless := l.renewAgain(err)
		again := time.NewTimer(wait)
		select {
		case <-l.gone:
			again.Stop()
			return
		case <-limited.Done():
			hopeless = true
		case <-again.C:
		}
		again.Stop()
		if hopeless {
			l.giveUp(telephony.CauseSessionTimeout, "refresh the session: "+err.Error())
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session.ours = true
	l.armSession()
}

// renewAgain is how long to wait after a refresh that failed; hopeless says that the
// far end has no such call.
func (l *leg) renewAgain(err error) (wait time.Duration, hopeless bool) {
	var r *refused
	if !errors.As(err, &r) {
		return renewPause, false
	}
	switch status := r.res.StatusCode; {
	case status == 481:
		return 0, true
	case (status == 405 || status == 501) && l.withoutUpdate():
		return 0, false
	case status == 491 && l.tx == nil: // RFC 3261, section 14.1
		return 2100*time.Millisecond + rand.N(1900*time.Millisecond), false
	case status == 491:
		return rand.N(2 * time.Second), false
	}
	if wait := retryIn(r.res); wait > 0 {
		return wait, false
	}
	return renewPause, false
}

// renewPause is how long to wait after a refresh that failed for no stated time.
const renewPause = 10 * time.Second

// withoutUpdate notes that the far end does not understand UPDATE; false when that was
// known.
func (l *leg) withoutUpdate() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.updates
	l.updates = false
	return was
}

// renew refreshes the session once, by UPDATE where that is understood.
func (l *leg) renew(ctx context.Context) error {
	l.mu.Lock()
	update, st := l.updates, l.stream
	extra := []header{{"Session-Expires", fmt.Sprintf("%d;refresher=uac", l.session.interval/time.Second)}, {"Supported", supported}, l.d.contact(l.peer)}
	var body []byte
	if st != nil {
		body = l.desc.offer(st.localDir, st)
	}
	l.mu.Unlock()
	if !update && st != nil {
		return l.reinvite(ctx, st.localDir, body)
	}
	x, err := l.request(ctx, "UPDATE", extra, nil)
	if err == nil && !x.res.IsSuccess() {
		return &refused{x.res}
	}
	return err
}
