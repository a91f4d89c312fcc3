package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
)

// Key is the credential that drivers show in the tests of RunVendor. No error may
// contain it.
const Key = "canary-0123456789-key"

// Vendor is a driver and the stand-in of its vendor.
type Vendor struct {
	// Name is what failures call the vendor.
	Name string
	// Serve returns a stand-in that accepts Key only and answers with model.
	Serve func(c *standin.Control, model llm.Driver) http.Handler
	// Open returns a driver that sends its requests with client to the stand-in at
	// url and shows Key.
	Open func(client *http.Client, url string) llm.Driver
	// NamesErrors says that the vendor gives a refused request a name, too.
	NamesErrors bool
	// InBand is the kind of the failure that the stand-in reports inside a stream.
	InBand provider.Kind
	// NoStart is the kind of failure of an answer that lacks its beginning; 0 when
	// the vendor's answers have none.
	NoStart provider.Kind
	// Unstable are bytes of a request that change although nothing before them did:
	// they are taken out before requests are compared.
	Unstable string
}

// bench is a driver that talks with the stand-in, whose answers model makes.
type bench struct {
	control *standin.Control
	driver  llm.Driver
	model   *Stub

	mu    sync.Mutex
	conns int
}

// open starts the stand-in with model behind it; nil is a Stub.
func (v Vendor) open(t *testing.T, model llm.Driver) *bench {
	t.Helper()
	b := &bench{control: &standin.Control{}, model: &Stub{Reply: echo}}
	if model == nil {
		model = b.model
	}
	server := httptest.NewUnstartedServer(v.Serve(b.control, model))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			b.mu.Lock()
			b.conns++
			b.mu.Unlock()
		}
	}
	server.Config.ErrorLog = nil
	server.Start()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	b.driver = v.Open(&http.Client{Transport: transport}, server.URL)
	return b
}

// echo repeats what the caller said last, and calls the first tool when asked to
// look something up.
func echo(r llm.Request) Answer {
	last := r.Messages[len(r.Messages)-1]
	switch {
	case last.Role == llm.ToolRole:
		return Words("The result is " + last.Text + ".")
	case strings.Contains(last.Text, "look up") && len(r.Tools) > 0:
		a := Words("One moment please.")
		a.Calls = []llm.ToolCall{{ID: "first", Name: r.Tools[0].Name, Args: json.RawMessage(`{"what":"täglich \"x\""}`)},
			{ID: "second", Name: r.Tools[0].Name, Args: json.RawMessage(`{}`)}}
		return a
	}
	return Words("You said " + last.Text)
}

// ask is a request with one tool.
func ask(messages ...llm.Message) llm.Request {
	return llm.Request{Messages: messages, Temperature: 0.4, MaxTokens: 200, Seed: "call-1",
		Tools: []llm.Tool{{Name: "find", Description: "Finds.", Schema: json.RawMessage(`{"type":"object","properties":{"what":{"type":"string"}}}`)}}}
}

func said(role llm.Role, text string) llm.Message { return llm.Message{Role: role, Text: text} }

// RunVendor checks a driver against the stand-in of its vendor: the promises of
// llm.Driver, what the model gets to see, and every fault. The test binary sees to
// it that no goroutine is left.
func RunVendor(t *testing.T, v Vendor) {
	t.Run("contract", func(t *testing.T) {
		t.Parallel()
		Run(t, func(t *testing.T) Harness {
			return Harness{Driver: v.open(t, nil).driver, Deterministic: true,
				Request: ask(said(llm.System, "Be kind."), said(llm.User, "good morning")), CallRequest: ask(said(llm.User, "look up a thing"))}
		})
	})
	for name, test := range map[string]func(*testing.T, Vendor){
		"tools over two rounds": rounds, "history": history, "usage": usages, "cancel": cancels, "warm connections": warm,
		"the cache": cacheable, "faults": faults, "no key in errors": canary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, v)
		})
	}
}

// rounds calls tools, and answers with their results.
func rounds(t *testing.T, v Vendor) {
	b := v.open(t, nil)
	messages := []llm.Message{said(llm.System, "Be kind."), said(llm.User, "look up a thing")}
	text, calls, _, err := Collect(t.Context(), t, b.driver, ask(messages...))
	if err != nil || text != "One moment please." || len(calls) != 2 {
		t.Fatalf("got %q, %v, %v", text, calls, err)
	}
	var args map[string]string
	if err := json.Unmarshal(calls[0].Args, &args); err != nil || args["what"] != `täglich "x"` || calls[0].Name != "find" {
		t.Errorf("call %+v, args %s, %v", calls[0], calls[0].Args, err)
	}
	messages = append(messages, llm.Message{Role: llm.Assistant, Text: text, Calls: calls},
		llm.Message{Role: llm.ToolRole, CallID: calls[0].ID, Text: "seven"}, llm.Message{Role: llm.ToolRole, CallID: calls[1].ID, Text: llm.FailedResult + "no such thing"})
	text, _, _, err = Collect(t.Context(), t, b.driver, ask(messages...))
	if err != nil || text != "The result is "+llm.FailedResult+"no such thing." {
		t.Errorf("second round: %q, %v", text, err)
	}
	seen := b.model.Requests()[1].Messages
	var results []string
	for _, m := range seen {
		if m.Role == llm.ToolRole {
			results = append(results, m.Text)
		}
	}
	if want := []string{"seven", llm.FailedResult + "no such thing"}; !reflect.DeepEqual(results, want) {
		t.Errorf("results %q, want %q", results, want)
	}
	// The tools may be gone while their calls are in the history.
	final := ask(append(messages, said(llm.Assistant, "No luck."), said(llm.User, "thanks"))...)
	final.Tools = nil
	if text, _, _, err := Collect(t.Context(), t, b.driver, final); err != nil || text != "You said thanks" {
		t.Errorf("without tools: %q, %v", text, err)
	}
	if last := b.model.Requests()[2]; len(last.Tools) != 0 {
		t.Errorf("the model may call %v", last.Tools)
	}
}

// history renders conversations that not every vendor would accept as they are.
func history(t *testing.T, v Vendor) {
	lost := llm.ToolCall{ID: "lost 1", Name: "find", Args: json.RawMessage(`not JSON`)}
	foreign := llm.ToolCall{ID: "call_2", Name: "find", Args: json.RawMessage(`{"what":"b"}`)}
	cut := llm.Message{Role: llm.Assistant, Text: "I can offer ", Interrupted: true}
	for name, c := range map[string]struct {
		messages []llm.Message
		want     []string // texts that the model sees, in this order
		unseen   string
	}{
		"the agent greets first": {[]llm.Message{said(llm.Assistant, "Hello, this is Ann."), said(llm.User, "hi")}, []string{"Hello, this is Ann.", "hi"}, "nothing"},
		"nobody spoke":           {[]llm.Message{said(llm.System, "Be kind.")}, []string{"Be kind."}, ""},
		"the caller is silent":   {[]llm.Message{said(llm.User, "hi"), said(llm.Assistant, "Hello.")}, []string{"hi", "Hello."}, ""},
		"two in a row":           {[]llm.Message{said(llm.User, "one"), said(llm.User, "two"), said(llm.Assistant, "A."), said(llm.Assistant, "B."), said(llm.User, "three")}, []string{"one", "two", "A.", "B.", "three"}, ""},
		"blank messages":         {[]llm.Message{said(llm.User, "one"), said(llm.Assistant, " \n"), said(llm.User, "two")}, []string{"one", "two"}, ""},
		"interrupted":            {[]llm.Message{said(llm.User, "rooms?"), cut, said(llm.User, "wait")}, []string{"rooms?", "I can offer [interrupted by the caller]", "wait"}, ""},
		"interrupted at once":    {[]llm.Message{said(llm.User, "rooms?"), {Role: llm.Assistant, Interrupted: true}, said(llm.User, "wait")}, []string{"rooms?", "[interrupted by the caller]", "wait"}, ""},
		"a result is missing":    {[]llm.Message{said(llm.User, "a"), {Role: llm.Assistant, Calls: []llm.ToolCall{foreign}}, said(llm.User, "b")}, []string{"a", llm.PendingResult, "b"}, ""},
		"a result came late":     {[]llm.Message{said(llm.User, "a"), {Role: llm.Assistant, Calls: []llm.ToolCall{foreign}}, said(llm.User, "b"), {Role: llm.ToolRole, CallID: "call_2", Text: "late"}}, []string{"a", "late", "b"}, ""},
		"a result too many":      {[]llm.Message{said(llm.User, "a"), {Role: llm.ToolRole, CallID: "none", Text: "stray"}}, []string{"a"}, "stray"},
		"malformed arguments":    {[]llm.Message{said(llm.User, "a"), {Role: llm.Assistant, Calls: []llm.ToolCall{lost}}, {Role: llm.ToolRole, CallID: "lost 1", Text: "none"}}, []string{"a", "none"}, ""},
		"markup":                 {[]llm.Message{said(llm.System, "<b>&"), said(llm.User, "a\u2028 \"b\" \\ <i>")}, []string{"<b>&", "a\u2028 \"b\" \\ <i>"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := v.open(t, nil)
			if _, _, _, err := Collect(t.Context(), t, b.driver, ask(c.messages...)); err != nil {
				t.Fatalf("generate: %v", err)
			}
			var texts strings.Builder
			for _, m := range b.model.Requests()[0].Messages {
				texts.WriteString(m.Text + "\n")
			}
			rest := texts.String()
			for _, want := range c.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("the model sees %q, want %q in it, in this order", texts.String(), c.want)
				}
				rest = after
			}
			if c.unseen != "" && strings.Contains(texts.String(), c.unseen) {
				t.Errorf("the model sees %q", texts.String())
			}
		})
	}
}

// model is an llm.Driver that is a function.
type model func(context.Context, llm.Request) iter.Seq2[llm.Delta, error]

// Generate calls the function.
func (m model) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return m(ctx, r)
}

// deltas is a model that answers with these.
func deltas(all ...llm.Delta) model {
	return func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			for _, d := range all {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// usages counts tokens, those of the cache too; the mark of interruptions and white
// space at the beginning are not said.
func usages(t *testing.T, v Vendor) {
	want := llm.Usage{In: 3000, Cached: 2048, Out: 7}
	b := v.open(t, deltas(llm.Delta{Text: "\n "}, llm.Delta{Text: " Good"}, llm.Delta{Text: " [morn"}, llm.Delta{Text: "ing]. [interrupted by"},
		llm.Delta{Text: " the caller]"}, llm.Delta{Text: " Bye ["}, llm.Delta{Done: &want}))
	meter := &provider.Meter{}
	text, _, used, err := Collect(provider.WithMeter(t.Context(), meter), t, b.driver, ask(said(llm.User, "hi")))
	if err != nil || used == nil || *used != want {
		t.Errorf("usage %+v, error %v", used, err)
	}
	counted := provider.Metered{Requests: 1, Hosts: []string{"127.0.0.1"}, Used: map[provider.Unit]float64{
		provider.InputTokens: 3000, provider.CachedTokens: 2048, provider.OutputTokens: 7}}
	if diff := cmp.Diff(counted, meter.Total()); diff != "" {
		t.Errorf("meter (-want +got):\n%s", diff)
	}
	if news := meter.News(); len(news.Requests) != 1 {
		t.Errorf("the vendor's names are %q", news.Requests)
	}
	if text != "Good [morning].  Bye [" {
		t.Errorf("text %q", text)
	}
}

// cancelTime is how soon the vendor must know that nobody listens any more.
const cancelTime = time.Second

// cancels leaves answers that are under way.
func cancels(t *testing.T, v Vendor) {
	gate := make(chan struct{})
	defer close(gate)
	for name, leave := range map[string]func(cancel context.CancelFunc) bool{
		"the context ends": func(cancel context.CancelFunc) bool { cancel(); return true },
		"the reader left":  func(context.CancelFunc) bool { return false },
	} {
		b := v.open(t, model(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) {
				if yield(llm.Delta{Text: "Hello. "}, nil) {
					select {
					case <-gate:
					case <-ctx.Done():
					}
				}
			}
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var last error
		for _, err := range b.driver.Generate(ctx, ask(said(llm.User, "hi"))) {
			if last = err; !leave(cancel) {
				break
			}
		}
		left := time.Now()
		if name == "the context ends" && !errors.Is(last, context.Canceled) {
			t.Errorf("%s: error %v", name, last)
		}
		for b.control.Active() > 0 && time.Since(left) < 5*time.Second {
			<-time.After(time.Millisecond)
		}
		if took := time.Since(left); took > cancelTime {
			t.Errorf("%s: the vendor went on for %v", name, took)
		}
		cancel()
	}
}

// warm sees to it that a request uses the connection of the one before.
func warm(t *testing.T, v Vendor) {
	b := v.open(t, nil)
	for range 5 {
		if _, _, _, err := Collect(t.Context(), t, b.driver, ask(said(llm.User, "hi"))); err != nil {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns != 1 {
		t.Errorf("5 requests made %d connections", b.conns)
	}
}

// cacheable holds a long call's requests together: each begins with the bytes of
// the one before, up to the newest turn.
func cacheable(t *testing.T, v Vendor) {
	b := v.open(t, nil)
	messages := []llm.Message{said(llm.System, strings.Repeat("Three thousand tokens of rules. ", 500)), said(llm.Assistant, "Hello, how can I help?")}
	for i := range 60 {
		messages = append(messages, said(llm.User, fmt.Sprintf("question %d, please", i)))
		if i%7 == 3 {
			messages[len(messages)-1].Text += " look up"
		}
		text, calls, _, err := Collect(t.Context(), t, b.driver, ask(messages...))
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, llm.Message{Role: llm.Assistant, Text: text, Calls: calls, Interrupted: i%11 == 5})
		for _, c := range calls {
			messages = append(messages, llm.Message{Role: llm.ToolRole, CallID: c.ID, Text: "found"})
		}
	}
	before := ""
	for i, e := range b.control.Ledger() {
		body := string(e.Body[0])
		if v.Unstable != "" {
			body = strings.ReplaceAll(body, v.Unstable, "")
		}
		if !strings.HasPrefix(body, before) {
			t.Fatalf("request %d begins otherwise than the one before:\n%s\n%s", i, before[len(before)-min(300, len(before)):], body[max(0, len(before)-300):])
		}
		before = strings.TrimRight(body, "]}")
		if at := strings.Index(body, "Three thousand"); at < 0 || at > 1000 {
			t.Errorf("the system prompt begins at byte %d", at)
		}
	}
}
