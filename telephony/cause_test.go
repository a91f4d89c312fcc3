package telephony

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestEveryCauseHasItsOwnName(t *testing.T) {
	t.Parallel()
	seen := make(map[string]Cause)
	for c := CauseNormal; c <= CauseUnauthorised; c++ {
		name := c.String()
		if other, ok := seen[name]; ok || strings.Contains(name, "(") {
			t.Errorf("cause %d is called %q, like %d", c, name, other)
		}
		seen[name] = c
	}
	if got := Cause(200).String(); got != "cause(200)" {
		t.Errorf("an unknown cause is called %q", got)
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{&DialError{Cause: CauseBusy, Status: 486, Sent: true}, "dial: busy (status 486)"},
		{&DialError{Cause: CauseCancelled, Err: context.Canceled}, "dial: cancelled (status 0): context canceled"},
		{&Refusal{Cause: CauseUnavailable, Reason: "no agent is placed on the number"}, "no agent is placed on the number (unavailable)"},
		{ErrGone, "call is over"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if err := error(&DialError{Err: context.Canceled}); !errors.Is(err, context.Canceled) {
		t.Error("the error behind a DialError is hidden")
	}
}
