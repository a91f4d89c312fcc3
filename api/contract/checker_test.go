package contract

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChecker(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		body map[string]any
		want []string
	}{
		{"/v1/agents/create", map[string]any{"prompt": map[string]any{"content": "p"}, "unknown": 1}, nil},
		{"/v1/agents/update", map[string]any{"name": nil}, nil},
		{"/v1/agents/create", nil, []string{"prompt is required"}},
		{"/v1/agents/update", map[string]any{"name": 5}, []string{"name must be a string"}},
		{"/v1/agents/update", map[string]any{"actions": []any{"id", 5}}, []string{"actions[1] must be a string or an object"}},
		{"/v1/numbers/update", map[string]any{"label": "x"}, []string{"example_context is required"}},
	} {
		got, err := c.Check(tt.path, tt.body)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s %v: %v (-want +got)\n%s", tt.path, tt.body, err, diff)
		}
	}
	for path, body := range map[string]map[string]any{"/v1/nothing": {}, "/v1/agents/create": {"conversation_speed": math.NaN()}} {
		if _, err := c.Check(path, body); err == nil {
			t.Errorf("%s %v is checked", path, body)
		}
	}
}
