package loadgen

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// message is a SIP request or response (RFC 3261, section 7), as far as a
// caller needs it.
type message struct {
	// method is set in requests, status in responses.
	method string
	status int
	reason string
	// fields are the header lines in order, names in lower-case long form.
	fields []field
	body   []byte
}

// field is one header line.
type field struct{ name, value string }

// parseMessage reads one datagram as a SIP message. ok is false when it is
// none.
func parseMessage(b []byte) (m message, ok bool) {
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	start, rest, _ := strings.Cut(string(head), "\r\n")
	if !m.parseStart(start) {
		return message{}, false
	}
	m.body = body
	for line := range strings.SplitSeq(rest, "\r\n") {
		if line == "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last := len(m.fields) - 1; last >= 0 {
				m.fields[last].value += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return message{}, false
		}
		m.fields = append(m.fields, field{longName(name), strings.TrimSpace(value)})
	}
	return m, true
}

// parseStart reads the first line of a message.
func (m *message) parseStart(line string) bool {
	if after, found := strings.CutPrefix(line, "SIP/2.0 "); found {
		code, reason, _ := strings.Cut(after, " ")
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 699 {
			return false
		}
		m.status, m.reason = status, reason
		return true
	}
	method, rest, _ := strings.Cut(line, " ")
	_, version, _ := strings.Cut(rest, " ")
	if method == "" || version != "SIP/2.0" {
		return false
	}
	m.method = method
	return true
}

// longName returns a header name in lower case and long form.
func longName(name string) string {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "v":
		return "via"
	case "f":
		return "from"
	case "t":
		return "to"
	case "i":
		return "call-id"
	case "m":
		return "contact"
	case "l":
		return "content-length"
	case "c":
		return "content-type"
	default:
		return name
	}
}

// get returns the first value of the header with the lower-case long name.
func (m message) get(name string) string {
	for _, f := range m.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// sequence returns the method named in the CSeq header.
func (m message) sequence() string {
	_, method, _ := strings.Cut(m.get("cseq"), " ")
	return strings.TrimSpace(method)
}

// contact returns the URI of the Contact header without brackets and
// parameters of the header itself.
func (m message) contact() string {
	value := m.get("contact")
	if _, after, found := strings.Cut(value, "<"); found {
		uri, _, _ := strings.Cut(after, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// routes returns the Record-Route values, nearest to the caller first.
func (m message) routes() []string {
	var routes []string
	for _, f := range m.fields {
		if f.name != "record-route" {
			continue
		}
		for one := range strings.SplitSeq(f.value, ",") {
			routes = append([]string{strings.TrimSpace(one)}, routes...)
		}
	}
	return routes
}

// addressOf returns the address a SIP URI points to. ok is false when its host
// is not an IP address.
func addressOf(uri string) (addr netip.AddrPort, ok bool) {
	uri = strings.TrimPrefix(uri, "<")
	uri, _, _ = strings.Cut(uri, ">")
	rest, found := strings.CutPrefix(uri, "sip:")
	if !found {
		return addr, false
	}
	if _, after, found := strings.Cut(rest, "@"); found {
		rest = after
	}
	rest, _, _ = strings.Cut(rest, ";")
	rest, _, _ = strings.Cut(rest, "?")
	if addr, err := netip.ParseAddrPort(rest); err == nil {
		return unmap(addr), true
	}
	ip, err := netip.ParseAddr(strings.Trim(rest, "[]"))
	return netip.AddrPortFrom(ip.Unmap(), 5060), err == nil
}

// respond returns the response to a request, with our tag if it has none.
func respond(request message, status int, reason, tag string, sdp []byte, contact string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, f := range request.fields {
		switch f.name {
		case "via":
			fmt.Fprintf(&b, "Via: %s\r\n", f.value)
		case "from":
			fmt.Fprintf(&b, "From: %s\r\n", f.value)
		case "to":
			if !strings.Contains(f.value, "tag=") {
				f.value += ";tag=" + tag
			}
			fmt.Fprintf(&b, "To: %s\r\n", f.value)
		case "call-id":
			fmt.Fprintf(&b, "Call-ID: %s\r\n", f.value)
		case "cseq":
			fmt.Fprintf(&b, "CSeq: %s\r\n", f.value)
		}
	}
	fmt.Fprintf(&b, "Contact: <%s>\r\n", contact)
	if len(sdp) > 0 {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(sdp))
	b.Write(sdp)
	return b.Bytes()
}
