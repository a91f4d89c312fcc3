package dialect

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProfileOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sdk, language, key, want string }{
		{"", "", "", "fluents"},
		{"", "Python", "", "fluents"},
		{"another-sdk", "Python", "", "fluents"},
		{"vocode-api", "Python", "", "vocode-python"},
		{"@vocode/vocode-api", "JavaScript", "", "vocode-javascript"},
		{"vocode-api", "", "", "vocode"},
		{"@vocode/vocode-api", "Elixir", "", "vocode"},
		{"", "", "vocode", "vocode"},
		{"", "", "vocode-python", "vocode-python"},
		{"", "", "nonsense", "fluents"},
		{"vocode-api", "Python", "vocode", "vocode-python"},
		{"vocode-api", "Python", "fluents", "vocode-python"},
	} {
		r := httptest.NewRequest("GET", "/v1/calls", nil)
		r.Header.Set("X-Fern-SDK-Name", test.sdk)
		r.Header.Set("X-Fern-Language", test.language)
		if got := Of(r.Header, test.key).Name; got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

// TestProfileTable compares docs/profiles.md with the profiles: every field is
// a row. With UPDATE_GOLDEN=1 it writes the table instead.
func TestProfileTable(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- profiles -->\n", "<!-- end of profiles -->\n"
	path := filepath.Join("..", "..", "docs", "profiles.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), begin)
	table, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatal("docs/profiles.md has no place for the table")
	}
	want := profileTable(t)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("run with UPDATE_GOLDEN=1: (-want +got)\n%s", diff)
	}
}

func profileTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	kind := reflect.TypeFor[Profile]()
	for i := range kind.NumField() {
		about := kind.Field(i).Tag.Get("about")
		if about == "" {
			t.Errorf("Profile.%s has no about tag", kind.Field(i).Name)
		}
		fmt.Fprintf(&b, "| %s |", about)
		for _, p := range Profiles() {
			fmt.Fprintf(&b, " %s |", cell(reflect.ValueOf(p).Field(i)))
		}
		b.WriteByte('\n')
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---", len(Profiles())) + "|\n")
		}
	}
	return b.String()
}

func cell(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return map[time.Duration]string{time.Second: "seconds", time.Millisecond: "milliseconds"}[time.Duration(v.Int())]
	case v.Kind() == reflect.Bool && v.Bool():
		return "yes"
	case v.Kind() == reflect.Bool:
		return "no"
	default:
		return v.String()
	}
}

func TestTimeForms(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 2, 6, 11, 30, 0, 123_456_789, time.FixedZone("CET", 3600))
	for form, want := range map[TimeForm]any{
		ISOTime: "2025-02-06T10:30:00.123Z", EpochNumber: 1738837800.123, EpochText: "1738837800.123",
	} {
		if got := form.Render(at); got != want {
			t.Errorf("%s: got %v, want %v", form, got, want)
		}
	}
}
