package auth

import "testing"

func TestAmong(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		`"a"`: true, `"\u0061"`: true, `["a"]`: true, `["b", "a"]`: true, ` ["a"]`: false, `[ "b" , "\u0061" ,"c"]`: true, `[["a"],{"a":"a"},"a"]`: true,
		``: false, `null`: false, `"b"`: false, `[]`: false, `["b"]`: false, `[["a"]]`: false, `["b" "a"]`: false, `["b",`: false, `{"a":"a"}`: false, `[7,null,true]`: false,
	} {
		if got := among([]byte(value), "a"); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}
