package outline

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const maxNesting = 32

func TestMembersOfAnObject(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting)
	for text, want := range map[string]map[string]string{
		`{}`: {}, " { } ": {},
		`{"a":1}`: {"a": "1"}, " {\n\"a\" :\t\"x\" , \"b\":null}": {"a": `"x"`, "b": "null"},
		`{"a":{"b":[1,{"c":"}"}]},"d":"\"}{"}`: {"a": `{"b":[1,{"c":"}"}]}`, "d": `"\"}{"`},
		`{"":[],"é":true}`:                     {"": "[]", "é": "true"},
		`{"a":` + nested + `}`:                 {"a": nested},
		`{"a":[` + nested + `]}`:               nil,
		``:                                     nil, `[]`: nil, `{`: nil, `{"a"}`: nil, `{"a":}`: nil, `{"a":1`: nil, `{"a":"x}`: nil, `{"a":[}`: nil,
		`{a:1}`: nil, `{"a" "b"}`: nil, `"{}"`: nil, `{"a":1 "b":2}`: nil, `null`: nil,
	} {
		got := map[string]string{}
		ok := Members([]byte(text), maxNesting, func(name, value []byte) bool {
			got[string(name)] = string(value)
			return true
		})
		if want == nil && ok {
			t.Errorf("%s passes as %v", text, got)
		}
		if d := cmp.Diff(want, got); want != nil && (d != "" || !ok) {
			t.Errorf("%s: %v %s", text, ok, d)
		}
	}
}

// FuzzMembers holds that every JSON object is read as encoding/json reads it.
func FuzzMembers(f *testing.F) {
	f.Add(`{"iss":"a","aud":["b"],"exp":1e9,"nbf":null,"x":{"y":[true]}}`)
	f.Add(`{"a":"\\\"","b":[[{}]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got := map[string]string{}
		ok := Members([]byte(text), maxNesting, func(name, value []byte) bool {
			got[string(name)] = string(value)
			return true
		})
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil || strings.Contains(text, `\`) || strings.ToValidUTF8(text, "") != text {
			return
		}
		if !ok {
			if strings.Count(text, "[")+strings.Count(text, "{") <= maxNesting {
				t.Fatalf("%s is refused", text)
			}
			return
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%s: %q is %s", text, name, got[name])
			}
		}
	})
}
