package handover_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/conversation/handover"
)

func TestMain(m *testing.M) {
	flag.Bool("rewrite", false, "write the machine's outputs into the stories")
	flag.Parse()
	os.Exit(m.Run())
}

// TestStories plays the files of testdata: lines with a time in seconds are inputs, indented
// ones what the machine answers. Its timer fires by itself, in lines that -rewrite adds. Each
// story is then played again from its inputs alone.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("stories: %d, %v; want at least 12", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(raw))
			if flag.Lookup("rewrite").Value.String() == "true" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(raw), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("it went differently (-story +machine):\n%s", diff)
			}
			if again := play(t, got); again != got {
				t.Errorf("a second time it goes differently:\n%s", cmp.Diff(got, again))
			}
		})
	}
}

// story is one that is being played.
type story struct {
	m     *handover.Machine
	shown strings.Builder
	armed *handover.Arm
}

// play returns the story as it goes.
func play(t *testing.T, text string) string {
	t.Helper()
	s := &story{m: handover.New(handover.Config{Language: "en"})}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			fmt.Fprintln(&s.shown, line)
			continue
		case strings.HasPrefix(line, "config "):
			var c handover.Config
			if _, err := fmt.Sscanf(line, "config language=%s caller=%q", &c.Language, &c.Caller); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			s.m = handover.New(c)
			fmt.Fprintln(&s.shown, line)
			continue
		case strings.HasPrefix(line, "  "), strings.Contains(line, " fired "):
			continue // what the machine says, and its timer
		}
		at, input, _ := strings.Cut(line, " ")
		seconds, err := strconv.ParseFloat(at, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		now := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
		for s.armed != nil && s.armed.At <= now {
			a := *s.armed
			s.armed = nil
			s.step(a.At, handover.Fired{Epoch: a.Epoch})
		}
		if input == "wait" {
			fmt.Fprintln(&s.shown, line)
			continue
		}
		in, err := handover.ParseInput(input)
		if err != nil {
			t.Fatal(err)
		}
		s.step(now, in)
	}
	return s.shown.String()
}

func (s *story) step(now time.Duration, in handover.Input) {
	fmt.Fprintf(&s.shown, "%.3f %s\n", now.Seconds(), handover.FormatInput(in))
	for _, out := range s.m.Step(now, in) {
		switch out := out.(type) {
		case handover.Arm:
			s.armed = &out
		case handover.Disarm:
			s.armed = nil
		}
		fmt.Fprintf(&s.shown, "  %s\n", shown(out))
	}
}

// shown is an output as stories have it.
func shown(out handover.Output) string {
	switch out := out.(type) {
	case handover.Dial:
		return "dial"
	case handover.CancelDial:
		return "cancel dial"
	case handover.Say:
		return "say " + strconv.Quote(out.Text)
	case handover.Hush:
		return "hush"
	case handover.Arm:
		return fmt.Sprintf("arm %d %.3f", out.Epoch, out.At.Seconds())
	case handover.Disarm:
		return "disarm"
	case handover.Join:
		return "join"
	case handover.HangUp:
		return "hang up"
	case handover.Over:
		return "over " + string(out.Outcome)
	}
	return fmt.Sprintf("%T", out)
}

// Every input reads back as itself, and no text makes the reader panic.
func FuzzParseInput(f *testing.F) {
	for _, in := range []handover.Input{handover.Began{}, handover.Summary{Text: "a \"b\"\n"}, handover.Answered{}, handover.Refused{Outcome: handover.Busy}, handover.Said{},
		handover.Unsaid{}, handover.Heard{Text: "ja"}, handover.Digit{Key: '#'}, handover.PersonLeft{}, handover.CallerLeft{}, handover.Fired{Epoch: 7}} {
		f.Add(handover.FormatInput(in))
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := handover.ParseInput(text)
		if err != nil {
			return
		}
		again, err := handover.ParseInput(handover.FormatInput(in))
		if err != nil || again != in {
			t.Errorf("%q reads as %#v, and that as %#v, %v", text, in, again, err)
		}
	})
}

// In whatever order things happen, it ends once, the person's line is hung up unless somebody
// talks on it, and nothing is done after.
func FuzzHandover(f *testing.F) {
	f.Add([]byte{0, 1, 2, 4, 6})
	f.Add([]byte{0, 2, 9, 4})
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := handover.New(handover.Config{Language: "en"})
		var armed uint64
		var answered, hung, joined, refused bool
		ends := 0
		take := func(i int, in handover.Input) {
			for _, out := range m.Step(time.Duration(i)*time.Second, in) {
				if ends > 0 {
					t.Errorf("%s after the end", shown(out))
				}
				switch out := out.(type) {
				case handover.Arm:
					armed = out.Epoch
				case handover.HangUp:
					hung = true
				case handover.Join:
					joined = true
				case handover.Over:
					ends++
				}
			}
		}
		inputs := []handover.Input{handover.Began{}, handover.Summary{Text: "s"}, handover.Answered{}, handover.Refused{Outcome: handover.Busy}, handover.Said{}, handover.Unsaid{},
			handover.Heard{Text: "yes"}, handover.Heard{Text: "no"}, handover.Digit{Key: '1'}, handover.CallerLeft{}, handover.PersonLeft{}}
		left := false
		take(0, handover.Began{})
		for i, b := range steps {
			k := int(b) % (len(inputs) + 1)
			if k == len(inputs) {
				take(i, handover.Fired{Epoch: armed})
				continue
			}
			in := inputs[k]
			switch in.(type) { // what cannot be
			case handover.Answered:
				if answered || refused {
					continue
				}
				answered = true
			case handover.Refused:
				if answered || refused {
					continue
				}
				refused = true
			case handover.PersonLeft:
				if !answered {
					continue
				}
				left = true
			}
			take(i, in)
		}
		if ends > 1 || hung && joined || ends == 1 && answered && !hung && !joined && !left {
			t.Errorf("ended %d times, hung up %v, joined %v", ends, hung, joined)
		}
	})
}
