package api

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// libraryJSON is what encodeJSON must be equal to.
func libraryJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(asMaps(value))
	return b.Bytes(), err
}

// asMaps is value with maps for our objects, as the library knows them.
func asMaps(value any) any {
	switch v := value.(type) {
	case object:
		if v == nil {
			return nil
		}
		out := map[string]any{}
		for _, m := range v {
			out[m.name] = asMaps(m.value)
		}
		return out
	case []object:
		if v == nil {
			return nil
		}
		out := []any{}
		for _, o := range v {
			out = append(out, asMaps(o))
		}
		return out
	default:
		return v
	}
}

// sameAsLibrary fails the test unless both encode value alike or refuse it both.
func sameAsLibrary(t *testing.T, value any) {
	t.Helper()
	got, err := encodeJSON(value)
	want, wantErr := libraryJSON(value)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%#v: %v, the library says %v", value, err, wantErr)
	}
	if d := cmp.Diff(string(want), string(got)); err == nil && d != "" {
		t.Errorf("%#v: %s", value, d)
	}
}

func TestAnswersAreEncodedAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	many := object{}
	for c := range 100 {
		many.set(string(rune('A'+c)), c)
	}
	for _, value := range []any{
		nil, true, false, "", "plain", 0, -7, math.MaxInt64, int64(math.MinInt64), uint8(3), float32(0.1),
		0.0, math.Copysign(0, -1), 1.0, -2.5, 0.1, 1e-6, 9.9e-7, 1e-9, 1e20, 1e21, 1.5e300, 1 << 53, 1<<53 + 2.0, -123456789012345680.0, math.Inf(1), math.NaN(),
		json.RawMessage(nil), json.RawMessage(""), json.RawMessage("{}"), json.RawMessage(" [ 1 , \"a b\" ] "), json.RawMessage(`{"a" : "<\u0041>"}`), json.RawMessage("{"), json.RawMessage("1 2"),
		[]string(nil), []string{}, []string{"a", "b"}, []object(nil), []object{nil, {}, {{"a", 1}}}, []any{nil, "x", 1.5},
		object(nil), object{}, many, map[string]any{"z": nil, "a": []any{}, "<&>": "<&>"}, map[string]string{"b": "1", "a": "2"}, map[string]float64{"k": 1},
		object{{"inner", object{{"raw", json.RawMessage("{ }")}}}, {"time", time.Unix(0, 0).UTC()}, {"struct", struct {
			A int `json:"a"`
		}{1}}},
		object{{"bad", json.RawMessage("nonsense")}}, []any{math.NaN()}, object{{"bad", make(chan int)}},
		"\"\\/\b\f\n\r\t\x00\x1f\x7f", "äöü €", "\u2028\u2029", "\xff\xfe", "a\xc3", "\ufffd", "🔑", "<script>&",
	} {
		sameAsLibrary(t, value)
	}
}

// TestRenderingsAreEncodedAsTheLibraryDoes does the same with every golden file's
// answer.
func TestRenderingsAreEncodedAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	for _, p := range profiles() {
		for _, r := range renderings(p) {
			sameAsLibrary(t, r.value)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("text", `{"a":[1,2.5e-7,"x"]}`, 0.5)
	f.Add("\x00\u2028\xff", `[]`, 1e21)
	f.Fuzz(func(t *testing.T, text, raw string, number float64) {
		o := object{{"n", number}, {"r", json.RawMessage(raw)}}
		o.set(text, text)
		sameAsLibrary(t, o)
		var value any
		if json.Unmarshal([]byte(raw), &value) == nil {
			sameAsLibrary(t, value)
		}
	})
}
