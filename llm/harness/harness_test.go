package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
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

// await waits until the program was sent a frame.
func (p *program) await(t *testing.T, frame string) {
	t.Helper()
	var want, got any
	_ = json.Unmarshal([]byte(frame), &want) // what is no JSON is never found
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		for _, f := range p.frames() {
			if got = nil; json.Unmarshal([]byte(f), &got) == nil && reflect.DeepEqual(got, want) {
				return
			}
		}
	}
	t.Errorf("the program was never sent %s", frame)
}

func (p *program) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, s)
}

// serve starts a program: answers are the frames that it sends upon one that
// contains the key; "open" is for a new connection, "close" breaks it off, "bye" closes it in order.
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
					if f == "bye" {
						_ = conn.Close(websocket.StatusNormalClosure, "")
						return
					}
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
		Call: harness.Call{ID: "c1", Account: "env_1", Agent: "a1", From: "+15550100", To: "+15550101", Values: map[string]string{"name": "Ann"}},
		URL:  "ws" + strings.TrimPrefix(server.URL, "http") + "/socket"})
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

const setup = `{"type":"setup","sessionId":"c1","callSid":"c1","parentCallSid":"","accountSid":"env_1","from":"+15550100","to":"+15550101",
	"forwardedFrom":"","callerName":"","direction":"inbound","callType":"PSTN","callStatus":"IN-PROGRESS","customParameters":{"name":"Ann"}}`

const details = `{"interaction_type":"call_details","call":{"call_id":"c1","call_type":"phone_call","call_status":"ongoing","agent_id":"a1",
	"direction":"inbound","from_number":"+15550100","to_number":"+15550101","metadata":{},"retell_llm_dynamic_variables":{"name":"Ann"}}}`

func prompt(text string) string {
	return fmt.Sprintf(`{"type":"prompt","voicePrompt":%q,"lang":"en-US","last":true}`, text)
}

const refusal = "the program asks for what is not done here: "

// wrong is the frame that tells a program what it does not get.
func wrong(what string) string { return fmt.Sprintf(`{"type":"error","description":%q}`, refusal+what) }

// A call over ConversationRelay: words, an interruption, two utterances of which
// the first had no answer yet, and the end.
func TestConversationRelay(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"rooms`:  {`{"type":"text","token":"We have ","last":false,"lang":"en-GB"}`, `{"type":"play","source":"x"}`, `{"novelty":null}`, `{"type":"play","source":"y"}`, `{"type":"text","token":"two.","last":true}`},
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
	history = append(history, llm.Message{Role: llm.Assistant, Text: "Breakfast", Interrupted: true, HeardFor: 460 * time.Millisecond}, user("wait"))
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
	p.await(t, wrong("handoffData of end"))
	same(t, p.frames(), []string{"open /socket", setup, prompt("rooms please"), wrong("play"), wrong("a frame without a type"), prompt("and breakfast"),
		`{"type":"interrupt","utteranceUntilInterrupt":"Breakfast","durationUntilInterruptMs":460}`, prompt("wait"), prompt("thanks"), wrong("handoffData of end")})
}

// hear reads an answer with everything that Collect leaves out.
func (p *program) hear(t *testing.T, messages ...llm.Message) (out []llm.Delta) {
	t.Helper()
	for d, err := range p.driver.Generate(t.Context(), llm.Request{Seed: "c1", Messages: messages}) {
		if err != nil {
			t.Errorf("after %v: %v", out, err)
		}
		out = append(out, d)
	}
	return out
}

// attended starts to follow the call; the channel has an entry when there is
// something to be asked for.
func (p *program) attended(t *testing.T) chan error {
	t.Helper()
	wakes := make(chan error, 100)
	p.driver.Attend(func(err error) { wakes <- err })
	return wakes
}

// woken waits for such an entry.
func woken(t *testing.T, wakes chan error) error {
	t.Helper()
	select {
	case err := <-wakes:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("there was nothing to be asked for")
		return nil
	}
}

func said(text string) llm.Delta { return llm.Delta{Text: text} }

func lacks(what string) llm.Delta { return llm.Delta{Note: &llm.Note{Text: refusal + what}} }

func pressed(keys string) llm.Delta {
	return llm.Delta{Call: &llm.ToolCall{ID: "send_digits_c1", Name: "send_digits", Args: json.RawMessage(`{"digits":"` + keys + `"}`)}}
}

func over(silent bool) llm.Delta { return llm.Delta{Done: &llm.Usage{}, Silent: silent} }

func hungUp() llm.Delta {
	return llm.Delta{Call: &llm.ToolCall{ID: "end_conversation_c1", Name: "end_conversation", Args: json.RawMessage(`{}`)}}
}

func check(t *testing.T, what string, got []llm.Delta, want ...llm.Delta) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// What answers of both protocols can have besides words.
func TestFrames(t *testing.T) {
	t.Parallel()
	shielded := func(text string) llm.Delta { return llm.Delta{Text: text, Protected: true} }
	response := func(members string) string {
		return `{"response_type":"response","response_id":1,"content":"Yes.","content_complete":true,` + members + `}`
	}
	text := `{"type":"text","token":"Yes.","last":true}`
	for name, c := range map[string]struct {
		protocol harness.Protocol
		frames   []string
		want     []llm.Delta
	}{
		"keys after words":         {"", []string{`{"type":"text","token":"Yes."}`, `{"type":"sendDigits","digits":"1ww2"}`, `{"type":"text","token":" Done.","last":true}`}, []llm.Delta{said("Yes."), said(" Done."), pressed("1ww2"), over(false)}},
		"keys alone":               {"", []string{`{"type":"sendDigits","digits":"9#"}`}, []llm.Delta{pressed("9#"), over(true)}},
		"keys nobody has":          {"", []string{`{"type":"sendDigits","digits":"9x"}`, text}, []llm.Delta{lacks("keys other than 0-9, *, # and w"), over(true)}},
		"a file alone":             {"", []string{`{"type":"play","source":"https://e.example/a.wav"}`}, []llm.Delta{lacks("play"), over(true)}},
		"protected words":          {"", []string{`{"type":"text","token":"One "}`, `{"type":"text","token":"two.","last":true,"interruptible":false}`}, []llm.Delta{said("One "), shielded("two."), over(false)}},
		"another language":         {"", []string{`{"type":"language","ttsLanguage":"sv-SE"}`, `{"type":"text","token":"Ja.","lang":"sv-SE"}`, `{"type":"text","token":" Ja.","lang":"sv-SE","last":true}`}, []llm.Delta{lacks("language"), lacks("lang of text"), said("Ja."), said(" Ja."), over(false)}},
		"preemptible":              {"", []string{`{"type":"text","token":"Yes.","preemptible":true,"last":true}`}, []llm.Delta{lacks("preemptible of text"), said("Yes."), over(false)}},
		"unknown":                  {"", []string{`{"type":"novelty"}`, text}, []llm.Delta{lacks("a frame of type novelty"), said("Yes."), over(false)}},
		"the end alone":            {"", []string{`{"type":"end"}`}, []llm.Delta{hungUp(), over(false)}},
		"retell: keys":             {harness.Retell, []string{response(`"digit_to_press":"2"`)}, []llm.Delta{said("Yes."), pressed("2"), over(false)}},
		"retell: keys alone":       {harness.Retell, []string{`{"response_type":"response","response_id":1,"content":"","content_complete":true,"digit_to_press":"2"}`}, []llm.Delta{pressed("2"), over(true)}},
		"retell: a transfer":       {harness.Retell, []string{response(`"transfer_number":"+15550102","digit_to_press":"2"`)}, []llm.Delta{said("Yes."), lacks("transfer_number"), over(false)}},
		"retell: the end first":    {harness.Retell, []string{response(`"transfer_number":"+15550102","end_call":true`)}, []llm.Delta{said("Yes."), hungUp(), over(false)}},
		"retell: protected":        {harness.Retell, []string{response(`"no_interruption_allowed":true`)}, []llm.Delta{shielded("Yes."), over(false)}},
		"retell: without a name":   {harness.Retell, []string{`{"response_id":1,"content":"Yes.","content_complete":true}`}, []llm.Delta{said("Yes."), over(false)}},
		"retell: an interjection":  {harness.Retell, []string{`{"response_type":"agent_interrupt","interrupt_id":1,"content":"Wait. ","content_complete":true}`, response(`"x":null`)}, []llm.Delta{said("Wait. "), said("Yes."), over(false)}},
		"retell: closed in order":  {harness.Retell, []string{"bye"}, []llm.Delta{hungUp(), over(true)}},
		"retell: settings":         {harness.Retell, []string{`{"response_type":"update_agent","agent_config":{}}`, `{"response_type":"metadata","metadata":{}}`, `{"response_type":"config","config":{"transcript_with_tool_calls":true}}`, response(`"x":1`)}, []llm.Delta{lacks("update_agent"), lacks("metadata"), lacks("transcript_with_tool_calls"), said("Yes."), over(false)}},
		"retell: tools of its own": {harness.Retell, []string{`{"response_type":"tool_call_invocation","tool_call_id":"t","name":"book","arguments":"{}"}`, `{"response_type":"tool_call_result","tool_call_id":"t","content":"booked"}`, `{"response_type":"tool_call_result","tool_call_id":"u","content":"no","successful":false}`, response(`"x":1`)}, []llm.Delta{{Note: &llm.Note{Action: "book", Text: "booked"}}, {Note: &llm.Note{Action: "tool_call", Text: "failed: no"}}, said("Yes."), over(false)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, c.protocol, map[string][]string{`"prompt"`: c.frames, "response_required": c.frames})
			check(t, "the answer", p.hear(t, user("well?")), c.want...)
		})
	}
}

// A program speaks first, answers keys as they are pressed, says something unasked,
// and ends the call when it likes.
func TestProgramFollowsTheCall(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"setup"`:     {`{"type":"text","token":"Hello.","last":true}`},
		`"digit":"1"`: {`{"type":"text","token":"One.","last":true}`},
		`"and?"`:      {`{"type":"text","token":"Well. ","last":true}`, `{"type":"sendDigits","digits":"5"}`},
		`"digit":"#"`: {`{"type":"end"}`},
	})
	wakes := p.attended(t)
	if err := woken(t, wakes); err != nil {
		t.Fatal(err)
	}
	check(t, "first", p.hear(t), said("Hello."), over(false))
	p.driver.Press('1')
	_ = woken(t, wakes)
	check(t, "a key", p.hear(t, agent("Hello."), user("keys pressed: 1")), said("One."), over(false))
	history := []llm.Message{agent("Hello."), user("keys pressed: 1"), agent("One."), user("keys pressed: 2 # and?")}
	p.driver.Press('2')
	check(t, "words", p.hear(t, history...), said("Well. "), over(false))
	_ = woken(t, wakes)
	history = append(history, agent("Well."))
	check(t, "unasked", p.hear(t, history...), pressed("5"), over(true))
	check(t, "nothing", p.hear(t, history...), over(true))
	p.driver.Interrupted("Well", 300*time.Millisecond)
	p.await(t, `{"type":"interrupt","utteranceUntilInterrupt":"Well","durationUntilInterruptMs":300}`)
	p.driver.Press('#')
	_ = woken(t, wakes)
	check(t, "the end", p.hear(t, history...), hungUp(), over(true))
	same(t, p.frames()[:5], []string{"open /socket", setup, `{"type":"dtmf","digit":"1"}`, `{"type":"dtmf","digit":"2"}`, prompt("and?")})
}

// A driver that was not told of keys as they were pressed tells the program of them
// with the turn.
func TestKeysOfATurn(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{`"digit":"2"`: {`{"type":"text","token":"Two.","last":true}`}})
	check(t, "keys", p.hear(t, user("keys pressed: * 2")), said("Two."), over(false))
	check(t, "no answer", p.hear(t, user("keys pressed: * 2"), agent("Two."), user("keys pressed: 3")), over(true))
	same(t, p.frames(), []string{"open /socket", setup, `{"type":"dtmf","digit":"*"}`, `{"type":"dtmf","digit":"2"}`, `{"type":"dtmf","digit":"3"}`})
}

// What still comes of an answer that was left is not said; what comes after it is.
func TestLeftAnswersAreDropped(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{`"one"`: {`{"type":"text","token":"First "}`},
		`"digit":"1"`: {`{"type":"text","token":"still first.","last":true}`, `{"type":"text","token":"News.","last":true}`}})
	wakes := p.attended(t)
	for range p.driver.Generate(t.Context(), llm.Request{Seed: "c1", Messages: []llm.Message{user("one")}}) {
		break
	}
	p.driver.Press('1')
	_ = woken(t, wakes)
	check(t, "unasked", p.hear(t, user("one"), agent("First")), said("News."), over(false))
}

// A program that cannot be reached is told of when the call begins; one of Retell's
// that closes its socket in order hangs up.
func TestProgramsThatAreGone(t *testing.T) {
	t.Parallel()
	gone := serve(t, harness.Retell, map[string][]string{"open": {"bye"}})
	wakes := gone.attended(t)
	if err := woken(t, wakes); err != nil {
		t.Fatal(err)
	}
	check(t, "hung up", gone.hear(t), hungUp(), over(true))
	if err := gone.driver.Close(); err != nil {
		t.Fatal(err)
	}
	gone.driver.Attend(func(error) { t.Error("woken after the end") })
	never := harness.New(harness.Options{Client: &provider.Client{Vendor: "harness", HTTP: &http.Client{Transport: nowhere{}}}, URL: "ws://n.example/"})
	never.Attend(func(err error) { wakes <- err })
	if err := woken(t, wakes); provider.KindOf(err) != provider.Unreachable {
		t.Errorf("not reached: %v", err)
	}
	other := harness.New(harness.Options{Client: &provider.Client{Vendor: "harness"}, URL: "ws://n.example/", Protocol: "vapi"})
	if _, _, _, err := llmtest.Collect(t.Context(), t, other, llm.Request{}); provider.KindOf(err) != provider.Rejected {
		t.Errorf("another protocol: %v", err)
	}
	if err := errors.Join(never.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}

// nowhere is a transport that reaches nobody.
type nowhere struct{}

// RoundTrip fails.
func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }

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

// TestProgramsWithoutLast: what was said is the answer when nothing follows, and what
// comes later is heard, too.
func TestProgramsWithoutLast(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"one"`: {`{"type":"text","token":"It is ten. "}`, `{"type":"text","token":"Anything else?"}`}, `"two"`: {`{"type":"text","token":"Bye."}`}})
	if text, _, err := p.ask(t, user("one")); err != nil || text != "It is ten. Anything else?" {
		t.Errorf("first: %q, %v", text, err)
	}
	if text, _, err := p.ask(t, user("one"), agent("It is ten. Anything else?"), user("two")); err != nil || text != "Bye." {
		t.Errorf("second: %q, %v", text, err)
	}
}

// TestGreetingAfterReconnect: a program that greets at setup does not answer with it in
// mid-call.
func TestGreetingAfterReconnect(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{
		`"setup"`: {`{"type":"text","token":"Welcome"}`, `{"type":"text","token":" here.","last":true}`},
		`"one"`:   {`{"type":"text","token":"One.","last":true}`, "close"}, `"two"`: {`{"type":"text","token":"Two.","last":true}`}})
	said := []llm.Message{}
	for _, c := range [][2]string{{"", "Welcome here."}, {"one", "One."}, {"two", "Two."}} {
		if c[0] != "" {
			said = append(said, user(c[0]))
		}
		text, _, err := p.ask(t, said...)
		if err != nil || text != c[1] {
			t.Errorf("to %q: %q, %v", c[0], text, err)
		}
		said = append(said, agent(text))
		if c[0] == "one" {
			p.driver.Lost(t.Context())
		}
	}
	same(t, p.frames(), []string{"open /socket", setup, prompt("one"), "open /socket", setup, prompt("two")})
}

// A call over Retell's protocol: the program speaks first, gets the conversation as
// it was heard, and ends the call.
func TestRetell(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.Retell, map[string][]string{
		"open": {`{"response_type":"config","config":{"auto_reconnect":true,"call_details":true}}`, `{"response_type":"response","response_id":0,"content":"Hello.","content_complete":true}`},
		`"response_id":1`: {`{"response_type":"response","response_id":0,"content":"late","content_complete":true}`, `{"response_type":"tool_call_invocation","tool_call_id":"x"}`,
			`{"response_type":"response","response_id":1,"content":"Two ","content_complete":false}`, `{"response_type":"response","response_id":1,"content":"rooms.","content_complete":true}`},
		`"response_id":2`: {`{"response_type":"response","response_id":2,"content":"Bye.","content_complete":true,"end_call":true}`},
	})
	var history []llm.Message
	for _, c := range []struct{ said, want string }{{"", "Hello."}, {"rooms?", "Two rooms."}, {"", ""}, {"no", "Bye."}} {
		if c.said != "" {
			history = append(history, user(c.said))
		}
		text, calls, err := p.ask(t, history...)
		if err != nil || text != c.want || (len(calls) > 0) != (c.want == "Bye.") {
			t.Errorf("upon %q: %q, %v, %v", c.said, text, calls, err)
		}
		history = append(history, agent(text))
	}
	same(t, p.frames(), []string{"open /socket/c1", details,
		`{"interaction_type":"response_required","response_id":1,"transcript":[{"role":"agent","content":"Hello."},{"role":"user","content":"rooms?"}]}`,
		`{"interaction_type":"response_required","response_id":2,"transcript":[{"role":"agent","content":"Hello."},{"role":"user","content":"rooms?"},{"role":"agent","content":"Two rooms."},{"role":"user","content":"no"}]}`})
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
	defer cancel()
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

// pipes is a listener whose connections are pipes, for tests with a clock of their own.
type pipes chan net.Conn

// Accept returns the next connection.
func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close ends Accept.
func (p pipes) Close() error { close(p); return nil }

// Addr returns no address of use.
func (pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p <- far
	return near, nil
}

// A program of Retell's that wants pings and sends none itself for 5 s is given
// another socket; one that sends them keeps it.
func TestPings(t *testing.T) {
	t.Parallel()
	for answers, want := range map[bool]int32{true: 1, false: 2} {
		synctest.Test(t, func(t *testing.T) {
			var opened atomic.Int32
			listener := make(pipes)
			server := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.CloseNow() }()
				opened.Add(1)
				answer := `{"response_type":"config","config":{"auto_reconnect":true}}`
				for err == nil {
					if err = conn.Write(r.Context(), websocket.MessageText, []byte(answer)); err == nil {
						_, _, err = conn.Read(r.Context())
					}
					for !answers && err == nil {
						_, _, err = conn.Read(r.Context())
					}
					answer = `{"response_type":"ping_pong","timestamp":1}`
				}
			})}
			served := make(chan error)
			go func() { served <- server.Serve(listener) }()
			d := harness.New(harness.Options{Client: &provider.Client{Vendor: "harness", HTTP: &http.Client{Transport: &http.Transport{DialContext: listener.dial}}},
				Protocol: harness.Retell, URL: "ws://n.example/"})
			d.Attend(func(err error) { t.Error(err) })
			time.Sleep(7 * time.Second)
			_, _, _, err := llmtest.Collect(t.Context(), t, d, llm.Request{})
			if err != nil || opened.Load() != want {
				t.Errorf("answering %v: %d sockets, %v", answers, opened.Load(), err)
			}
			if err := errors.Join(d.Close(), server.Close()); err != nil {
				t.Error(err)
			}
			<-served
		})
	}
}
