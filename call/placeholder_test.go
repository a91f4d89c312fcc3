package call

import "testing"

func TestFillPlaceholders(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, context, want string }{
		{"plain", `{}`, "plain"},
		{"Hi ${name}!", `{"name":"Ann"}`, "Hi Ann!"},
		{"Hi ${name}!", `{}`, "Hi !"},
		{"Hi ${name}!", `broken`, "Hi !"},
		{"${a}${b} ${c", `{"a":1,"b":true}`, "1true ${c"},
		{"${o}", `{"o":{"x":[1]}}`, `{"x":[1]}`},
	}
	for _, c := range cases {
		if got := fillPlaceholders(c.text, []byte(c.context)); got != c.want {
			t.Errorf("fillPlaceholders(%q, %s): got %q, want %q", c.text, c.context, got, c.want)
		}
	}
}
