package sidetone_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
)

func disclosingAgent(extra string) sidetone.Agent {
	a := sidetone.NewAgent("a", "e", "p", time.Time{})
	a.Extra = []byte(extra)
	return a
}

func TestWhoDiscloses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		extra   string
		numbers string
		want    sidetone.Disclosing
	}{
		{`{}`, "+12025550123 +12025550142", sidetone.Disclosing{}},
		{`{}`, "+4930901820 +12025550142", sidetone.Disclosing{Country: "DE", Text: "usual"}},
		{`{}`, "anonymous +35312345678", sidetone.Disclosing{Country: "IE", Text: "usual"}},
		{`{}`, "+33123456789 +4930901820", sidetone.Disclosing{Country: "FR", Text: "usual"}},
		{`{"ai_disclosure":null}`, "+4930901820", sidetone.Disclosing{Country: "DE", Text: "usual"}},
		{`{"ai_disclosure":{"mode":"never"}}`, "+4930901820", sidetone.Disclosing{Country: "DE", Waived: true}},
		{`{"ai_disclosure":{"mode":"never"}}`, "+12025550142", sidetone.Disclosing{}},
		{`{"ai_disclosure":{"mode":"always","text":"mine"}}`, "+12025550142", sidetone.Disclosing{Text: "mine"}},
		{`{"ai_disclosure":{"text":"mine","texts":{"DE":"meiner"}}}`, "+4930901820", sidetone.Disclosing{Country: "DE", Text: "meiner"}},
		{`{"ai_disclosure":{"text":"mine","texts":{"DE":"meiner"}}}`, "+46812345678", sidetone.Disclosing{Country: "SE", Text: "mine"}},
	} {
		if got := disclosingAgent(c.extra).Disclosure().DiscloseTo("usual", strings.Fields(c.numbers)...); got != c.want {
			t.Errorf("%s, %s: got %+v, want %+v", c.extra, c.numbers, got, c.want)
		}
	}
}

func TestDisclosuresAreChecked(t *testing.T) {
	t.Parallel()
	for extra, want := range map[string]string{
		`{"ai_disclosure":{"mode":"auto","text":"t","texts":{"DE":"x"}}}`: "",
		`{"ai_disclosure":{"mode":"maybe"}}`:                              "ai_disclosure.mode must be one of auto, always, never",
		`{"ai_disclosure":{"text":7}}`:                                    "ai_disclosure must be an object",
		`{"ai_disclosure":{"texts":{"de":"x"}}}`:                          "ai_disclosure.texts must have",
		`{"ai_disclosure":{"texts":{"DE":" "}}}`:                          "ai_disclosure.texts must have",
		`{"ai_disclosure":{"text":"` + strings.Repeat("x", 1025) + `"}}`:  "ai_disclosure.text must",
	} {
		err := disclosingAgent(extra).Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(sidetone.MessageOf(err), want)) {
			t.Errorf("%.60s: got %v, want %q", extra, err, want)
		}
	}
}

// Each country has one code, and no code is the beginning of another.
func TestDisclosureCountries(t *testing.T) {
	t.Parallel()
	all := sidetone.DisclosureCountries()
	if len(all) != 27 {
		t.Errorf("%d countries", len(all))
	}
	for i, a := range all {
		for j, b := range all {
			if i != j && (a.Country == b.Country || strings.HasPrefix(b.Code, a.Code)) {
				t.Errorf("%+v and %+v", a, b)
			}
		}
	}
}
