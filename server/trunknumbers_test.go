package server

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/phonenumber"
)

// TestTrunkSettings: how a trunk writes numbers and which headers it sends, from a
// file and from a variable, as the SIP driver gets it.
func TestTrunkSettings(t *testing.T) {
	t.Parallel()
	const trunk = `{name: carrier, host: sip.carrier.example, realm: carrier.example, country: de, media: {sources: strict}, asserted_identity: true, any_caller_id: true, transfer: bridge,
      called: {in: {strip: "9", prepend: "+1"}, out: {plus: false}}, calling: {out: {strip: "+49", prepend: "0"}},
      headers_in: {X-Customer-Id: customer}, headers_out: {X-Sent-By: agents}}`
	no := false
	want := []Trunk{{Name: "carrier", Host: "sip.carrier.example", Realm: "carrier.example", Country: "de", Media: TrunkMedia{Sources: "strict"}, AssertedIdentity: true, AnyCallerID: true, Transfer: "bridge",
		Called:    TrunkNumbers{In: TrunkSpelling{Strip: "9", Prepend: "+1"}, Out: TrunkSpelling{Plus: &no}},
		Calling:   TrunkNumbers{Out: TrunkSpelling{Strip: "+49", Prepend: "0"}},
		HeadersIn: map[string]string{"X-Customer-Id": "customer"}, HeadersOut: map[string]string{"X-Sent-By": "agents"}}}
	for where, load := range map[string]func() (Config, error){
		"file":     func() (Config, error) { return LoadConfig(write(t, "sip:\n  trunks:\n    - "+trunk+"\n"), nil) },
		"variable": func() (Config, error) { return LoadConfig("", []string{"SIDETONE_SIP_TRUNKS=[" + trunk + "]"}) },
	} {
		c, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.SIP.Trunks); diff != "" {
			t.Errorf("%s (-want +got)\n%s", where, diff)
		}
		made, err := sipConfig(c.SIP, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got := made.Trunks[0]
		if got.Called != (phonenumber.Spelling{Plus: want[0].Called.Out.Plus}) && *got.Called.Plus || got.Calling.Strip != "+49" || !got.AssertedIdentity || got.HeadersIn["X-Customer-Id"] != "customer" || got.HeadersOut["X-Sent-By"] != "agents" {
			t.Errorf("%s: got %+v", where, got)
		}
	}
}

// What a trunk's settings cannot mean is refused with the key's name.
func TestBadTrunkSettings(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"country: Germany": "sip.trunks[0].country must be", "country: XX": "sip.trunks[0].country must be",
		"called: {in: {strip: abc}}":              "called.in: strip and prepend must have digits",
		`called: {in: {prepend: "1+1"}}`:          "called.in: strip and prepend must have digits",
		"transfer: blind":                         "transfer must be one of auto, refer, bridge",
		"called: {inwards: {}}":                   "unknown key sip.trunks[0].called.inwards",
		"called: {in: {cut: 1}}":                  "unknown key sip.trunks[0].called.in.cut",
		"called: 9":                               "sip.trunks[0].called must have members",
		"calling: {in: 9}":                        "sip.trunks[0].calling.in must have members",
		"media: {source: peer}":                   "unknown key sip.trunks[0].media.source",
		"headers_in: {Authorization: a}":          `headers_in: "Authorization" must not be a header with credentials`,
		"headers_in: {X-A: a b}":                  `headers_in: "X-A" must name a variable`,
		"headers_in: {X-A: a, X-B: a}":            `"X-A" and "X-B" must not name the same variable`,
		"headers_out: {Route: a}":                 `sip.trunks[0].headers_out["Route"] must be X- and a name`,
		"headers_in: [X-A]":                       "sip.trunks[0].headers_in must have members",
		"headers_in: {X A: a}":                    "must be the name of a header",
		`calling: {in: {strip: "0", plus: some}}`: "plus",
	} {
		_, err := LoadConfig(write(t, "sip: {trunks: [{name: x, "+settings+"}]}"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", settings, err, want)
		}
	}
}
