package demo

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm/scripted"
)

// rehearse returns what the agent answers to lines when every word of them is
// understood, and whether it hangs up after the last one.
func rehearse(t *testing.T, prompt string, lines []string) (answers []string, hangsUp bool) {
	t.Helper()
	text, _, ok := scripted.Find(prompt)
	if !ok {
		t.Fatal("the prompt holds no playbook")
	}
	book, err := scripted.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, l := range lines {
		if after, found := strings.CutPrefix(l, "@"); found {
			_, l, _ = strings.Cut(after, " ")
		}
		said = append(said, l)
	}
	for _, reply := range book.Rehearse(said...) {
		answers = append(answers, reply.Text)
		hangsUp = len(reply.Calls) > 0 && reply.Calls[len(reply.Calls)-1].Name == "end_conversation"
	}
	return answers, hangsUp
}

// The agent's playbook answers every line of a story to the point, and hangs up
// after the last one: so do both calls.
func TestStoriesAreAnswered(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]story{"spoken": spoken(""), "typed": typed()} {
		if len(s.lines) < 4 || len(s.expect) != len(s.lines) {
			t.Errorf("%s: %d lines, %d words of answers; want at least four of each", name, len(s.lines), len(s.expect))
		}
		answers, hangsUp := rehearse(t, s.prompt, s.lines)
		w := watched{callerTurns: len(s.lines), interrupted: s.interrupts(), gaps: []float64{600}}
		for _, a := range answers {
			w.answers = append(w.answers, strings.ToLower(a))
		}
		if wrong := s.judge(w, phoneEvent{Gaps: []float64{600}}); len(wrong) > 0 {
			t.Errorf("%s: %v\n%s", name, errors.Join(wrong...), strings.Join(answers, "\n"))
		}
		if !hangsUp {
			t.Errorf("%s: the agent does not hang up", name)
		}
		prompt := reminderPrompt
		if len(s.flags) > 0 {
			prompt = s.prompt
		}
		if _, hangsUp := rehearse(t, prompt, s.answer); !hangsUp {
			t.Errorf("%s: the agent does not hang up on the called one", name)
		}
	}
	if !spoken("").interrupts() || typed().interrupts() {
		t.Error("the spoken story interrupts, the typed one does not")
	}
}

// A character takes 176 ms on a text telephone.
func TestTypedStoryIsShort(t *testing.T) {
	t.Parallel()
	const most, yield = 240, " GA"
	s := typed()
	answers, _ := rehearse(t, s.prompt, s.lines)
	reminded, _ := rehearse(t, s.prompt, s.answer)
	all := slices.Concat([]string{s.greeting, s.reminder}, s.lines, answers, s.answer, reminded)
	total := 0
	for _, text := range all {
		total += len(text) + len(yield)
	}
	if total > most {
		t.Errorf("%d characters are typed, at most %d are promised:\n%s", total, most, strings.Join(all, "\n"))
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	s := story{lines: []string{"Are you open?", "@1s Is there parking?"}, expect: []string{"open", "parking"}}
	good := func() (watched, phoneEvent) {
		return watched{callerTurns: 2, answers: []string{" we are open.", " free parking."}, interrupted: true, gaps: []float64{610, 590}},
			phoneEvent{Gaps: []float64{620}}
	}
	for name, c := range map[string]struct {
		spoil func(*watched, *phoneEvent)
		want  []string
	}{
		"as it should":      {func(*watched, *phoneEvent) {}, nil},
		"one more turn":     {func(w *watched, _ *phoneEvent) { w.callerTurns, w.answers = 3, append(w.answers, "pardon?") }, nil},
		"a turn is missed":  {func(w *watched, _ *phoneEvent) { w.callerTurns, w.answers = 1, w.answers[:1] }, []string{"1 of the caller's 2 turns", `"@1s Is there parking?" was not about "parking"`}},
		"misunderstood":     {func(w *watched, _ *phoneEvent) { w.answers[0] = " pardon?" }, []string{`"Are you open?" was not about "open"`}},
		"not interrupted":   {func(w *watched, _ *phoneEvent) { w.interrupted = false }, []string{"interruption was not heard"}},
		"server timed none": {func(w *watched, _ *phoneEvent) { w.gaps = nil }, []string{"no gap"}},
		"caller timed none": {func(_ *watched, e *phoneEvent) { e.Gaps = nil }, []string{"no gap"}},
		"server complained": {func(w *watched, _ *phoneEvent) { w.problems = []error{errors.New("recogniser lost")} }, []string{"recogniser lost"}},
	} {
		w, e := good()
		c.spoil(&w, &e)
		wrong := s.judge(w, e)
		if len(wrong) != len(c.want) {
			t.Errorf("%s: %v, want %d", name, wrong, len(c.want))
			continue
		}
		for i, err := range wrong {
			if !strings.Contains(err.Error(), c.want[i]) {
				t.Errorf("%s: %v, want something with %q", name, err, c.want[i])
			}
		}
	}
	quiet := story{lines: s.lines[:1], expect: s.expect[:1]}
	w, e := good()
	if w.interrupted = false; len(quiet.judge(w, e)) != 0 {
		t.Error("a story without interruption wants one")
	}
}

// What a call's events turn into: the printed conversation and the facts.
func TestTake(t *testing.T) {
	t.Parallel()
	var w watched
	var out strings.Builder
	for _, e := range []client.Event{
		{Type: "ringing"},
		{Type: "connected", Data: map[string]any{"codec": "G722"}},
		{Type: "agent", OffsetMS: 3080, Text: "How can I help you?"},
		{Type: "caller", OffsetMS: 6310, Text: "are you open"},
		{Type: "turn", OffsetMS: 6340, Data: map[string]any{"gap_ms": 652.4}},
		{Type: "turn", OffsetMS: 6341},
		{Type: "paused", OffsetMS: 7000},
		{Type: "resumed", OffsetMS: 7400},
		{Type: "agent", OffsetMS: 9440, Text: "We are Open", Data: map[string]any{"interrupted": true, "said": "We are Open from nine."}},
		{Type: "caller", OffsetMS: 9500, Text: "is there parking"},
		{Type: "agent", OffsetMS: 11000, Text: "Yes.", Data: map[string]any{"said": "Yes.", "interrupted": false}},
		{Type: "agent", OffsetMS: 12000, Text: "It is free."},
		{Type: "error", OffsetMS: 12500, Text: "recogniser lost"},
		{Type: "ended", OffsetMS: 13000, Text: "goodbye"},
	} {
		out.WriteString(w.take(e))
	}
	want := `  0.00s  connected, G722
  3.08s  AGENT   How can I help you?
  6.31s  CALLER  are you open
  6.34s          gap by the server: 652 ms
  7.00s  ...     the agent stops: the caller speaks
  7.40s  ...     a false alarm: the agent goes on
  9.44s  AGENT   We are Open
         cut off here; never heard: "from nine."
  9.50s  CALLER  is there parking
 11.00s  AGENT   Yes.
 12.00s  AGENT   It is free.
 12.50s  ERROR   recogniser lost
 13.00s  ended: goodbye
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("printed (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{" we are open", " yes. it is free."}, w.answers); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
	if w.callerTurns != 2 || !w.interrupted || !slices.Equal(w.gaps, []float64{652.4}) || len(w.problems) != 1 {
		t.Errorf("took %+v", w)
	}
}

func TestPhoneEvent(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"kind":"gap","took_ms":682.6}`:                  "                 gap by the caller: 683 ms\n",
		`{"kind":"stopped","took_ms":70.2}`:               "                 the agent fell silent 70 ms after the caller's first voiced sample\n",
		`{"kind":"result","gaps_ms":[600],"heard":["x"]}`: "",
	} {
		var e phoneEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if got := e.line(); got != want {
			t.Errorf("%s: printed %q, want %q", line, got, want)
		}
	}
}

func TestNextSteps(t *testing.T) {
	t.Parallel()
	s, out := showWith(t, "")
	s.dir, s.o.Program = "/tmp/my data", "bin/sidetone"
	s.nextSteps("c1")
	for _, want := range []string{"left, in '/tmp/my data'", "bin/sidetone serve --data '/tmp/my data'\n", "bin/sidetone calls transcript c1\n", "make run "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the next steps lack %q:\n%s", want, out)
		}
	}
}

func TestIndent(t *testing.T) {
	t.Parallel()
	if got := indent("a\nb"); got != "  a\n  b" {
		t.Errorf("indented as %q", got)
	}
}

func TestCleanEnvironment(t *testing.T) {
	t.Parallel()
	got := cleanEnvironment([]string{"PATH=/bin", "SIDETONE_HTTP_ADDR=:80", "HOME=/root"})
	if d := cmp.Diff([]string{"PATH=/bin", "HOME=/root"}, got); d != "" {
		t.Error(d)
	}
}
