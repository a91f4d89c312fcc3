package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/webhook"
)

// A server that is killed while a model owes its answer about a call that is over: the next
// one asks again, and stores what it hears once.
func TestKilledBeforeTheAnalysis(t *testing.T) {
	t.Parallel()
	const key = "standin-key-0123456789"
	gate, asked := make(chan struct{}), make(chan struct{}, 10)
	model := &llmtest.Stub{Reply: func(r llm.Request) llmtest.Answer {
		if !strings.HasPrefix(r.Messages[0].Text, "You analyse a telephone call") {
			return llmtest.Say("Yes.")
		}
		asked <- struct{}{}
		a := llmtest.Say(`{"insights":{"summary":"Nobody said anything."}}`)
		a.Gate = gate
		return a
	}}
	vendor, err := standin.Start("127.0.0.1:0", openai.New(openai.Options{Control: &standin.Control{}, Key: key, Model: model}), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vendor.Close() })
	n := serve(t, fmt.Sprintf("providers: {deepseek: {api_key: %q, base_url: %q}}", key, vendor.URL+"/v1"))
	number := n.number(`"provider":"deepseek","initial_message":"Hello.","wait_for_greeting":false,"post_call_insights":[{"type":"summary"}]`)
	c := dial(t, n, "udp")
	c.invite(number)
	c.answered()
	id := n.live()
	n.said(id, "agent", 20*time.Second, "hello")
	c.bye()
	<-asked
	n.kill()
	close(gate)
	n.start()
	var got client.Call
	until(t, 20*time.Second, "the analysis", func() bool {
		var err error
		if got, err = n.api.Calls().Get(t.Context(), id); err != nil || got.Insights == nil {
			t.Fatalf("%+v: %v", got, err)
		}
		return got.Insights.Status == "ready"
	})
	if r := got.Insights.Results; got.Insights.Attempts != 2 || len(r) != 1 || string(r[0].Value) != `"Nobody said anything."` || got.EndReason != "hangup" {
		t.Errorf("%+v of a call that ended by %s", got.Insights, got.EndReason)
	}
	if len(asked) != 1 {
		t.Errorf("asked %d times after the restart", len(asked))
	}
}

// letters are what a receiver of webhooks got, by webhook-id.
type letters struct {
	secret sidetone.Secret

	mu     sync.Mutex
	bodies map[string]string
	faults []string
	again  int
}

// message is what a receiver reads of one.
type message struct {
	Type     string
	CallID   string `json:"call_id"`
	Sequence int
}

// take keeps a request, unless it is a test.
func (l *letters) take(r *http.Request) (m message) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = webhook.Verify(r.Header, body, l.secret, time.Now())
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if m.Type == webhook.Test {
		return m
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id := r.Header.Get("webhook-id")
	before, known := l.bodies[id]
	switch {
	case err != nil:
		l.faults = append(l.faults, err.Error())
	case known && before != string(body):
		l.faults = append(l.faults, "another body under the same id: "+string(body))
	case known:
		l.again++
	}
	l.bodies[id] = string(body)
	return m
}

// sequences are those that came, by call, with the type of the last one.
func (l *letters) sequences(t *testing.T) (of map[string][]int, last map[string]string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	of, last = map[string][]int{}, map[string]string{}
	for _, body := range l.bodies {
		var m message
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		if of[m.CallID] = append(of[m.CallID], m.Sequence); m.Sequence == slices.Max(of[m.CallID]) {
			last[m.CallID] = m.Type
		}
	}
	return of, last
}

// A server that is killed while messages are on their way and a call is live: every
// message of every call comes, signed, under its own id, up to the end that the next
// process gives the call.
func TestKilledServerLosesNoWebhook(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) {
		l := &letters{secret: sidetone.NewWebhookSecret(), bodies: map[string]string{}}
		open := make(chan struct{}) // nobody is answered before the kill
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if l.take(r).Type != webhook.Test {
				<-open
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		t.Cleanup(receiver.Close)
		n := serve(t, settings+"outbound: {allow: [\"127.0.0.1\"]}\n")
		hook, err := n.api.Webhooks().Create(t.Context(), client.Webhook{URL: receiver.URL, SignatureSecret: l.secret.Reveal(), Subscriptions: sidetone.Subscriptions()})
		if err != nil {
			t.Fatal(err)
		}
		number := n.number(echo + `,"webhook":"` + hook.ID + `"`)
		const calls = 6
		for i := range calls {
			c := dial(t, n, "udp")
			c.invite(number)
			c.answered()
			n.live()
			if i < calls-1 {
				c.bye()
			}
		}
		n.kill()
		close(open)
		n.start()
		until(t, 60*time.Second, "every call's end", func() bool {
			_, last := l.sequences(t)
			return len(last) == calls && !slices.ContainsFunc(slices.Collect(maps.Values(last)), func(kind string) bool {
				return kind != sidetone.WebhookEnded && kind != sidetone.WebhookDidNotConnect // that the last one was answered may not have been stored
			})
		})
		of, _ := l.sequences(t)
		for id, all := range of {
			slices.Sort(all)
			for i, sequence := range all {
				if sequence != i+1 {
					t.Errorf("call %s: %v came", id, all)
					break
				}
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.faults) > 0 || l.again == 0 {
			t.Errorf("%d came again; faults: %q", l.again, l.faults)
		}
		t.Logf("%d messages of %d calls, %d of them came again", len(l.bodies), calls, l.again)
	})
}
