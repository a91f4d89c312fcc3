package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/harness"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program is a customer's, which answers frames by a function.
type program struct {
	driver *harness.Driver
	mu     sync.Mutex
	got    []string // what it was sent, in order; "open PATH" for a connection
}

// frames returns what the program was sent.
func (p *program) frames() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

func (p *program) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, s)
}

// serve starts a program: answers are the frames that it sends upon one that
// contains the key; "open" is for a new connection, "close" breaks it off.
func serve(t *testing.T, protocol harness.Protocol, answers map[string][]string) *program {
	t.Helper()
	p := &program{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		p.note("open " + r.URL.Path)
		for got := "open"; ; {
			for key, frames := range answers {
				if !strings.Contains(got, key) {
					continue
				}
				for _, f := range frames {
					if f == "close" || conn.Write(r.Context(), websocket.MessageText, []byte(f)) != nil {
						return
					}
				}
			}
			_, raw, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			got = string(raw)
			p.note(got)
		}
	}))
	client := server.Client()
	p.driver = harness.New(harness.Options{Client: &provider.Client{Vendor: "harness", HTTP: client}, Protocol: protocol, Language: "en-US",
		URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/socket"})
	t.Cleanup(func() {
		if err := errors.Join(p.driver.Close(), p.driver.Close()); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
		server.Close()
	})
	return p
}

// ask makes a request of call c1.
func (p *program) ask(t *testing.T, messages ...llm.Message) (string, []llm.ToolCall, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	text, calls, used, err := llmtest.Collect(ctx, t, p.driver, llm.Request{Seed: "c1", Messages: messages})
	if err == nil && used == nil {
		t.Error("neither Done nor an error")
	}
	return text, calls, err
}

func user(text string) llm.Message  { return llm.Message{Role: llm.User, Text: text} }
func agent(text string) llm.Message { return llm.Message{Role: llm.Assistant, Text: text} }

// same compares frames as JSON.
func same(t *testing.T, got, want []string) {
	t.Helper()
	decode := func(all []string) (out []any) {
		for _, s := range all {
			var v any
			if json.Unmarshal([]byte(s), &v) != nil {
				v = s
			}
			out = append(out, v)
		}
		return out
	}
	if !reflect.DeepEqual(decode(got), decode(want)) {
		t.Errorf("the program was sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const setup = `{"type":"setup","sessionId":"c1","callSid":"c1","accountSid":"","from":"","to":"","customParameters":{}}`

func prompt(text string) string {
	return fmt.Sprintf(`{"type":"prompt","voicePrompt":%q,"lang":"en-US","last":true}`, text)
}

// A call over ConversationRelay: words, an interruption, two utterances of which
// the first had no answer yet, and the end.
func TestConversationRelay(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"rooms`:  {`{"type":"text","token":"We have ","last":false}`, `{"type":"play","source":"x"}`, `{"novelty":null}`, `{"type":"text","token":"two.","last":true}`},
		`"and`:    {`{"type":"text","token":null,"last":false}`, `{"type":"text","token":"Breakfast too.","last":true}`},
		`"wait`:   {`{"type":"text","token":"I wait.","last":true}`},
		`"thanks`: {`{"type":"text","token":"Bye.","last":false}`, `{"type":"end","handoffData":"{}"}`},
	})
	history := []llm.Message{{Role: llm.System, Text: "not for programs"}, agent("Hello."), user("rooms please")}
	if text, _, err := p.ask(t, history...); err != nil || text != "We have two." {
		t.Errorf("first: %q, %v", text, err)
	}
	history = append(history, user("and breakfast"))
	if text, _, err := p.ask(t, history...); err != nil || text != "Breakfast too." {
		t.Errorf("second: %q, %v", text, err)
	}
	history = append(history, llm.Message{Role: llm.Assistant, Text: "Breakfast", Interrupted: true}, user("wait"))
	if text, _, err := p.ask(t, history...); err != nil || text != "I wait." {
		t.Errorf("third: %q, %v", text, err)
	}
	history = append(history, agent("I wait."))
	if text, _, err := p.ask(t, history...); err != nil || text != "" {
		t.Errorf("nothing new: %q, %v", text, err)
	}
	history = append(history, user("thanks"))
	text, calls, err := p.ask(t, history...)
	if err != nil || text != "Bye." || len(calls) != 1 || calls[0].Name != "end_conversation" {
		t.Errorf("last: %q, %v, %v", text, calls, err)
	}
	same(t, p.frames(), []string{"open /socket", setup, prompt("rooms please"), prompt("and breakfast"),
		`{"type":"interrupt","utteranceUntilInterrupt":"Breakfast","durationUntilInterruptMs":0}`, prompt("wait"), prompt("thanks")})
}

// A socket that breaks off is opened again, and the program gets what it has not
// answered.
func TestReconnects(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"one"`: {`{"type":"text","token":"One ","last":false}`, "close"}, `"one two"`: {`{"type":"text","token":"Both.","last":true}`}})
	text, _, err := p.ask(t, user("one"))
	if text != "One " || provider.KindOf(err) != provider.Unreachable {
		t.Errorf("broken off: %q, %v", text, err)
	}
	if text, _, err := p.ask(t, user("one"), user("two")); err != nil || text != "Both." {
		t.Errorf("again: %q, %v", text, err)
	}
	same(t, p.frames(), []string{"open /socket", setup, prompt("one"), "open /socket", setup, prompt("one two")})
}

// A call over Retell's protocol: the program speaks first, is reminded, gets the
// conversation as it was heard, and ends the call.
func TestRetell(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.Retell, map[string][]string{
		"open": {`{"response_type":"config","config":{"auto_reconnect":true,"call_details":true}}`, `{"response_type":"response","response_id":0,"content":"Hello.","content_complete":true}`},
		`"response_id":1`: {`{"response_type":"response","response_id":0,"content":"late","content_complete":true}`, `{"response_type":"tool_call_invocation","tool_call_id":"x"}`,
			`{"response_type":"response","response_id":1,"content":"Two ","content_complete":false}`, `{"response_type":"response","response_id":1,"content":"rooms.","content_complete":true}`},
		`"response_id":2`: {`{"response_type":"response","response_id":2,"content":"Still there?","content_complete":true}`},
		`"response_id":3`: {`{"response_type":"response","response_id":3,"content":"Bye.","content_complete":true,"end_call":true}`},
	})
	var history []llm.Message
	for _, c := range []struct{ said, want string }{{"", "Hello."}, {"rooms?", "Two rooms."}, {"", "Still there?"}, {"no", "Bye."}} {
		if c.said != "" {
			history = append(history, user(c.said))
		}
		text, calls, err := p.ask(t, history...)
		if err != nil || text != c.want || (len(calls) > 0) != (c.want == "Bye.") {
			t.Errorf("upon %q: %q, %v, %v", c.said, text, calls, err)
		}
		history = append(history, agent(text))
	}
	same(t, p.frames(), []string{"open /socket/c1", `{"interaction_type":"call_details","call":{"call_id":"c1"}}`,
		`{"interaction_type":"response_required","response_id":1,"transcript":[{"role":"agent","content":"Hello."},{"role":"user","content":"rooms?"}]}`,
		`{"interaction_type":"reminder_required","response_id":2,"transcript":[{"role":"agent","content":"Hello."},{"role":"user","content":"rooms?"},{"role":"agent","content":"Two rooms."}]}`,
		`{"interaction_type":"response_required","response_id":3,"transcript":[{"role":"agent","content":"Hello."},{"role":"user","content":"rooms?"},{"role":"agent","content":"Two rooms."},{"role":"agent","content":"Still there?"},{"role":"user","content":"no"}]}`})
}

// A program that fails is a failure in bounded time.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frames []string
		kind   provider.Kind
	}{
		"mute":           {nil, provider.Late},
		"broken off":     {[]string{"close"}, provider.Unreachable},
		"malformed":      {[]string{"{"}, provider.Broken},
		"wrong types":    {[]string{`{"type":7}`}, provider.Broken},
		"nothing":        {[]string{`{"type":"text","token":"","last":true}`}, provider.Empty},
		"white space":    {[]string{`{"type":"text","token":" \n","last":true}`}, provider.Empty},
		"too long":       {[]string{`{"type":"` + strings.Repeat("x", provider.EventLimit) + `"}`}, provider.Broken},
		"unknown frames": {[]string{`{"type":"novelty"}`, `null`, `{}`}, provider.Late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, harness.ConversationRelay, map[string][]string{"prompt": c.frames})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, _, err := llmtest.Collect(ctx, t, p.driver, llm.Request{Seed: "c1", Messages: []llm.Message{user("hi")}})
			var f *provider.Failure
			if !errors.As(err, &f) || f.Kind != c.kind || f.Vendor != "harness" {
				t.Errorf("error %v, want %v", err, c.kind)
			}
		})
	}
}

// A request that is cancelled leaves the socket open; what still comes of its
// answer is dropped.
func TestCancelKeepsTheSocket(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{`"one`: {`{"type":"text","token":"First ","last":false}`},
		`"two`: {`{"type":"text","token":"Second.","last":true}`}})
	ctx, cancel := context.WithCancel(t.Context())
	var last error
	for d, err := range p.driver.Generate(ctx, llm.Request{Seed: "c1", Messages: []llm.Message{user("one")}}) {
		if last = err; d.Text != "" {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
	if text, _, err := p.ask(t, user("one"), agent("First"), user("two")); err != nil || text != "Second." {
		t.Errorf("next: %q, %v", text, err)
	}
	same(t, p.frames(), []string{"open /socket", setup, prompt("one"), prompt("two")})
	_ = p.driver.Close()
	if _, _, err := p.ask(t, user("three")); provider.KindOf(err) != provider.Unreachable {
		t.Errorf("after Close: %v", err)
	}
}

// A program that says nothing first is silent, which is no failure.
func TestNobodySpeaksFirst(t *testing.T) {
	t.Parallel()
	for _, protocol := range []harness.Protocol{harness.ConversationRelay, harness.Retell} {
		p := serve(t, protocol, map[string][]string{"open": {`{"response_type":"response","response_id":0,"content":"","content_complete":true}`}})
		silent := false
		for d, err := range p.driver.Generate(t.Context(), llm.Request{Seed: "c1"}) {
			if err != nil || d.Text != "" {
				t.Errorf("%s: %q, %v", protocol, d.Text, err)
			}
			silent = silent || d.Silent
		}
		if !silent {
			t.Errorf("%s: not silent", protocol)
		}
	}
}

// The signature is base64 of the HMAC-SHA1 of the address; the figure is of openssl.
func TestSign(t *testing.T) {
	t.Parallel()
	if got, want := harness.Sign("wss://example.com/socket", "12345"), "EOB8/2CnToNypi5QzPevZH7XEC4="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
