package sip

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// swap replaces the first match of a pattern.
func swap(pattern, by string) func(string) string {
	found := regexp.MustCompile(pattern)
	return func(text string) string {
		at := found.FindStringSubmatchIndex(text)
		if at == nil {
			panic("no " + pattern)
		}
		return text[:at[0]] + string(found.ExpandString(nil, by, text, at)) + text[at[1]:]
	}
}

// Messages that are legal but rare, or wrong in what a call does not need, get their
// call; those that could mean two things do not.
func TestOddMessages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(string) string
		status int
	}{
		"From without a tag":               {swap(`;tag=caller`, ""), 200},
		"From with an empty tag":           {swap(`;tag=caller`, ";tag"), 200},
		"CSeq with blanks":                 {swap(`CSeq: 1 INVITE`, "CSeq:   0001 \t INVITE  "), 200},
		"CSeq over two lines":              {swap(`CSeq: 1 INVITE`, "CSeq: 1\r\n INVITE"), 200},
		"CSeq in small letters":            {swap(`CSeq: 1 INVITE`, "cseq: 1 invite"), 200},
		"CSeq of another method":           {swap(`CSeq: 1 INVITE`, "CSeq: 1 BYE"), 400},
		"CSeq of two methods":              {swap(`CSeq: 1 INVITE`, "CSeq: 1 INVITE BYE"), 400},
		"CSeq without a method":            {swap(`CSeq: 1 INVITE`, "CSeq: 1"), 400},
		"CSeq without a number":            {swap(`CSeq: 1 INVITE`, "CSeq: INVITE"), 400},
		"CSeq that is too large":           {swap(`CSeq: 1 INVITE`, "CSeq: 2147483648 INVITE"), 400},
		"type with blanks":                 {swap(`application/sdp`, "Application / SDP ; charset = utf-8"), 200},
		"type over two lines":              {swap(`application/sdp`, "application\r\n /sdp"), 200},
		"version in small letters":         {swap(` SIP/2\.0\r`, " sip/2.0\r"), 200},
		"another version":                  {swap(` SIP/2\.0\r`, " SIP/3.0\r"), 505},
		"behind line ends":                 {func(s string) string { return "\r\n\r\n\r\n" + s }, 200},
		"behind line feeds":                {func(s string) string { return "\n" + s }, 200},
		"no session that is understood":    {swap(`Max-Forwards`, "Session-Expires: abc\r\nMax-Forwards"), 200},
		"no number of hops":                {swap(`Max-Forwards: 70`, "Max-Forwards: abc"), 200},
		"more hops than there are":         {swap(`Max-Forwards: 70`, "Max-Forwards: 99999999999"), 200},
		"a line without a colon":           {swap(`Max-Forwards`, "this is junk\r\nMax-Forwards"), 200},
		"a folded line without a colon":    {swap(`Max-Forwards`, "this is junk\r\n and: more\r\nMax-Forwards"), 200},
		"a blank in the caller's name":     {swap(`sip:\+12125550100@`, "sip:John Doe@"), 200},
		"a blank in the caller's host":     {swap(`@127.0.0.1>`, "@127.0.0.1 x>"), 400},
		"a blank before the caller's name": {swap(`From: <sip`, "From: < sip"), 400},
		"the same length twice":            {swap(`Content-Length: (\d+)`, "Content-Length: $1\r\nl: 0$1"), 200},
		"two lengths":                      {swap(`Content-Length: (\d+)`, "Content-Length: $1\r\nContent-Length: 1"), 400},
		"a short length, then the right":   {swap(`Content-Length: (\d+)`, "l: 1\r\nContent-Length: $1"), 400},
		"a length over two lines":          {swap(`Content-Length: (\d+)`, "Content-Length :\r\n\t$1  "), 200},
		"a length of nothing":              {swap(`Content-Length: (\d+)`, "Content-Length: x"), 400},
		"who referred it cannot be read":   {swap(`Max-Forwards`, "Referred-By: <>\r\nRefer-To: \"\r\nRoute: <\r\nMax-Forwards"), 200},
		"a call of two ids":                {swap(`Max-Forwards`, "Call-ID: other\r\nMax-Forwards"), 400},
	}
	for name, test := range tests {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(name+" "+network, func(t *testing.T) {
				t.Parallel()
				d := newDriver(t, nil)
				serve(t, d, accept)
				u := newRawUA(t, d, network)
				u.callID = strings.ReplaceAll(u.callID, ",", "")
				u.send(test.change(u.request("INVITE", 1, basicSDP(4000))))
				deadline := time.Now().Add(20 * time.Second)
				for {
					msg := u.receive(time.Until(deadline))
					if msg == "" {
						t.Fatal("no response")
					}
					if strings.HasPrefix(msg, "SIP/2.0 1") {
						continue
					}
					if !strings.HasPrefix(msg, "SIP/2.0 "+itoa(test.status)) {
						t.Errorf("got\n%s", msg)
					}
					return
				}
			})
		}
	}
}

// A message that cannot be read does not take the other calls of its connection along,
// as long as it says where it ends.
func TestBrokenMessageOverTCP(t *testing.T) {
	t.Parallel()
	u := newRawUA(t, newDriver(t, nil), "tcp")
	u.send(u.request("OPTIONS", 1, "hello", "Content-Type: text/plain", "To: <"))
	u.status("OPTIONS", 400)
	u.send(u.request("OPTIONS", 2, ""))
	u.status("OPTIONS", 200)
	for _, text := range []string{"GET / HTTP/1.1\r\n", swap(`Content-Length: \d+\r\n`, "")(u.request("OPTIONS", 3, "")), "INVITE " + strings.Repeat("x", maxMessage)} {
		u := newRawUA(t, newDriver(t, nil), "tcp")
		_, _ = u.conn.Write([]byte(text)) // it may be closed on the way
		u.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			if _, err := u.in.ReadByte(); err != nil {
				if strings.Contains(err.Error(), "timeout") {
					t.Errorf("%.20q: the connection stays", text)
				}
				break
			}
		}
	}
}

// A caller by RFC 2543, without tag and branch, has a whole call.
func TestCallWithoutTags(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	serve(t, d, accept)
	u := newRawUA(t, d, "udp")
	old := func(text string) string {
		return swap(`;branch=[^;\r]+`, "")(swap(`;tag=caller`, "")(text))
	}
	u.send(old(u.request("INVITE", 1, basicSDP(4000))))
	ok := u.status("INVITE", 200)
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.send(old(u.request("ACK", 1, "")))
	u.send(old(u.request("OPTIONS", 2, "")))
	u.status("OPTIONS", 200)
	u.send(old(u.request("BYE", 3, "")))
	u.status("BYE", 200)
	eventually(t, "the end of the call", func() bool { return d.Calls() == 0 })
}

// Responses that are wrong where a call does not need it are understood.
func TestOddResponses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{
		"no reason and no blank":   swap(`SIP/2\.0 200 OK`, "SIP/2.0 200"),
		"no reason":                swap(`SIP/2\.0 200 OK`, "SIP/2.0 200 "),
		"version in small letters": swap(`SIP/2\.0 200 OK`, "sip/2.0 200 OK"),
		"behind line ends":         func(s string) string { return "\r\n\r\n" + s },
		"CSeq with blanks":         swap(`CSeq: (\d+) INVITE`, "CSeq: $1 \t INVITE "),
		"CSeq in small letters":    swap(`CSeq: (\d+) INVITE`, "CSeq: $1 invite"),
		"a line without a colon":   swap(`\r\nCall-ID`, "\r\njunk\r\nCall-ID"),
		"To without a tag":         swap(`(\r\nTo: [^\r]+);tag=carrier`, "$1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			c.change = change
			p := placeCall(t, c)
			c.answer(c.receive(), "200 OK", basicSDP(4000))
			c.expect("ACK")
			c.change = nil
			if err := <-p.err; err != nil {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}
