package call

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/provider"
)

func failed(kind provider.Kind, status int, after time.Duration) error {
	return fmt.Errorf("ask: %w", &provider.Failure{Vendor: "acme", Kind: kind, Status: status, RetryAfter: after})
}

// What a failure means for the requests of others: for how long the source is left
// alone.
func TestBreakerOpens(t *testing.T) {
	t.Parallel()
	broken := failed(provider.Broken, 500, 0)
	cases := map[string]struct {
		errs []error
		want time.Duration // until it may be tried
	}{
		"nothing":                         {nil, 0},
		"one failure":                     {[]error{broken}, 0},
		"three failures":                  {[]error{broken, errors.New("panic"), failed(provider.Late, 0, 0)}, brokenFor},
		"a credential":                    {[]error{failed(provider.Unauthorised, 401, 0)}, refusedFor},
		"a quota":                         {[]error{failed(provider.Exhausted, 402, 0)}, refusedFor},
		"a limit":                         {[]error{failed(provider.Limited, 429, 0)}, limitedFor},
		"a limit with a time":             {[]error{failed(provider.Limited, 429, 40*time.Second)}, 40 * time.Second},
		"a limit behind a longer refusal": {[]error{failed(provider.Unauthorised, 401, 0), failed(provider.Limited, 429, 0)}, refusedFor},
		"what one agent asks for":         {[]error{failed(provider.Missing, 404, 0), failed(provider.Rejected, 400, 0), failed(provider.Empty, 200, 0), failed(provider.Missing, 404, 0)}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreakers(testClock())
				key := circuit{part: partModel, source: Source{Vendor: "acme", Account: "server"}, name: "large"}
				for _, err := range c.errs {
					b.failed(key, err)
				}
				other := key
				other.source.Account = "another"
				began := time.Now()
				for !b.allows(key) {
					time.Sleep(time.Second)
				}
				if got := time.Since(began); got != c.want || !b.allows(other) {
					t.Errorf("left alone for %s, want %s; another account is allowed: %t", got, c.want, b.allows(other))
				}
			})
		})
	}
}

// An account that may not use one model may use others.
func TestForbiddenModelBlocksItselfOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreakers(testClock())
		key := circuit{part: partModel, source: Source{Vendor: "acme", Account: "server"}, name: "large"}
		b.failed(key, failed(provider.Unauthorised, 403, 0))
		other := key
		other.name = "small"
		if b.allows(key) || !b.allows(other) {
			t.Errorf("allowed: %t, another model %t", b.allows(key), b.allows(other))
		}
	})
}

// When its time is over, one at a time may try, until one has succeeded.
func TestBreakerLetsOneTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreakers(testClock())
		key := circuit{part: partVoice, source: Source{Vendor: "acme", Account: "server"}}
		b.failed(key, failed(provider.Exhausted, 402, 0))
		time.Sleep(refusedFor)
		if first, second := b.allows(key), b.allows(key); !first || second {
			t.Errorf("trials: %t, %t", first, second)
		}
		time.Sleep(trialEvery)
		if !b.allows(key) {
			t.Error("a trial that nobody heard of again was the last one")
		}
		b.failed(key, failed(provider.Broken, 500, 0))
		time.Sleep(brokenFor - time.Second)
		if b.allows(key) {
			t.Error("a failed trial has closed the breaker")
		}
		time.Sleep(time.Second)
		b.allows(key)
		b.worked(key, time.Now())
		for range 2 {
			if !b.allows(key) {
				t.Error("a trial that worked has not closed the breaker")
			}
		}
	})
}

// What was begun before a breaker opened does not close it, and nothing does before the
// time that a vendor asked for, or that a refusal takes, is over. A credential that was
// tried closes it at once; another key of the account has a breaker of its own.
func TestOnlyANewSuccessClosesABreaker(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err  error
		firm time.Duration
	}{
		"limited": {failed(provider.Limited, 429, 40*time.Second), 40 * time.Second}, "limited, no time": {failed(provider.Limited, 429, 0), limitedFor},
		"refused": {failed(provider.Unauthorised, 401, 0), refusedFor}, "exhausted": {failed(provider.Exhausted, 402, 0), refusedFor},
		"forbidden": {failed(provider.Unauthorised, 403, 0), refusedFor}, "broken": {failed(provider.Broken, 500, 0), 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBreakers(testClock())
				key := circuit{part: partModel, source: Source{Vendor: "acme", Account: "con", Key: 1}, name: "large"}
				older := time.Now()
				time.Sleep(time.Second)
				for range failuresAllowed {
					b.failed(key, c.err)
				}
				b.worked(key, older)
				if b.blocks(key) == nil {
					t.Fatal("an older success has closed it")
				}
				time.Sleep(time.Second)
				b.worked(key, time.Now())
				if open := b.blocks(key) != nil; open != (c.firm > 0) {
					t.Errorf("open after a new success: %t", open)
				}
				changed, another := key, key
				changed.source.Key, another.part = 2, partVoice
				b.failed(another, c.err)
				if b.blocks(changed) != nil {
					t.Error("the breaker of one key is that of another")
				}
				b.mend(partModel, "con")
				if b.blocks(key) != nil || c.firm > 0 && b.blocks(another) == nil {
					t.Error("a trial has not closed the breaker of its part, or has closed that of another")
				}
				if c.firm == 0 {
					return
				}
				b.failed(key, c.err)
				time.Sleep(c.firm)
				b.worked(key, older)
				if !b.allows(key) || b.allows(key) {
					t.Error("an older success has closed it when its time was over")
				}
				b.worked(key, time.Now())
				for range 2 {
					if !b.allows(key) {
						t.Error("a trial that worked has not closed it")
					}
				}
			})
		})
	}
}

func TestBreakersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreakers(testClock())
		for i := range 2*breakersKept + 1 {
			b.failed(circuit{source: Source{Vendor: "acme", Account: fmt.Sprint(i)}}, failed(provider.Broken, 500, 0))
		}
		if n := len(b.known); n > breakersKept || n == 0 {
			t.Errorf("%d are kept", n)
		}
	})
}

// Candidates are taken in order, those behind an open breaker when nobody else is
// left. The agents of different environments have keys of their own.
func TestCandidatesAreTakenInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newBreakers(testClock())
		list := func(environment string) *candidates {
			c := &candidates{part: partModel, breakers: shared, call: Refused{EnvironmentID: environment, AgentID: "a"}, post: func(any) {}}
			c.add(Source{Vendor: "acme", Account: "agent"}, "")
			c.add(Source{Vendor: "other", Account: "server"}, "")
			c.add(Source{}, "")
			return c
		}
		order := func(c *candidates, from int) (out []int) {
			for i := c.next(from, func(i int) bool { return slices.Contains(out, i) }); i >= 0; i = c.next(from, func(i int) bool { return slices.Contains(out, i) }) {
				out = append(out, i)
			}
			return out
		}
		c := list("one")
		if got := order(c, 0); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("all are well: %v", got)
		}
		if got := order(c, 1); !slices.Equal(got, []int{1, 2, 0}) {
			t.Errorf("from the second on: %v", got)
		}
		c.failed(0, failed(provider.Unauthorised, 401, 0), 1, nil)
		if got := order(c, 0); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("the first is refused, and was asked in this call: %v", got)
		}
		if got := order(list("two"), 0); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("another environment's key: %v", got)
		}
		if got := order(list("one"), 0); !slices.Equal(got, []int{1, 2, 0}) {
			t.Errorf("the first was refused in another call: %v", got)
		}
	})
}

// What a vendor says of a failure may repeat what the caller said, which private calls
// keep nothing of.
func TestFailureOfAPrivateCallRepeatsNothing(t *testing.T) {
	t.Parallel()
	for private, want := range map[bool][]string{
		false: {"model: acme: request refused (400): my number is 7", "model: acme: read my number"},
		true:  {"model: acme: request refused (400)", "model: acme: failed"},
	} {
		var got []string
		c := &candidates{part: partModel, breakers: newBreakers(testClock()), private: private, post: func(v any) { got = append(got, v.(failure).text()) }}
		c.add(Source{Vendor: "acme", Account: "server"}, "")
		for _, err := range []error{&provider.Failure{Vendor: "acme", Kind: provider.Rejected, Status: 400, Message: "my number is 7"}, errors.New("read my number")} {
			c.failed(0, err, -1, nil)
			if told := "model: " + c.reason(0, err); told != got[len(got)-1] {
				t.Errorf("the machine is told %q, the record %q", told, got[len(got)-1])
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("private %t: %q, want %q", private, got, want)
		}
	}
}
