package conversation

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The golden calls. A script is a text file of lines
//
//	# what behaviour it pins
//	config greeting="Hello." speed=0.5
//	1.250 caller quiet ago=0.2 length=0.9
//	  AskModel 2
//
// Inputs and fired timers begin with their time in seconds; the indented lines
// below are what the machine wished. Timers fire by themselves: their lines are
// written by -rewrite. "10 wait" lets time pass. Commit only rewritten lines you
// understand.
func TestGoldenCalls(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 25 {
		t.Fatalf("scripts: %d, %v; want at least 25", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playScript(t, string(raw))
			if flag.Lookup("rewrite").Value.String() == "true" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(raw), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("call went differently (-script +machine):\n%s", diff)
			}
		})
	}
}

func TestMain(m *testing.M) {
	flag.Bool("rewrite", false, "write what the machine does into the scripts")
	flag.Parse()
	os.Exit(m.Run())
}

// theatre plays a script on a virtual clock.
type theatre struct {
	t       *testing.T
	m       *Machine
	cfg     Config
	clock   time.Duration
	alarms  []Arm
	said    map[uint64]string
	out     strings.Builder
	journal []step
	verbose bool
}

type step struct {
	at  time.Duration
	in  Input
	out []string
}

func playScript(t *testing.T, script string) string {
	t.Helper()
	th := &theatre{t: t, cfg: Config{DynamicTurns: true}, said: map[uint64]string{}}
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		th.line(lines.Text())
	}
	th.replay()
	return th.out.String()
}

func (th *theatre) line(line string) {
	fields := splitQuoted(line)
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
		fmt.Fprintln(&th.out, line)
	case fields[0] == "config":
		fmt.Fprintln(&th.out, line)
		th.configure(fields[1:])
	case line[0] == ' ' || len(fields) > 1 && fields[1] == "timer":
	default:
		at := seconds(th.t, fields[0])
		th.until(at)
		fmt.Fprintln(&th.out, line)
		if fields[1] != "wait" {
			th.step(parseInput(th.t, fields[1:], th.said))
		}
	}
}

// until fires the timers due by at, in order.
func (th *theatre) until(at time.Duration) {
	for {
		first := -1
		for i, a := range th.alarms {
			if a.At <= at && (first < 0 || a.At < th.alarms[first].At) {
				first = i
			}
		}
		if first < 0 {
			th.clock = at
			return
		}
		a := th.alarms[first]
		th.alarms = append(th.alarms[:first], th.alarms[first+1:]...)
		th.clock = max(th.clock, a.At)
		fmt.Fprintf(&th.out, "%.3f timer %s\n", th.clock.Seconds(), a.Name)
		th.step(TimerFired{Name: a.Name, Epoch: a.Epoch})
	}
}

func (th *theatre) step(in Input) {
	if th.m == nil {
		th.m = New(th.cfg)
	}
	s := step{at: th.clock, in: in}
	for _, o := range th.m.Step(th.clock, in) {
		s.out = append(s.out, fmt.Sprintf("%#v", o))
		th.obey(o)
	}
	th.journal = append(th.journal, s)
}

func (th *theatre) obey(o Output) {
	switch o := o.(type) {
	case Arm:
		th.disarm(o.Name)
		th.alarms = append(th.alarms, o)
		if !th.verbose {
			return
		}
	case Disarm:
		th.disarm(o.Name)
		if !th.verbose {
			return
		}
	case Say:
		th.said[o.Utt] = o.Text
	}
	fmt.Fprintf(&th.out, "  %s\n", show(o))
}

func (th *theatre) disarm(name Timer) {
	for i, a := range th.alarms {
		if a.Name == name {
			th.alarms = append(th.alarms[:i], th.alarms[i+1:]...)
			return
		}
	}
}

// replay steps a second machine through the same inputs: a journal reproduces
// a call exactly.
func (th *theatre) replay() {
	again := New(th.cfg)
	for _, s := range th.journal {
		var out []string
		for _, o := range again.Step(s.at, s.in) {
			out = append(out, fmt.Sprintf("%#v", o))
		}
		if diff := cmp.Diff(s.out, out); diff != "" {
			th.t.Errorf("replay differs at %v %#v:\n%s", s.at, s.in, diff)
		}
	}
}

func (th *theatre) configure(options []string) {
	c := &th.cfg
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		value = unquote(value)
		switch key {
		case "greeting":
			c.Greeting = value
		case "greeting_delay":
			c.GreetingDelay = seconds(th.t, value)
		case "outbound":
			c.Outbound = true
		case "wait_for_greeting":
			c.WaitForGreeting = true
		case "protect_greeting":
			c.ProtectGreeting = true
		case "interrupt":
			c.Interrupt = Sensitivity(value)
		case "endpoint":
			c.Endpoint = Endpointing(value)
		case "fixed_turns":
			c.DynamicTurns = false
		case "speed":
			c.Speed = number(th.t, value)
		case "language":
			c.Language = value
		case "ask_on_idle":
			c.AskOnIdle = true
		case "idle":
			c.IdleTime = seconds(th.t, value)
		case "max_duration":
			c.MaxDuration = seconds(th.t, value)
		case "final_wait":
			c.FinalWait = seconds(th.t, value)
		case "first_text_wait":
			c.FirstTextWait = seconds(th.t, value)
		case "carrier":
			c.Carrier = true
		case "show_timers":
			th.verbose = true
		default:
			th.t.Fatalf("unknown option %q", key)
		}
	}
}

func show(o Output) string {
	switch o := o.(type) {
	case AskModel:
		s := fmt.Sprintf("AskModel %d", o.Gen)
		if o.Hedge {
			s += " hedge"
		}
		if o.NoTools {
			s += " no-tools"
		}
		for _, m := range o.Messages {
			s += "\n    " + showMessage(m)
		}
		return s
	case CancelModel:
		return fmt.Sprintf("CancelModel %d", o.Gen)
	case Say:
		s := fmt.Sprintf("Say %d gen=%d %q", o.Utt, o.Gen, o.Text)
		if o.Cached {
			s += " cached"
		}
		if o.Ahead != 0 {
			s += fmt.Sprintf(" ahead of %d", o.Ahead)
		}
		return s
	case Unsay:
		return fmt.Sprintf("Unsay %d", o.Utt)
	case ResumePlayout:
		return fmt.Sprintf("ResumePlayout %d from %.3f", o.Utt, o.At.Seconds())
	case Arm:
		return fmt.Sprintf("Arm %s at %.3f", o.Name, o.At.Seconds())
	case Disarm:
		return "Disarm " + string(o.Name)
	case RunTool:
		return fmt.Sprintf("RunTool %s %s %s", o.ID, o.Name, o.Args)
	case Hangup:
		return "Hangup " + o.Reason
	case Note:
		return showNote(o)
	default:
		return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", o), "conversation."), "{}")
	}
}

func showMessage(m Message) string {
	s := fmt.Sprintf("%s %q", m.Role, m.Text)
	if m.Interrupted {
		s += " interrupted"
	}
	for _, c := range m.Calls {
		s += fmt.Sprintf(" calls %s %s", c.ID, c.Name)
	}
	if m.CallID != "" {
		s += " for " + m.CallID
	}
	return s
}

func showNote(n Note) string {
	s := fmt.Sprintf("Note %s", n.Kind)
	if n.Text != "" {
		s += fmt.Sprintf(" %q", n.Text)
	}
	if n.Said != "" && n.Said != n.Text {
		s += fmt.Sprintf(" of %q", n.Said)
	}
	if n.Interrupted {
		s += " interrupted"
	}
	if n.Continues {
		s += " continues"
	}
	for _, k := range []string{"wait_ms", "final_ms", "commit_ms", "model_first_ms", "say_ms", "gap_ms"} {
		if v, ok := n.Values[k]; ok {
			s += fmt.Sprintf(" %s=%.0f", k, v)
		}
	}
	return s
}

// parseInput reads "who what arguments".
func parseInput(t *testing.T, f []string, said map[uint64]string) Input {
	t.Helper()
	a := arguments{t: t, f: f}
	switch f[0] + " " + a.word(1) {
	case "line starts":
		return MediaStarted{}
	case "line held":
		return Held{}
	case "line unheld":
		return Unheld{}
	case "line hungup":
		return HungUp{Remote: true, Reason: a.word(2)}
	case "caller speaks":
		return SpeechStarted{Ago: a.time("ago", 0.08)}
	case "caller quiet":
		return SpeechEnded{Ago: a.time("ago", 0.2), Length: a.time("length", 1)}
	case "caller key":
		return Digit{Key: []rune(a.word(2))[0]}
	case "caller yields":
		return TurnYielded{}
	case "caller leaves":
		return CallerLeaves{}
	case "heard partial":
		return Heard{Text: a.text(2), Ago: a.time("ago", 0)}
	case "heard final":
		return Heard{Text: a.text(2), Final: true, Ago: a.time("ago", 0)}
	case "heard flushed":
		return Heard{Text: a.text(2), Final: true, Flushed: true, Ago: a.time("ago", 0)}
	case "recogniser lost":
		return RecogniserLost{Reason: a.text(2)}
	case "tool done":
		return ToolDone{ID: a.word(2), Result: a.text(3)}
	case "tool failed":
		return ToolDone{ID: a.word(2), Result: a.text(3), Failed: true}
	case "api end", "api say":
		return Command{Verb: a.word(1), Text: a.text(2)}
	default:
		return parseAgentInput(a, said)
	}
}

// parseAgentInput reads what model, voice and playout report.
func parseAgentInput(a arguments, said map[uint64]string) Input {
	id, _ := strconv.ParseUint(a.word(2), 10, 64)
	switch a.word(0) + " " + a.word(1) {
	case "model text":
		return ModelText{Gen: id, Text: a.text(3)}
	case "model done":
		return ModelDone{Gen: id}
	case "model failed":
		return ModelFailed{Gen: id, Reason: a.text(3)}
	case "model call":
		return ModelCall{Gen: id, ID: a.word(3), Name: a.word(4), Args: "{}"}
	case "voice speaks":
		total := seconds(a.t, a.word(3))
		return Voiced{Utt: id, Words: evenWords(said[id], total), Total: total, Done: true}
	case "voice hums":
		return Voiced{Utt: id, Total: seconds(a.t, a.word(3)), Done: true}
	case "voice halts":
		return Voiced{Utt: id, Total: seconds(a.t, a.word(3))}
	case "voice failed":
		return VoiceFailed{Utt: id, Reason: a.text(3)}
	case "playout audible":
		return Audible{Utt: id}
	case "playout played":
		return Played{Utt: id}
	case "playout stopped":
		return Stopped{Utt: id, At: seconds(a.t, a.word(3))}
	default:
		a.t.Fatalf("unknown input %v", a.f)
		return nil
	}
}

// evenWords gives every word of text the same share of the sound.
func evenWords(text string, total time.Duration) []Word {
	fields := strings.Fields(text)
	var words []Word
	at := 0
	for i, w := range fields {
		start := strings.Index(text[at:], w) + at
		at = start + len(w)
		n := time.Duration(len(fields))
		words = append(words, Word{
			Start: start, End: at, From: total * time.Duration(i) / n, To: total * time.Duration(i+1) / n,
		})
	}
	return words
}

type arguments struct {
	t *testing.T
	f []string
}

func (a arguments) word(i int) string {
	if i < len(a.f) {
		return a.f[i]
	}
	return ""
}

func (a arguments) text(i int) string {
	if w := a.word(i); strings.HasPrefix(w, `"`) {
		return unquote(w)
	}
	return ""
}

func (a arguments) time(key string, fallback float64) time.Duration {
	for _, f := range a.f {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return seconds(a.t, v)
		}
	}
	return time.Duration(fallback * float64(time.Second))
}

func splitQuoted(line string) []string {
	inside := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			inside = !inside
		}
		return r == ' ' && !inside
	})
}

func unquote(s string) string {
	return strings.ReplaceAll(strings.Trim(s, `"`), `\n`, "\n")
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	return time.Duration(number(t, s)*1e6+0.5) * time.Microsecond
}
