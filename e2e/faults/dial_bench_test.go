//go:build bench

package faults

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store/storetest"
)

// quantiles sorts and names what there is.
func quantiles(all []time.Duration) string {
	slices.Sort(all)
	at := func(q float64) time.Duration {
		return all[min(len(all)-1, int(q*float64(len(all))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, most %s", at(0.5), at(0.9), at(0.99), at(1))
}

// TestDialLatency measures how soon after the commit of a call its INVITE is on
// the wire. The answer to calls/create follows the commit at once.
func TestDialLatency(t *testing.T) {
	eachStoreInTurn(t, func(t *testing.T, settings string) {
		const calls = 300
		far := newCarrier(t, true)
		n := serve(t, settings+far.trunk())
		agent := sold(t, n.api, firstNumber)
		var request, commit []time.Duration
		for i := range calls {
			to := fmt.Sprintf("+1415555%04d", i)
			sent := time.Now()
			if _, err := n.api.Calls().Create(t.Context(), client.CallRequest{FromNumber: firstNumber, ToNumber: to, Agent: agent}); err != nil {
				t.Fatal(err)
			}
			answered := time.Now()
			at := far.when(to, 10*time.Second)
			request, commit = append(request, at.Sub(sent)), append(commit, max(0, at.Sub(answered)))
		}
		t.Logf("%d calls: request to INVITE %s", calls, quantiles(request))
		t.Logf("%d calls: commit to INVITE %s", calls, quantiles(commit))
		if p99 := commit[calls*99/100]; p99 > 20*time.Millisecond {
			t.Errorf("commit to INVITE: p99 %s, want 20ms at most", p99)
		}
	})
}

// TestIdleServer measures the processor time of a server that nobody uses: the least
// of three minutes, because other machines of the same host only add to it.
func TestIdleServer(t *testing.T) {
	eachStoreInTurn(t, func(t *testing.T, settings string) {
		n := serve(t, settings)
		wait(30 * time.Second)
		least := 100.0
		for range 3 {
			before := n.processor()
			const length = time.Minute
			wait(length)
			used := n.processor() - before
			share := 100 * used.Seconds() / length.Seconds()
			t.Logf("idle: %s in %s, %.2f %% of a core", used, length, share)
			if least = min(least, share); least <= 0.5 {
				return
			}
		}
		t.Errorf("an idle server takes %.2f %% of a core, want 0.5 at most", least)
	})
}

// eachStoreInTurn is eachStore without two servers at the same time.
func eachStoreInTurn(t *testing.T, test func(t *testing.T, settings string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, on(storetest.Postgres(t))) })
}

// processor is the time that the server's process has run for.
func (n *node) processor() time.Duration {
	n.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime, proc_pid_stat(5)
		n, err := strconv.Atoi(f)
		if err == nil {
			ticks += n
		}
	}
	const perSecond = 100
	return time.Duration(ticks) * time.Second / perSecond
}
