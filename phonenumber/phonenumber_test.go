package phonenumber_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sidetone/sidetone/phonenumber"
)

const tablePath = "testdata/spellings.txt"

// TestSpellings compares what spellings mean with a table that people can read:
// one column for each rule and default country. With UPDATE_GOLDEN=1 it writes
// the table from its first column instead.
func TestSpellings(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rows := 0
	for line := range strings.Lines(string(raw)) {
		spelling, _, isRow := strings.Cut(line, "|")
		if strings.HasPrefix(line, "#") || !isRow {
			b.WriteString(line)
			continue
		}
		rows++
		b.WriteString(row(unquoted(spelling)))
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(tablePath, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if rows < 60 {
		t.Errorf("the table has %d spellings, want 60 or more", rows)
	}
	if diff := cmp.Diff(string(raw), b.String()); diff != "" {
		t.Errorf("(-table +read)\n%s", diff)
	}
}

// unquoted is a spelling of the table: spaces at its ends do not count, and ·
// stands for one, ~ for a no-break space.
func unquoted(cell string) string {
	return strings.NewReplacer("·", " ", "~", "\u00a0").Replace(strings.TrimSpace(cell))
}

func quoted(text string) string {
	inner := strings.ReplaceAll(text, "\u00a0", "~")
	if strings.TrimSpace(inner) != inner {
		return strings.ReplaceAll(inner, " ", "·")
	}
	return inner
}

func row(text string) string {
	cells := []string{"-"}
	if e164, ok := phonenumber.Digits(text); ok {
		cells[0] = e164
	}
	for _, read := range []func(text, country string) (string, error){phonenumber.Read, phonenumber.Shown} {
		for _, country := range []string{"", "US", "DE"} {
			e164, err := read(text, country)
			cells = append(cells, cell(e164, err))
		}
	}
	line := fmt.Sprintf("%-24s", quoted(text))
	for _, c := range cells {
		line += fmt.Sprintf(" | %-16s", c)
	}
	return strings.TrimRight(line, " ") + "\n"
}

func cell(e164 string, err error) string {
	if err == nil {
		return e164
	}
	for word, known := range map[string]phonenumber.Error{
		"none": phonenumber.ErrNone, "spelling": phonenumber.ErrSpelling, "country": phonenumber.ErrCountry, "national": phonenumber.ErrNational,
		"impossible": phonenumber.ErrImpossible, "short": phonenumber.ErrShort, "emergency": phonenumber.ErrEmergency,
	} {
		if errors.Is(err, known) {
			return word
		}
	}
	return "unknown error"
}

// FuzzRead: what is read is read again as itself by every rule and names one of
// ours; what cannot be called says why.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"+12025550142", "(202) 555-0142", "011 49 30 901820", "201", "+", "1-800-FLOWERS", "+49 (0)30 901820", "0201000000000000", "3100000", "49000000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, country := range []string{"", "US", "DE", "AR", "IT"} {
			for _, read := range []func(text, country string) (string, error){phonenumber.Read, phonenumber.Shown} {
				e164, err := read(text, country)
				var reason phonenumber.Error
				if err != nil && !errors.As(err, &reason) {
					t.Errorf("%q in %q: %v", text, country, err)
				}
				if err != nil {
					continue
				}
				if again, err := phonenumber.Read(e164, "US"); err != nil || again != e164 {
					t.Errorf("%q in %q is %s, which is read as %s (%v)", text, country, e164, again, err)
				}
				if ours, ok := phonenumber.Digits(e164); !ok || ours != e164 {
					t.Errorf("%q in %q is %s, which names %s (%v)", text, country, e164, ours, ok)
				}
			}
		}
	})
}

// TestOtherwise: digits that were once taken for an international number have
// the other meaning that dialling them has.
func TestOtherwise(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ stored, country, want string }{
		{"+2025550142", "US", "+12025550142"}, {"+12025550142", "US", ""}, {"+2025550142", "DE", "+492025550142"},
		{"+01112025550142", "US", "+12025550142"}, {"+004930901820", "DE", "+4930901820"}, {"+030901820", "DE", "+4930901820"},
		{"+02071838750", "GB", "+442071838750"}, {"+442071838750", "GB", ""}, {"+442071838750", "US", ""},
		{"+911", "US", ""}, {"+201", "DE", ""}, {"+2025550142", "", ""}, {"+", "US", ""},
		{"+1712345678", "DE", "+491712345678"}, {"+30901820", "DE", "+4930901820"},
		{"+33612345678", "DE", "+4933612345678"}, {"+2034567890", "GB", "+442034567890"}, {"+0111523456789", "AR", "+5491123456789"},
	} {
		if got := phonenumber.Otherwise(test.stored, test.country); got != test.want {
			t.Errorf("%s in %q: got %q, want %q", test.stored, test.country, got, test.want)
		}
	}
}

// TestOtherwiseBlocksWhatWasMeant: the list once took digits for international
// ones; what Read makes of them now is blocked too.
func TestOtherwiseBlocksWhatWasMeant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`(0|00|011|)[1-9][0-9]{6,11}`).Draw(t, "digits")
		country := rapid.SampledFrom([]string{"US", "DE", "GB", "AR", "MX", "BR", "IT", "FR"}).Draw(t, "country")
		read, err := phonenumber.Read(digits, country)
		if err != nil || read == "+"+digits {
			return
		}
		if got := phonenumber.Otherwise("+"+digits, country); got != read {
			t.Fatalf("%s in %s: got %q, want %q", digits, country, got, read)
		}
	})
}

func TestCertain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, country, e164 string
		want                bool
	}{
		{"+2025550142", "", "+2025550142", true}, {"+2025550142", "US", "+2025550142", true},
		{"(202) 555-0142", "US", "+12025550142", true}, {"2025550142", "US", "+2025550142", false},
		{"12025550142", "", "+12025550142", false}, {"12025550142", "US", "+12025550142", true}, {"nobody", "US", "", false},
	} {
		if got := phonenumber.Certain(test.text, test.country, test.e164); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestCountries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"us": "US", "DE": "DE", "XX": "", "": "", "001": "", "USA": "", "ZZ": "", "XK": "XK"} {
		code, ok := phonenumber.Country(text)
		if ok != (want != "") || ok && code != want {
			t.Errorf("%q: got %q, %v", text, code, ok)
		}
	}
	for e164, want := range map[string]string{"+12025550142": "US", "+14165550142": "US", "+4930": "DE", "+3531": "IE", "+80012345678": "",
		"+999": "", "": "", "+x": "", "+2125": "MA"} {
		if got := phonenumber.CountryOf(e164); got != want {
			t.Errorf("%q: got %q, want %q", e164, got, want)
		}
	}
}
