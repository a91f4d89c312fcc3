package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func TestParse(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for body, want := range map[string]string{
		`{"a":1,"A":2}`:         "",
		` {"a":{"b":[1,{}]}} `:  "",
		deep(64):                "",
		deep(65):                "body must not be nested deeper than 64",
		`{"a":1,"a":2}`:         "a must be given once",
		`{"a":{"b":1,"b":1}}`:   "b must be given once",
		`{"a":[{"b":1,"b":1}]}`: "b must be given once",
		`{"a":1} {}`:            "body must hold one JSON value",
		`{"a":1}x`:              "body must hold one JSON value",
		`{"a":`:                 "body must be complete JSON",
		`{"a" 1}`:               "body must be JSON",
		`[1]`:                   "body must be a JSON object",
		`"text"`:                "body must be a JSON object",
		"{\"a\":\"\xff\"}":      "body must be UTF-8",
		`{"a":"b\u0000c"}`:      "body must not contain the character U+0000",
		`{"a\u0000":1}`:         "body must not contain the character U+0000",
	} {
		_, err := Parse([]byte(body))
		got := ""
		if err != nil {
			got = sidetone.MessageOf(err)
		}
		if got != want {
			t.Errorf("%.40s: got %q, want %q", body, got, want)
		}
	}
}

// TestParseKeepsWhatWasSent: order, letter case, numbers as they are written.
func TestParseKeepsWhatWasSent(t *testing.T) {
	t.Parallel()
	const text = `{"z":1.50,"a":{"B":[true,null,"<é>"],"b":{}},"A":12345678901234567890,"":"\\u2028"}`
	o, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Encode(o); err != nil || string(got) != text {
		t.Errorf("got %s, %v, want %s", got, err, text)
	}
	want := Object{
		{"z", json.Number("1.50")}, {"a", Object{{"B", []any{true, nil, "<é>"}}, {"b", Object{}}}},
		{"A", json.Number("12345678901234567890")}, {"", `\u2028`},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	o := Object{{"type", "a"}, {"id", nil}}
	changed := o.With("id", "1").With("new", true)
	if diff := cmp.Diff(Object{{"type", "a"}, {"id", "1"}, {"new", true}}, changed); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if id, ok := o.Get("id"); id != nil || !ok || !o.Has("id") || o.Has("new") {
		t.Errorf("the object itself became %v", o)
	}
	if diff := cmp.Diff(Object{{"new", true}}, changed.Only("new", "nothing")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// FuzzParse: what Parse takes is an object for encoding/json, too, and encodes to
// what it means.
func FuzzParse(f *testing.F) {
	f.Add(`{"a":{"b":[1,2.5e-7,"x",null]},"":"\u0041"}`)
	f.Add(`{"a":1}{`)
	f.Add(`{"a" 1}`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse([]byte(text))
		if err != nil {
			if sidetone.CodeOf(err) != sidetone.Invalid {
				t.Fatal(err)
			}
			return
		}
		encoded, err := Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		for raw, dest := range map[string]*map[string]any{text: &want, string(encoded): &got} {
			decoder := json.NewDecoder(strings.NewReader(raw))
			decoder.UseNumber()
			if err := decoder.Decode(dest); err != nil {
				t.Fatalf("%q: %v", raw, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
	})
}
