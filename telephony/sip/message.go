package sip

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// allowed lists the methods we understand, as the Allow header has them.
const allowed = "INVITE, ACK, BYE, CANCEL, PRACK, OPTIONS, UPDATE, INFO, NOTIFY, REGISTER"

// supported lists the extensions that we have, as the Supported header has them.
const supported = "timer, 100rel, replaces"

// extensions are those that a request may require.
func extensions() []string { return strings.Split(supported, ", ") }

// header is one header of a message to send.
type header struct{ name, value string }

// headerValue returns the first header of that name, or "".
func headerValue(m sip.Message, name string) string {
	if hs := m.GetHeaders(name); len(hs) > 0 {
		return hs[0].Value()
	}
	return ""
}

// listed says whether a comma-separated header names a token.
func listed(m sip.Message, name, token string) bool {
	for _, h := range m.GetHeaders(name) {
		for part := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// tagOf returns the tag among header parameters.
func tagOf(p sip.HeaderParams) string {
	tag, _ := p.Get("tag")
	return tag
}

// response builds the response to req, which came from p
// (https://www.rfc-editor.org/rfc/rfc3261#section-8.2.6). tag becomes the To
// tag when the request has none.
func response(req *sip.Request, p peer, status int, reason, tag string, extra []header, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for i, via := range req.GetHeaders("Via") {
		value := via.Value()
		if i == 0 {
			value = stampVia(req.Via(), p)
		}
		writeHeader(&b, "Via", value)
	}
	if status > 100 && status < 300 && req.IsInvite() {
		for _, h := range req.GetHeaders("Record-Route") {
			writeHeader(&b, "Record-Route", h.Value())
		}
	}
	writeHeader(&b, "From", headerValue(req, "From"))
	to := headerValue(req, "To")
	if req.To() != nil && !req.To().Params.Has("tag") && tag != "" && status > 100 {
		to += ";tag=" + tag
	}
	writeHeader(&b, "To", to)
	writeHeader(&b, "Call-ID", headerValue(req, "Call-ID"))
	writeHeader(&b, "CSeq", headerValue(req, "CSeq"))
	writeEnd(&b, extra, body)
	return b.Bytes()
}

// stampVia adds where the request really came from
// (https://www.rfc-editor.org/rfc/rfc3581#section-4).
func stampVia(via *sip.ViaHeader, p peer) string {
	v := via.Clone()
	if port, ok := v.Params.Get("rport"); ok && port == "" {
		v.Params.Add("rport", strconv.Itoa(int(p.addr.Port())))
		v.Params.Add("received", p.addr.Addr().String())
	} else if v.Host != p.addr.Addr().String() {
		v.Params.Add("received", p.addr.Addr().String())
	}
	return v.Value()
}

func writeHeader(b *bytes.Buffer, name, value string) {
	b.WriteString(name)
	b.WriteString(": ")
	b.WriteString(value)
	b.WriteString("\r\n")
}

// writeEnd writes extra headers, the length and the body.
func writeEnd(b *bytes.Buffer, extra []header, body []byte) {
	for _, h := range extra {
		writeHeader(b, h.name, h.value)
	}
	writeHeader(b, "Content-Length", strconv.Itoa(len(body)))
	b.WriteString("\r\n")
	b.Write(body)
}

// sdpType is the header that goes with a session description.
func sdpType() header { return header{"Content-Type", "application/sdp"} }

// fault is why a request is refused.
type fault struct {
	status int
	reason string
	extra  []header
}

// Error returns the reason phrase.
func (f *fault) Error() string { return f.reason }

// validate checks what every request must have.
func validate(req *sip.Request) *fault {
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		n := len(req.GetHeaders(name))
		if n == 0 || (n > 1 && name != "Via") {
			return &fault{status: 400, reason: "Bad Request: " + name + " " + strconv.Itoa(n) + " times"}
		}
	}
	cseq := req.CSeq()
	switch {
	case len(req.GetHeaders("Content-Length")) > 1:
		return &fault{status: 400, reason: "Bad Request: two lengths"}
	case req.SipVersion != "SIP/2.0":
		return &fault{status: 505, reason: "Version Not Supported"}
	case cseq == nil || req.Via() == nil || req.From() == nil || req.To() == nil:
		return &fault{status: 400, reason: "Bad Request"}
	case !strings.EqualFold(string(cseq.MethodName), string(req.Method)): // the parser has one of them in capitals
		return &fault{status: 400, reason: "Bad Request: CSeq names another method"}
	case strings.ContainsAny(req.From().Address.String()+req.To().Address.String(), "<>\" "):
		return &fault{status: 400, reason: "Bad Request: URI"} // the parser is lenient; those whom we repeat it to are not
	case tagOf(req.From().Params) == "":
		return &fault{status: 400, reason: "Bad Request: From without a tag"}
	case req.Recipient.Scheme != "sip" && req.Recipient.Scheme != "sips" && req.Recipient.Scheme != "tel":
		return &fault{status: 416, reason: unsupportedScheme}
	}
	return nil
}

// unsupportedScheme is the reason of 416.
const unsupportedScheme = "Unsupported URI Scheme"

// checkRequire refuses extensions that we do not have.
func checkRequire(req *sip.Request) *fault {
	var unknown []string
	for _, h := range req.GetHeaders("Require") {
		for part := range strings.SplitSeq(h.Value(), ",") {
			if part = strings.TrimSpace(part); part != "" && !slices.ContainsFunc(extensions(), func(e string) bool { return strings.EqualFold(part, e) }) {
				unknown = append(unknown, part)
			}
		}
	}
	if unknown == nil {
		return nil
	}
	return &fault{420, "Bad Extension", []header{{"Unsupported", strings.Join(unknown, ", ")}}}
}

// badRequest builds a 400 for a request that does not parse, from the lines of its
// text; nil when it is not a request or names no host to respond to.
func badRequest(raw []byte, p peer) []byte {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if f := strings.Fields(lines[0]); len(f) < 2 || strings.HasPrefix(f[0], "SIP/") || f[0] == "ACK" {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + statusOfBroken(strings.Fields(lines[0])[1]) + "\r\n")
	seen := make(map[string]bool)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = longName(strings.TrimSpace(name))
		if name == "" || (seen[name] && name != "Via") {
			continue
		}
		value = strings.TrimSpace(value)
		if name == "Via" && !seen[name] {
			value += ";received=" + p.addr.Addr().String()
		}
		seen[name] = true
		writeHeader(&b, name, value)
	}
	if !seen["Via"] || !seen["Call-ID"] {
		return nil
	}
	writeEnd(&b, nil, nil)
	return b.Bytes()
}

// statusOfBroken says why a request that does not parse is refused; uri is its target.
func statusOfBroken(uri string) string {
	scheme, _, ok := strings.Cut(uri, "://") // as no URI of SIP has it
	word := func(r rune) bool {
		return r != '.' && r != '-' && r != '+' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}
	if ok && scheme != "" && !strings.ContainsFunc(strings.ToLower(scheme), word) {
		return "416 " + unsupportedScheme
	}
	return "400 Bad Request"
}

// longName returns the full name of a header that responses repeat, else "".
func longName(name string) string {
	switch strings.ToLower(name) {
	case "via", "v":
		return "Via"
	case "from", "f":
		return "From"
	case "to", "t":
		return "To"
	case "call-id", "i":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	}
	return ""
}

// userPart checks text that becomes the user of a SIP URI, so that no header
// can be smuggled in.
func userPart(s string) (string, error) {
	for _, r := range s {
		ok := r == '+' || r == '*' || r == '#' || r == '-' || r == '.' || r == '_' ||
			(r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
		if !ok {
			return "", classed{fmt.Errorf("number %q has characters that no number has", clip(s)), ErrNumber}
		}
	}
	if s == "" {
		return "", classed{errors.New("number is empty"), ErrNumber}
	}
	return strings.ReplaceAll(s, "#", "%23"), nil
}
