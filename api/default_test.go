package api

import (
	"fmt"
	"strings"
	"testing"
)

// TestDefaultConnection: the first account connection of a type is the environment's
// default, unless it says otherwise, and there is one at most.
func TestDefaultConnection(t *testing.T) {
	both(t, func(b *bench) {
		create := func(kind, more string) string {
			return b.do("POST /v1/account_connections/create", fmt.Sprintf(`{"type":"account_connection_%s","credentials":{"api_key":"k"}%s}`, kind, more)).want(201).text("id")
		}
		defaults := func() string {
			var out []string
			items, _ := b.do("GET /v1/account_connections/list?sort_column=created&sort_desc=false", "").want(200).at("items").([]any)
			for _, item := range items {
				o, _ := item.(map[string]any)
				if id, ok := o["id"].(string); ok && o["default"] == true {
					out = append(out, id)
				}
			}
			return strings.Join(out, " ")
		}
		want := func(when string, ids ...string) {
			b.t.Helper()
			if got := defaults(); got != strings.Join(ids, " ") {
				b.t.Errorf("%s: got %s, want %s", when, got, ids)
			}
		}
		create("deepgram", `,"default":false`)
		want("one that says no")
		first := create("deepgram", "")
		want("the first one that says nothing", first)
		other := create("rime", "")
		second := create("deepgram", "")
		want("one of another type, and a second one", first, other)
		third := create("deepgram", `,"default":true`)
		want("a third one that says yes", other, third)
		b.do("POST /v1/account_connections/update?id="+second, `{"default":true}`).want(201)
		want("the second one, changed", other, second)
		b.do("POST /v1/account_connections/update?id="+second, `{"label":"L"}`).want(201)
		want("the second one, changed in something else", other, second)
		b.do("POST /v1/account_connections/update?id="+second, `{"default":null}`).want(201)
		want("none", other)
	})
}
