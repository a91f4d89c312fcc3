package telephony_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/telephony"
)

func TestHeadersThatACallMayHave(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range telephony.MaxHeaders + 1 {
		many[fmt.Sprintf("X-%d", i)] = "v"
	}
	large := map[string]string{}
	for i := range 5 {
		large[fmt.Sprintf("X-%d", i)] = strings.Repeat("v", telephony.MaxHeader)
	}
	for want, list := range map[string][]map[string]string{
		"": {
			nil, {"X-Campaign": "42"}, {"x-campaign": "Grüße; a=b"}, {"User-to-User": "56a390f3d2b7310023a2;encoding=hex"},
			{"Diversion": "<sip:+14155550123@a>;reason=no-answer"}, {"history-info": "<sip:bob@b>;index=1"}, {"X-A": strings.Repeat("v", 1024)},
		},
		"must be X-": {
			{"From": "x"}, {"To": "x"}, {"Via": "x"}, {"v": "x"}, {"Contact": "x"}, {"Route": "x"}, {"Record-Route": "x"}, {"Call-ID": "x"},
			{"CSeq": "x"}, {"Max-Forwards": "1"}, {"Authorization": "x"}, {"Proxy-Authorization": "x"}, {"Content-Type": "x"}, {"Content-Length": "1"},
			{"Identity": "x"}, {"P-Asserted-Identity": "x"}, {"Require": "x"}, {"Replaces": "x"}, {"": "x"}, {"X-": "x"}, {"X-A:": "x"}, {"X-A B": "x"},
			{"X-A\r\nRoute": "x"}, {"X-\x00": "x"}, {"X-ä": "x"}, {"X-" + strings.Repeat("a", 99): "x"},
		},
		"no line ends": {{"X-A": "a\r\nRoute: <sip:evil>"}, {"X-A": "a\n b"}, {"X-A": "a\rb"}, {"X-A": "a\x00"}, {"X-A": "a\tb"}, {"X-A": "\xff"}, {"User-to-User": "\x7f"}, {"X-A": "\u0085"}},
		"1 to 1024":    {{"X-A": ""}, {"X-A": "  "}, {"X-A": strings.Repeat("v", 1025)}},
		"once":         {{"X-A": "1", "x-a": "2"}},
		"at most":      {many, large},
	} {
		for _, headers := range list {
			err := telephony.CheckHeaders(headers)
			if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%.200q: got %v, want %q", fmt.Sprint(headers), err, want)
			}
		}
	}
}

func TestHeadersThatBecomeVariables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, variable string
		ok             bool
	}{
		{"X-Customer-Id", "customer", true}, {"User-to-User", "uui_1", true}, {"From", "caller", true},
		{"Authorization", "a", false}, {"proxy-authorization", "a", false}, {"X Customer", "a", false}, {"", "a", false},
		{"X-A", "", false}, {"X-A", "a b", false}, {"X-A", "a}", false}, {"X-A", strings.Repeat("a", 65), false},
	} {
		if err := telephony.CheckHeaderIn(test.name, test.variable); (err == nil) != test.ok {
			t.Errorf("%q as %q: %v", test.name, test.variable, err)
		}
	}
}

func TestHeadersOfAHangup(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"X-A": true, "x-a": true, "User-to-User": true, "Diversion": false, "History-Info": false} {
		if got := telephony.HangupHeader(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
