package script

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// Entry is an input of a call and its time since the call's beginning, which is
// in whole microseconds as conversation.Machine counts it.
type Entry struct {
	At time.Duration
	In conversation.Input
}

// MaxLine is the longest line of a journal that is read, in bytes.
const MaxLine = 16 << 20

// AppendEntry appends e as a line of a journal, with its end. What At has below a
// microsecond is dropped, as Machine.Step does. It fails for a time before the
// call's beginning and an input that this package does not know; b is then
// returned unchanged.
func AppendEntry(b []byte, e Entry) ([]byte, error) {
	if e.At < 0 {
		return b, fmt.Errorf("a journal has no time before the call: %v", e.At)
	}
	out := strconv.AppendInt(b, e.At.Microseconds(), 10)
	out, err := AppendInput(append(out, ' '), e.In)
	if err != nil {
		return b, err
	}
	return append(out, '\n'), nil
}

// ReadJournal reads a journal line by line. The sequence ends with the first
// error, which is an *Error when the journal is wrong; times that go back are. A
// last line without its end was not written whole, and is an error too.
func ReadJournal(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, MaxLine)
		lines.Split(wholeLines)
		at := time.Duration(0)
		for n := 1; lines.Scan(); n++ {
			e, err := ParseEntry(lines.Text(), at)
			if wrong := (*Error)(nil); errors.As(err, &wrong) {
				wrong.Line = n
			}
			if !yield(e, err) || err != nil {
				return
			}
			at = e.At
		}
		if err := lines.Err(); err != nil {
			yield(Entry{}, fmt.Errorf("read journal: %w", err))
		}
	}
}

// wholeLines splits like bufio.ScanLines, but leaves the end to the line and
// refuses a last line without one.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// ParseEntry reads a line of a journal, without its end, whose time is not before
// earliest. Its errors are of type *Error.
func ParseEntry(line string, earliest time.Duration) (Entry, error) {
	f := form{reading: true, text: line}
	micros, n, ok := digits(line)
	if !ok || micros > uint64((1<<63-1)/time.Microsecond) {
		f.fail("a time in microseconds")
		return Entry{}, f.err
	}
	at := time.Duration(micros) * time.Microsecond
	if at < earliest {
		f.fail(fmt.Sprintf("a time of at least %d", earliest.Microseconds()))
		return Entry{}, f.err
	}
	f.advance(n)
	f.blank()
	if f.err != nil {
		return Entry{}, f.err
	}
	in, err := parseInput(line, f.at)
	if err != nil {
		return Entry{}, err
	}
	return Entry{At: at, In: in}, nil
}
