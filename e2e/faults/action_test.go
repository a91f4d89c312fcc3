package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm"
)

// Actions are done once at most, and none is lost without a word, while the server is
// killed and answers are lost.
func TestActionsAreDoneOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) { actionRuns(t, settings, 4, 1, 40) })
}

// shop is a customer's server: its ledger says what it did, whatever it answered.
type shop struct {
	*httptest.Server
	mu sync.Mutex
	// keys has how often a request with a key was carried out, orders how often an order of
	// a call was.
	keys, orders map[string]int
	answers      map[string]int // of each kind
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{keys: map[string]int{}, orders: map[string]int{}, answers: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// serve takes an order, and fails in one of the ways in which servers do.
func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	var order struct {
		CallID  string `json:"call_id"`
		Payload struct{ N string }
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &order) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fate := rand.IntN(20)
	done := fate > 2
	s.mu.Lock()
	if done {
		s.keys[r.Header.Get("Idempotency-Key")]++
		s.orders[order.CallID+" "+order.Payload.N]++
	}
	s.answers[strconv.Itoa(min(fate, 9))]++
	s.mu.Unlock()
	const answer = `{"result":{"ordered":true}}`
	switch fate {
	case 0: // not done
		w.WriteHeader(http.StatusServiceUnavailable)
	case 1, 2, 3, 4: // the connection breaks, before or after it was done
		hijacked(w, "")
	case 5: // half an answer
		hijacked(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"+answer)
	case 6: // the answer comes twice
		one := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		hijacked(w, one+one)
	case 7: // too late
		select {
		case <-r.Context().Done():
		case <-time.After(3 * time.Second):
			_, _ = io.WriteString(w, answer)
		}
	case 8: // slow
		wait(500 * time.Millisecond)
		_, _ = io.WriteString(w, answer)
	default:
		_, _ = io.WriteString(w, answer)
	}
}

// hijacked writes a text to a connection as it is, and closes it.
func hijacked(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// orderer is a model that orders several things in each turn, and again what did not
// succeed, whatever it is told of it.
type orderer struct{}

// ordersAtOnce is how many it makes in one answer.
const ordersAtOnce = 4

// Generate implements llm.Driver.
func (orderer) Generate(_ context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	asked := map[string]string{} // the order of each call of the tool
	open := []string{}           // those that have not succeeded, in order
	last := ""
	for _, m := range r.Messages {
		switch m.Role {
		case llm.User:
			last = strings.ToLower(m.Text)
		case llm.ToolRole:
			if n := asked[m.CallID]; strings.Contains(m.Text, "ordered") {
				open = slices.DeleteFunc(open, func(o string) bool { return o == n })
			}
		case llm.System, llm.Assistant:
		}
		for _, c := range m.Calls {
			var args struct{ N string }
			_ = json.Unmarshal(c.Args, &args)
			if asked[c.ID] = args.N; !slices.Contains(open, args.N) {
				open = append(open, args.N)
			}
		}
	}
	afterTools := len(r.Messages) > 0 && r.Messages[len(r.Messages)-1].Role == llm.ToolRole
	return func(yield func(llm.Delta, error) bool) {
		end := func() { yield(llm.Delta{Done: &llm.Usage{In: 1, Out: 1}}, nil) }
		call := func(name string, i int, args string) bool {
			id := fmt.Sprintf("call_%d_%d_%d", len(r.Messages), i, len(asked))
			return yield(llm.Delta{Call: &llm.ToolCall{ID: id, Name: name, Args: json.RawMessage(args)}}, nil)
		}
		if strings.Contains(last, "bye") {
			if yield(llm.Delta{Text: "farewell"}, nil) && call("end_conversation", 0, "{}") {
				end()
			}
			return
		}
		if len(r.Tools) == 0 || afterTools && len(open) > 8 {
			if yield(llm.Delta{Text: "very well"}, nil) {
				end()
			}
			return
		}
		again := open[max(0, len(open)-1):] // one of those that did not succeed is tried again
		for i := range ordersAtOnce {
			n := strconv.Itoa(len(asked) + i)
			if i < len(again) {
				n = again[i]
			}
			if !call("order", i, fmt.Sprintf(`{"n":%q}`, n)) {
				return
			}
		}
		end()
	}
}

// actionRuns lets the agents of some calls order at least a number of things while the
// server is killed a few times, and compares the record with the shop's ledger.
func actionRuns(t *testing.T, settings string, calls, deaths, runs int) {
	t.Helper()
	shop := openShop(t)
	vendors, _ := toneVendors(t, orderer{})
	s := &survivors{n: serve(t, settings+vendors+"outbound: {allow: [127.0.0.1]}\n")}
	agent := s.n.create(fmt.Sprintf(`{"prompt":{"content":"Order."},"initial_message":"Welcome.","provider":"openai","model":"gpt-4.1-mini",
		"transcriber":{"type":"transcriber_deepgram"},"voice":{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM"},
		"actions":[{"type":"action_end_conversation"},{"type":"action_external","config":{"name":"order","description":"Orders.","url":%q,"speak_on_receive":true,
		"processing_mode":"normal","timeout_seconds":2,"input_schema":{"properties":{"n":{"type":"string"}},"required":["n"]}}}]}`, shop.URL))
	bought, err := s.n.api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	s.plain = bought.Number
	if _, err := s.n.api.Numbers().Update(t.Context(), s.plain, client.Change{"inbound_agent": agent}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for death := 0; death < deaths || shop.count() < runs; death++ {
		before := len(s.n.calls())
		var all []*survivor
		for i := range calls {
			all = append(all, s.survive(t, callFrom{network: []string{"udp", "tcp"}[i%2], reachable: true, lines: []string{"order some more"}}))
		}
		s.awaitLive(t, before, calls)
		target := shop.count() + max(1, runs/deaths)
		until(t, time.Minute, "orders", func() bool { return shop.count() >= target-ordersAtOnce })
		if death < deaths {
			wait(time.Duration(rand.IntN(400)) * time.Millisecond)
			s.n.kill()
			s.n.sip = s.n.ready.SIP
			s.n.start()
			wait(6 * time.Second)
		}
		for _, v := range all {
			v.say("bye now")
		}
		wait(4 * time.Second)
		for _, v := range all {
			v.hangUp()
			v.end()
		}
		until(t, time.Minute, "the calls to end", func() bool { return s.n.open() == 0 })
		for _, c := range s.n.calls() {
			ids[c.ID] = true
		}
	}
	shop.judge(t, s.n, ids)
}

// count is how many orders were carried out.
func (s *shop) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// judge compares the ledger with the records of calls: nothing was done twice, what was
// done is in the record as done, or as not known, and what is said to be done was.
func (s *shop) judge(t *testing.T, n *node, calls map[string]bool) {
	t.Helper()
	outcomes, recorded := map[string]string{}, map[string]int{}
	for id := range calls {
		for _, e := range n.events(id) {
			if key, _ := e.Data["key"].(string); e.Type == "action" && e.Text == "order" && key != "" {
				outcomes[key], _ = e.Data["outcome"].(string)
				recorded[key]++
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[string]int{}
	for key, times := range s.keys {
		if times > 1 {
			t.Errorf("run %s was done %d times", key, times)
		}
		if o := outcomes[key]; o != "succeeded" && o != "unknown" {
			t.Errorf("run %s was done, and its record says %q", key, o)
		}
	}
	for order, times := range s.orders {
		if times > 1 {
			t.Errorf("order %s was done %d times", order, times)
		}
	}
	for key, o := range outcomes {
		count[o]++
		if o == "succeeded" && s.keys[key] == 0 {
			t.Errorf("run %s is said to be done, and was not", key)
		}
		if recorded[key] > 1 {
			t.Errorf("run %s is %d times in the record", key, recorded[key])
		}
	}
	if count["unknown"] == 0 || count["succeeded"] == 0 || count["failed"] == 0 {
		t.Errorf("not all outcomes came: %v", count)
	}
	t.Logf("%d runs in the record of %d calls: %v; done by the ledger: %d; answers: %v", len(outcomes), len(calls), count, len(s.keys), s.answers)
}
