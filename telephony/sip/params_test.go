package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestParamsOf(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"90;refresher=uas":                 "90 [{refresher uas}]",
		"90;Refresher=UAS":                 "90 [{refresher UAS}]",
		" 90 ; refresher\t=  uas ; x":      "90 [{refresher uas} {x }]",
		"90":                               "90 []",
		"":                                 " []",
		"90;;=;a=;b":                       "90 [{a } {b }]",
		`<sip:a@b;expires=1>;Expires="10"`: "<sip:a@b;expires=1> [{expires 10}]",
		`"A;expires=2" <sip:a@b>;+sip.instance="<urn:x;expires=3>";expires = 4`: `"A;expires=2" <sip:a@b> [{+sip.instance <urn:x;expires=3>} {expires 4}]`,
		`x;a="b\"c;d\\";e=f`: `x [{a b"c;d\} {e f}]`,
		`x;a="open;b=c`:      `x [{a "open;b=c}]`,
		"x;tag=a=b":          "x [{tag a=b}]",
	} {
		main, params := paramsOf(value)
		if got := fmt.Sprint(main, " ", []sip.HeaderKV(params)); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// What a 2xx and a REFER's far end say by parameters, however they are written.
func TestParametersOfResponses(t *testing.T) {
	t.Parallel()
	for value, ours := range map[string]bool{
		"1800;refresher=uas": false, "1800;refresher=uac": true, "1800": true, "1800 ; Refresher = UAS": false,
		`1800;refresher="uas"`: false, "1800;x-refresher=uas": true, `1800;x="refresher=uas"`: true, "1800;refresher=uasx": true,
	} {
		for _, name := range []string{"Session-Expires", "x"} {
			if s := sessionOfAnswer(challengeOf(t, 200, name+": "+value)); s.ours != ours || s.interval != 30*time.Minute {
				t.Errorf("%s: %s: %+v", name, value, s)
			}
		}
	}
	for value, want := range map[string]time.Duration{
		"5": 5 * time.Second, " 5 (busy; very) ;duration=60": 5 * time.Second, "5;x": 5 * time.Second, "99999": time.Hour, "soon": 0, "": 0,
	} {
		if got := retryIn(challengeOf(t, 503, "Retry-After: "+value)); got != want {
			t.Errorf("Retry-After: %s: %s, want %s", value, got, want)
		}
	}
	for value, want := range map[string]replaces{
		"a@b;to-tag=1;from-tag=2":                        {"a@b", "1", "2", false},
		" a@b ; From-Tag = \"2\" ;TO-TAG=1; Early-Only ": {"a@b", "1", "2", true},
	} {
		if got, ok := parseReplaces(value); !ok || got != want {
			t.Errorf("%q: %+v, %v", value, got, ok)
		}
	}
}

// Parameters of a caller's headers have other names in no case and with no blanks.
func TestParametersOfRequests(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	serve(t, d, accept)
	u := newRawUA(t, d, "udp")
	u.via = "SIP/2.0/UDP " + u.conn.LocalAddr().String() + ";RPort"
	u.send(u.request("INVITE", 1, basicSDP(4000), "From: <sip:+12125550100@127.0.0.1> ; TAG = caller"))
	ok := u.status("INVITE", 200)
	if via := headerOf(ok, "Via"); strings.Count(strings.ToLower(via), "rport") != 1 || !strings.Contains(via, "rport="+strings.TrimPrefix(u.conn.LocalAddr().String(), "127.0.0.1:")) {
		t.Errorf("Via %q", via)
	}
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.ack(1, "")
	u.send(strings.Replace(u.request("BYE", 2, ""), ";tag="+u.toTag, ";Tag="+u.toTag, 1))
	u.status("BYE", 200)
}

func FuzzParamsOf(f *testing.F) {
	for _, text := range []string{"90;refresher=uas", `"a;b" <sip:c;d>;e="f\";g`, ";=;", "<;>", `\";"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, params := paramsOf(text)
		for _, p := range params {
			if p.K == "" || p.K != strings.ToLower(strings.TrimSpace(p.K)) {
				t.Errorf("%q: name %q", text, p.K)
			}
		}
		if strings.Join(splitOutside(text, ';'), ";") != text {
			t.Errorf("%q is not whole", text)
		}
	})
}
