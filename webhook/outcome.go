package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// Why an attempt failed, or a delivery was given up.
const (
	// FailedConnect: there was no connection, or it broke.
	FailedConnect = "connection"
	// FailedTimeout: there was no whole response in time.
	FailedTimeout = "timeout"
	// FailedRefused: the server does not send there, see outbound.allow.
	FailedRefused = "refused"
	// FailedRedirect: the response was a 3xx, which is not followed.
	FailedRedirect = "redirect"
	// FailedGone: the response was 410, and the webhook is not active any more.
	FailedGone = "gone"
	// FailedLimited: the response was 429.
	FailedLimited = "rate_limited"
	// FailedClient and FailedServer: the response was another 4xx, or a 5xx.
	FailedClient = "client_error"
	FailedServer = "server_error"
	// FailedExpired: the endpoint took nothing for as long as a message is tried.
	FailedExpired = "expired"
	// FailedInactive: the webhook was switched off, or deleted, before it was sent.
	FailedInactive = "inactive"
)

// Judge says why a response is a failure; "" when it is none: only 2xx is a success.
func Judge(status int) string {
	switch {
	case status/100 == 2:
		return ""
	case status/100 == 3:
		return FailedRedirect
	case status == http.StatusGone:
		return FailedGone
	case status == http.StatusTooManyRequests:
		return FailedLimited
	case status/100 == 4:
		return FailedClient
	}
	return FailedServer
}

// maxRetryAfter bounds what an endpoint can ask for.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads the header of that name, in seconds or as a date, see RFC 9110 section
// 10.2.3; 0 when there is none.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// schedule is how long after an attempt the next one is made; the last one repeats. The
// sum is 75 hours and a half, see the example of the specification of Standard Webhooks.
func schedule() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
}

// TriedFor is how long a message is tried at least, from when it was queued.
const TriedFor = 75 * time.Hour

const (
	// BreakAfter is how many requests in a row fail before an endpoint is left alone for a
	// while, longer each time: from pauseFirst to pauseMost.
	BreakAfter = 5
	pauseFirst = 15 * time.Second
	pauseMost  = 15 * time.Minute
)

// Outcome is what came of a request.
type Outcome struct {
	// Failure is why it failed; "" when it did not.
	Failure string
	// RetryAfter is how long the endpoint asked to be left alone.
	RetryAfter time.Duration
	// At is when the outcome was known.
	At time.Time
	// Jitter, from 0 to 1, spreads what failed at the same time.
	Jitter float64
}

// After says what becomes of a delivery whose request had the outcome.
func After(d sidetone.Delivery, o Outcome) sidetone.Delivery {
	d.Attempts++
	d.Failure = o.Failure
	switch {
	case o.Failure == "":
		d.State, d.Settled = sidetone.DeliveryDone, o.At
	case o.Failure == FailedGone, o.At.Sub(d.Queued) >= TriedFor:
		d.State, d.Settled = sidetone.DeliveryDead, o.At
	default:
		steps := schedule()
		step := steps[min(d.Attempts, len(steps))-1]
		d.Due = o.At.Add(max(spread(step, o.Jitter), o.RetryAfter))
	}
	return d
}

// Health says what is known of an endpoint after a request with the outcome.
func Health(h sidetone.EndpointHealth, o Outcome) sidetone.EndpointHealth {
	if o.Failure == "" {
		return sidetone.EndpointHealth{}
	}
	if h.Failures == 0 {
		h.FailingSince = o.At
	}
	h.Failures++
	wait := o.RetryAfter
	if h.Failures >= BreakAfter {
		pause := pauseMost
		if n := h.Failures - BreakAfter; n < 6 {
			pause = pauseFirst << n
		}
		wait = max(wait, spread(pause, o.Jitter))
	}
	if until := o.At.Add(wait); wait > 0 && until.After(h.PausedUntil) {
		h.PausedUntil = until
	}
	return h
}

// Broken says that an endpoint is asked with one request at a time, after pauses, until
// one succeeds.
func Broken(h sidetone.EndpointHealth) bool { return h.Failures >= BreakAfter }

// Hopeless says that an endpoint has taken nothing for as long as a message is tried: what
// waits for it that long is given up.
func Hopeless(h sidetone.EndpointHealth, now time.Time) bool {
	return Broken(h) && now.Sub(h.FailingSince) >= TriedFor
}

// spread lengthens d by up to a tenth.
func spread(d time.Duration, jitter float64) time.Duration {
	return d + time.Duration(jitter*float64(d)/10)
}
