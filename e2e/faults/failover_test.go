//go:build faults

package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// TestFailover places 1,000 calls, each by a trunk whose name has two targets of its
// own, of which the first is dead, slow, full, late or busy by chance. No number is busy
// at both for more than a second, and what the record says is what the targets saw.
func TestFailover(t *testing.T) {
	const calls, patience, talk = 1000, 2 * time.Second, 2500 * time.Millisecond
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	kinds, firsts, seconds := map[string]string{}, map[string]telephonytest.Treatment{}, map[string]telephonytest.Treatment{}
	numbers := make([]string, calls)
	var settings strings.Builder
	for i := range numbers {
		n := fmt.Sprintf("+1415555%04d", i)
		numbers[i] = n
		kind, first := telephonytest.FirstFault(chance, patience)
		first.HangUp = talk
		second := telephonytest.SecondFault(chance)
		second.HangUp = talk
		kinds[n], firsts[n], seconds[n] = kind, first, second
		fmt.Fprintf(&settings, "    - {name: t%d, host: t%d.example, transport: udp, target_timeout: %s, numbers: [%q]}\n", i, i, patience, from(i))
	}
	ledger := telephonytest.NewLedger()
	a := telephonytest.NewTarget(t, "a", ledger, func(n string) telephonytest.Treatment { return firsts[n] })
	b := telephonytest.NewTarget(t, "b", ledger, func(n string) telephonytest.Treatment { return seconds[n] })
	server := telephonytest.NewNameServer(t)
	server.Every(func(name string) []dns.RR { return telephonytest.Pair(name, a, b) })
	n := serve(t, fmt.Sprintf("sip:\n  resolver: %q\n  trunks:\n%scalls: {max: 3000, ringing_per_environment: 100}\n", server.Addr, settings.String()))
	agent, err := n.api.Agents().Create(t.Context(), client.Agent{Prompt: &client.Prompt{Content: "Be brief."}, Provider: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, calls)
	var clients sync.WaitGroup
	for w := range 4 {
		clients.Go(func() {
			for i := w; i < calls; i += 4 {
				ids[i] = n.place(from(i), numbers[i], agent.ID)
			}
		})
	}
	clients.Wait()
	until(t, 5*time.Minute, "the calls to end", func() bool {
		for _, number := range numbers {
			if ledger.Invites("a", number) == 0 {
				return false
			}
		}
		return telephonytest.Settled(ledger, numbers)
	})
	seen, worst := map[string]int{}, time.Duration(0)
	for i, number := range numbers {
		got := n.outcome(ids[i])
		truth := telephonytest.Outcome(ledger, number, talk-100*time.Millisecond)
		if got != truth {
			t.Errorf("%s (%s): the record says %s, the targets %s: %+v", number, kinds[number], got, truth, ledger.Stays(number))
		}
		seen[kinds[number]+": "+got]++
		worst = max(worst, ledger.Overlap(number))
		if overlap := ledger.Overlap(number); overlap > time.Second {
			t.Errorf("%s (%s) was busy at two targets for %s: %+v", number, kinds[number], overlap, ledger.Stays(number))
		}
		if ledger.Invites("a", number) != 1 || ledger.Invites("b", number) > 1 {
			t.Errorf("%s: %d and %d INVITEs", number, ledger.Invites("a", number), ledger.Invites("b", number))
		}
	}
	t.Logf("longest time at two targets: %s; %v", worst.Round(time.Millisecond), seen)
}

// from is the number that a call is placed from.
func from(i int) string { return fmt.Sprintf("+1202555%04d", i) }

// place buys a trunk's number and places a call from it.
func (n *node) place(from, to, agent string) string {
	n.t.Helper()
	if _, err := n.api.Numbers().Buy(n.t.Context(), client.Purchase{PhoneNumber: from, TelephonyProvider: "sip"}); err != nil {
		n.t.Error(err)
		return ""
	}
	call, err := n.api.Calls().Create(n.t.Context(), client.CallRequest{FromNumber: from, ToNumber: to, Agent: agent})
	if err != nil {
		n.t.Error(err)
		return ""
	}
	return call.ID
}

// outcome is what the record says of a call, in the words of telephonytest.Outcome.
func (n *node) outcome(id string) string {
	n.t.Helper()
	events := n.events(id)
	where := ""
	for _, e := range events {
		if e.Type != "connected" {
			continue
		}
		targets := e.Data["targets"].([]any)
		last := targets[len(targets)-1].(map[string]any)
		if last["left"] != nil {
			n.t.Errorf("call %s is connected by a target that was left: %v", id, targets)
		}
		_, where, _ = strings.Cut(last["target"].(string), "(")
	}
	switch last := events[len(events)-1]; {
	case where == "" && last.Data["targets"] != nil:
		return "failed"
	case where == "":
		return "failed without a target"
	case last.Text != "hangup":
		return "ended by " + last.Text
	}
	return "answered at " + where[:1]
}
