package sip

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// newParser makes a parser of messages. Of headers that a call goes on without, one
// that cannot be read is kept as text and has no other effect.
func newParser() *sip.Parser {
	parsers := maps.Clone(sip.DefaultHeadersParser())
	for _, name := range []string{"Contact", "Max-Forwards", "Route", "Record-Route", "Refer-To", "Referred-By"} {
		key := strings.ToLower(name)
		parsers[key] = lenient(name, parsers[key])
	}
	parsers["m"] = parsers["contact"]
	parsers["cseq"] = parseCSeq
	return sip.NewParser(sip.WithHeadersParsers(parsers), func(p *sip.Parser) { p.MaxMessageLength = maxMessage })
}

// lenient keeps what parse cannot read. Its error with which the parser says that a
// header has a second value is handed on: there the value has been read.
func lenient(name string, parse sip.HeaderParser) sip.HeaderParser {
	return func(given []byte, text string) (sip.Header, error) {
		h, err := parse(given, text)
		if err == nil || err.Error() == "comma detected" {
			return h, err
		}
		return sip.NewHeader(name, text), nil
	}
}

// parseCSeq reads a CSeq header, with any blanks between number and method
// (https://www.rfc-editor.org/rfc/rfc3261#section-20.16).
func parseCSeq(_ []byte, text string) (sip.Header, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return nil, fmt.Errorf("CSeq %q is no number and method", clip(text))
	}
	number, err := strconv.ParseUint(fields[0], 10, 31)
	if err != nil {
		return nil, fmt.Errorf("CSeq: %w", err)
	}
	return &sip.CSeqHeader{SeqNo: uint32(number), MethodName: sip.RequestMethod(fields[1])}, nil
}

// parseMessage reads a whole message. What is wrong in a way that leaves one meaning is
// mended: line ends before it, a status line without the blank before its reason
// (https://www.rfc-editor.org/rfc/rfc3261#section-7.2), and lines that are no headers.
func parseMessage(parser *sip.Parser, raw []byte) (sip.Message, error) {
	msg, err := parser.ParseSIP(raw)
	if err != nil {
		if better := mended(raw); better != nil {
			return parser.ParseSIP(better)
		}
	}
	return msg, err
}

// mended returns a message with its lines in order; nil when nothing was to be mended.
func mended(raw []byte) []byte {
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		return nil
	}
	lines := strings.Split(string(head), "\r\n")
	better := lines[:1:1]
	if fields := strings.Fields(lines[0]); len(fields) == 2 && strings.EqualFold(fields[0], "SIP/2.0") {
		better[0] = fields[0] + " " + fields[1] + " "
	}
	kept := true
	for _, line := range lines[1:] {
		if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") { // else it goes with the one before
			kept = strings.Contains(line, ":")
		}
		if kept {
			better = append(better, line)
		}
	}
	if text := strings.Join(better, "\r\n"); text != string(head) {
		return append([]byte(text+"\r\n\r\n"), body...)
	}
	return nil
}

// framer cuts a stream into messages
// (https://www.rfc-editor.org/rfc/rfc3261#section-18.3).
type framer struct {
	longest  int // a message may be
	in       bytes.Buffer
	searched int // how much of it has no end of headers
}

// next returns the next whole message of what has been written, which holds until more is written; nil when it
// is not complete yet. After an error nobody knows where the next one begins.
func (f *framer) next() ([]byte, error) {
	text := f.in.Bytes()
	line, _, whole := bytes.Cut(text, []byte("\r\n"))
	if text[0] <= ' ' || text[0] > '~' || whole && !bytes.Contains(bytes.ToUpper(line), []byte("SIP/")) {
		return nil, errors.New("no message of SIP") // but of TLS, or HTTP
	}
	end := bytes.Index(text[f.searched:], []byte("\r\n\r\n"))
	if end < 0 {
		f.searched = max(0, len(text)-3)
		if len(text) > f.longest {
			return nil, sip.ErrMessageTooLarge
		}
		return nil, nil
	}
	end += f.searched
	f.searched = end
	length, err := bodyLength(string(text[:end]))
	if err != nil {
		return nil, err
	}
	size := end + len("\r\n\r\n") + length
	switch {
	case size > f.longest:
		return nil, sip.ErrMessageTooLarge
	case size > len(text):
		return nil, nil
	}
	f.searched = 0
	return f.in.Next(size), nil
}

// bodyLength is the length of the body that the head of a message tells, which over a
// stream it must. Two lengths are an error unless they are the same: others on the way
// may take the other one.
func bodyLength(head string) (int, error) {
	length := -1
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(head)
	for line := range strings.SplitSeq(unfolded, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "content-length" && name != "l" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
		if err != nil {
			return 0, fmt.Errorf("length of the body: %w", err)
		}
		if length >= 0 && length != int(n) {
			return 0, errors.New("two lengths of the body")
		}
		length = int(n)
	}
	if length < 0 {
		return 0, errors.New("no length of the body")
	}
	return length, nil
}
