package journal

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation/script"
)

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

const (
	// ErrNone says that a text is no journal.
	ErrNone Error = "this is no journal of a call"
	// ErrEmpty says that a journal was cut before its first input: there is nothing to replay.
	ErrEmpty Error = "the journal was cut before its first input"
	// ErrWhole says that a journal cannot go on: its call is over.
	ErrWhole Error = "the journal ended with its call"
	// ErrFull says that a journal cannot go on: it met a limit.
	ErrFull Error = "the journal has no room for more"
)

// Ending says how a journal ends.
type Ending string

// The endings.
const (
	// Whole journals have all of their call.
	Whole Ending = "whole"
	// Full ones met a limit before their call was over.
	Full Ending = "full"
	// Cut ones lack their last line: the call goes on, or the process died.
	Cut Ending = "cut"
)

// Mark is what is recorded of an output.
type Mark struct{ Kind, Tag string }

// Step is an input and the marks of the outputs it had.
type Step struct {
	script.Entry
	// Line is where the input stands, counted from 1.
	Line int
	// Text is the input's text.
	Text  string
	Marks []Mark
}

// Comment is what the session did.
type Comment struct {
	At   time.Duration
	Text string
	// Before is how many inputs came before it.
	Before int
}

// Journal is a journal that was read.
type Journal struct {
	Header   Header
	Steps    []Step
	Comments []Comment
	Ending   Ending
	// Ended is the time of the last line; that of the last input when it was cut.
	Ended time.Duration
	// Why says why it is Full.
	Why string
	// digest is the one of the last line, "" without.
	digest string
}

// Read reads a journal. One that was cut anywhere is read up to the last line that is
// there as a whole; anything else that is wrong is an error that names the line. With
// ErrEmpty the journal is returned, too, if its header is there as a whole.
func Read(text []byte) (*Journal, error) {
	first, rest, ok := bytes.Cut(text, []byte{'\n'})
	switch {
	case !ok && strings.HasPrefix(magic, string(first)):
		return nil, ErrEmpty
	case string(first) != magic:
		return nil, ErrNone
	}
	head, rest, ok := bytes.Cut(rest, []byte{'\n'})
	if !ok {
		return nil, ErrEmpty
	}
	r := reader{j: &Journal{Ending: Cut}}
	var err error
	if r.j.Header, err = parseHeader(head); err != nil {
		return nil, err
	}
	for n := 3; ; n++ {
		line, after, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			break
		}
		if err := r.line(n, string(line)); err != nil {
			var wrong *script.Error
			if errors.As(err, &wrong) {
				wrong.Line = n
				return nil, fmt.Errorf("read journal: %w", err)
			}
			return nil, fmt.Errorf("read journal: line %d: %w", n, err)
		}
		rest = after
	}
	if len(r.j.Steps) == 0 && r.j.Ending == Cut {
		return r.j, ErrEmpty
	}
	return r.j, nil
}

type reader struct {
	j *Journal
	// marked says that the last input has its marks.
	marked bool
}

func (r *reader) line(n int, line string) error {
	j := r.j
	if j.Ending != Cut {
		return errors.New("there is more behind the last line")
	}
	switch first, rest, _ := strings.Cut(line, " "); first {
	case "=":
		return r.marks(rest)
	case "#":
		at, text, err := timed(rest)
		j.Comments = append(j.Comments, Comment{At: at, Text: text, Before: len(j.Steps)})
		return err
	case "end":
		at, sum, err := timed(rest)
		j.Ending, j.Ended, j.digest = Whole, at, sum
		return err
	case "full":
		at, why, err := timed(rest)
		j.Ending, j.Ended, j.Why = Full, at, why
		return err
	}
	e, err := script.ParseEntry(line, j.Ended)
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(line, " ")
	j.Steps = append(j.Steps, Step{Entry: e, Line: n, Text: text})
	j.Ended, r.marked = e.At, false
	return nil
}

func (r *reader) marks(rest string) error {
	if len(r.j.Steps) == 0 || r.marked {
		return errors.New("marks of outputs without an input")
	}
	r.marked = true
	last := &r.j.Steps[len(r.j.Steps)-1]
	for field := range strings.SplitSeq(rest, " ") {
		kind, tag, ok := strings.Cut(field, ":")
		if !ok || kind == "" || len(tag) != tagSize {
			return fmt.Errorf("expected marks of outputs, found %q", rest)
		}
		last.Marks = append(last.Marks, Mark{kind, tag})
	}
	return nil
}

// timed splits a time in microseconds from what follows it.
func timed(s string) (time.Duration, string, error) {
	micros, rest, _ := strings.Cut(s, " ")
	v, err := strconv.ParseInt(micros, 10, 53)
	if err != nil || v < 0 {
		return 0, "", fmt.Errorf("expected a time in microseconds, found %q", micros)
	}
	return time.Duration(v) * time.Microsecond, rest, nil
}
