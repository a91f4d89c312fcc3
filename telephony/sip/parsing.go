package sip

import (
	"maps"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// newParser makes a parser of messages. Of headers that a call goes on without, one
// that cannot be read is kept as text and has no other effect.
func newParser() *sip.Parser {
	parsers := maps.Clone(sip.DefaultHeadersParser())
	for _, name := range []string{"Contact", "Route", "Record-Route", "Refer-To", "Referred-By"} {
		key := strings.ToLower(name)
		parsers[key] = lenient(name, parsers[key])
	}
	parsers["m"] = parsers["contact"]
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
