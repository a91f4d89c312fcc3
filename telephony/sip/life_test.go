package sip

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// What a response to a refresh proves.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status         int
		update, invite verdict
	}{
		{200, verdictRenewed, verdictRenewed}, {202, verdictRenewed, verdictRenewed},
		{481, verdictGone, verdictGone},
		{488, verdictLives, verdictLives}, {491, verdictLives, verdictLives}, {500, verdictLives, verdictLives},
		{405, verdictNoUpdate, verdictLives}, {501, verdictNoUpdate, verdictLives},
		{401, verdictNothing, verdictNothing}, {403, verdictNothing, verdictNothing}, {404, verdictNothing, verdictNothing},
		{408, verdictNothing, verdictNothing}, {480, verdictNothing, verdictNothing}, {503, verdictNothing, verdictNothing},
	} {
		if got := judge(sip.UPDATE, test.status); got != test.update {
			t.Errorf("%d to UPDATE: %d, want %d", test.status, got, test.update)
		}
		if got := judge(sip.INVITE, test.status); got != test.invite {
			t.Errorf("%d to a re-INVITE: %d, want %d", test.status, got, test.invite)
		}
	}
}

// subject is a call with a far end that is made of times and statuses.
type subject struct {
	t        *testing.T
	began    time.Time
	limit    time.Duration
	life     func(at time.Duration) time.Duration // the last sign by then; nil: the beginning
	session  sessionTimer
	updates  bool
	respond  func(at time.Duration, method sip.RequestMethod) int // 0: not at all; -1: busy; -2: it cannot be sent
	leg      *leg
	attempts []string // what was sent, and when
	ended    chan string
}

func (p *subject) at() time.Duration { return time.Since(p.began) }

func (p *subject) condition() condition {
	c := condition{life: p.began, limit: p.limit, session: p.session}
	if p.life != nil {
		c.life = p.began.Add(p.life(p.at()))
	}
	return c
}

func (p *subject) renew(ctx context.Context, reinvite bool) finding {
	method := sip.INVITE
	if p.leg.updates && !reinvite {
		method = sip.UPDATE
	}
	status := p.respond(p.at(), method)
	if status == -1 {
		return finding{verdict: verdictBusy}
	}
	p.attempts = append(p.attempts, fmt.Sprintf("%s %v", method, p.at()))
	if status <= 0 {
		if status == 0 {
			<-ctx.Done()
		}
		return finding{verdict: verdictSilent}
	}
	res := sip.NewResponse(status, "x")
	if status == 503 {
		res.AppendHeader(sip.NewHeader("Retry-After", "20"))
	}
	if status == 200 {
		p.session.began = time.Now()
	}
	return p.leg.read(method, res)
}

func (p *subject) giveUp(cause telephony.Cause, _ string) {
	p.ended <- fmt.Sprintf("%s %v", cause, p.at())
}

// watch lets a keeper look after the call for up to limit; it returns how the call
// ended, "" when it did not.
func (p *subject) watch(limits Life, limit time.Duration) string {
	limits.complete()
	p.began, p.ended = time.Now(), make(chan string, 1)
	if p.session.interval > 0 {
		p.session.began = p.began
	}
	p.leg = &leg{updates: p.updates}
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	k := &keeper{call: p, limits: limits, now: time.Now}
	k.start(ctx, func(look func()) { look() })
	select {
	case how := <-p.ended:
		return how
	case <-ctx.Done():
		k.looking.Lock() // the last look is over
		defer k.looking.Unlock()
		return ""
	}
}

// always responds alike.
func always(status int) func(time.Duration, sip.RequestMethod) int {
	return func(time.Duration, sip.RequestMethod) int { return status }
}

// byMethod responds by the method.
func byMethod(update, invite int) func(time.Duration, sip.RequestMethod) int {
	return func(_ time.Duration, m sip.RequestMethod) int {
		if m == sip.UPDATE {
			return update
		}
		return invite
	}
}

const (
	muted = 15 * time.Second // how long a sign counts after the first sound
	slow  = time.Minute      // before it, and on hold
)

// A far end from which nothing comes is asked; what it answers decides.
func TestKeeper(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		p       subject
		limit   time.Duration // for which the call is watched
		ends    string        // "": it goes on
		sent    string        // the first requests, and when
		between time.Duration // how far apart requests are at least; 0: not looked at
	}{
		{name: "muted, understands UPDATE", p: subject{limit: muted, updates: true, respond: always(200)}, sent: "UPDATE 15s, UPDATE 1m15s, UPDATE 2m15s", between: slow},
		{name: "muted, re-INVITE", p: subject{limit: muted, respond: always(200)}, sent: "INVITE 15s, INVITE 1m15s", between: slow},
		{name: "488", p: subject{limit: muted, respond: always(488)}, sent: "INVITE 15s, INVITE 1m15s", between: slow},
		{name: "488 to UPDATE", p: subject{limit: muted, updates: true, respond: always(488)}, sent: "UPDATE 15s, UPDATE 1m15s", between: slow},
		{name: "491", p: subject{limit: muted, updates: true, respond: always(491)}, sent: "UPDATE 15s, UPDATE 1m15s", between: slow},
		{name: "500", p: subject{limit: muted, respond: always(500)}, sent: "INVITE 15s, INVITE 1m15s", between: slow},
		{name: "405 to both", p: subject{limit: muted, updates: true, respond: always(405)}, sent: "UPDATE 15s, INVITE 15s, INVITE 1m15s"},
		{name: "501 to both", p: subject{limit: muted, updates: true, respond: always(501)}, sent: "UPDATE 15s, INVITE 15s, INVITE 1m15s"},
		{name: "405 to UPDATE, then nothing", p: subject{limit: muted, updates: true, respond: byMethod(405, 0)}, ends: "far_end_gone 47s", sent: "UPDATE 15s, INVITE 15s, INVITE 31s"},
		{name: "501 to UPDATE, then 481", p: subject{limit: muted, updates: true, respond: byMethod(501, 481)}, ends: "far_end_gone 15s", sent: "UPDATE 15s, INVITE 15s"},
		{name: "481", p: subject{limit: muted, respond: always(481)}, ends: "far_end_gone 15s", sent: "INVITE 15s"},
		{name: "481 to UPDATE", p: subject{limit: muted, updates: true, respond: always(481)}, ends: "far_end_gone 15s", sent: "UPDATE 15s"},
		{name: "gone", p: subject{limit: muted, respond: always(0)}, ends: "far_end_gone 47s", sent: "INVITE 15s, INVITE 31s"},
		{name: "cannot be reached", p: subject{limit: muted, respond: always(-2)}, ends: "far_end_gone 47s", sent: "INVITE 15s, INVITE 31s"},
		{name: "gone, understood UPDATE", p: subject{limit: muted, updates: true, respond: always(0)}, ends: "far_end_gone 47s", sent: "UPDATE 15s, INVITE 31s"},
		{name: "drops UPDATE", p: subject{limit: muted, updates: true, respond: byMethod(0, 200)}, sent: "UPDATE 15s, INVITE 31s, UPDATE 1m31s"},
		{name: "gone before its first sound", p: subject{limit: slow, respond: always(0)}, ends: "far_end_gone 1m32s", sent: "INVITE 1m0s, INVITE 1m16s"},
		{name: "gone on hold, with a long session", p: subject{limit: slow, updates: true, session: sessionTimer{interval: 2 * time.Hour, ours: true}, respond: always(0)},
			ends: "far_end_gone 1m32s", sent: "UPDATE 1m0s, INVITE 1m16s"},
		{name: "gone on hold, which refreshes", p: subject{limit: slow, session: sessionTimer{interval: 2 * time.Hour}, respond: always(0)}, ends: "far_end_gone 1m32s"},
		{name: "on hold", p: subject{limit: slow, respond: always(200)}, sent: "INVITE 1m0s, INVITE 2m0s", between: slow},
		{name: "gone after it lived", p: subject{limit: slow, respond: func(at time.Duration, _ sip.RequestMethod) int {
			if at < 100*time.Second {
				return 200
			}
			return 0
		}}, ends: "far_end_gone 2m32s", sent: "INVITE 1m0s, INVITE 2m0s, INVITE 2m16s"},
		{name: "one response lost", p: subject{limit: muted, respond: func(at time.Duration, _ sip.RequestMethod) int {
			if at < 20*time.Second {
				return 0
			}
			return 488
		}}, sent: "INVITE 15s, INVITE 31s, INVITE 1m31s"},
		{name: "a proxy that finds nobody", p: subject{limit: muted, respond: always(408)}, ends: "far_end_gone 1m15s", sent: "INVITE 15s, INVITE 25s, INVITE 35s"},
		{name: "a proxy that is busy for long", p: subject{limit: slow, respond: always(503)}, ends: "far_end_gone 2m0s", sent: "INVITE 1m0s, INVITE 1m10s"},
		{name: "a challenge that we cannot answer", p: subject{limit: slow, updates: true, respond: always(407)}, ends: "far_end_gone 2m0s"},
		{name: "sound comes back while it is asked", p: subject{limit: muted, respond: always(0), life: func(at time.Duration) time.Duration {
			if at > 20*time.Second {
				return at
			}
			return 0
		}}, sent: "INVITE 15s"},
		{name: "sound", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, respond: always(0)}},
		{name: "sound stops", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return min(at, 32*time.Second) }, respond: always(0)},
			ends: "far_end_gone 1m19s", sent: "INVITE 47s, INVITE 1m3s"},
		{name: "another change is under way", p: subject{limit: muted, respond: func(at time.Duration, _ sip.RequestMethod) int {
			if at < 20*time.Second {
				return -1
			}
			return 200
		}}, sent: "INVITE 21s, INVITE 1m21s"},
		{name: "we refresh", p: subject{limit: muted, updates: true, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 100 * time.Second, ours: true}, respond: always(200)},
			sent: "UPDATE 50s, UPDATE 1m40s, UPDATE 2m30s"},
		{name: "they do not refresh", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 90 * time.Second}, respond: always(200)},
			ends: "session_timeout 1m0s"},
		{name: "our refreshes are lost while sound comes", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 240 * time.Second, ours: true}, respond: always(0)},
			ends: "session_timeout 3m28s", sent: "INVITE 2m0s, INVITE 2m26s, INVITE 2m52s"},
		{name: "our refreshes are refused while sound comes", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 30 * time.Minute, ours: true}, respond: always(503)},
			ends: "session_timeout 29m28s", sent: "INVITE 15m0s, INVITE 15m20s, INVITE 15m40s"},
		{name: "our refresh is refused once", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 100 * time.Second, ours: true}, respond: func(at time.Duration, _ sip.RequestMethod) int {
			if at < 55*time.Second {
				return 500
			}
			return 200
		}}, sent: "INVITE 50s, INVITE 1m0s, INVITE 1m50s"},
		{name: "the far end has no such call although sound comes", p: subject{limit: muted, life: func(at time.Duration) time.Duration { return at }, session: sessionTimer{interval: 100 * time.Second, ours: true}, respond: always(481)},
			ends: "far_end_gone 50s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := test.p
				p.t = t
				got := p.watch(Life{}, time.Hour)
				if got != test.ends {
					t.Errorf("the call ended: %q, want %q", got, test.ends)
				}
				if sent := strings.Join(p.attempts, ", "); !strings.HasPrefix(sent+", ", test.sent+", ") && test.sent != "" {
					t.Errorf("sent %.200s, want %s", sent, test.sent)
				}
				if most := int(time.Hour/slow) + 1; test.between > 0 && len(p.attempts) > most {
					t.Errorf("%d requests in an hour", len(p.attempts))
				}
			})
		})
	}
}
