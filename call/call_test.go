package call_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// world is an Exchange on a virtual clock with stubs around it.
type world struct {
	t        *testing.T
	driver   *telephonytest.MemoryDriver
	ears     *transcribertest.Stub
	model    *llmtest.Stub
	voice    *synthesizertest.Stub
	speaker  synthesizer.Driver // in place of voice
	thinker  llm.Driver         // in place of model
	ledger   *fakeLedger
	exchange *call.Exchange
	snapshot sidetone.Snapshot
	outbound bool // the number takes no calls
	limit    int
	noAgent  bool
	inactive bool
	echo     bool
	carrier  bool
	routeErr error
	planErr  error
	planned  atomic.Value // the voice's key that Plan was given last, a string
	notices  []string
	actions  []call.Action // beside the end of the conversation
	trunks   []string
	caller   string       // who calls, in the place of the number that calls come from
	owner    string       // whose the trunk is by which calls come
	plans    atomic.Int32 // plans that were made and not closed
	recorded bool         // result checks the recorded call for unexplained silence
	rec      *channels
	journals memoryJournals
	stop     func()
}

// newWorld starts an Exchange inside the bubble; change the configuration with
// adjust.
func newWorld(t *testing.T, adjust func(*world, *call.Config)) *world {
	t.Helper()
	now := time.Now()
	w := &world{t: t, driver: telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{}), ears: transcribertest.NewStub(),
		model: llmtest.NewStub(), voice: &synthesizertest.Stub{}, ledger: newLedger()}
	w.snapshot.Prompt = sidetone.NewPrompt("prompt", "env", "Be brief, ${name}.", now)
	w.snapshot.Agent = sidetone.NewAgent("agent", "env", "prompt", now)
	w.snapshot.Agent.EnableDynamicTurns = false
	wheel := call.NewWheel(clock())
	c := call.Config{Node: "test", Clock: clock(), Directory: w, Ledger: w.ledger, Publisher: w.ledger, Planner: w, Wheels: []*call.Wheel{wheel},
		IDs: sidetone.NewIDs(time.Now), Carriers: carriers{"simulated": w.driver}, Log: slog.New(slog.DiscardHandler), Journals: &w.journals, Build: "test"}
	if adjust != nil {
		adjust(w, &c)
	}
	if w.recorded {
		w.rec = w.record(&c)
	}
	w.exchange = call.New(c)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { wheel.Run(done) })
	wg.Go(func() { _ = w.driver.Serve(ctx, w.exchange.Answer) })
	w.stop = func() {
		w.exchange.Close()
		cancel()
		close(done)
		wg.Wait()
		w.journals.replay(t)
		if n := w.plans.Load(); n != 0 {
			t.Errorf("%d plans more were made than closed", n)
		}
	}
	return w
}

// carriers are drivers by provider.
type carriers map[string]telephony.Driver

// For implements call.Carriers.
func (c carriers) For(_ context.Context, of sidetone.Call) (telephony.Driver, error) {
	if d, ok := c[of.Provider]; ok {
		return d, nil
	}
	return nil, sidetone.Errorf(sidetone.Invalid, "no carrier named %q is configured", of.Provider)
}

func clock() call.Clock {
	return call.Clock{
		Now:       time.Now,
		AfterFunc: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop },
		Sleep: func(d time.Duration, done <-chan struct{}) {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-done:
			}
		},
	}
}

// Route implements call.Directory.
func (w *world) Trunk(key string) (name, environmentID string) {
	if w.owner != "" {
		return "acme", w.owner
	}
	return key, ""
}

func (w *world) Route(_ context.Context, from, number, _ string) (call.Route, error) {
	if w.routeErr != nil {
		return call.Route{}, w.routeErr
	}
	if number != "+14155550100" {
		return call.Route{}, sidetone.Errorf(sidetone.NotFound, "number not found")
	}
	n := sidetone.NewNumber("number", "env", number, "simulated", time.Now())
	n.OutboundOnly, n.Active = w.outbound, !w.inactive
	n.MaxCalls = w.limit
	n.ExampleContext = []byte(`{"name":"the sample"}`) // fills no placeholder of a call
	return call.Route{Number: n, Snapshot: w.snapshot, HasAgent: !w.noAgent, Trunks: w.trunks, From: cmp.Or(w.caller, from)}, nil
}

// Plan implements call.Planner.
func (w *world) Plan(_ context.Context, c sidetone.Call, _ int) (call.Plan, error) {
	w.planned.Store(c.Snapshot.Voice.APIKey.Reveal())
	if w.planErr != nil {
		return call.Plan{}, w.planErr
	}
	w.plans.Add(1)
	closed := func() { w.plans.Add(-1) }
	if w.echo {
		return call.Plan{Echo: true, Close: closed}, nil
	}
	p := call.Plan{Recognisers: []call.Recogniser{{Driver: w.ears, Carrier: w.carrier}}, Models: []call.Model{{Driver: w.model}},
		Voices: []call.Voice{{Driver: w.voice}}, Notices: w.notices, Close: closed,
		Actions: append([]call.Action{ending()}, w.actions...)}
	if w.speaker != nil {
		p.Voices[0].Driver = w.speaker
	}
	if w.thinker != nil {
		p.Models[0].Driver = w.thinker
	}
	return p, nil
}

// ending is the action that ends the call.
func ending() call.Action {
	return call.Action{Type: "action_end_conversation", Offer: call.EndTool(), Rule: conversation.Action{Name: call.EndConversation}}
}

// ring calls the agent and waits for the answer.
func (w *world) ring() *telephonytest.Far {
	w.t.Helper()
	far, err := w.driver.Call(w.t.Context(), telephonytest.MemoryConfig{From: "+12025550199", To: "+14155550100"})
	if err != nil {
		w.t.Fatal(err)
	}
	return far
}

// heard decodes what the far end was told so far.
func heard(far *telephonytest.Far) string {
	var pcm []int16
	for _, f := range far.Heard() {
		pcm = append(pcm, f.PCM...)
	}
	var words []string
	for _, h := range synthesizertest.DecodeWords(pcm, 8000) {
		words = append(words, h.Text)
	}
	return strings.Join(words, " ")
}

func speech(d time.Duration) []int16 {
	return audio.SpeechLike(8000, int(audio.Samples(d, 8000)), -20, 1)
}

// fakeLedger keeps everything in memory; it can be made to fail.
type fakeLedger struct {
	mu       sync.Mutex
	calls    map[string]sidetone.Call
	events   map[string][]sidetone.Event
	results  map[string]sidetone.CallResult
	live     []sidetone.Event
	fail     error
	renewed  [][]string
	end      []sidetone.Ending // what RenewLeases returns
	finished chan string
}

func newLedger() *fakeLedger {
	return &fakeLedger{calls: map[string]sidetone.Call{}, events: map[string][]sidetone.Event{},
		results: map[string]sidetone.CallResult{}, finished: make(chan string, 1000)}
}

func (l *fakeLedger) StartCall(_ context.Context, c sidetone.Call, most int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	busy := 0
	for _, other := range l.calls {
		if _, over := l.results[other.ID]; !over && other.AgentNumber == c.AgentNumber {
			busy++
		}
	}
	if most > 0 && busy >= most {
		return sidetone.Errorf(sidetone.Limited, "no more than %d calls", most)
	}
	l.calls[c.ID] = c
	return nil
}

func (l *fakeLedger) MarkCall(_ context.Context, _, id string, change func(*sidetone.Call)) (sidetone.Call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	change(&c)
	l.calls[id] = c
	return c, nil
}

func (l *fakeLedger) AppendEvents(_ context.Context, _ string, events []sidetone.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	for _, e := range events {
		l.events[e.CallID] = append(l.events[e.CallID], e)
	}
	return nil
}

func (l *fakeLedger) FinishCall(ctx context.Context, env, id string, r sidetone.CallResult, events []sidetone.Event) error {
	if err := l.AppendEvents(ctx, env, events); err != nil {
		return err
	}
	l.mu.Lock()
	l.results[id] = r
	l.mu.Unlock()
	l.finished <- id
	return nil
}

func (l *fakeLedger) RenewLeases(_ context.Context, _ string, ids []string, _ time.Time) ([]sidetone.Ending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = append(l.renewed, ids)
	return l.end, nil
}

func (l *fakeLedger) Publish(e sidetone.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = append(l.live, e)
}

func (l *fakeLedger) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// oneCall returns the id of a call that was stored.
func (l *fakeLedger) oneCall() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.calls {
		return id
	}
	return ""
}

// result waits for the end of a call.
func (w *world) result() (sidetone.CallResult, []sidetone.Event) {
	w.t.Helper()
	select {
	case id := <-w.ledger.finished:
		if w.rec != nil {
			w.t.Logf("longest unexplained silence %s", w.rec.checkSilence(w.t, w.snapshot.Agent.InitialMessage != ""))
		}
		w.ledger.mu.Lock()
		defer w.ledger.mu.Unlock()
		return w.ledger.results[id], w.ledger.events[id]
	case <-time.After(10 * time.Minute):
		w.t.Fatal("the call did not end")
		return sidetone.CallResult{}, nil
	}
}

func TestAgentGreetsListensAnswersAndIsHungUpOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.snapshot.Agent.InitialMessage = "hello there"
			w.ears.Queue("I want an appointment")
			w.model.Queue(llmtest.Say("sure which day"))
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(4 * time.Second)
		if got := heard(far); got != "hello there" {
			t.Errorf("greeting: got %q", got)
		}
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(5 * time.Second)
		if got := heard(far); got != "hello there sure which day" {
			t.Errorf("answer: got %q", got)
		}
		far.Hangup()
		r, events := w.result()
		if r.Status != sidetone.CallEnded || r.Outcome != sidetone.OutcomeHumanDisconnected || r.EndReason != "hangup" {
			t.Errorf("result: got %+v", r)
		}
		if !strings.Contains(r.Transcript, "BOT: hello there") || !strings.Contains(r.Transcript, "HUMAN: I want an appointment") ||
			!strings.Contains(r.Transcript, "BOT: sure which day") {
			t.Errorf("transcript: got\n%s", r.Transcript)
		}
		if got := events[len(events)-1].Kind; got != sidetone.EventEnded {
			t.Errorf("last event: got %s", got)
		}
		for i, e := range events {
			if e.Sequence != int64(i+1) {
				t.Errorf("event %d has sequence %d", i, e.Sequence)
			}
		}
		named := func(e sidetone.Event) bool {
			return e.Kind == sidetone.EventError && e.Text == "the call's context fills no placeholder named name"
		}
		if !slices.ContainsFunc(events, named) {
			t.Errorf("no event names the placeholder: %+v", events)
		}
		reqs := w.model.Requests()
		if len(reqs) != 1 || reqs[0].Messages[0].Text != "Be brief, ." || reqs[0].Messages[0].Role != llm.System {
			t.Errorf("model was asked %+v", reqs)
		}
	})
}

func TestInterruptedAnswerIsCutWhereTheCallerHeardItEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.snapshot.Agent.InitialMessage = "one two three four five six seven eight nine ten eleven twelve"
			w.ears.Queue("stop please")
			w.model.Queue(llmtest.Say("fine"))
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(2 * time.Second)
		far.Speak(speech(1200 * time.Millisecond))
		time.Sleep(6 * time.Second)
		told := heard(far)
		far.Hangup()
		_, events := w.result()
		first := ""
		for _, e := range events {
			if e.Kind == sidetone.EventAgent {
				first = e.Text
				break
			}
		}
		cut := strings.TrimSuffix(told, " fine")
		if cut == told || first != cut || strings.Count(first, " ") > 10 {
			t.Errorf("the caller heard %q, the record says %q", told, first)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		adjust func(*world, *call.Config)
		number string
		want   telephony.Cause
	}{
		{"unknown number", nil, "+14155550999", telephony.CauseUnknownNumber},
		{"outbound only", func(w *world, _ *call.Config) { w.outbound = true }, "+14155550100", telephony.CauseUnavailable},
		{"foreign trunk", func(w *world, _ *call.Config) { w.trunks = []string{"carrier"} }, "+14155550100", telephony.CauseUnknownNumber},
		{"no agent", func(w *world, _ *call.Config) { w.noAgent = true }, "+14155550100", telephony.CauseUnavailable},
		{"number full", func(w *world, _ *call.Config) {
			w.limit = 1
			w.ledger.calls["other"] = sidetone.Call{ID: "other", AgentNumber: "+14155550100"}
		}, "+14155550100", telephony.CauseBusy},
		{"store down", func(w *world, _ *call.Config) { w.ledger.fail = context.DeadlineExceeded }, "+14155550100", telephony.CauseOverload},
		{"directory broken", func(w *world, _ *call.Config) { w.routeErr = errors.New("connection refused") }, "+14155550100", telephony.CauseOverload},
		{"inactive", func(w *world, _ *call.Config) { w.inactive = true }, "+14155550100", telephony.CauseUnavailable},
		{"directory down", func(w *world, _ *call.Config) { w.routeErr = context.DeadlineExceeded }, "+14155550100", telephony.CauseOverload},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.adjust)
				defer w.stop()
				far, err := w.driver.Call(t.Context(), telephonytest.MemoryConfig{To: c.number})
				if err != nil {
					t.Fatal(err)
				}
				<-far.Gone()
				if got := far.Refusal(); got.Cause != c.want || got.Reason == "" {
					t.Errorf("refusal: got %+v, want cause %s with a reason", got, c.want)
				}
			})
		})
	}
}

func TestFullNodeRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *call.Config) { c.MaxCalls = 1 })
		defer w.stop()
		first := w.ring()
		<-first.Answered()
		second := w.ring()
		<-second.Gone()
		if got := second.Refusal().Cause; got != telephony.CauseOverload {
			t.Errorf("second call: got %s", got)
		}
		first.Hangup()
		w.result()
		synctest.Wait()
		third := w.ring()
		<-third.Answered()
		third.Hangup()
	})
}

// A call that the node has no place for is not placed, and nothing is stored:
// whoever asked may ask again.
func TestCallsOutWaitForRoom(t *testing.T) {
	t.Parallel()
	for name, adjust := range map[string]func(*world, *call.Config){
		"node full":       func(_ *world, c *call.Config) { c.MaxCalls = 1 },
		"recogniser busy": func(w *world, _ *call.Config) { w.planErr = transcriber.ErrBusy },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, adjust)
				defer w.stop()
				var first *telephonytest.Far
				if w.planErr == nil {
					first = w.ring()
					<-first.Answered()
				}
				out := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", FromNumber: "+14155550100", ToNumber: "+14155550199", Outgoing: true}
				if err := w.exchange.Dial(t.Context(), out); !errors.Is(err, call.ErrNoRoom) {
					t.Errorf("Dial: got %v, want ErrNoRoom", err)
				}
				if _, stored := w.ledger.results["out"]; stored || w.exchange.Runs("out") {
					t.Error("a call that waits has an end")
				}
				if first != nil {
					first.Hangup()
				}
			})
		})
	}
}

func TestCallerWhoGivesUpWhileItRingsLeavesATrueRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *call.Config) { c.AnswerAfter = 3 * time.Second })
		defer w.stop()
		far := w.ring()
		time.Sleep(time.Second)
		far.Cancel()
		r, _ := w.result()
		if r.Outcome != sidetone.OutcomeDidNotConnect || r.EndReason != "cancelled" {
			t.Errorf("result: got %+v", r)
		}
	})
}

// Whoever asks another node for the end of a call is heard within a renewal.
func TestTheRecordEndsACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(12 * time.Second)
		id := w.ledger.oneCall()
		w.ledger.mu.Lock()
		if n := len(w.ledger.renewed); n != 2 {
			t.Errorf("the lease was renewed %d times in 12 s", n)
		}
		w.ledger.end = []sidetone.Ending{{CallID: id, HeadersOut: map[string]string{"X-A": "b"}}, {CallID: "somebody else's"}}
		w.ledger.mu.Unlock()
		began := time.Now()
		r, _ := w.result()
		if took := time.Since(began); r.EndReason != "api" || took > 10*time.Second {
			t.Errorf("after %s: %+v", took, r)
		}
	})
}

func TestAPIEndsACallPolitely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		id := w.ledger.oneCall()
		if err := w.exchange.End(t.Context(), "other", sidetone.Ending{CallID: id}); sidetone.CodeOf(err) != sidetone.NotFound {
			t.Errorf("another environment's end: got %v", err)
		}
		if err := w.exchange.End(t.Context(), "env", sidetone.Ending{CallID: id, HeadersOut: map[string]string{"X-Disposition": "sold"}}); err != nil {
			t.Fatal(err)
		}
		<-far.Gone()
		if got := far.HangupHeaders()["X-Disposition"]; got != "sold" {
			t.Errorf("the hang-up has X-Disposition %q", got)
		}
		if r, _ := w.result(); r.Outcome != sidetone.OutcomeBotDisconnected || r.Status != sidetone.CallEnded {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestLostRecogniserIsReopenedAndHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.ears.Queue("yes") })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		w.ears.Fail(transcriber.Error("gone"))
		time.Sleep(time.Second)
		streams := w.ears.Streams()
		if len(streams) != 2 {
			t.Fatalf("streams opened: got %d, want 2", len(streams))
		}
		if got := streams[1].Samples(); got < 8000 {
			t.Errorf("the second stream was given %d samples, want what the first had not finished", got)
		}
		far.Hangup()
		w.result()
	})
}

func TestEventsWaitForAStoreThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello" })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		w.ledger.setFail(context.DeadlineExceeded)
		time.Sleep(3 * time.Second)
		far.Hangup()
		time.Sleep(3 * time.Second)
		w.ledger.setFail(nil)
		r, events := w.result()
		if r.EndReason != "hangup" || len(events) < 3 {
			t.Errorf("after the store came back: %+v with %d events", r, len(events))
		}
	})
}

func TestOutboundCallIsDialledAndConverses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello"
			w.snapshot.Agent.WaitForGreeting = false
		})
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", Outgoing: true, FromNumber: "+14155550100",
			ToNumber: "+14155550101", Snapshot: w.snapshot, Context: []byte("{}")}
		dialled := make(chan error, 1)
		go func() { dialled <- w.exchange.Dial(context.Background(), c) }()
		ringing, err := w.driver.Dialled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := ringing.Request(); got.To != c.ToNumber || got.From != c.FromNumber || got.CallID != "out" {
			t.Errorf("dialled %+v", got)
		}
		far := ringing.Answer()
		if err := <-dialled; err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if got := heard(far); got != "hello" {
			t.Errorf("greeting: got %q", got)
		}
		far.Hangup()
		if r, _ := w.result(); r.Outcome != sidetone.OutcomeHumanDisconnected {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestUnansweredCallIsStoredWithItsReason(t *testing.T) {
	t.Parallel()
	cases := map[telephony.Cause]sidetone.StageOutcome{
		telephony.CauseBusy:     sidetone.OutcomeDidNotConnect,
		telephony.CauseNoAnswer: sidetone.OutcomeHumanUnanswered,
	}
	for cause, want := range cases {
		t.Run(cause.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.stop()
				c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", ToNumber: "+1", Snapshot: w.snapshot}
				go func() {
					if r, err := w.driver.Dialled(context.Background()); err == nil {
						r.Refuse(cause, 486)
					}
				}()
				var refused *telephony.DialError
				if err := w.exchange.Dial(context.Background(), c); !errors.As(err, &refused) || refused.Cause != cause {
					t.Errorf("dial: got %v, want %v", err, cause)
				}
				if r, _ := w.result(); r.Outcome != want || r.EndReason != cause.String() || r.ErrorMessage == "" {
					t.Errorf("result: got %+v", r)
				}
			})
		})
	}
}

func TestCallThatNoCarrierTakesIsNotPlaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "pigeon", ToNumber: "+1", Snapshot: w.snapshot}
		if err := w.exchange.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), "pigeon") {
			t.Errorf("dial: got %v", err)
		}
		if r, _ := w.result(); r.Outcome != sidetone.OutcomeDidNotConnect || !strings.Contains(r.ErrorMessage, "pigeon") {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestEchoReturnsTheCallersSound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.echo = true })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		far.Speak(speech(time.Second))
		time.Sleep(2 * time.Second)
		loud := 0
		for _, f := range far.Heard() {
			for _, s := range f.PCM {
				if s > 1000 || s < -1000 {
					loud++
					break
				}
			}
		}
		if loud < 40 || loud > 55 {
			t.Errorf("frames with sound: got %d, want about 50", loud)
		}
		far.Hangup()
		w.result()
	})
}

// An echo holds no conversation: it asks nothing, answers no key, and leaves only
// when it is told to or its time is over.
func TestEchoStaysAsLongAsTheCaller(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*world, *telephonytest.Far){
		"api": func(w *world, _ *telephonytest.Far) {
			_ = w.exchange.End(w.t.Context(), "env", sidetone.Ending{CallID: w.ledger.oneCall()})
		},
		"hangup":       func(_ *world, far *telephonytest.Far) { far.Hangup() },
		"max_duration": func(*world, *telephonytest.Far) { time.Sleep(10 * time.Minute) },
	}
	for reason, end := range cases {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) {
					w.echo = true
					w.snapshot.Agent.CallDuration = 10 * time.Minute
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				far.Speak(audio.DualTone(8000, 8000*100, 440, 440, -15)) // a tone is no speech
				time.Sleep(2 * time.Minute)
				far.Speak(speech(10 * time.Second))
				far.Press('5', 100*time.Millisecond)
				time.Sleep(3 * time.Minute) // of silence
				if ended := far.Ended(); ended.Kind != 0 {
					t.Fatalf("the echo hung up: %+v", ended)
				}
				end(w, far)
				r, events := w.result()
				if r.EndReason != reason || r.Status != sidetone.CallEnded || len(r.Errors) > 0 {
					t.Errorf("result: got %+v", r)
				}
				for _, e := range events {
					if e.Kind == sidetone.EventError || e.Kind == sidetone.EventAgent {
						t.Errorf("event %s: %s", e.Kind, e.Text)
					}
				}
			})
		})
	}
}

func TestCloseEndsLiveCallsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		far := w.ring()
		<-far.Answered()
		w.stop()
		if r, _ := w.result(); r.EndReason != "shutdown" || r.Status != sidetone.CallError {
			t.Errorf("result: got %+v", r)
		}
	})
}
