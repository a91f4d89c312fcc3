package llmtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
)

const (
	// faultTime bounds a request with a fault that ends by itself.
	faultTime = 10 * time.Second
	// patience bounds one with a fault that only the caller's patience ends.
	patience = 300 * time.Millisecond
	// punctual is how much later than its bound a request may end.
	punctual = time.Second
)

// faultCase is a fault and what comes of it.
type faultCase struct {
	fault standin.Fault
	// kind is that of the failure; 0 when the answer is good.
	kind provider.Kind
	// status is the failure's, 0 for none; retry what it says of the time to wait.
	status int
	retry  time.Duration
	// endless faults end by the caller's patience; unnamed ones happen before the
	// vendor has named the request.
	endless, unnamed bool
}

func (v Vendor) faultCases() []faultCase {
	status := func(status int, kind provider.Kind) faultCase {
		return faultCase{fault: standin.Fault{Kind: standin.Status, Status: status}, kind: kind, status: status, unnamed: !v.NamesErrors}
	}
	limited := status(http.StatusTooManyRequests, provider.Limited)
	limited.fault.RetryAfter, limited.retry = 2*time.Second, 2*time.Second
	return []faultCase{
		{fault: standin.Fault{Kind: standin.Refuse}, kind: provider.Unreachable, unnamed: true},
		{fault: standin.Fault{Kind: standin.HalfOpen}, kind: provider.Late, endless: true, unnamed: true},
		status(http.StatusForbidden, provider.Unauthorised), status(http.StatusNotFound, provider.Missing), limited,
		status(http.StatusInternalServerError, provider.Broken), status(http.StatusBadGateway, provider.Broken),
		{fault: standin.Fault{Kind: standin.Mute}, kind: provider.Late, endless: true, unnamed: !v.NamesErrors},
		{fault: standin.Fault{Kind: standin.Mute, After: 3}, kind: provider.Late, endless: true},
		{fault: standin.Fault{Kind: standin.Slow, Delay: 20 * time.Millisecond}, kind: provider.Late, endless: true, unnamed: !v.NamesErrors},
		{fault: standin.Fault{Kind: standin.Reset, After: 3}, kind: provider.Unreachable},
		{fault: standin.Fault{Kind: standin.InBand, After: 3}, kind: v.InBand, status: -1},
		{fault: standin.Fault{Kind: standin.Malformed, After: 3}, kind: provider.Broken},
		{fault: standin.Fault{Kind: standin.Oversized, After: 3}, kind: provider.Broken},
		{fault: standin.Fault{Kind: standin.NoEnd}, kind: provider.Broken},
		{fault: standin.Fault{Kind: standin.NoStart}, kind: v.NoStart},
		{fault: standin.Fault{Kind: standin.EmptySuccess}, kind: provider.Empty},
		{fault: standin.Fault{Kind: standin.Blank}, kind: provider.Empty},
		{fault: standin.Fault{Kind: standin.Pictographs}}, {fault: standin.Fault{Kind: standin.Unoffered}}, // whoever runs the call judges them
		{fault: standin.Fault{Kind: standin.ToolOnly}}, {fault: standin.Fault{Kind: standin.ToolLoop}},
		{fault: standin.Fault{Kind: standin.Unknown}}, {fault: standin.Fault{Kind: standin.Null}},
	}
}

// faults makes the stand-in fail in every way it knows.
func faults(t *testing.T, v Vendor) {
	for _, c := range v.faultCases() {
		t.Run(fmt.Sprintf("%s %d %d", c.fault.Kind, c.fault.Status, c.fault.After), func(t *testing.T) {
			t.Parallel()
			b := v.open(t, nil)
			b.control.Inject(c.fault)
			bound := faultTime
			if c.endless {
				bound = patience
			}
			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			start := time.Now()
			text, calls, used, err := Collect(ctx, t, b.driver, ask(said(llm.User, "look up what I said before")))
			if took := time.Since(start); took > bound+punctual {
				t.Errorf("it took %v", took)
			}
			if c.kind != 0 {
				c.check(t, v, err)
				if used != nil || len(calls) > 0 {
					t.Errorf("usage %v and calls %v besides the failure", used, calls)
				}
				return
			}
			pictographs := c.fault.Kind == standin.Pictographs
			if err != nil || used == nil || len(calls) == 0 && !pictographs {
				t.Fatalf("text %q, calls %v, usage %v, error %v", text, calls, used, err)
			}
			onlyTools := []standin.Kind{standin.ToolOnly, standin.ToolLoop, standin.Unoffered}
			if want := map[bool]string{false: "One moment please.", true: "😀 👍 …"}[pictographs]; !slices.Contains(onlyTools, c.fault.Kind) && text != want {
				t.Errorf("text %q", text)
			}
		})
	}
	t.Run("wrong key", func(t *testing.T) {
		t.Parallel()
		b := v.open(t, nil)
		b.control.Inject(standin.Fault{Kind: standin.Status, Status: http.StatusUnauthorized})
		_, _, _, err := Collect(t.Context(), t, b.driver, ask(said(llm.User, "hi")))
		if provider.KindOf(err) != provider.Unauthorised {
			t.Errorf("error %v", err)
		}
	})
}

// check holds a failure against what is expected.
func (c faultCase) check(t *testing.T, v Vendor, err error) {
	t.Helper()
	var f *provider.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no failure of a vendor", err)
	}
	if f.Vendor != v.Name || f.Kind != c.kind || f.RetryAfter != c.retry {
		t.Errorf("failure of %q, %v, wait %v: %v; want %v, wait %v", f.Vendor, f.Kind, f.RetryAfter, f, c.kind, c.retry)
	}
	if c.status >= 0 && f.Status != c.status || c.status < 0 && f.Status < 400 {
		t.Errorf("status %d of %v, want %d", f.Status, f, c.status)
	}
	if !c.unnamed && f.RequestID == "" {
		t.Errorf("%v does not name the request", f)
	}
}

// canary looks for the key in what is printed.
func canary(t *testing.T, v Vendor) {
	b := v.open(t, nil)
	for _, f := range []standin.Fault{{Kind: standin.Refuse}, {Kind: standin.Status, Status: 401}, {Kind: standin.Status, Status: 400, Reason: Key},
		{Kind: standin.InBand, Reason: Key}, {Kind: standin.Malformed}} {
		b.control.Inject(f)
		_, _, _, err := Collect(t.Context(), t, b.driver, ask(said(llm.User, "hi")))
		b.control.Clear()
		if err == nil {
			t.Errorf("%v: no error", f.Kind)
		}
		for _, printed := range []string{fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%v %+v %#v", b.driver, b.driver, b.driver)} {
			if strings.Contains(printed, Key) {
				t.Errorf("%v: the key is in %s", f.Kind, printed)
			}
		}
	}
	if shown := b.control.Ledger()[1].Credential; shown != Key {
		t.Errorf("the vendor saw the credential %q", shown)
	}
}
