package phonenumber_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/phonenumber"
)

func TestSpellingOfALine(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		spelling     phonenumber.Spelling
		number, want string
	}{
		{phonenumber.Spelling{}, "+14155550123", "+14155550123"},
		{phonenumber.Spelling{}, "02071838750", "02071838750"},
		{phonenumber.Spelling{Plus: &no}, "+14155550123", "14155550123"},
		{phonenumber.Spelling{Plus: &yes}, "14155550123", "+14155550123"},
		{phonenumber.Spelling{Plus: &yes}, "+14155550123", "+14155550123"},
		{phonenumber.Spelling{Prepend: "00"}, "+14155550123", "0014155550123"},
		{phonenumber.Spelling{Prepend: "+1"}, "4155550123", "+14155550123"},
		{phonenumber.Spelling{Strip: "+49", Prepend: "0"}, "+4930901820", "030901820"},
		{phonenumber.Spelling{Strip: "+49", Prepend: "0"}, "+14155550123", "+14155550123"},
		{phonenumber.Spelling{Strip: "+49", Prepend: "0"}, "4930901820", "4930901820"},
		{phonenumber.Spelling{Strip: "9"}, "902071838750", "02071838750"},
		{phonenumber.Spelling{Strip: "9", Plus: &yes}, "9442071838750", "+442071838750"},
		{phonenumber.Spelling{Strip: "1"}, "+14155550123", "+4155550123"},
		{phonenumber.Spelling{Strip: "1", Plus: &no}, "+14155550123", "4155550123"},
		{phonenumber.Spelling{Strip: "7777#", Prepend: "+"}, "7777#442071838750", "+442071838750"},
		{phonenumber.Spelling{Prepend: "7777#", Plus: &no}, "+442071838750", "7777#442071838750"},
		{phonenumber.Spelling{Strip: "0", Prepend: "+44"}, "02071838750", "+442071838750"},
		{phonenumber.Spelling{Strip: "9"}, "", ""},
	} {
		if got := test.spelling.Apply(test.number); got != test.want {
			t.Errorf("%+v of %q: got %q, want %q", test.spelling, test.number, got, test.want)
		}
	}
}

// Carriers deliver numbers as they like; exactly one of a trunk's own is meant.
func TestNumberThatALineMeans(t *testing.T) {
	t.Parallel()
	all := []string{"+14155550123", "+442071838750", "+4930901820", "+390612345678", "+74951234567", "+61291234567", "+81312345678", "+33123456789", "+5491123456789"}
	for _, test := range []struct {
		text, country string
		numbers, want []string
	}{
		{"+14155550123", "", all, []string{"+14155550123"}},
		{"14155550123", "", all, []string{"+14155550123"}},
		{"4155550123", "", all, []string{"+14155550123"}},
		{"0014155550123", "", all, []string{"+14155550123"}},
		{"01114155550123", "", all, []string{"+14155550123"}},
		{"(415) 555-0123", "", all, []string{"+14155550123"}},
		{"+1.415.555.0123", "", all, []string{"+14155550123"}},
		{"02071838750", "", all, []string{"+442071838750"}},
		{"2071838750", "", all, []string{"+442071838750"}},
		{"011442071838750", "", all, []string{"+442071838750"}},
		{"00442071838750", "", all, []string{"+442071838750"}},
		{"030901820", "", all, []string{"+4930901820"}},
		{"0612345678", "", all, []string{"+390612345678"}}, // Italian numbers keep their 0
		{"84951234567", "", all, []string{"+74951234567"}},
		{"81061291234567", "AU", all, nil},
		{"0011390612345678", "AU", all, []string{"+390612345678"}}, // the country's own international prefix
		{"0291234567", "AU", all, []string{"+61291234567"}},
		{"0312345678", "JP", all, []string{"+81312345678"}},
		{"01014155550123", "JP", all, []string{"+14155550123"}},
		{"0123456789", "", all, []string{"+33123456789"}},
		{"0111523456789", "AR", all, []string{"+5491123456789"}}, // a mobile as it is dialled
		{"4155550123", "GB", all, nil},                           // in that country it is another number
		{"02071838750", "GB", all, []string{"+442071838750"}},
		{"02071838750", "US", all, nil},
		{"4155550123", "", []string{"+14155550123", "+494155550123"}, []string{"+14155550123", "+494155550123"}},
		{"4155550123", "US", []string{"+14155550123", "+494155550123"}, []string{"+14155550123"}},
		{"04155550123", "", []string{"+14155550123", "+494155550123"}, []string{"+494155550123"}},
		{"+4155550123", "", []string{"+14155550123", "+4155550123"}, []string{"+4155550123"}},
		{"4155550123", "", []string{"+14155550123", "+14155550123"}, []string{"+14155550123"}},
		{"0123", "", all, nil}, {"123", "", all, nil}, {"", "", all, nil}, {"reception", "", all, nil}, {"5550123", "", all, nil},
		{"1234567890123456789014155550123", "", all, nil},
	} {
		if diff := cmp.Diff(test.want, phonenumber.Meant(test.text, test.country, test.numbers)); diff != "" {
			t.Errorf("%q in %q (-want +got):\n%s", test.text, test.country, diff)
		}
	}
}

func TestMeanings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, country string
		want          []string
	}{
		{"02071838750", "GB", []string{"+02071838750", "+4402071838750", "+442071838750"}},
		{"00442071838750", "GB", []string{"+00442071838750", "+442071838750"}},
		{"4155550123", "US", []string{"+4155550123", "+14155550123"}},
		{"011442071838750", "US", []string{"+011442071838750", "+442071838750"}},
		{"4155550123", "", []string{"+4155550123"}},
		{"01132345678", "GB", []string{"+01132345678", "+32345678", "+4401132345678", "+441132345678"}}, // Leeds, not Belgium
		{"12", "US", nil}, {"no number", "US", nil},
	} {
		if diff := cmp.Diff(test.want, phonenumber.Meanings(test.text, test.country)); diff != "" {
			t.Errorf("%q in %q (-want +got):\n%s", test.text, test.country, diff)
		}
	}
}

func TestCallerInE164(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text      string
		countries []string
		want      string
	}{
		{"+1-202-555-0147", nil, "+12025550147"},
		{"(202) 555-0147", []string{"US"}, "+12025550147"},
		{"2025550147", []string{"", "US"}, "+12025550147"},
		{"02071838750", []string{"GB"}, "+442071838750"},
		{"02071838750", []string{"US", "GB"}, "+442071838750"},
		{"442071838750", []string{"US"}, "+442071838750"}, // without plus, as many carriers send it
		{"00442071838750", []string{"DE"}, "+442071838750"},
		{"2025550147", nil, "2025550147"},
		{"2025550147", []string{"DE"}, "2025550147"}, // without the trunk prefix of one town or another
		{"anonymous", []string{"US"}, "anonymous"},
		{"201", []string{"US"}, "201"}, {"", []string{"US"}, ""}, {"+", nil, "+"},
	} {
		if got := phonenumber.Caller(test.text, test.countries...); got != test.want {
			t.Errorf("%q in %v: got %q, want %q", test.text, test.countries, got, test.want)
		}
	}
}

func TestLineCaller(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, country, want string }{
		{"2071838999", "GB", "+442071838999"}, {"7911123456", "GB", "+447911123456"}, {"02071838999", "GB", "+442071838999"},
		{"442071838999", "GB", "+442071838999"}, {"+442071838999", "GB", "+442071838999"}, {"0044 20 7183 8999", "GB", "+442071838999"},
		{"3012345679", "DE", "+493012345679"}, {"2025550147", "DE", "+492025550147"}, {"142685300", "FR", "+33142685300"},
		{"390612345678", "DE", "+390612345678"}, // with country code, as it is taken without a trunk, too
		{"493012345679", "GB", "+493012345679"}, {"2025550147", "US", "+12025550147"},
		{"201", "GB", "201"}, {"7183899", "GB", "7183899"}, {"anonymous", "GB", "anonymous"}, {"", "GB", ""}, {"reception2", "GB", "reception2"},
	} {
		if got := phonenumber.LineCaller(test.text, test.country); got != test.want {
			t.Errorf("%q in %s: got %q, want %q", test.text, test.country, got, test.want)
		}
	}
}

// FuzzMeanings: what a text means has the form of E.164, and each number is meant
// by its own digits in every country.
func FuzzMeanings(f *testing.F) {
	for _, text := range []string{"+14155550123", "02071838750", "011442071838750", "8~10", "0011", "9" + "0", "(0) 30 / 90"} {
		f.Add(text, "GB")
	}
	f.Add("4155550123", "xx")
	f.Fuzz(func(t *testing.T, text, country string) {
		for _, at := range []string{country, "US", "RU", ""} {
			for _, e164 := range phonenumber.Meanings(text, at) {
				if ours, ok := phonenumber.Digits(e164); !ok || ours != e164 {
					t.Fatalf("%q in %q means %q", text, at, e164)
				}
			}
		}
		if e164, ok := phonenumber.Digits(text); ok && len(e164) > 4 && !slices.Contains(phonenumber.Meant(e164, country, []string{e164}), e164) {
			t.Fatalf("%q does not mean itself", e164)
		}
		phonenumber.Caller(text, country)
		phonenumber.LineCaller(text, country)
	})
}
