package sidetone_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func promptCollecting(fields string) sidetone.Prompt {
	p := sidetone.NewPrompt("p", "e", "Be kind.", time.Time{})
	p.CollectFields = []byte(fields)
	return p
}

func TestCollectFieldsAreRead(t *testing.T) {
	t.Parallel()
	p := promptCollecting(`["zip",{"field_type":"field_type_email","label":"E-mail","name":"mail","description":null},` +
		`{"field_type":"field_type_digits","name":"pin","min":4,"max":4,"secret":true},{"field_type":"field_type_digits","name":"code","read_back":false}]`)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	want := []sidetone.CollectField{
		{Type: sidetone.CollectText, Name: "zip", Label: "zip"}, {Type: sidetone.CollectEmail, Name: "mail", Label: "E-mail"},
		{Type: sidetone.CollectDigits, Name: "pin", Label: "pin", Min: 4, Max: 4, Secret: true}, {Type: sidetone.CollectDigits, Name: "code", Label: "code"},
	}
	if diff := cmp.Diff(want, p.Fields()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCollectFieldsAreChecked(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		`[{"label":"x"}]`:                      "collect_fields[0].name must have",
		`["a","a"]`:                            "collect_fields[1].name: another field",
		`[1]`:                                  "collect_fields[0].cannot be read",
		`[{"name":"a","field_type":"colour"}]`: "collect_fields[0].field_type must be one of",
		`[{"name":"a b","field_type":"field_type_digits"}]`:                              "collect_fields[0].name of a field of digits",
		`[{"name":"a","field_type":"field_type_choice"}]`:                                "collect_fields[0].choices must have",
		`[{"name":"a","choices":["b"]}]`:                                                 "collect_fields[0].choices belong",
		`[{"name":"a","secret":true}]`:                                                   "collect_fields[0].min, max, terminator and secret belong",
		`[{"name":"a","field_type":"field_type_digits","min":5,"max":4}]`:                "collect_fields[0].min and max",
		`[{"name":"a","field_type":"field_type_digits","terminator":"1"}]`:               "collect_fields[0].terminator",
		`[{"name":"a","field_type":"field_type_digits","secret":true,"read_back":true}]`: "collect_fields[0].read_back",
	} {
		if err := promptCollecting(fields).Validate(); err == nil || !strings.HasPrefix(sidetone.MessageOf(err), want) {
			t.Errorf("%s: %v, want %q", fields, err, want)
		}
	}
}

func TestCollectFieldValues(t *testing.T) {
	t.Parallel()
	choice := sidetone.CollectField{Type: sidetone.CollectChoice, Choices: []string{"Red", "Blue"}}
	digits := sidetone.CollectField{Type: sidetone.CollectDigits, Min: 4, Max: 6}
	for _, c := range []struct {
		field       sidetone.CollectField
		value, want string // "" is a refusal
	}{
		{sidetone.CollectField{Type: sidetone.CollectText}, " Main Street 1 ", "Main Street 1"},
		{sidetone.CollectField{Type: sidetone.CollectText}, " ", ""},
		{sidetone.CollectField{Type: sidetone.CollectEmail}, "ann@example.com", "ann@example.com"},
		{sidetone.CollectField{Type: sidetone.CollectEmail}, "Ann <ann@example.com>", ""},
		{sidetone.CollectField{Type: sidetone.CollectEmail}, "ann@example", ""},
		{sidetone.CollectField{Type: sidetone.CollectPhone}, "+1 (202) 555-0123", "+12025550123"},
		{sidetone.CollectField{Type: sidetone.CollectPhone}, "2025550123", ""},
		{sidetone.CollectField{Type: sidetone.CollectDate}, "2026-02-28", "2026-02-28"},
		{sidetone.CollectField{Type: sidetone.CollectDate}, "2026-02-30", ""},
		{sidetone.CollectField{Type: sidetone.CollectNumber}, "-12.5", "-12.5"},
		{sidetone.CollectField{Type: sidetone.CollectNumber}, "1e9", ""},
		{choice, "blue", "Blue"}, {choice, "green", ""},
		{digits, "4 1-5.9", "4159"}, {digits, "415", ""}, {digits, "4159265", ""}, {digits, "41a9", ""},
	} {
		got, err := c.field.Check(c.value)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %q: got %q, %v; want %q", c.field.Type, c.value, got, err, c.want)
		}
	}
}
