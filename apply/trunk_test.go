package apply_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/apply"
)

const carrier = `
kind: number
number: "+12025550100"
buy: sip
---
kind: trunk
name: acme
host: sip.acme.example
password: a-long-password
numbers: ["+12025550100"]
media: {sources: strict}
a_setting_of_a_later_version: 4s
`

// A trunk goes by its name and is made before the numbers that are bought from it; any
// setting may stand in a file; a secret is compared with what reads show of it.
func TestApplyTrunks(t *testing.T) {
	t.Parallel()
	f := newFake()
	run := func(text string) (steps int) {
		t.Helper()
		live, err := apply.Fetch(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := apply.NewPlan(parse(t, text), live, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Run(t.Context(), f, func(apply.Step) {}); err != nil {
			t.Fatal(err)
		}
		return len(plan.Steps)
	}
	if n := run(carrier); n != 2 || f.rows[apply.Trunk][0]["name"] != "acme" || f.rows[apply.Number][0]["provider"] != "sip" {
		t.Fatalf("%d steps: %v", n, f.rows)
	}
	f.rows[apply.Trunk][0]["password"], f.rows[apply.Trunk][0]["user_id"] = "********word", "u"
	if n := run(carrier); n != 0 {
		t.Errorf("unchanged: %d steps, %v", n, f.log)
	}
	if n := run(strings.Replace(carrier, "a-long-password", "another-secret", 1)); n != 1 || f.rows[apply.Trunk][0]["password"] != "another-secret" {
		t.Errorf("another password: %d steps, %v", n, f.rows[apply.Trunk])
	}
	f.rows[apply.Trunk][0]["password"] = "********cret"
	var b strings.Builder
	live, err := apply.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	delete(live, apply.Number)
	if err := apply.Write(&b, apply.Export(live)); err != nil {
		t.Fatal(err)
	}
	want := `kind: trunk
name: acme
a_setting_of_a_later_version: 4s
host: sip.acme.example
media:
  sources: strict
numbers:
  - "+12025550100"
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
	f.rows[apply.Number] = nil
	if n := run(strings.Replace(carrier, "name: acme", "name: other", 1)); n != 3 || f.rows[apply.Trunk][0]["name"] != "other" {
		t.Errorf("another name: %d steps, %v", n, f.rows[apply.Trunk])
	}
	if _, err := apply.Parse("x.yaml", strings.NewReader("kind: trunk\nhost: a")); err == nil || !strings.Contains(err.Error(), "name is required") {
		t.Errorf("a trunk without a name: %v", err)
	}
}
