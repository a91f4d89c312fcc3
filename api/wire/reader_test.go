package wire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func TestReaderIsTriState(t *testing.T) {
	t.Parallel()
	o, err := Parse([]byte(`{"null":null,"text":"x","three":3.0,"half":2.5,"wrong":{},"object":{ "a" : 1 },"list":["a",null],"yes":true}`))
	if err != nil {
		t.Fatal(err)
	}
	d := &Reader{Members: o}
	for _, test := range []struct{ got, want any }{
		{d.Text("absent"), sidetone.Optional[string]{}},
		{d.Text("null"), sidetone.None[string]()},
		{d.Text("text"), sidetone.Some("x")},
		{d.Int("three"), sidetone.Some(3)},
		{d.Duration("half", time.Second), sidetone.Some(2500 * time.Millisecond)},
		{d.Duration("null", time.Second), sidetone.None[time.Duration]()},
		{d.JSON("object"), sidetone.Some([]byte(`{"a":1}`))},
		{d.JSON("null"), sidetone.None[[]byte]()},
		{d.Strings("list"), sidetone.Some([]string{"a", ""})},
		{d.Bool("yes"), sidetone.Some(true)},
		{d.List("object"), sidetone.Optional[[]any]{}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if got := sidetone.MessageOf(d.Err()); got != "object must be a list" {
		t.Fatalf("got %q", got)
	}
	d.Faults = nil
	d.Text("wrong")
	d.Int("half")
	d.Reference("three")
	want := "wrong must be a string; half must be a whole number; three must be an id or an object"
	if got := sidetone.MessageOf(d.Err()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReferenceOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		want  Reference
	}{
		{"a", Reference{Set: true, ByID: true, ID: "a"}},
		{Object{{"id", "a"}}, Reference{Set: true, ByID: true, ID: "a", Fields: Object{{"id", "a"}}}},
		{Object{{"id", nil}}, Reference{Set: true, Fields: Object{{"id", nil}}}},
		{Object{}, Reference{Set: true, Fields: Object{}}},
	} {
		got, ok := ReferenceOf(test.value)
		if !ok {
			t.Errorf("%v is refused", test.value)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", test.value, diff)
		}
	}
	for _, value := range []any{json.Number("7"), []any{}, Object{{"id", json.Number("7")}}, true} {
		if got, ok := ReferenceOf(value); ok || got.Set {
			t.Errorf("%v is accepted as %v", value, got)
		}
	}
}
