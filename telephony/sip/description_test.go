package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// What a description says besides what a call needs does not cost the call.
func TestOddDescriptions(t *testing.T) {
	t.Parallel()
	good := basicSDP(4000)
	tests := map[string]struct {
		body   string
		status int
		warn   string
	}{
		"rtpmap without an encoding":     {good + "a=rtpmap:97\r\n", 200, ""},
		"rtpmap of no number":            {good + "a=rtpmap:x opus/48000/2\r\n", 200, ""},
		"rtpmap with a clock of nothing": {good + "a=rtpmap:99 iLBC/\r\n", 200, ""},
		"tabs in rtpmap":                 {good + "a=rtpmap:8\t\tPCMA/8000\r\n", 200, ""},
		"blanks around the type":         {good + "a=rtpmap: 8 PCMA/8000 \r\n", 200, ""},
		"rtcp of nothing":                {good + "a=rtcp:\r\n", 200, ""},
		"rtcp with blanks":               {good + "a=rtcp:  4001 IN IP4 127.0.0.1\r\n", 200, ""},
		"declined video with nothing":    {good + "m=video 0\r\n", 200, ""},
		"declined fax":                   {good + "m=image 0 udptl t38\r\n", 200, ""},
		"message port of nothing":        {good + "m=message x TCP/MSRP *\r\n", 200, ""},
		"blanks at the end":              {strings.ReplaceAll(good, "\r\n", " \t\r\n"), 200, ""},
		"NUL at the end":                 {good + "\x00", 200, ""},
		"bare line feeds":                {strings.ReplaceAll(good, "\r\n", "\n"), 200, ""},
		"formats of no number":           {strings.Replace(good, "AVP 0 101", "AVP 0 x 300 101", 1), 200, ""},
		"small letters":                  {strings.Replace(good, "RTP/AVP", "rtp/avp", 1) + "a=SendRecv\r\n", 200, ""},
		"a name":                         {strings.Replace(good, "c=IN IP4 127.0.0.1", "c=IN IP4 media.example", 1), 200, ""},
		"a name in the section":          {good + "c=IN IP4 media.example\r\n", 200, ""},
		"a name that nobody knows":       {strings.Replace(good, "c=IN IP4 127.0.0.1", "c=IN IP4 nobody.example", 1), 488, "301"},
		"a name that takes too long":     {strings.Replace(good, "c=IN IP4 127.0.0.1", "c=IN IP4 slow.example", 1), 488, "301"},
		"a family without a listener":    {strings.Replace(good, "c=IN IP4 127.0.0.1", "c=IN IP6 2001:db8::1", 1), 488, "301"},
		"G722 at 16 kHz":                 {strings.Replace(good, "AVP 0 101\r\n", "AVP 9 101\r\na=rtpmap:9 G722/16000\r\n", 1), 200, ""},
		"G722 at 16 kHz of another type": {strings.Replace(good, "AVP 0 101\r\n", "AVP 96 101\r\na=rtpmap:96 g722 / 16000 / 1\r\n", 1), 200, ""},
		"PCMU at 16 kHz":                 {strings.Replace(good, "AVP 0 101\r\n", "AVP 96 101\r\na=rtpmap:96 PCMU/16000\r\n", 1), 488, "305"},
		"lines of nothing":               {strings.Replace(good, "t=0 0", "t=0 0\r\ngarbage\r\nx\r\n=\r\na =foo\r\na=\r\na=:", 1) + "garbage\r\nx\r\n", 200, ""},
		"declined video without a port":  {good + "m=video\r\n", 200, ""},
		"a section of nothing":           {strings.Replace(good, "m=audio", "m= \r\nm=audio", 1), 200, ""},
		"twenty declined sections":       {strings.Replace(good, "m=audio", strings.Repeat("m=video 0 RTP/AVP 31\r\n", 20)+"m=audio", 1), 200, ""},
		"audio before a hundred others":  {good + strings.Repeat("m=video 0 RTP/AVP 31\r\na=inactive\r\n", 100), 200, ""},
		"small and capital letters":      {strings.NewReplacer("IN IP4", "in ip4", "m=audio", "m=AUDIO").Replace(good), 200, ""},
		"commas between formats":         {strings.Replace(good, "AVP 0 101", "AVP 0, 101", 1), 200, ""},
		"without a version":              {strings.Replace(good, "v=0\r\n", "", 1), 200, ""},
		"a byte order mark":              {"\ufeff" + good, 200, ""},
		"bare carriage returns":          {strings.ReplaceAll(good, "\r\n", "\r"), 200, ""},
		"longer than a description is":   {good + strings.Repeat("a=x:"+strings.Repeat("y", 1000)+"\r\n", 40), 200, ""},
		"audio without a port":           {"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio\r\n", 400, ""},
		"no formats":                     {strings.Replace(good, "AVP 0 101", "AVP", 1), 488, "305"},
		"a port of nothing":              {strings.Replace(good, "audio 4000", "audio x", 1), 400, ""},
		"no version":                     {strings.Replace(good, "v=0", "v=7", 1), 400, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) { c.Lookup = names })
			serve(t, d, accept)
			u := newRawUA(t, d, "tcp") // some are larger than a datagram of loopback
			u.send(u.request("INVITE", 1, test.body))
			got := u.status("INVITE", test.status)
			if warning := headerOf(got, "Warning"); !strings.HasPrefix(warning, test.warn) {
				t.Errorf("Warning %q, want %s", warning, test.warn)
			}
			offered, answered := strings.Count(test.body, "m=")-strings.Count(test.body, "m= "), strings.Count(got, "\r\nm=")
			if test.status == 200 && offered != answered {
				t.Errorf("%d sections were offered, %d answered:\n%s", offered, answered, got)
			}
		})
	}
}

// names is a small name service.
func names(ctx context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "media.example":
		return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")}, nil
	case "slow.example":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, errors.New("no such host")
}

// A body of several parts yields its description; the others are kept.
func TestBodiesOfSeveralParts(t *testing.T) {
	t.Parallel()
	isup := "Content-Type: application/ISUP;base=itu-t92+;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x00\x49\x00"
	session := "Content-Type: application/sdp\r\n\r\n" + basicSDP(4000)
	location := "Content-Type: application/pidf+xml\r\n\r\n<presence/>"
	mixed := func(boundary string, parts ...string) string {
		return "--" + boundary + "\r\n" + strings.Join(parts, "\r\n--"+boundary+"\r\n") + "\r\n--" + boundary + "--\r\n"
	}
	inner := "Content-Type: multipart/alternative;boundary=in\r\n\r\n" + mixed("in", "Content-Type: text/plain\r\n\r\nhello", session)
	tests := map[string]struct {
		kind, body string
		status     int
		parts      []string
	}{
		"sdp first":          {"multipart/mixed;boundary=b1", mixed("b1", session, isup), 200, []string{"application/ISUP;base=itu-t92+;version=itu-t92+"}},
		"sdp last":           {`Multipart/Mixed; boundary="a b"`, mixed("a b", location, isup, session), 200, []string{"application/pidf+xml", "application/ISUP;base=itu-t92+;version=itu-t92+"}},
		"no boundary named":  {"multipart/mixed", mixed("xyz", isup, session), 200, []string{"application/ISUP;base=itu-t92+;version=itu-t92+"}},
		"parts within parts": {"multipart/mixed;boundary=out", mixed("out", inner, location), 200, []string{"text/plain", "application/pidf+xml"}},
		"not closed":         {"multipart/mixed;boundary=b1", strings.TrimSuffix(mixed("b1", isup, session), "--\r\n"), 200, []string{"application/ISUP;base=itu-t92+;version=itu-t92+"}},
		"no type at all":     {"", basicSDP(4000), 200, nil},
		"a part cannot be":   {"multipart/mixed;boundary=b1", mixed("b1", strings.Replace(session, "m=audio 4000", "m=audio x", 1)), 400, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			kept := make(chan []telephony.Part, 1)
			serve(t, d, func(ctx context.Context, l telephony.Leg) {
				kept <- l.Info().Parts
				accept(ctx, l)
			})
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, test.body, "Content-Type: "+test.kind))
			u.status("INVITE", test.status)
			if test.status != 200 {
				return
			}
			var got []string
			for _, p := range <-kept {
				got = append(got, p.Type)
				if len(p.Body) == 0 || bytes.HasSuffix(p.Body, []byte("\r\n")) {
					t.Errorf("part %q holds %q", p.Type, p.Body)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.parts) {
				t.Errorf("kept %q, want %q", got, test.parts)
			}
		})
	}
}

// An INVITE that comes by two ways rings once; one that is made again after it was
// refused is another try.
func TestMergedInvites(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ refuse, other bool }{
		"merged": {}, "after a refusal": {refuse: true}, "another CSeq": {other: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			calls := make(chan struct{}, 2)
			serve(t, d, func(ctx context.Context, l telephony.Leg) {
				calls <- struct{}{}
				if test.refuse {
					_ = l.Hangup(ctx, telephony.CauseBusy)
					return
				}
				accept(ctx, l)
			})
			u := newRawUA(t, d, "udp")
			first, want := 200, 482
			if test.refuse {
				first, want = 486, 486
			}
			seq := 1
			if test.other {
				seq, want = 2, 200
			}
			u.send(u.request("INVITE", 1, basicSDP(4000)))
			u.status("INVITE", first)
			u.ack(1, "")
			u.send(u.request("INVITE", seq, basicSDP(4000), "To: <sip:+12125550123@sidetone>"))
			u.status("INVITE", want)
			rung := 1
			if want != 482 {
				rung = 2
			}
			for range rung {
				select {
				case <-calls:
				case <-time.After(5 * time.Second):
					t.Fatal("it did not ring")
				}
			}
			if len(calls) != 0 {
				t.Error("it rang again")
			}
		})
	}
}
