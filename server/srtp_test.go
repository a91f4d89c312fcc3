package server

import (
	"strings"
	"testing"
)

func TestTrunkSRTP(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trunk Trunk
		want  string // of the error
		warns bool
	}{
		"unset":              {Trunk{Host: "a.example"}, "", false},
		"off":                {Trunk{Media: TrunkMedia{SRTP: "off"}}, "", false},
		"prefer over udp":    {Trunk{Host: "a.example", Media: TrunkMedia{SRTP: "prefer"}}, "transport: tls", false},
		"require over tcp":   {Trunk{Host: "a.example", Transport: "tcp", Media: TrunkMedia{SRTP: "require"}}, "transport: tls", false},
		"inbound only":       {Trunk{Media: TrunkMedia{SRTP: "require"}}, "", false},
		"lifted":             {Trunk{Host: "a.example", Media: TrunkMedia{SRTP: "require", SRTPOverClear: true}}, "", true},
		"lifted, over tcp":   {Trunk{Host: "a.example", Transport: "tcp", Media: TrunkMedia{SRTP: "prefer", SRTPOverClear: true}}, "", true},
		"lifted for nothing": {Trunk{Media: TrunkMedia{SRTPOverClear: true}}, "srtp_over_clear", false},
		"misspelt":           {Trunk{Media: TrunkMedia{SRTP: "required"}}, "off, prefer or require", false},
	} {
		test.trunk.Name = "carrier"
		err := SIPConfig{Trunks: []Trunk{test.trunk}}.validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		findings := checkTrunkSettings(SIPConfig{Trunks: []Trunk{test.trunk}})
		if (len(findings) == 1) != test.warns {
			t.Errorf("%s: %+v", name, findings)
		}
		for _, f := range findings {
			if !f.Optional || f.Fix == "" || !strings.Contains(f.Name, "carrier") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestTrunkSRTPOverTLS(t *testing.T) {
	t.Parallel()
	if err := (Trunk{Host: "a.example", Transport: "tls", Media: TrunkMedia{SRTP: "require"}}).validateSRTP(); err != nil {
		t.Error(err)
	}
}

// The settings are read from a file and from a variable.
func TestTrunkSRTPIsRead(t *testing.T) {
	t.Parallel()
	for want, text := range map[TrunkMedia]string{
		{SRTP: "off", Sources: "strict"}:       "[{name: a, media: {srtp: off, sources: strict}}]",
		{SRTP: "require", SRTPOverClear: true}: "[{name: a, media: {srtp: require, srtp_over_clear: true}}]",
	} {
		file, err := LoadConfig(write(t, "sip: {trunks: "+text+"}"), nil)
		if err != nil || file.SIP.Trunks[0].Media != want {
			t.Errorf("file: %+v, %v", file.SIP.Trunks, err)
		}
		variable, err := LoadConfig("", []string{"SIDETONE_SIP_TRUNKS=" + text})
		if err != nil || variable.SIP.Trunks[0].Media != want {
			t.Errorf("variable: %+v, %v", variable.SIP.Trunks, err)
		}
	}
	if _, err := LoadConfig("", []string{"SIDETONE_SIP_TRUNKS=[{name: a, media: {strp: off}}]"}); err == nil || !strings.Contains(err.Error(), "media.strp") {
		t.Errorf("a misspelt key: %v", err)
	}
}

// The settings reach the driver.
func TestTrunkSRTPReachesTheDriver(t *testing.T) {
	t.Parallel()
	got, err := sipConfig(SIPConfig{Trunks: []Trunk{{Name: "carrier", Media: TrunkMedia{SRTP: "require", SRTPOverClear: true}}}}, nil)
	if err != nil || got.Trunks[0].SRTP != "require" || !got.Trunks[0].SRTPOverClear {
		t.Errorf("%+v, %v", got.Trunks, err)
	}
}
