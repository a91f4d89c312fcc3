package journal_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/journaltest"
)

// wholeLines is a text up to its last whole line.
func wholeLines(text []byte) []byte { return text[:bytes.LastIndexByte(text, '\n')+1] }

// goOn lets a call that was cut go on with some inputs, to its end.
func goOn(t testing.TB, text []byte, ins ...conversation.Input) []byte {
	t.Helper()
	j, err := journal.Read(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p, err := j.Past()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	text = append(bytes.Clone(wholeLines(text)), p.Missing...)
	at := p.Until + 3*time.Second
	var scratch []byte
	for _, in := range append([]conversation.Input{conversation.Resumed{Until: p.Until}}, ins...) {
		if text, err = p.Writer.Input(text, at, in); err != nil {
			t.Fatal(err)
		}
		if text, scratch, err = p.Writer.Outputs(text, scratch, p.Machine.Step(at, in)); err != nil {
			t.Fatal(err)
		}
		at += 500 * time.Millisecond
	}
	return text
}

// TestPast: a call that was cut at any byte goes on, twice, and its journal is one that
// replays exactly and can be masked.
func TestPast(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	answered, recorded := 1500*time.Millisecond, 20*time.Millisecond
	h.Answered, h.Recorded = answered, &recorded
	text := write(t, h, steps)
	missing := 0
	for n := range text {
		j, err := journal.Read(text[:n])
		if err != nil && j == nil {
			continue
		}
		p, err := j.Past()
		if err != nil || len(p.Played) != len(j.Steps) {
			t.Fatalf("cut at %d: %d of %d steps, %v", n, len(p.Played), len(j.Steps), err)
		}
		if len(p.Missing) > 0 {
			missing++
		}
		if p.Header.Answered != answered || p.Header.Recorded == nil || *p.Header.Recorded != recorded {
			t.Fatalf("header: %+v", p.Header)
		}
		if len(j.Steps) == 0 {
			continue
		}
		again := goOn(t, text[:n], conversation.Heard{Text: "are you there", Final: true})
		whole := goOn(t, again[:len(again)-1], conversation.HungUp{Remote: true})
		read, err := journal.Read(whole)
		if err != nil {
			t.Fatalf("cut at %d: %v\n%s", n, err, whole)
		}
		played, err := read.Replay()
		if err != nil || len(played) < len(j.Steps)+3 {
			t.Fatalf("cut at %d: %d steps, %v\n%s", n, len(played), err, whole)
		}
		if _, err := read.Golden(); err != nil {
			t.Fatalf("cut at %d: masked: %v\n%s", n, err, whole)
		}
	}
	if missing == 0 {
		t.Error("no cut was between an input and its marks")
	}
}

// TestPastGoesOnExactly: the digest of the whole goes on where it was.
func TestPastGoesOnExactly(t *testing.T) {
	t.Parallel()
	cfg, entries := journaltest.Call(time.Minute)
	var steps []step
	for _, e := range entries {
		steps = append(steps, step{e.At.Microseconds(), e.In})
	}
	text := write(t, journal.Header{Call: "c", Config: cfg}, steps)
	text = wholeLines(text[:len(text)/2])
	j, err := journal.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.Past()
	if err != nil {
		t.Fatal(err)
	}
	text = p.Writer.Comment(append(text, p.Missing...), p.Until, "the server was restarted")
	in := conversation.Resumed{Until: p.Until}
	if text, err = p.Writer.Input(text, p.Until+time.Second, in); err != nil {
		t.Fatal(err)
	}
	if text, _, err = p.Writer.Outputs(text, nil, p.Machine.Step(p.Until+time.Second, in)); err != nil {
		t.Fatal(err)
	}
	whole, err := journal.Read(p.Writer.End(text, p.Until+2*time.Second))
	if err == nil {
		_, err = whole.Replay()
	}
	if err != nil || whole.Ending != journal.Whole {
		t.Errorf("%v", err)
	}
}

// TestNoPast of a journal that was not cut, or that another machine wrote.
func TestNoPast(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	text := write(t, h, steps)
	cut := text[:bytes.LastIndex(text, []byte("end "))]
	var w journal.Writer
	for name, c := range map[string]struct {
		text []byte
		want error
	}{
		"whole": {text, journal.ErrWhole},
		"full":  {w.Full(bytes.Clone(cut), 8*time.Second, "8 MiB a call"), journal.ErrFull},
	} {
		j, err := journal.Read(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Past(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	j, err := journal.Read(bytes.Replace(cut, []byte(`"FinalWait":900000000`), []byte(`"FinalWait":800000000`), 1))
	if err != nil {
		t.Fatal(err)
	}
	var d *journal.Difference
	if _, err := j.Past(); !errors.As(err, &d) {
		t.Errorf("another machine: %v", err)
	}
}
