package sip

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// Life says when the far end of a call is asked whether it still has the call, and
// what its answers are worth. Zero fields take their defaults.
type Life struct {
	// First is how long neither sound, reports nor requests may come from the far end
	// before it is asked, until its first sound: 60 s. Later holds after that: 15 s;
	// Held while no sound is due from it: 60 s.
	First, Later, Held time.Duration
	// Proof is how long an answer counts: 60 s.
	Proof time.Duration
	// Answer is how long one is awaited: 16 s.
	Answer time.Duration
}

func (l *Life) complete() {
	orElse(&l.First, time.Minute)
	orElse(&l.Later, 15*time.Second)
	orElse(&l.Held, time.Minute)
	orElse(&l.Proof, time.Minute)
	orElse(&l.Answer, 16*time.Second)
}

const (
	// renewPause is how long to wait after a refresh that failed for no stated time.
	renewPause = 10 * time.Second
	// busyPause is how long to wait for the end of another change of the call.
	busyPause = 2 * time.Second
	// unanswered is how many refreshes in a row without a response end a call.
	unanswered = 2
)

// verdict is what the response to a refresh proves.
type verdict uint8

const (
	verdictRenewed  verdict = iota // the call goes on, and its session too
	verdictLives                   // the far end has the call
	verdictNoUpdate                // it may have it; a re-INVITE will tell
	verdictGone                    // it does not have it
	verdictSilent                  // there was no response
	verdictNothing                 // somebody responded, perhaps a proxy
	verdictBusy                    // nothing was sent: another change is under way
)

// judge says what the status of a response to UPDATE or a re-INVITE proves.
func judge(method sip.RequestMethod, status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return verdictRenewed
	case status == 481:
		return verdictGone
	case status == 405 || status == 501:
		// A phone refuses UPDATE before it looks for the call, also after its BYE; a
		// re-INVITE it knows, and refuses only within a call.
		if method == sip.UPDATE {
			return verdictNoUpdate
		}
		return verdictLives
	case status == 488 || status == 491 || status == 500:
		// 500 is what a far end says that is busy with another request of the call
		// (RFC 3261, sections 12.2.2 and 14.2); one that does not have the call says
		// 481.
		return verdictLives
	}
	// RFC 3261, section 12.2.1.2, would end the call at 408, too. A proxy says that,
	// and the far end may be there the next time.
	return verdictNothing
}

// finding is what came of a refresh, and how long to wait before another one.
type finding struct {
	verdict verdict
	wait    time.Duration
}

// condition is how a call stands.
type condition struct {
	life    time.Time     // of the last sign of the far end
	limit   time.Duration // for which it counts
	session sessionTimer
}

// renewable is the call that a keeper looks after.
type renewable interface {
	condition() condition
	// renew sends one refresh, a re-INVITE if that is asked for, and returns when it
	// was answered or ctx ended.
	renew(ctx context.Context, reinvite bool) finding
	giveUp(cause telephony.Cause, why string)
}

// keeper keeps a call for as long as its far end has it, and no longer. It alone
// refreshes the dialog: for the session timer (RFC 4028), and to learn whether a far
// end lives from which nothing comes.
type keeper struct {
	call   renewable
	limits Life
	now    func() time.Time

	timer  *time.Timer
	nudged atomic.Bool // the timer was set for a session that no look has seen yet

	looking sync.Mutex // held by a look; guards what follows
	proved  time.Time  // when a response last proved that the far end has the call
	again   time.Time  // when the session is refreshed at the earliest
	asked   time.Time  // since when responses have proved nothing; zero: they have
	silent  int        // how many did not come at all since then
	dumb    bool       // the last one did not come
	atOnce  bool       // the far end is asked without need
}

// start looks after the call until ctx ends or the call is over; during holds back the
// driver's end while a look lasts. Between two looks there is a timer and no goroutine:
// most calls are never asked about.
func (k *keeper) start(ctx context.Context, during func(func())) {
	k.looking.Lock()
	defer k.looking.Unlock()
	k.timer = time.AfterFunc(0, func() {
		during(func() {
			k.looking.Lock()
			defer k.looking.Unlock()
			k.nudged.Store(false)
			if wait, ok := k.look(ctx); ok {
				k.timer.Reset(wait)
			}
		})
	})
}

// nudge says that the call's session is another one. It may be called at any time after
// start.
func (k *keeper) nudge() {
	if !k.nudged.Swap(true) {
		k.timer.Reset(0)
	}
}

// look asks the far end if it is time, and returns how long nothing is to be done.
// False when the call is over, or ctx ended.
func (k *keeper) look(ctx context.Context) (time.Duration, bool) {
	for ctx.Err() == nil {
		c := k.call.condition()
		now := k.now()
		end := c.session.end()
		ask := k.next(c)
		if k.atOnce {
			k.atOnce, ask = false, now
		}
		switch {
		case !end.IsZero() && !now.Before(end):
			k.call.giveUp(telephony.CauseSessionTimeout, "the session was not refreshed")
			return 0, false
		case !now.Before(ask):
			if !k.ask(ctx, end) {
				return 0, false
			}
			continue
		}
		if !end.IsZero() {
			ask = earlier(ask, end)
		}
		// A sign that came meanwhile counts for at least limits.Later.
		return min(ask.Sub(now), k.limits.Later), true
	}
	return 0, false
}

// next returns when the far end is asked next.
func (k *keeper) next(c condition) time.Time {
	if c.life.After(k.asked) {
		k.asked, k.silent = time.Time{}, 0
	}
	ask := k.counts(c)
	if !k.asked.IsZero() {
		ask = k.again
	}
	if half := c.session.half(); !half.IsZero() {
		ask = earlier(ask, later(half, k.again))
	}
	return ask
}

// counts returns until when what is known of the far end counts.
func (k *keeper) counts(c condition) time.Time {
	return later(c.life.Add(c.limit), k.proved.Add(k.limits.Proof))
}

// ask refreshes the dialog once; end is when the session ends, zero without one. False
// when the call is over.
func (k *keeper) ask(ctx context.Context, end time.Time) bool {
	began := k.now()
	limit := k.limits.Answer
	if !end.IsZero() {
		limit = min(limit, end.Sub(began))
	}
	within, cancel := context.WithTimeout(ctx, limit)
	a := k.call.renew(within, k.dumb) // who knows no UPDATE may drop it
	if a.verdict == verdictSilent {
		<-within.Done() // also when it could not be sent: a moment later it may be
	}
	cancel()
	if ctx.Err() != nil {
		return false
	}
	now := k.now()
	k.again, k.dumb = now.Add(a.wait), a.verdict == verdictSilent
	switch a.verdict {
	case verdictRenewed, verdictLives:
		k.proved, k.asked, k.silent = now, time.Time{}, 0
	case verdictGone:
		k.call.giveUp(telephony.CauseFarEndGone, "the far end does not have the call any more")
		return false
	case verdictSilent, verdictNothing:
		return k.doubt(began, now, a)
	case verdictBusy:
		return sleep(ctx, busyPause)
	}
	return true
}

// doubt follows a refresh that proved nothing. False when the call is over.
func (k *keeper) doubt(began, now time.Time, a finding) bool {
	if now.Before(k.counts(k.call.condition())) { // only the session is at stake
		k.again = later(k.again, now.Add(renewPause))
		return true
	}
	if k.asked.IsZero() {
		k.asked = began
	}
	if a.verdict == verdictSilent {
		k.silent++
	}
	if k.silent >= unanswered || a.verdict == verdictNothing && now.Sub(k.asked) >= k.limits.Proof {
		k.call.giveUp(telephony.CauseFarEndGone, "nothing comes from the far end, and it answers nothing")
		return false
	}
	k.again = earlier(k.again, now.Add(renewPause))
	return true
}

// sleep waits; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sign returns when the far end last showed life, and how long that counts.
func (m *media) sign(limits Life) (at time.Time, counts time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.active && (m.st.held() || !m.st.localDir.receives() || !m.st.remoteDir.sends()):
		return m.life, limits.Held
	case !m.got:
		return m.life, limits.First
	}
	return m.life, limits.Later
}

// keep looks after an answered call until it is over, and asks its far end at once when
// that is wanted; l.mu is held.
func (l *leg) keep(atOnce bool) {
	ctx, cancel := context.WithCancel(l.d.ctx)
	l.keeper = &keeper{call: l, limits: l.d.cfg.Life, now: l.d.cfg.Now, atOnce: atOnce}
	l.keeper.start(ctx, l.d.during)
	l.unwatch = func() {
		l.keeper.timer.Stop()
		cancel()
	}
}

// during runs f, and Close waits for its end. It does not run it any more once the
// driver is closed.
func (d *Driver) during(f func()) {
	d.mu.Lock()
	if d.stopped() {
		d.mu.Unlock()
		return
	}
	d.tasks.Add(1)
	d.mu.Unlock()
	defer d.tasks.Done()
	f()
}

// condition implements renewable.
func (l *leg) condition() condition {
	var c condition
	c.life, c.limit = l.media.sign(l.d.cfg.Life)
	l.mu.Lock()
	defer l.mu.Unlock()
	c.session = l.session
	return c
}
