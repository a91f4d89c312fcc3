package turns_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
	"github.com/sidetone/sidetone/conversation/turns"
)

// rig is a call whose machine and meter see the same inputs; timers fire by themselves.
type rig struct {
	t      *testing.T
	m      *conversation.Machine
	meter  turns.Meter
	now    time.Duration
	timers map[conversation.Timer]conversation.Arm
	turns  []turns.Turn
}

func newRig(t *testing.T, c conversation.Config) *rig {
	r := &rig{t: t, m: conversation.New(c), timers: map[conversation.Timer]conversation.Arm{}}
	r.meter.Begin(0)
	return r
}

// until lets time pass.
func (r *rig) until(at time.Duration) {
	for {
		var first *conversation.Arm
		for _, a := range r.timers {
			if a.At <= at && (first == nil || a.At < first.At || a.At == first.At && a.Epoch < first.Epoch) {
				first = &a
			}
		}
		if first == nil {
			r.now = at
			return
		}
		delete(r.timers, first.Name)
		r.now = max(r.now, first.At)
		r.step(conversation.TimerFired{Name: first.Name, Epoch: first.Epoch})
	}
}

func (r *rig) step(in conversation.Input) {
	outs := r.m.Step(r.now, in)
	for _, o := range outs {
		switch o := o.(type) {
		case conversation.Arm:
			r.timers[o.Name] = o
		case conversation.Disarm:
			delete(r.timers, o.Name)
		}
	}
	if t, ok := r.meter.Step(r.now, in, outs); ok {
		r.turns = append(r.turns, t)
	}
}

// play runs a script: lines of a time in milliseconds and an input as package script
// writes it, or "fails STAGE", or "end".
func (r *rig) play(text string) {
	r.t.Helper()
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 2)
		if len(fields) < 2 {
			continue
		}
		ms := 0
		if _, err := fmt.Sscan(fields[0], &ms); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		at := time.Duration(ms) * time.Millisecond
		if until, ok := strings.CutPrefix(fields[1], "line resumed until="); ok { // nothing happens from then on
			died, err := time.ParseDuration(until + "s")
			if err != nil {
				r.t.Fatalf("%q: %v", line, err)
			}
			r.until(max(r.now, min(died, at)))
			r.now = at
		} else {
			r.until(at)
		}
		if stage, ok := strings.CutPrefix(fields[1], "fails "); ok {
			r.meter.Failed(r.now, turns.Stage(stage))
			continue
		}
		if fields[1] == "end" {
			if t, ok := r.meter.End(r.now); ok {
				r.turns = append(r.turns, t)
			}
			continue
		}
		in, err := script.ParseInput(fields[1])
		if err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		r.step(in)
	}
}

// show writes turns in one line each.
func show(all []turns.Turn) []string {
	var out []string
	for _, t := range all {
		line := fmt.Sprintf("%d %s %d-%d", t.Number, t.Kind, t.From.Milliseconds(), t.To.Milliseconds())
		if t.Interrupted {
			line += fmt.Sprintf(" interrupted after %d", t.BargeIn.Milliseconds())
		}
		if gap, ok := t.Figures[conversation.FigureGap]; ok {
			line += fmt.Sprintf(" gap %d %s", gap.Milliseconds(), t.Rule)
		}
		for _, s := range turns.Stages() {
			if d := t.Of(s); d > 0 {
				line += fmt.Sprintf(" %s=%d", s, d.Milliseconds())
			}
		}
		out = append(out, line)
	}
	return out
}

func TestTurns(t *testing.T) {
	t.Parallel()
	fixed := conversation.Config{}
	greeted := conversation.Config{Greeting: "Hello."}
	for name, c := range map[string]struct {
		config conversation.Config
		script string
		want   []string
	}{
		"every stage of a reply": {fixed, `
			0 line starts
			1080 caller speaks ago=0.080
			2200 caller quiet ago=0.200 length=1
			2600 heard flushed "hello there" ago=0.600
			2900 model text 1 "Good day."
			3000 model done 1
			3100 voice sound 1 1 done
			3120 playout audible 1
			4100 playout played 1
			5000 end`, []string{
			"1 reply 0-4120 gap 1120 fixed caller=1000 endpoint_wait=500 recogniser=100 model=400 voice=100 playout=20",
			"2 unanswered 4120-5000 caller=880",
		}},
		"a greeting, and a question whether somebody is there": {conversation.Config{Greeting: "Hello.", AskOnIdle: true, IdleTime: 3 * time.Second}, `
			0 line starts
			200 voice sound 1 1 done
			210 playout audible 1
			1190 playout played 1
			4500 voice sound 2 1 done
			4510 playout audible 2
			5490 playout played 2
			6000 line hungup normal`, []string{
			"1 unasked 0-1210 voice=200 playout=10",
			"2 unasked 1210-5510 caller=2980 voice=310 playout=10",
			"3 unanswered 5510-6000 caller=490",
		}},
		"an interruption": {greeted, `
			0 line starts
			0 voice sound 1 8 done
			0 playout audible 1
			3080 caller speaks ago=0.080
			3080 playout stopped 1 3.080
			3400 heard partial "no wait"
			3400 playout stopped 1 3.080
			4200 caller quiet ago=0.200 length=1
			4300 heard flushed "no wait please" ago=0.300
			4600 model text 2 "Yes?"
			4600 model done 2
			4700 voice sound 2 1 done
			4700 playout audible 2
			5680 playout played 2
			6000 end`, []string{
			"1 unasked 0-3080 interrupted after 80",
			"2 reply 3080-5700 gap 700 fixed endpoint_wait=500 model=100 voice=100",
			"3 unanswered 5700-6000 caller=300",
		}},
		"an interruption whose words come late": {greeted, `
			0 line starts
			0 voice sound 1 8 done
			0 playout audible 1
			3080 caller speaks ago=0.080
			3080 playout stopped 1 3.080
			4200 caller quiet ago=0.200 length=1
			4900 heard flushed "no wait please" ago=0.900
			4900 playout stopped 1 3.080
			5000 model text 2 "Yes?"
			5000 model done 2
			5000 voice sound 2 1 done
			5000 playout audible 2
			5980 playout played 2
			6001 end`, []string{
			"1 unasked 0-3080 interrupted after 80",
			"2 reply 3080-6000 gap 1000 fixed endpoint_wait=500 recogniser=400 model=100",
		}},
		"a cough is waited out": {greeted, `
			0 line starts
			0 voice sound 1 4 done
			0 playout audible 1
			2080 caller speaks ago=0.080
			2080 playout stopped 1 2.080
			2400 caller quiet ago=0.200 length=0.2
			2450 heard flushed ""
			4700 playout played 1
			5000 end`, []string{
			"1 unasked 0-4720 endpoint_wait=300",
			"2 unanswered 4720-5000 caller=280",
		}},
		"a failed model and a failed voice": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 heard flushed "hello" ago=0.300
			2500 model failed 1 "down"
			2700 model text 2 "Good day."
			2700 model done 2
			3000 voice failed 1 "down"
			3200 voice sound 2 1 done
			3200 playout audible 2
			4180 playout played 2
			4500 end`, []string{
			"1 reply 0-4200 gap 2200 fixed endpoint_wait=500 model=200 voice=200 vendor_failure=1300",
			"2 unanswered 4200-4500 caller=300",
		}},
		"another model takes over": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 heard flushed "hello" ago=0.300
			2000 fails model
			2400 model text 1 "Good day."
			2400 model done 1
			2500 voice sound 1 1 done
			2500 playout audible 1
			3480 playout played 1
			3500 end`, []string{
			"1 reply 0-3500 gap 1500 fixed endpoint_wait=500 model=400 voice=100 vendor_failure=500",
		}},
		"a voice that is slower than speech": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 heard flushed "hello" ago=0.300
			1500 model text 1 "Good day."
			1500 model done 1
			1500 voice sound 1 1
			1500 playout audible 1
			3000 voice sound 1 2 done
			3980 playout played 1
			4000 end`, []string{
			"1 reply 0-4000 gap 500 fixed endpoint_wait=500 voice=500",
		}},
		"an action between two sentences": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 heard flushed "hello" ago=0.300
			1500 model text 1 "One moment."
			1500 model call 1 a look {}
			1500 model done 1
			1500 voice sound 1 1 done
			1500 playout audible 1
			2480 playout played 1
			3200 tool done a "yes"
			3500 model text 2 "It is."
			3500 model done 2
			3600 voice sound 2 1 done
			3600 playout audible 2
			4580 playout played 2
			4700 end`, []string{
			"1 reply 0-4600 gap 500 fixed endpoint_wait=500 model=300 voice=100 action=700",
			"2 unanswered 4600-4700 caller=100",
		}},
		"time on hold is no silence": {fixed, `
			0 line starts
			1000 line held
			5000 line unheld
			6000 end`, []string{
			"1 unanswered 0-6000 caller=2000",
		}},
		"nobody listens": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 recogniser away
			1700 recogniser replaced final=1 first=1
			1700 heard flushed "hello" ago=0.700
			1800 model text 1 "Good day."
			1800 model done 1
			1800 voice sound 1 1 done
			1800 playout audible 1
			2780 playout played 1
			2800 end`, []string{
			"1 reply 0-2800 endpoint_wait=300 voice=100 vendor_failure=400",
		}},
		"sentences without a gap": {fixed, `
			0 line starts
			80 caller speaks ago=0.080
			1200 caller quiet ago=0.200 length=1
			1300 heard flushed "hello" ago=0.300
			1500 model text 1 "This is one sentence. And this is another one."
			1500 model done 1
			1500 voice sound 1 1.010 done
			1500 voice sound 2 1 done
			1500 playout audible 1
			2500 playout played 1
			2500 playout audible 2
			3500 playout played 2
			3600 end`, []string{
			"1 reply 0-3510 gap 500 fixed endpoint_wait=500",
			"2 unanswered 3510-3600 caller=90",
		}},
		"the process died while the agent spoke": {greeted, `
			0 line starts
			100 voice sound 1 4 done
			120 playout audible 1
			6000 line resumed until=2.120
			6300 voice sound 2 1 done
			6320 playout audible 2
			7320 playout played 2
			7820 voice sound 3 1 done
			7840 playout audible 3
			8840 playout played 3
			9000 end`, []string{
			"1 unasked 0-8840 voice=900 playout=60 restart=3880",
			"2 unanswered 8840-9000 caller=160",
		}},
		"the process died while the model thought": {fixed, `
			0 line starts
			1080 caller speaks ago=0.080
			2200 caller quiet ago=0.200 length=1
			2200 heard flushed "what is it"
			5000 line resumed until=3.000
			5100 voice sound 1 1 done
			5120 playout audible 1
			5500 model text 2 "That is easy to say."
			5500 model done 2
			5600 voice sound 2 1 done
			6120 playout played 1
			6120 playout audible 2
			7120 playout played 2
			7200 end`, []string{
			"1 reply 0-7120 caller=1000 endpoint_wait=500 model=500 voice=100 playout=20 restart=2000",
			"2 unanswered 7120-7200 caller=80",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.config)
			r.play(c.script)
			if diff := cmp.Diff(c.want, show(r.turns)); diff != "" {
				t.Errorf("turns (-want +got):\n%s", diff)
			}
			checkWhole(t, r.turns, r.now)
		})
	}
}

// checkWhole checks what is true of the turns of any call that lasted until end.
func checkWhole(t *testing.T, all []turns.Turn, end time.Duration) {
	t.Helper()
	at := time.Duration(0)
	for i, turn := range all {
		if turn.Number != i+1 || turn.From != at || turn.To < turn.From {
			t.Fatalf("turn %d is number %d from %v to %v; the one before ended at %v", i+1, turn.Number, turn.From, turn.To, at)
		}
		at = turn.To
		before, sum := turn.From, time.Duration(0)
		for _, p := range turn.Pieces {
			if p.From < before || p.To <= p.From || p.To > turn.To || !slices.Contains(turns.Stages(), p.Stage) {
				t.Fatalf("turn %d from %v to %v: piece %+v after %v", i+1, turn.From, turn.To, p, before)
			}
			before = p.To
			sum += p.To - p.From
		}
		staged := time.Duration(0)
		for _, s := range turns.Stages() {
			staged += turn.Of(s)
		}
		if sum != turn.Silence() || sum != staged {
			t.Fatalf("turn %d: silence %v, stages %v, pieces %v", i+1, turn.Silence(), staged, sum)
		}
	}
	if at > end+20*time.Millisecond {
		t.Fatalf("the last turn ends at %v, the call at %v", at, end)
	}
}

// Whatever comes, and in whatever order, turns follow each other and their silence is
// made of pieces that do not overlap.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	inputs := []string{
		"line starts", "caller speaks ago=0.080", "caller quiet ago=0.200 length=1", "heard flushed \"hello there\"", "heard partial \"no\"",
		"model text %d \"Good day. How are you?\"", "model done %d", "model failed %d \"down\"", "model call %d a look {}", "tool done a \"yes\"",
		"voice sound %d 1", "voice sound %d 2 done", "voice failed %d \"down\"", "playout audible %d", "playout played %d", "playout stopped %d 0.5",
		"line held", "line unheld", "caller key 5", "recogniser away", "recogniser replaced final=1 first=1",
		"line resumed until=%d.5",
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, conversation.Config{Greeting: "Hello.", Eager: seed%2 == 0, AskOnIdle: true})
		for range 200 {
			text := inputs[random.IntN(len(inputs))]
			if strings.Contains(text, "%d") {
				text = fmt.Sprintf(text, 1+random.IntN(6))
			}
			r.play(fmt.Sprintf("%d %s", (r.now + time.Duration(random.IntN(400))*time.Millisecond).Milliseconds(), text))
		}
		r.play(fmt.Sprintf("%d end", r.now.Milliseconds()))
		checkWhole(t, r.turns, r.now)
		if _, again := r.meter.End(r.now); again {
			t.Fatal("a meter ended twice")
		}
	}
}

func BenchmarkStep(b *testing.B) {
	var m turns.Meter
	m.Begin(0)
	outs := []conversation.Output{conversation.Arm{Name: conversation.TimerEndpoint, At: time.Hour}}
	b.ReportAllocs()
	for i := range b.N {
		m.Step(time.Duration(i), conversation.Voiced{Utt: 1}, outs)
	}
}
