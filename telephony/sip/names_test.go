package sip

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/telephony"
)

// parsed reads an INVITE to a Request-URI with more headers, a line each; From is
// replaced when it is among them.
func parsed(t testing.TB, uri string, headers ...string) *sip.Request {
	t.Helper()
	lines := []string{"INVITE " + uri + " SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1"}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "From:") }) {
		lines = append(lines, "From: <sip:+12125550100@carrier>;tag=1")
	}
	lines = append(append(lines, headers...), "To: <sip:a@b>", "Call-ID: c", "CSeq: 1 INVITE", "Content-Length: 0", "", "")
	msg, err := sip.ParseMessage([]byte(strings.Join(lines, "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sip.Request)
}

func TestNumbersInURIs(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"sip:+12125550123@h":                                         "+12125550123",
		"sip:+12125550123@h;user=phone":                              "+12125550123",
		"sip:+1-212-555-0123;cpc=ordinary@h;user=phone":              "+1-212-555-0123",
		"sip:2125550123;phone-context=+1@h;user=phone":               "+12125550123",
		"sip:02071838750;ext=12;Phone-Context=+44@h":                 "+4402071838750",
		"sip:+12125550123;phone-context=+44@h":                       "+12125550123",
		"sip:7042;phone-context=example.com@h":                       "7042",
		"sip:reception;phone-context=+44@h":                          "reception",
		"sip:%2B12125550123;ext=5@h":                                 "+12125550123",
		"sip:%2b1%20212%20555%200123@h":                              "+1 212 555 0123",
		"sip:*31%23@h":                                               "*31#",
		"sip:100%@h":                                                 "100%",
		"sips:201@h":                                                 "201",
		"sip:h":                                                      "",
		"tel:+1-212-555-0123;ext=99":                                 "+1-212-555-0123",
		"tel:2125550123;phone-context=+1":                            "+12125550123",
		"tel:(212)555-0123;isub=1;phone-context=+1":                  "+1(212)555-0123",
		"sip:+12125550123:secret@h":                                  "+12125550123",
		"sip:+12125550123;npdi;rn=+12125550999@h:5080;transport=tcp": "+12125550123",
	} {
		if got := number(&parsed(t, uri).Recipient); got != want {
			t.Errorf("%s: got %q, want %q", uri, got, want)
		}
	}
}

func TestWhoCalls(t *testing.T) {
	t.Parallel()
	const pai = "P-Asserted-Identity: "
	for _, test := range []struct {
		headers         []string
		plain, trusting string
	}{
		{nil, "+12125550100", "+12125550100"},
		{[]string{pai + "<sip:+442071838750@carrier>"}, "+12125550100", "+442071838750"},
		{[]string{pai + `"A, B <c>" <sip:alice@carrier>, <tel:+442071838750;verstat=TN-Validation-Passed>`}, "+12125550100", "+442071838750"},
		{[]string{pai + "<sip:alice@carrier>"}, "+12125550100", "+12125550100"},
		{[]string{pai + "nonsense <"}, "+12125550100", "+12125550100"},
		{[]string{pai + "<sip:alice@carrier>", pai + "<tel:+442071838750>"}, "+12125550100", "+442071838750"},
		{[]string{`From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1`, pai + "<sip:+442071838750@c>"}, anonymous, anonymous},
		{[]string{"From: <sip:Anonymous@carrier>;tag=1"}, anonymous, anonymous},
		{[]string{"From: <sip:4711@Anonymous.Invalid>;tag=1"}, anonymous, anonymous},
		{[]string{"Privacy: id", pai + "<sip:+442071838750@c>"}, anonymous, anonymous},
		{[]string{"Privacy: session;ID;critical"}, anonymous, anonymous},
		{[]string{"Privacy: user"}, anonymous, anonymous},
		{[]string{"Privacy: none", pai + "<sip:+442071838750@c>"}, "+12125550100", "+442071838750"},
		{[]string{"From: <tel:+1-212-555-0100;verstat=No-TN-Validation>;tag=1"}, "+1-212-555-0100", "+1-212-555-0100"},
		{[]string{"From: sip:2125550100@c;user=phone;tag=1"}, "2125550100", "2125550100"},
	} {
		req := parsed(t, "sip:a@b", test.headers...)
		if got := caller(req, false); got != test.plain {
			t.Errorf("%q: got %q, want %q", test.headers, got, test.plain)
		}
		if got := caller(req, true); got != test.trusting {
			t.Errorf("%q, trusted: got %q, want %q", test.headers, got, test.trusting)
		}
	}
}

// What a contact carries besides an address is not part of a Request-URI.
func TestRemoteTarget(t *testing.T) {
	t.Parallel()
	for contact, want := range map[string]string{
		"<sip:a@192.0.2.1:5070;transport=tcp;ob>;expires=60;+sip.instance=\"<urn:x>\"": "sip:a@192.0.2.1:5070;transport=tcp;ob",
		"<sip:a@192.0.2.1?Route=%3Csip:evil%3E&X-A=b>":                                 "sip:a@192.0.2.1",
		"<sip:a@192.0.2.1;method=REGISTER;user=phone?Subject=x>;q=0.5":                 "sip:a@192.0.2.1;user=phone",
		"sip:a@192.0.2.1?Call-Info=x;expires=60":                                       "sip:a@192.0.2.1",
		"sip:a@192.0.2.1;expires=60;q=1":                                               "sip:a@192.0.2.1",
		`"A" <sip:192.0.2.1:5070;lr>`:                                                  "sip:192.0.2.1:5070;lr",
		"<sip:a@192.0.2.1>, <sip:b@192.0.2.2>;q=1":                                     "sip:a@192.0.2.1",
		"<sip:a?b@192.0.2.1>":                                                          "sip:a?b@192.0.2.1",
	} {
		target, _ := remoteTarget(contactOf(parsed(t, "sip:a@b", "Contact: "+contact)))
		if got := target.String(); got != want {
			t.Errorf("%s: got %q, want %q", contact, got, want)
		}
	}
}

func TestVariablesOfHeaders(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxVariable-1) + "ü"
	req := parsed(t, "sip:a@b", "X-Customer-Id: 4711", "x-long: "+long, "X-Twice: 1", "X-Twice: 2", "X-Empty: ", "X-Odd: a\tb\x01\xff", "X-Other: no")
	listed := map[string]string{"x-customer-id": "customer", "X-Long": "long", "X-Twice": "twice", "X-Empty": "empty", "X-Odd": "odd", "X-Missing": "missing", "From": "who"}
	want := map[string]string{"customer": "4711", "long": long[:maxVariable-1], "twice": "1, 2", "odd": "a b \ufffd", "who": "<sip:+12125550100@carrier>;tag=1"}
	if diff := cmp.Diff(want, variables(req, listed)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := variables(req, nil); got != nil {
		t.Errorf("without a list: %v", got)
	}
}

func TestAttestation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		headers []string
		want    map[string]string
	}{
		{nil, nil},
		{[]string{"Identity: eyJhbGciOi.x.y;info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken", "P-Attestation-Indicator: A", "P-Origination-ID: 123e4567", "X-Customer: 5"},
			map[string]string{"Identity": "eyJhbGciOi.x.y;info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken", "P-Attestation-Indicator": "A", "P-Origination-Id": "123e4567"}},
		{[]string{"X-Twilio-VerStat: TN-Validation-Passed-A", "x-stir-attestation: B"}, map[string]string{"X-Twilio-Verstat": "TN-Validation-Passed-A", "X-Stir-Attestation": "B"}},
		{[]string{"P-Asserted-Identity: <tel:+12125550100;verstat=TN-Validation-Passed>"}, map[string]string{"verstat": "TN-Validation-Passed"}},
		{[]string{"From: <sip:+12125550100@c>; Verstat = TN-Validation-Failed ;tag=1"}, map[string]string{"verstat": "TN-Validation-Failed"}},
		{[]string{"y: abc;info=<https://c>"}, map[string]string{"Identity": "abc;info=<https://c>"}},
		{[]string{"From: <sip:+12125550100;verstat=No-TN-Validation@c;user=phone>;tag=1"}, map[string]string{"verstat": "No-TN-Validation"}},
		{[]string{"Identity: one", "Identity: two"}, map[string]string{"Identity": "one, two"}},
	} {
		if diff := cmp.Diff(test.want, attestation(parsed(t, "sip:a@b", test.headers...))); diff != "" {
			t.Errorf("%q (-want +got)\n%s", test.headers, diff)
		}
	}
}

// What a stranger puts into numbers and ids can be stored.
func TestNumbersThatNoDatabaseTakes(t *testing.T) {
	t.Parallel()
	req := parsed(t, "sip:%00%0d%0a1%ff@h", "From: <sip:%00555\xff@h>;tag=1")
	req.ReplaceHeader(sip.NewHeader("Call-ID", "c\xff\x00"+strings.Repeat("x", 999)))
	tx := &serverTx{req: req}
	info := inboundInfo(tx, admission{}, number(&req.Recipient), nil)
	for _, text := range []string{info.From, info.To, info.ID} {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") || len(text) > maxName {
			t.Errorf("got %q", text)
		}
	}
}

// A From over several lines comes back in one, with all that it says.
func TestFoldedFrom(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		d := newDriver(t, func(c *Config) {
			c.Trunks = []Trunk{{Name: "carrier", Addresses: c.LocalSources}}
		})
		legs := make(chan telephony.Info, 1)
		serve(t, d, func(ctx context.Context, l telephony.Leg) {
			legs <- l.Info()
			l.Hangup(ctx, telephony.CauseBusy)
		})
		u := newRawUA(t, d, network)
		u.send(u.request("INVITE", 1, basicSDP(4000), "From: \"Alice\r\n \tof the \\\"Lines\\\"\"\r\n\t<sip:+1-202-555-0147@c;user=phone>\r\n ;x=\"a;b\" ; y = \"c d\"\r\n  ; tag = folded"))
		got := headerOf(u.status("INVITE", 486), "From")
		if want := `"Alice of the \"Lines\"" <sip:+1-202-555-0147@c;user=phone>;x="a;b";y="c d";tag=folded`; got != want {
			t.Errorf("%s: got %s", network, got)
		}
		if info := <-legs; info.From != "+1-202-555-0147" {
			t.Errorf("%s: called by %q", network, info.From)
		}
		u.send(u.request("ACK", 1, ""))
	}
}

// A call goes out as the trunk writes numbers, with the headers that it was given;
// those with a meaning then go with our BYE.
func TestCallThroughATrunkThatWritesOtherwise(t *testing.T) {
	t.Parallel()
	no := false
	c := newCarrier(t)
	d := newDriver(t, func(cfg *Config) {
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(),
			Called: phonenumber.Spelling{Strip: "+44", Prepend: "0"}, Calling: phonenumber.Spelling{Plus: &no}}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out := make(chan telephony.Leg, 1)
	go func() {
		defer close(out)
		leg, err := d.Dial(ctx, telephony.DialRequest{From: "+12125550100", To: "+442071838750", Trunk: "carrier",
			Headers: map[string]string{"x-campaign": " 42 ", "User-to-User": "56a3;encoding=hex", "Diversion": "<sip:+12125550111@a>"}}, nil)
		if err == nil {
			out <- leg
		}
	}()
	invite := c.receive()
	for name, want := range map[string]string{"X-Campaign": "42", "User-To-User": "56a3;encoding=hex", "Diversion": "<sip:+12125550111@a>"} {
		if got := headerOf(invite, name); got != want {
			t.Errorf("INVITE: %s is %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(invite, "INVITE sip:02071838750@") || !strings.Contains(headerOf(invite, "From"), "<sip:12125550100@") {
		t.Errorf("not as the trunk writes numbers:\n%s", invite)
	}
	c.answer(invite, "200 OK", basicSDP(4000))
	leg := <-out
	if leg == nil {
		t.Fatal("no call")
	}
	if info := leg.Info(); info.To != "+442071838750" || info.From != "+12125550100" {
		t.Errorf("called %s by %s", info.To, info.From)
	}
	if ack := c.receive(); !strings.HasPrefix(ack, "ACK ") || strings.Contains(ack, "Campaign") {
		t.Errorf("got %s", ack)
	}
	go leg.Hangup(ctx, telephony.CauseNormal)
	bye := c.receive()
	if headerOf(bye, "X-Campaign") != "42" || headerOf(bye, "User-To-User") == "" || headerOf(bye, "Diversion") != "" {
		t.Errorf("BYE:\n%s", bye)
	}
	c.answer(bye, "200 OK", "")
}

// The headers of a trunk go with the hang-up of calls that came in, unless the call has
// others; and with each call to it.
func TestHeadersOfATrunk(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	trunks := func(cfg *Config) {
		cfg.LocalSources = nil
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			HeadersOut: map[string]string{"x-sent-by": "agents", "X-Kind": "trunk", "Diversion": "<sip:+12125550111@a>"}}}
	}
	for name, test := range map[string]struct{ set, want map[string]string }{
		"nothing else": {nil, map[string]string{"X-Sent-By": "agents", "X-Kind": "trunk", "Diversion": ""}},
		"of the call":  {map[string]string{"x-kind": "call", "User-to-User": "56a3"}, map[string]string{"X-Sent-By": "agents", "X-Kind": "call", "User-To-User": "56a3", "Diversion": ""}},
	} {
		_, u, l, _ := answeredCall(t, trunks, "udp")
		if test.set != nil {
			if err := l.SetHeaders(test.set); err != nil {
				t.Fatal(err)
			}
		}
		go l.Hangup(t.Context(), telephony.CauseNormal)
		bye := u.ask("BYE")
		for header, want := range test.want {
			if got := headerOf(bye, header); got != want {
				t.Errorf("%s: %s of the BYE is %q, want %q", name, header, got, want)
			}
		}
		if err := l.SetHeaders(map[string]string{"Route": "x"}); err == nil {
			t.Error("a route may be set")
		}
		u.reply(bye, "200 OK", "")
	}
	d := newDriver(t, trunks)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = d.Dial(ctx, telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier", Headers: map[string]string{"X-Kind": "call"}}, nil)
	}()
	invite := c.receive()
	if headerOf(invite, "X-Sent-By") != "agents" || headerOf(invite, "X-Kind") != "call" || headerOf(invite, "Diversion") == "" {
		t.Errorf("got\n%s", invite)
	}
	c.answer(invite, "486 Busy", "")
	<-done
}

func TestForbiddenHeadersRingNobody(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	for _, name := range []string{"Route", "X-A\r\nRoute", "From"} {
		_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Headers: map[string]string{name: "x"}}, nil)
		var failed *telephony.DialError
		if !errors.As(err, &failed) || failed.Sent {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzCallersWords(f *testing.F) {
	f.Add(`"x, y" <sip:1@a>, <tel:+2>`, ";verstat=a", "a\r\nb")
	f.Add("<sip:%2B1;phone-context=+44@h?a=b>", "<>\",", "\xff\x00")
	f.Fuzz(func(t *testing.T, identity, from, value string) {
		req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", User: from, Host: "h"})
		req.AppendHeader(&sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: from, Host: "h"}, Params: sip.NewParams()})
		req.AppendHeader(textHeader("P-Asserted-Identity", identity))
		req.AppendHeader(textHeader("X-Attestation", value))
		caller(req, true)
		all := map[string]string{}
		maps.Copy(all, attestation(req))
		maps.Copy(all, variables(req, map[string]string{"X-Attestation": "a", "P-Asserted-Identity": "b"}))
		for name, text := range all {
			if len(text) > maxAttestation || strings.ContainsAny(text, "\r\n\x00") || strings.ToValidUTF8(text, "") != text {
				t.Fatalf("%s: %q", name, text)
			}
		}
		var uri sip.Uri
		var params sip.HeaderParams
		if _, err := sip.ParseAddressValue(identity, &uri, &params); err == nil {
			if target, _ := remoteTarget(&sip.ContactHeader{Address: uri}); target.Headers != nil {
				t.Fatalf("%q leads to %s", identity, target.String())
			}
		}
	})
}
