package journal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
)

// Writer writes a journal's lines behind its header into buffers of its caller. The
// zero Writer is at the beginning of a call. It is not safe for concurrent use.
type Writer struct {
	at  time.Duration
	sum digest
}

// Input appends what the machine is about to be given. Times that go back count as the
// time before, as in Machine.Step. b is returned unchanged with an error.
func (w *Writer) Input(b []byte, at time.Duration, in conversation.Input) ([]byte, error) {
	w.at = max(w.at, at)
	return script.AppendEntry(b, script.Entry{At: w.at, In: in})
}

// Outputs appends the marks of what the machine answered to the last input. scratch is
// for the outputs' texts and is returned for the next use.
func (w *Writer) Outputs(b, scratch []byte, outs []conversation.Output) (out, used []byte, err error) {
	start := len(b)
	for i, o := range outs {
		if i == 0 {
			b = append(b, '=')
		}
		if scratch, err = script.AppendOutput(scratch[:0], o); err != nil {
			return b[:start], scratch, err
		}
		w.sum.add(scratch)
		b = append(b, ' ')
		b = append(b, kindOf(scratch)...)
		b = w.sum.appendTag(append(b, ':'))
	}
	if len(outs) > 0 {
		b = append(b, '\n')
	}
	return b, scratch, nil
}

// kindOf is the word that an output's text begins with.
func kindOf(text []byte) []byte {
	for i, c := range text {
		if c == ' ' || c == '\n' {
			return text[:i]
		}
	}
	return text
}

// Comment appends what the session did. Line ends and other control characters in text
// are written as blanks.
func (w *Writer) Comment(b []byte, at time.Duration, text string) []byte {
	b = append(b, "# "...)
	b = strconv.AppendInt(b, max(w.at, at).Microseconds(), 10)
	b = append(b, ' ')
	b = append(b, strings.Map(printable, text)...)
	return append(b, '\n')
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// End appends the last line of a journal that has the whole call.
func (w *Writer) End(b []byte, at time.Duration) []byte {
	b = append(b, "end "...)
	b = strconv.AppendInt(b, max(w.at, at).Microseconds(), 10)
	return fmt.Appendf(b, " %016x\n", uint64(w.sum.value()))
}

// Full appends the last line of a journal that ends before its call, and why.
func (w *Writer) Full(b []byte, at time.Duration, why string) []byte {
	b = append(b, "full "...)
	b = strconv.AppendInt(b, max(w.at, at).Microseconds(), 10)
	b = append(b, ' ')
	b = append(b, strings.Map(printable, why)...)
	return append(b, '\n')
}

// digest is FNV-1a with 64 bits, chained over all outputs of a call. It finds what
// differs by mistake; it protects from nobody, which the seal of the file does.
type digest uint64

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func (d digest) value() digest {
	if d == 0 {
		return fnvOffset
	}
	return d
}

func (d *digest) add(text []byte) {
	h := d.value()
	for _, c := range text {
		h = (h ^ digest(c)) * fnvPrime
	}
	*d = (h ^ '\n') * fnvPrime // so that where an output ends counts, too
}

// tagSize is the length of a mark's tag.
const tagSize = 2

const tagDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"

// appendTag appends 12 bits of the digest as two characters.
func (d *digest) appendTag(b []byte) []byte {
	v := uint64(d.value())
	v ^= v>>12 ^ v>>24 ^ v>>36 ^ v>>48 ^ v>>60
	return append(b, tagDigits[v>>6&63], tagDigits[v&63])
}
