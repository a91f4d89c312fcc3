package sip

import (
	"context"
	"fmt"
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
	grace := min(32*time.Second, s.interval/3)
	s.timer = time.AfterFunc(s.interval-grace, func() {
		l.giveUp(telephony.CauseSessionTimeout, "the session was not refreshed")
	})
}

// refresh renews the session, by UPDATE where that is understood.
func (l *leg) refresh(ctx context.Context) {
	l.mu.Lock()
	update, st := l.updates, l.stream
	seconds := fmt.Sprintf("%d;refresher=uac", l.session.interval/time.Second)
	contact := l.d.contact(l.peer)
	var body []byte
	if st != nil {
		body = l.desc.offer(st.localDir, st)
	}
	l.mu.Unlock()
	var err error
	if update {
		var res *sip.Response
		res, err = l.request(ctx, "UPDATE", []header{{"Session-Expires", seconds}, {"Supported", "timer"}, contact}, nil)
		if err == nil && (res.StatusCode == 481 || res.StatusCode == 408) {
			err = fmt.Errorf("status %d", res.StatusCode)
		}
	} else if st != nil {
		err = l.reinvite(ctx, st.localDir, body)
	}
	select {
	case <-l.gone:
		return
	default:
	}
	if err != nil {
		l.giveUp(telephony.CauseSessionTimeout, "refresh the session: "+err.Error())
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session.ours = true
	l.armSession()
}
