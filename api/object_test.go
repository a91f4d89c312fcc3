package api

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	o := object{{"type", "a"}, {"id", 1}}
	o.set("label", nil)
	o.set("id", 2)
	o.text("name", "")
	o.text("key", "k")
	if !o.has("label") || o.has("name") || o.get("id") != 2 || o.get("nothing") != nil {
		t.Errorf("%v", o)
	}
	o.drop("nothing")
	o.drop("key")
	got, err := json.Marshal(map[string]any{"o": o})
	if want := `{"o":{"id":2,"label":null,"type":"a"}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	o.keep("type", "nothing")
	if len(o) != 1 || o.get("type") != "a" {
		t.Errorf("kept %v", o)
	}
}

// sameMembers fails the test unless the object takes from raw what the library
// reads in it.
func sameMembers(t *testing.T, raw string) {
	t.Helper()
	got, want := fields{}, fields{}
	o := object{}
	o.members([]byte(raw))
	for _, m := range o {
		got[m.name], _ = m.value.(json.RawMessage)
	}
	if json.Unmarshal([]byte(raw), &want) != nil || want == nil {
		want = fields{}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(o) {
		t.Errorf("%q: %d members (-want +got)\n%s", raw, len(o), diff)
	}
}

func TestMembersOfJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "null", "7", "[]", "{}", " { } ", `{"a":1}`, `{"a":1,"b":"x","c":[1,{"d":"]}"}],"e":{"f":{}},"g":null,"h":true,"i":-1.5e3}`,
		" {\n\t\"a\" : 1 ,\r\n \"b\"\t:[ 1 , 2 ] } ", `{"a\"b":"c\"d,}","\u0041":2}`, `{"a":1,"a":2}`, `{"":""}`, "{\"\xff\":1}", `{"a":"\\"}`,
		`{"a":1`, `{"a":1}}`, `{"a" 1}`, `{"a":}`, `{a:1}`, `{"a":1,}`, "nonsense", `"{}"`, `{"a":"` + "\x01" + `"}`,
	} {
		sameMembers(t, raw)
	}
}

func FuzzMembers(f *testing.F) {
	f.Add(` {"a" : "b\"c", "\u0041":[1,{"d":"]}"}], "x":{}} `)
	f.Add(`{"a":1}{`)
	f.Fuzz(func(t *testing.T, raw string) { sameMembers(t, raw) })
}
