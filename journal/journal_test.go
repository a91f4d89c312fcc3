package journal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// sample is a short call: a greeting, a question and its answer.
func sample() (journal.Header, []step) {
	h := journal.Header{Call: "c1", Seed: "c1", Began: time.Date(2026, 11, 1, 10, 0, 0, 123000, time.UTC), Build: "test",
		Tables: conversation.TablesVersion(), Config: conversation.Config{Greeting: "Hello, this is the clinic.", DynamicTurns: true, FinalWait: 900 * time.Millisecond}}
	said := "Hello, this is the clinic."
	return h, []step{
		{0, conversation.MediaStarted{}},
		{20_000, conversation.Voiced{Utt: 1, Total: 1500 * time.Millisecond, Done: true, Words: words(said, 1500*time.Millisecond)}},
		{30_000, conversation.Audible{Utt: 1}},
		{1_530_001, conversation.Played{Utt: 1}},
		{2_000_000, conversation.SpeechStarted{Ago: 80 * time.Millisecond}},
		{2_900_000, conversation.Heard{Text: "are you open \"today\"\n?"}},
		{3_100_000, conversation.SpeechEnded{Ago: 200 * time.Millisecond, Length: 900 * time.Millisecond}},
		{3_300_000, conversation.Heard{Text: "are you open today?", Final: true}},
		{4_500_000, conversation.TurnYielded{}},
		{4_900_000, conversation.ModelText{Gen: 2, Text: "Yes, we are open until five today. "}},
		{5_000_000, conversation.ModelDone{Gen: 2}},
		{5_800_000, conversation.Digit{Key: '#'}},
		{6_000_000, conversation.HungUp{Remote: true, Reason: "normal"}},
	}
}

// words gives the words of a text even shares of its sound.
func words(text string, total time.Duration) []conversation.Word {
	var out []conversation.Word
	for i, c := range text + " " {
		if c == ' ' {
			out = append(out, conversation.Word{Start: strings.LastIndexByte(text[:i], ' ') + 1, End: i})
		}
	}
	for i := range out {
		out[i].From, out[i].To = total*time.Duration(i)/time.Duration(len(out)), total*time.Duration(i+1)/time.Duration(len(out))
	}
	return out
}

type step struct {
	micros int64
	in     conversation.Input
}

// write journals a call as a session does.
func write(t testing.TB, h journal.Header, steps []step) []byte {
	t.Helper()
	b, err := journal.AppendHeader(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	var w journal.Writer
	var scratch []byte
	m := conversation.New(h.Config)
	for i, s := range steps {
		at := time.Duration(s.micros) * time.Microsecond
		if b, err = w.Input(b, at, s.in); err != nil {
			t.Fatal(err)
		}
		if b, scratch, err = w.Outputs(b, scratch, m.Step(at, s.in)); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			b = w.Comment(b, at, "asked openai\nagain")
		}
	}
	return w.End(b, 7*time.Second)
}

func TestReplayIsExact(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	j, err := journal.Read(write(t, h, steps))
	if err != nil {
		t.Fatal(err)
	}
	played, err := j.Replay()
	if err != nil || len(played) != len(steps) || j.Ending != journal.Whole || j.Ended != 7*time.Second {
		t.Errorf("%d steps, %s at %v, %v", len(played), j.Ending, j.Ended, err)
	}
	if last := played[len(played)-1]; last.Turn != 1 {
		t.Errorf("turns: %d", last.Turn)
	}
	if len(j.Comments) != 1 || j.Comments[0].Text != "asked openai again" || j.Comments[0].Before != 4 {
		t.Errorf("comments: %+v", j.Comments)
	}
	if j.Header.Call != "c1" || !j.Header.Began.Equal(h.Began) || j.Header.Config.Greeting != h.Config.Greeting {
		t.Errorf("header: %+v", j.Header)
	}
}

// Journals that were written before there were rules of actions are replayed exactly.
func TestJournalsBeforeActions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/before_actions/*.journal")
	if err != nil || len(files) < 4 {
		t.Fatalf("journals: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		j, err := journal.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Replay(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestCutAnywhere: a text that was cut at any byte replays up to the cut.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	text := write(t, h, steps)
	whole := 0
	for n := range text {
		j, err := journal.Read(text[:n])
		if err != nil {
			if !errors.Is(err, journal.ErrEmpty) || whole > 0 {
				t.Fatalf("cut at %d of %d: %v", n, len(text), err)
			}
			continue
		}
		played, err := j.Replay()
		if err != nil || j.Ending != journal.Cut || len(played) < whole || len(played) > whole+1 {
			t.Fatalf("cut at %d of %d: %d steps after %d, %s, %v", n, len(text), len(played), whole, j.Ending, err)
		}
		whole = len(played)
	}
	if whole != len(steps) {
		t.Errorf("%d steps, want %d", whole, len(steps))
	}
}

// TestADifferenceIsNamed with its turn, whatever it is that changed.
func TestADifferenceIsNamed(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	text := string(write(t, h, steps))
	for name, c := range map[string]struct {
		from, to string
		want     []string
	}{
		"a constant":        {`"FinalWait":900000000`, `"FinalWait":800000000`, []string{"turn 0", "caller quiet", "another Arm", "build test"}},
		"an input":          {`"Yes, we are open until five today. "`, `"No, we are. "`, []string{"turn 1", "another Say", `Say 2 gen=2 "No, we are."`, "line 21: model text"}},
		"an output too few": {"= Arm:", "= Hangup:00 Arm:", []string{"turn 0", "recorded Hangup"}},
		"word lists":        {`"tables":"`, `"tables":"0`, nil},
	} {
		changed := strings.Replace(text, c.from, c.to, 1)
		if changed == text {
			t.Errorf("%s: the journal has no %q:\n%s", name, c.from, text)
			continue
		}
		j, err := journal.Read([]byte(changed))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = j.Replay()
		var d *journal.Difference
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.As(err, &d) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
	}
}

// TestWhatIsNoJournal is refused with the line that is wrong.
func TestWhatIsNoJournal(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	text := string(write(t, h, steps))
	for name, c := range map[string]struct{ from, to, want string }{
		"another format":   {"journal 1", "journal 2", "no journal"},
		"a newer header":   {`"call":`, `"dial":5,"call":`, "newer version"},
		"a time back":      {"\n2000000 ", "\n1000000 ", "a time of at least"},
		"an unknown input": {"line starts", "line jumps", "line 3"},
		"marks twice":      {"\n= ", "\n= Arm:ab\n= ", "marks of outputs without an input"},
		"no mark":          {"\n= ", "\n= x", "expected marks"},
		"behind the end":   {"\nend ", "\nend 1 0\nend ", "more behind"},
	} {
		changed := strings.Replace(text, c.from, c.to, 1)
		j, err := journal.Read([]byte(changed))
		if name == "no mark" && err == nil { // the kind alone is another
			_, err = j.Replay()
			c.want = "differs"
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestFull: a journal that met a limit says so, and replays.
func TestFull(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	text := write(t, h, steps)
	text = text[:bytes.LastIndex(text, []byte("end "))]
	var w journal.Writer
	j, err := journal.Read(w.Full(text, 8*time.Second, "8 MiB a call"))
	if err != nil || j.Ending != journal.Full || j.Why != "8 MiB a call" || j.Ended != 8*time.Second {
		t.Fatalf("%+v, %v", j, err)
	}
	if _, err := j.Replay(); err != nil {
		t.Error(err)
	}
}

// FuzzRead: no text makes it panic, and what was read replays or differs.
func FuzzRead(f *testing.F) {
	h, steps := sample()
	text := write(f, h, steps)
	f.Add(text)
	f.Add(goOn(f, text[:len(text)/2], conversation.HungUp{Remote: true}))
	f.Fuzz(func(t *testing.T, text []byte) {
		if j, err := journal.Read(text); err == nil && len(j.Steps) < 1000 {
			_, _ = j.Replay()
			_, _ = j.Past()
		}
	})
}
