package phonenumber_test

import (
	"errors"
	"testing"

	"github.com/sidetone/sidetone/phonenumber"
)

func TestMayDial(t *testing.T) {
	t.Parallel()
	us := []string{"US"}
	cases := []struct {
		name string
		d    phonenumber.Dialling
		want string
		rule phonenumber.Rule
	}{
		{"normal form", phonenumber.Dialling{Number: "+1 (202) 555-0142"}, "+12025550142", ""},
		{"as it is dialled at home", phonenumber.Dialling{Number: "020 7946 0000", Country: "GB"}, "+442079460000", ""},
		{"no country", phonenumber.Dialling{Number: "2025550142"}, "", phonenumber.RuleNumber},
		{"emergency", phonenumber.Dialling{Number: "911"}, "", phonenumber.RuleNumber},
		{"emergency with a country", phonenumber.Dialling{Number: "112", Country: "DE"}, "", phonenumber.RuleNumber},
		{"emergency behind a plus", phonenumber.Dialling{Number: "+1911"}, "", phonenumber.RuleNumber},
		{"short code", phonenumber.Dialling{Number: "22000", Country: "US"}, "", phonenumber.RuleNumber},
		{"extension", phonenumber.Dialling{Number: "104"}, "", phonenumber.RuleNumber},
		{"blocked", phonenumber.Dialling{Number: "+12025550142", Blocked: true}, "", phonenumber.RuleDoNotCall},
		{"blocked colleague", phonenumber.Dialling{Number: "+12025550142", Blocked: true, Colleague: true}, "+12025550142", ""},
		{"own country", phonenumber.Dialling{Number: "+12025550142", Countries: us}, "+12025550142", ""},
		{"abroad", phonenumber.Dialling{Number: "+442079460000", Countries: us}, "", phonenumber.RuleCountry},
		{"another country with the same calling code", phonenumber.Dialling{Number: "+18765550123", Countries: us}, "", phonenumber.RuleCountry},
		{"colleague abroad", phonenumber.Dialling{Number: "+442079460000", Countries: us, Colleague: true}, "", phonenumber.RuleCountry},
		{"one of two countries", phonenumber.Dialling{Number: "+442079460000", Countries: []string{"GB", "US"}}, "+442079460000", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := phonenumber.MayDial(c.d)
			var no *phonenumber.Forbidden
			if errors.As(err, &no) != (c.rule != "") || no != nil && no.Rule != c.rule || got != c.want {
				t.Errorf("got %q, %v; want %q by rule %q", got, err, c.want, c.rule)
			}
		})
	}
}
