package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
)

func linesOfTrunks() trunks {
	yes := true
	return newTrunks(nil, []Trunk{
		{Name: "one", Numbers: []string{"+14155550100", "+442071838750", "+4930901820"}},
		{Name: "two", Numbers: []string{"+12025550142", "+4922025550142"}},
		{Name: "uk", Country: "gb", Numbers: []string{"+442079460000", "+14155550177"}, AnyCallerID: true},
		{Name: "pbx", Country: "DE", Numbers: []string{"+4930901820", "+4930901821"},
			Called:  TrunkNumbers{In: TrunkSpelling{Strip: "7", Prepend: "+49309018"}},
			Calling: TrunkNumbers{In: TrunkSpelling{Strip: "0"}}},
		{Name: "e164", Numbers: []string{"+41555501000"}, Called: TrunkNumbers{In: TrunkSpelling{Plus: &yes}}},
		{Name: "ambiguous", Numbers: []string{"+14155550123", "+494155550123"}},
	})
}

// TestCalledNumber: carriers deliver national and international forms; they mean a
// number only that the trunk lists.
func TestCalledNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ trunk, text, want, why string }{
		{"one", "+14155550100", "+14155550100", ""}, {"one", "14155550100", "+14155550100", ""}, {"one", "4155550100", "+14155550100", ""},
		{"one", "02071838750", "+442071838750", ""}, {"one", "011442071838750", "+442071838750", ""}, {"one", "00442071838750", "+442071838750", ""},
		{"one", "030901820", "+4930901820", ""}, {"one", "+1-415-555-0100", "+14155550100", ""}, {"one", "(415) 555-0100", "+14155550100", ""},
		{"two", "2025550142", "+12025550142", ""}, {"two", "02025550142", "", "lists no number"}, // 0 and the area code of another town
		{"uk", "02079460000", "+442079460000", ""}, {"uk", "0014155550177", "+14155550177", ""}, {"uk", "4155550177", "", "lists no number"},
		{"pbx", "720", "+4930901820", ""}, {"pbx", "721", "+4930901821", ""}, {"pbx", "722", "", `is, read as "+4930901822"`}, {"pbx", "030901820", "+4930901820", ""},
		{"e164", "41555501000", "+41555501000", ""}, {"e164", "0041555501000", "+41555501000", ""},
		{"ambiguous", "4155550123", "", "several"}, {"ambiguous", "14155550123", "+14155550123", ""}, {"ambiguous", "04155550123", "+494155550123", ""},
		{"two", "4155550100", "", `the trunk "one" lists +14155550100`},
		{"one", "reception", "", "no telephone number"}, {"one", "201", "", "lists no number"}, {"one", "", "", "no telephone number"},
		{"", "4155550100", "+4155550100", ""}, {"", "0014155550100", "+14155550100", ""}, {"", "14155550100", "+14155550100", ""}, {"", "reception", "", "no telephone number"},
		{"gone", "14155550100", "+14155550100", ""},
	} {
		got, err := linesOfTrunks().called(test.trunk, test.text)
		var unknown *call.UnknownNumber
		if got != test.want || (err != nil) != (test.why != "") || err != nil && (!errors.As(err, &unknown) || !strings.Contains(unknown.Why, test.why) || sidetone.CodeOf(err) != sidetone.NotFound) {
			t.Errorf("%q on %q: got %q, %v; want %q, %q", test.text, test.trunk, got, err, test.want, test.why)
		}
	}
}

func TestWhatWasTriedIsSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		trunk, text string
		want        []string
	}{
		{"one", "2025550142", []string{"+2025550142", "+12025550142", "+442025550142", "+492025550142"}},
		{"uk", "02071838751", []string{"+02071838751", "+4402071838751", "+442071838751"}},
		{"ambiguous", "4155550123", []string{"+14155550123", "+494155550123"}},
		{"one", "reception", nil},
	} {
		_, err := linesOfTrunks().called(test.trunk, test.text)
		var unknown *call.UnknownNumber
		if !errors.As(err, &unknown) {
			t.Fatalf("%s: %v", test.text, err)
		}
		if diff := cmp.Diff(test.want, unknown.Tried); diff != "" {
			t.Errorf("%q on %q (-want +got)\n%s", test.text, test.trunk, diff)
		}
	}
}

func TestCallersNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ trunk, text, country, called, want string }{
		{"one", "+1-202-555-0147", "", "+4930901820", "+12025550147"},
		{"one", "2025550147", "", "+14155550100", "+12025550147"}, // as in the called number's country
		{"one", "2025550147", "", "+4930901820", "2025550147"},
		{"one", "02071838750", "GB", "+14155550100", "+442071838750"},
		{"uk", "02071838750", "US", "+442079460000", "+442071838750"}, // the trunk's country
		{"uk", "2025550147", "US", "+442079460000", "2025550147"},
		{"uk", "2071838750", "US", "+442079460000", "+442071838750"}, // without its trunk prefix
		{"uk", "442071838750", "US", "+442079460000", "+442071838750"},
		{"pbx", "0030901820", "", "+4930901820", "+4930901820"}, // 0 for the outside line
		{"pbx", "21", "", "+4930901820", "21"},
		{"", "2025550147", "US", "+14155550100", "+12025550147"}, {"", "2025550147", "", "+14155550100", "2025550147"},
		{"one", "anonymous", "US", "+14155550100", "anonymous"},
	} {
		if got := linesOfTrunks().caller(test.trunk, test.text, test.country, test.called); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

// TestCallsShowANumberOfTheirTrunk unless it shows any.
func TestCallsShowANumberOfTheirTrunk(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ provider, connection, ours, from, want string }{
		{"sip", "", "+14155550100", "+14155550100", ""}, {"sip", "", "+14155550100", "+442071838750", "of this environment"}, {"sip", "", "+442079460000", "+14155550100", "of this environment"},
		{"sip", "", "+14155550100", "+12025550999", `a number of the trunk "one"`}, {"sip", "", "+442079460000", "+12025550999", ""},
		{"sip", "", "+19995550100", "+19995550100", "no trunk, in sip.trunks or of the environment, lists +19995550100"},
		{"sip", "uk", "+442079460000", "+12025550999", ""}, {"sip", "gone", "+442079460000", "+442079460000", `no trunk is called "gone"`},
		{"simulated", "", "+14155550199", "+14155550199", ""}, {"simulated", "", "+14155550199", "+14155550100", "of this environment"},
		{"twilio", "account", "+14155550199", "+14155550199", ""},
	} {
		err := linesOfTrunks().CallerID(sidetone.Number{Number: test.ours, Provider: test.provider, ConnectionID: test.connection}, test.from)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
	lines := linesOfTrunks()
	d := &dialled{}
	lines.Driver = d
	for _, test := range []struct {
		req  telephony.DialRequest
		want string
	}{
		{telephony.DialRequest{From: "+12025550999", Ours: "+442079460000"}, "uk"},
		{telephony.DialRequest{From: "+12025550999", Ours: "+14155550100"}, ""},
		{telephony.DialRequest{From: "+14155550100"}, "one"}, {telephony.DialRequest{From: "+14155550100", Ours: "+442079460000"}, "one"},
	} {
		d.req = telephony.DialRequest{}
		_, err := lines.Dial(t.Context(), test.req, nil)
		var failed *telephony.DialError
		if !errors.As(err, &failed) || d.req.Trunk != test.want || (d.req.From == "") != (test.want == "") {
			t.Errorf("%+v: dialled %+v, %v", test.req, d.req, err)
		}
	}
}

// TestTurnsOfATrunk: a call counts with its trunk whatever number it shows.
func TestTurnsOfATrunk(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		job  sidetone.DialJob
		want string
	}{
		{sidetone.DialJob{Provider: "sip", FromNumber: "+14155550100", AgentNumber: "+14155550100"}, "sip one"},
		{sidetone.DialJob{Provider: "sip", FromNumber: "+12125550999", AgentNumber: "+442079460000"}, "sip uk"},
		{sidetone.DialJob{Provider: "sip", FromNumber: "+14155550100", AgentNumber: "+442079460000"}, "sip one"},
		{sidetone.DialJob{Provider: "sip", FromNumber: "+12125550999"}, "sip "}, {sidetone.DialJob{Provider: "simulated"}, "simulated "},
	} {
		if got := linesOfTrunks().of(test.job); got != test.want {
			t.Errorf("%+v: got %q", test.job, got)
		}
	}
}
