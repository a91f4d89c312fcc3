package rerun_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/rerun"
)

// record journals the calls in testdata: lines of inputs behind their times in
// milliseconds. Timers that the machine armed fire on time.
func record(t *testing.T, name string, cfg conversation.Config) *journal.Journal {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	text, err := journal.AppendHeader(nil, journal.Header{Call: name, Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder(t, cfg, text)
	for line := range strings.Lines(string(raw)) {
		var ms int
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at, what, _ := strings.Cut(line, " ")
		if _, err := fmt.Sscan(at, &ms); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		in, err := script.ParseInput(what)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r.take(time.Duration(ms)*time.Millisecond, in)
	}
	j, err := journal.Read(r.w.End(r.text, r.now))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

type recorder struct {
	t       *testing.T
	m       *conversation.Machine
	w       journal.Writer
	text    []byte
	scratch []byte
	now     time.Duration
	timers  map[conversation.Timer]conversation.Arm
}

func newRecorder(t *testing.T, cfg conversation.Config, header []byte) *recorder {
	return &recorder{t: t, m: conversation.New(cfg), text: header, timers: map[conversation.Timer]conversation.Arm{}}
}

// take gives the machine an input behind the timers that are due before it.
func (r *recorder) take(at time.Duration, in conversation.Input) {
	if in, ok := in.(conversation.Resumed); ok {
		r.until(min(in.Until, at)) // nobody fires timers then
	} else {
		r.until(at)
	}
	r.step(at, in)
}

// until fires the timers that are due by a time.
func (r *recorder) until(at time.Duration) {
	for {
		var first conversation.Arm
		for _, a := range r.timers {
			if first.Name == "" || a.At < first.At || a.At == first.At && a.Name < first.Name {
				first = a
			}
		}
		if first.Name == "" || first.At > at {
			return
		}
		delete(r.timers, first.Name)
		r.step(first.At, conversation.TimerFired{Name: first.Name, Epoch: first.Epoch})
	}
}

func (r *recorder) step(at time.Duration, in conversation.Input) {
	r.now = at
	var err error
	if r.text, err = r.w.Input(r.text, at, in); err != nil {
		r.t.Fatal(err)
	}
	outs := r.m.Step(at, in)
	if r.text, r.scratch, err = r.w.Outputs(r.text, r.scratch, outs); err != nil {
		r.t.Fatal(err)
	}
	for _, out := range outs {
		switch out := out.(type) {
		case conversation.Arm:
			r.timers[out.Name] = out
		case conversation.Disarm:
			delete(r.timers, out.Name)
		}
	}
}

// shown is a report in lines: the turn's number, when, who and what.
func shown(r *rerun.Report) (was, is []string) {
	lines := func(turns []rerun.Turn) (out []string) {
		for _, turn := range turns {
			for _, e := range turn.Events {
				text := e.Text
				if e.Interrupted {
					text += " | " + strings.TrimPrefix(e.Said, e.Text)
				}
				if e.Ignored {
					text += " (ignored)"
				}
				if e.Done {
					text += " = " + e.Said
				}
				out = append(out, fmt.Sprintf("%d %.2f %s: %s", turn.Number, e.At.Seconds(), e.Who, text))
			}
		}
		return out
	}
	for _, b := range r.Blocks {
		was, is = append(was, lines(b.Was)...), append(is, lines(b.Is)...)
	}
	return was, is
}

func run(t *testing.T, j *journal.Journal, cfg conversation.Config, o rerun.Options) *rerun.Report {
	t.Helper()
	r, err := rerun.Run(j, cfg, o)
	if err != nil || r == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	again, err := rerun.Run(j, cfg, o)
	if err != nil || !reflect.DeepEqual(r, again) {
		t.Errorf("a second run differs: %v", err)
	}
	return r
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// bakery is the configuration of most calls in testdata.
func bakery(e conversation.Endpointing) conversation.Config {
	return conversation.Config{Greeting: "Corner bakery.", Endpoint: e}
}

// TestNothingChanges: the same configuration, and one that does not matter, differ nowhere.
func TestNothingChanges(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Sensitive)
	j := record(t, "cut_in", cfg)
	other := cfg
	other.MaxIdleChecks = 1
	for _, c := range []conversation.Config{cfg, other} {
		if r, err := rerun.Run(j, c, rerun.Options{Model: noModel(t)}); r != nil || err != nil {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// noModel is one that nobody asks.
func noModel(t *testing.T) func(conversation.AskModel) (rerun.Answer, error) {
	return func(ask conversation.AskModel) (rerun.Answer, error) {
		t.Errorf("the model was asked %+v", ask.Messages)
		return rerun.Answer{}, nil
	}
}

// TestAWaitMovesWhatFollows: a longer wait moves the end of each turn by just that, and all
// that follows; the same questions have the same answers.
func TestAWaitMovesWhatFollows(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "two_questions", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{Model: noModel(t)})
	if r.Fork.Was != "Arm endpoint at 3.500 epoch=8" || r.Fork.Is != "Arm endpoint at 3.700 epoch=8" || r.Fork.Turn != 0 || r.Fork.Inputs != 6 {
		t.Errorf("fork: %+v", r.Fork)
	}
	was, is := shown(r)
	expect(t, "was", was, []string{
		"1 3.50 caller: are you open", "1 3.82 agent: Until five.",
		"2 8.50 caller: and on sunday", "2 8.82 agent: No, sorry. Anything else?",
		"2 12.00 call: the caller hangs up",
	})
	expect(t, "is", is, []string{
		"1 3.70 caller: are you open", "1 4.02 agent: Until five.",
		"2 8.90 caller: and on sunday", "2 9.22 agent: No, sorry. Anything else?",
		"2 12.40 call: the caller hangs up",
	})
	for i, later := range []time.Duration{200 * time.Millisecond, 400 * time.Millisecond} {
		if b := r.Blocks[i]; !b.Same || b.Later != later {
			t.Errorf("turn %d: same %t, %v later", i+1, b.Same, b.Later)
		}
	}
}

// TestTheAgentWaitsForThePause: with a longer wait two turns are one, whose question was
// never asked.
func TestTheAgentWaitsForThePause(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Sensitive)
	j := record(t, "cut_in", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{})
	was, is := shown(r)
	expect(t, "was", was, []string{
		"1 3.30 caller: I would like a cake", "1 4.85 agent:  | ",
		"2 4.90 caller: with strawberries", "2 5.21 agent: Sorry, a cake with strawberries, fine. For how many?",
		"3 11.00 caller: for ten", "3 11.41 agent: A cake for ten.", "3 13.50 call: the caller hangs up",
	})
	expect(t, "is, without a model", is, []string{
		"1 5.30 caller: I would like a cake with strawberries", "1 5.60 simulation: " + rerun.LeftOut,
		"1 10.08 simulation: " + rerun.Unanswered,
		"2 11.40 caller: for ten", "2 11.70 simulation: " + rerun.LeftOut,
		"2 13.50 simulation: " + rerun.Unanswered, "2 13.50 call: the caller hangs up",
	})
	if len(r.Blocks) != 2 || len(r.Blocks[0].Was) != 2 || len(r.Blocks[0].Is) != 1 || r.Blocks[0].Same {
		t.Errorf("blocks: %+v", r.Blocks)
	}
	var asked []string
	r = run(t, j, cfg, rerun.Options{Model: func(ask conversation.AskModel) (rerun.Answer, error) {
		asked = append(asked, ask.Messages[len(ask.Messages)-1].Text)
		return rerun.Answer{Text: fmt.Sprintf("This is answer %d.", len(ask.Messages))}, nil
	}})
	_, is = shown(r)
	expect(t, "is, with a model", is, []string{
		"1 5.30 caller: I would like a cake with strawberries", "1 5.40 simulation: " + rerun.Composed, "1 5.61 agent: This is answer 2.",
		"2 9.02 caller: for ten", "2 9.12 simulation: " + rerun.Composed, "2 9.33 agent: This is answer 4.",
		"2 11.45 call: the caller hangs up",
	})
	expect(t, "asked", asked[:2], []string{"I would like a cake with strawberries", "for ten"})
}

// TestAnInterruptionFollowsTheAnswer: who speaks over an answer does so as long after its
// beginning, so that as much of it was heard and the next question is the same.
func TestAnInterruptionFollowsTheAnswer(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "interrupts", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{Model: noModel(t)})
	was, is := shown(r)
	expect(t, "was", was, []string{
		"1 3.50 caller: are you open", "1 3.82 agent: Until five, and |  on Sundays until noon, except in winter.",
		"2 7.00 caller: stop", "2 7.31 agent: All right.", "2 9.00 call: the caller hangs up",
	})
	expect(t, "is", is, []string{
		"1 3.70 caller: are you open", "1 4.02 agent: Until five, and |  on Sundays until noon, except in winter.",
		"2 7.40 caller: stop", "2 7.71 agent: All right.", "2 9.40 call: the caller hangs up",
	})
}

// TestTheCallerWaitsToBeAsked: who answered the second thing that the agent said does not
// answer the first one.
func TestTheCallerWaitsToBeAsked(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	cfg.AskOnIdle, cfg.IdleTime = true, 5*time.Second
	j := record(t, "still_there", cfg)
	cfg.GreetingDelay = time.Second
	_, is := shown(run(t, j, cfg, rerun.Options{Model: noModel(t)}))
	expect(t, "is", is, []string{
		"0 1.21 agent: Corner bakery.", "0 7.71 agent: Are you still there?",
		"1 11.90 caller: yes I am here", "1 12.21 agent: Good.", "1 14.00 call: the caller hangs up",
	})
}

// TestTheRestOfAnAnswer that was cut off in the call is left out, unless there is a model.
func TestTheRestOfAnAnswer(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	cfg.Interrupt = conversation.High
	j := record(t, "yeah", cfg)
	cfg.Interrupt, cfg.Endpoint = conversation.Low, conversation.Relaxed
	_, is := shown(run(t, j, cfg, rerun.Options{}))
	expect(t, "is, without a model", is, []string{
		"1 3.70 caller: tell me about bread", "1 4.02 agent: Bread is made of flour and water.",
		"1 5.60 simulation: " + rerun.CutOff, "1 5.73 caller: yeah (ignored)", "1 10.44 call: the caller hangs up",
	})
	_, is = shown(run(t, j, cfg, rerun.Options{Model: func(conversation.AskModel) (rerun.Answer, error) {
		return rerun.Answer{Text: "Bread is made of flour and water. And of salt."}, nil
	}}))
	expect(t, "is, with a model", is, []string{
		"1 3.70 caller: tell me about bread", "1 4.32 simulation: " + rerun.Composed, "1 4.54 agent: Bread is made of flour and water. And of salt.",
		"1 6.25 caller: yeah (ignored)", "1 12.18 call: the caller hangs up",
	})
}

// TestAnotherPrompt: no answer of the call counts, although the questions are the same.
func TestAnotherPrompt(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "two_questions", cfg)
	r := run(t, j, cfg, rerun.Options{OtherPrompt: true, Model: func(ask conversation.AskModel) (rerun.Answer, error) {
		return rerun.Answer{Text: "Goodbye!", Calls: []conversation.ToolCall{{ID: "a", Name: "end_conversation", Args: "{}"}}}, nil
	}})
	if r.Fork.Is != "AskModel 2 with another prompt" || r.Unheard != 4 {
		t.Errorf("%+v", r)
	}
	_, is := shown(r)
	expect(t, "is", is, []string{
		"1 3.50 caller: are you open", "1 3.60 simulation: " + rerun.Composed, "1 3.81 agent: Goodbye!",
		"1 4.63 agent: end_conversation = done", "1 4.63 call: the line is closed",
	})
}

// TestTools: an equal call has its result, and for another one none is known.
func TestTools(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "look_up", cfg)
	cfg.Endpoint = conversation.Relaxed
	_, is := shown(run(t, j, cfg, rerun.Options{Model: noModel(t)}))
	expect(t, "the same call", is, []string{"1 3.70 caller: is my cake ready", "1 4.60 agent: look_up = yes", "1 4.92 agent: It is ready.", "1 7.20 call: the caller hangs up"})
	asked := 0
	_, is = shown(run(t, j, cfg, rerun.Options{OtherPrompt: true, Model: func(ask conversation.AskModel) (rerun.Answer, error) {
		if asked++; asked%2 == 1 {
			return rerun.Answer{Calls: []conversation.ToolCall{{ID: "x", Name: "look_up", Args: `{"what":"bread"}`}}}, nil
		}
		return rerun.Answer{Text: ask.Messages[len(ask.Messages)-1].Text}, nil
	}}))
	expect(t, "another call", is, []string{
		"1 3.70 caller: is my cake ready", "1 3.80 simulation: " + rerun.Composed, "1 3.80 simulation: " + rerun.UnknownResult,
		"1 3.80 agent: look_up = failed: the result is not known in this simulation",
		"1 3.90 simulation: " + rerun.Composed, "1 4.11 agent: failed: the result is not known in this simulation", "1 10.19 call: the caller hangs up",
	})
}

// TestSoundOfNewWords lasts as long as the voice would take by its pace in the call, and
// the caller waits for its end. As the model sees them, no question is the same.
func TestSoundOfNewWords(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "two_questions", cfg)
	cfg.Greeting = "This is the corner bakery of Mr. Miller, and what can I do for you today?" // 7.3 s
	r := run(t, j, cfg, rerun.Options{})
	_, is := shown(r)
	expect(t, "is", is, []string{
		"0 0.21 agent: " + cfg.Greeting,
		"1 9.40 caller: are you open", "1 9.70 simulation: " + rerun.LeftOut, "1 12.98 simulation: " + rerun.Unanswered,
		"2 14.40 caller: and on sunday", "2 14.70 simulation: " + rerun.LeftOut, "2 17.90 simulation: " + rerun.Unanswered,
		"2 17.90 call: the caller hangs up",
	})
}

// TestDeaths: the process dies in the exact part and in the simulated one, as long after
// the caller's words as in the call and for as long. What was under way is lost with it.
func TestDeaths(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "two_deaths", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{Model: noModel(t)})
	if r.Fork.Turn != 0 || r.Fork.At != 10200*time.Millisecond {
		t.Errorf("fork: %+v", r.Fork)
	}
	was, is := shown(r)
	expect(t, "was", was, []string{
		"1 10.50 caller: are you open", "1 10.82 agent: We are |  open until five.",
		"1 14.52 server: the process died; the call went on after 2.0 s",
		"1 14.73 agent: Sorry, I lost you for a moment. We are open until five.",
		"2 22.50 caller: and on sunday", "2 22.82 agent: No, sorry.", "2 24.50 call: the caller hangs up",
	})
	expect(t, "is", is, []string{
		"1 10.70 caller: are you open", "1 11.02 agent: We are |  open until five.",
		"1 14.52 server: the process died; the call went on after 2.0 s",
		"1 14.73 agent: Sorry, I lost you for a moment. We are open until five.",
		"2 22.70 caller: and on sunday", "2 23.02 agent: No, sorry.", "2 24.70 call: the caller hangs up",
	})
}

// TestDeathBeforeTheAnswer: with a longer wait the process dies before the agent has asked
// the model, and the words are answered by the one that goes on with the call.
func TestDeathBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "death_while_thinking", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{Model: noModel(t)})
	was, is := shown(r)
	expect(t, "was", was, []string{
		"0 0.21 agent: Corner bakery.", "1 3.50 caller: are you open",
		"1 6.60 server: the process died; the call went on after 3.0 s",
		"1 6.81 agent: Sorry, I lost you for a moment. Until five.", "1 13.00 call: the caller hangs up",
	})
	expect(t, "is", is, []string{
		"0 0.21 agent: Corner bakery.",
		"0 6.60 server: the process died; the call went on after 3.0 s",
		"1 6.60 caller: are you open",
		"1 6.81 agent: Sorry, I lost you for a moment. Until five.", "1 13.00 call: the caller hangs up",
	})
}

// TestDeathAfterTheGoodbye: the agent in the simulation has hung up when the process dies,
// and nobody goes on with a call that is over.
func TestDeathAfterTheGoodbye(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "two_deaths", cfg)
	r := run(t, j, cfg, rerun.Options{OtherPrompt: true, Model: func(conversation.AskModel) (rerun.Answer, error) {
		return rerun.Answer{Text: "Goodbye, my dear.", Calls: []conversation.ToolCall{{ID: "a", Name: "end_conversation", Args: "{}"}}}, nil
	}})
	_, is := shown(r)
	expect(t, "is", is, []string{
		"1 10.50 caller: are you open", "1 10.60 simulation: " + rerun.Composed,
		"1 10.81 agent: Goodbye, my dear.", "1 12.53 call: the line is closed",
	})
	if r.Unheard != 4 {
		t.Errorf("%d inputs of the caller's did not come; they were 3 of words and one of the line", r.Unheard)
	}
}

// TestDeathWhileAToolRuns: it has no result before, and the next process does not run it.
func TestDeathWhileAToolRuns(t *testing.T) {
	t.Parallel()
	cfg := bakery(conversation.Auto)
	j := record(t, "death_while_looking_up", cfg)
	cfg.Endpoint = conversation.Relaxed
	r := run(t, j, cfg, rerun.Options{Model: noModel(t)})
	_, is := shown(r)
	expect(t, "is", is, []string{
		"1 3.70 caller: is my cake ready",
		"1 8.00 server: the process died; the call went on after 3.0 s",
		"1 8.00 agent: look_up = failed: " + conversation.UnknownResult,
		"1 8.21 agent: Sorry, I lost you for a moment. I do not know.", "1 15.00 call: the caller hangs up",
	})
}

// FuzzRun: whatever has happened in a call, it can be run again with another configuration,
// with the same report each time.
func FuzzRun(f *testing.F) {
	for _, name := range []string{"cut_in", "look_up", "two_questions", "two_deaths", "death_while_thinking", "death_while_looking_up"} {
		raw, err := os.ReadFile("testdata/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg := bakery(conversation.Auto)
		header, err := journal.AppendHeader(nil, journal.Header{Call: "any", Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		r := newRecorder(t, cfg, header)
		for line := range strings.Lines(text) {
			var ms int
			at, what, _ := strings.Cut(strings.TrimSpace(line), " ")
			in, err := script.ParseInput(what)
			if _, scanErr := fmt.Sscan(at, &ms); err != nil || scanErr != nil {
				continue
			}
			if in, ok := in.(conversation.TimerFired); ok && in != (conversation.TimerFired{Name: r.timers[in.Name].Name, Epoch: r.timers[in.Name].Epoch}) {
				continue // none that was not armed fires
			}
			r.take(min(max(r.now, time.Duration(ms)*time.Millisecond), time.Hour), in)
		}
		j, err := journal.Read(r.w.End(r.text, r.now))
		if err != nil || len(j.Steps) == 0 {
			return
		}
		other := cfg
		other.Endpoint, other.Greeting = conversation.Relaxed, "Good morning, this is the corner bakery."
		for _, model := range []func(conversation.AskModel) (rerun.Answer, error){nil, echo} {
			first, err := rerun.Run(j, other, rerun.Options{Model: model})
			if err != nil {
				t.Fatal(err)
			}
			if again, err := rerun.Run(j, other, rerun.Options{Model: model}); err != nil || !reflect.DeepEqual(first, again) {
				t.Errorf("a second run differs: %v", err)
			}
		}
	})
}

// echo is a model that says what it was asked.
func echo(ask conversation.AskModel) (rerun.Answer, error) {
	return rerun.Answer{Text: ask.Messages[len(ask.Messages)-1].Text}, nil
}
