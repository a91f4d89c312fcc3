package webhook_test

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// TestSchedule: a message is tried ten times over at least 75 hours, each wait is longer
// by up to a tenth at random, and it is not given up before.
func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.5, 1} {
		start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		d, at := sidetone.Delivery{State: sidetone.DeliveryWaiting, Queued: start}, start
		for d.State == sidetone.DeliveryWaiting {
			was := at
			d = webhook.After(d, webhook.Outcome{Failure: webhook.FailedServer, At: at, Jitter: jitter})
			if d.State == sidetone.DeliveryWaiting {
				at = d.Due
			}
			if wait := at.Sub(was); d.State == sidetone.DeliveryWaiting && (wait < 5*time.Second || wait > 27*time.Hour) {
				t.Errorf("attempt %d waits %s", d.Attempts, wait)
			}
		}
		if span := at.Sub(start); span < 75*time.Hour || d.Attempts != 10 || d.State != sidetone.DeliveryDead || !d.Settled.Equal(at) {
			t.Errorf("with jitter %v it is %s after %d attempts and %s", jitter, d.State, d.Attempts, span)
		}
	}
}

// TestHealth: five failures in a row open the breaker, longer each time up to 15 minutes,
// and one success closes it.
func TestHealth(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var h sidetone.EndpointHealth
	for i, want := range []time.Duration{0, 0, 0, 0, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		h = webhook.Health(h, webhook.Outcome{Failure: webhook.FailedTimeout, At: at})
		got := max(0, h.PausedUntil.Sub(at))
		if got != want || webhook.Broken(h) != (i >= 4) || webhook.Hopeless(h, at) {
			t.Errorf("after %d failures it pauses %s, want %s", i+1, got, want)
		}
		at = at.Add(time.Hour)
	}
	if h.Failures != 12 || !webhook.Hopeless(h, at.Add(75*time.Hour)) {
		t.Errorf("%+v", h)
	}
	asked := webhook.Health(sidetone.EndpointHealth{}, webhook.Outcome{Failure: webhook.FailedLimited, At: at, RetryAfter: time.Hour})
	if !asked.PausedUntil.Equal(at.Add(time.Hour)) {
		t.Errorf("a pause that was asked for ends at %s", asked.PausedUntil)
	}
	if got := webhook.Health(h, webhook.Outcome{At: at}); got != (sidetone.EndpointHealth{}) {
		t.Errorf("after a success it is %+v", got)
	}
}

// TestRetryAfter reads seconds and dates, and nothing absurd.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-5": 0, "soon": 0, "99999999999999999999": 0, "4000000000": 24 * time.Hour,
		"Sun, 01 Nov 2026 00:10:00 GMT": 10 * time.Minute, "Sat, 31 Oct 2026 00:00:00 GMT": 0, "Mon, 01 Nov 2027 00:00:00 GMT": 24 * time.Hour,
	} {
		if got := webhook.RetryAfter(text, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestJudge: only 2xx is a success.
func TestJudge(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{200: "", 202: "", 299: "", 101: webhook.FailedServer, 301: webhook.FailedRedirect, 304: webhook.FailedRedirect,
		400: webhook.FailedClient, 410: webhook.FailedGone, 429: webhook.FailedLimited, 500: webhook.FailedServer, 599: webhook.FailedServer, 0: webhook.FailedServer} {
		if got := webhook.Judge(status); got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}
