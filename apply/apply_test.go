package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/apply"
)

// fake is a server of a few lines: it keeps what it is told, renders relations
// as objects as the real one does, and refuses what is not there.
type fake struct {
	rows map[apply.Kind][]map[string]any
	log  []string
	next int
	fail string
}

func newFake() *fake { return &fake{rows: map[apply.Kind][]map[string]any{}} }

func (f *fake) List(_ context.Context, k apply.Kind) ([]map[string]any, error) {
	raw, err := json.Marshal(f.rows[k])
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, err
	}
	for _, row := range out {
		for property, target := range map[string]apply.Kind{"prompt": apply.Prompt, "inbound_agent": apply.Agent} {
			if id, ok := row[property].(string); ok {
				row[property] = f.find(target, id)
			}
		}
	}
	return out, nil
}

func (f *fake) find(k apply.Kind, id string) map[string]any {
	for _, row := range f.rows[k] {
		if row["id"] == id {
			return row
		}
	}
	return nil
}

func (f *fake) Create(_ context.Context, k apply.Kind, fields map[string]any) (map[string]any, error) {
	f.log = append(f.log, fmt.Sprintf("create %s %v", k, fields["key"]))
	if f.fail == f.log[len(f.log)-1] {
		return nil, errors.New("no")
	}
	if fields["prompt"] != nil && f.find(apply.Prompt, fields["prompt"].(string)) == nil {
		return nil, errors.New("prompt names no prompt")
	}
	f.next++
	row := map[string]any{"id": fmt.Sprintf("id%d", f.next)}
	if k == apply.Number {
		row["number"], row["example_context"] = fields["phone_number"], map[string]any{}
		if provider, ok := fields["telephony_provider"]; ok {
			row["provider"] = provider
		}
	} else {
		for name, v := range fields {
			row[name] = v
		}
	}
	f.rows[k] = append(f.rows[k], row)
	return row, nil
}

func (f *fake) Update(_ context.Context, k apply.Kind, id string, fields map[string]any) error {
	raw, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	f.log = append(f.log, fmt.Sprintf("update %s %s %s", k, id, raw))
	if k == apply.Number && fields["example_context"] == nil {
		return errors.New("example_context is required")
	}
	for name, v := range fields {
		f.find(k, id)[name] = v
	}
	return nil
}

func (f *fake) Delete(_ context.Context, k apply.Kind, id string) error {
	f.log = append(f.log, fmt.Sprintf("delete %s %s", k, id))
	f.rows[k] = slices.DeleteFunc(f.rows[k], func(row map[string]any) bool { return row["id"] == id })
	return nil
}

const clinic = `
kind: number
number: "+12025550100"
buy: true
inbound_agent: receptionist
---
kind: agent
key: receptionist
name: Receptionist
prompt: front-desk
actions: [hang-up]
conversation_speed: 1
---
kind: prompt
key: front-desk
content: |
  Be kind.
  Be brief.
---
kind: action
key: hang-up
type: action_end_conversation
config: {}
`

func parse(t *testing.T, text string) []apply.Resource {
	t.Helper()
	resources, err := apply.Parse("clinic.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return resources
}

// planned plans and fails unless that is possible.
func planned(t *testing.T, f *fake, resources []apply.Resource, prune bool) *apply.Plan {
	t.Helper()
	live, err := apply.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := apply.NewPlan(resources, live, prune)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, f *fake, resources []apply.Resource, prune bool) {
	t.Helper()
	f.log = nil
	if err := planned(t, f, resources, prune).Run(t.Context(), f, func(apply.Step) {}); err != nil {
		t.Fatal(err)
	}
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFake()
	run(t, f, parse(t, clinic), false)
	want := []string{
		"create prompt front-desk", "create action hang-up", "create agent receptionist", "create number <nil>",
		`update number id4 {"example_context":{},"inbound_agent":"id3"}`,
	}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := f.rows[apply.Agent][0]; got["prompt"] != "id1" || !slices.Equal(got["actions"].([]any), []any{"id2"}) {
		t.Errorf("the agent is %v", got)
	}
	if p := planned(t, f, parse(t, clinic), true); p.Drifted() || p.Unchanged != 4 {
		t.Errorf("applying again would do %v", p.Steps)
	}
}

func TestOnlyWhatDiffersIsSent(t *testing.T) {
	t.Parallel()
	f := newFake()
	run(t, f, parse(t, clinic), false)
	f.rows[apply.Number][0]["example_context"] = map[string]any{"name": "Ann"}
	changed := strings.Replace(clinic, "name: Receptionist", "name: Reception", 1)
	run(t, f, parse(t, strings.Replace(changed, "buy: true", "label: Front", 1)), false)
	want := []string{
		`update agent id3 {"name":"Reception"}`, `update number id4 {"example_context":{"name":"Ann"},"label":"Front"}`,
	}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDriftIsShown(t *testing.T) {
	t.Parallel()
	f := newFake()
	run(t, f, parse(t, clinic), false)
	f.rows[apply.Prompt][0]["content"] = "Be kind.\nBe long.\n"
	f.rows[apply.Agent][0]["conversation_speed"] = 2.0
	p := planned(t, f, parse(t, clinic), false)
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `~ prompt front-desk
    content:
      - Be long.
      + Be brief.
~ agent receptionist
    conversation_speed: 2 -> 1
0 to create, 0 to buy, 2 to change, 0 to delete, 2 as described
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPruneDeletesUsersFirstAndOnlyWhatHasAKey(t *testing.T) {
	t.Parallel()
	f := newFake()
	run(t, f, parse(t, clinic), false)
	f.rows[apply.Prompt] = append(f.rows[apply.Prompt], map[string]any{"id": "by-hand"})
	only := parse(t, "kind: prompt\nkey: other\ncontent: x\n---\nkind: agent\nkey: new\nprompt: other\n")
	run(t, f, only, true)
	want := []string{"create prompt other", "create agent new", "delete agent id3", "delete prompt id1"}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(f.rows[apply.Number]) != 1 || len(f.rows[apply.Action]) != 1 || f.find(apply.Prompt, "by-hand") == nil {
		t.Errorf("pruned too much: %v", f.rows)
	}
}

func TestRunGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.fail = "create agent receptionist"
	err := planned(t, f, parse(t, clinic), false).Run(t.Context(), f, func(apply.Step) {})
	if err == nil || err.Error() != "clinic.yaml:7: create agent receptionist: no" {
		t.Fatalf("got %v", err)
	}
	f.fail = ""
	run(t, f, parse(t, clinic), false)
	if f.log[0] != "create agent receptionist" || len(f.log) != 3 {
		t.Errorf("the second run did %v", f.log)
	}
}

func TestExportIsReadBackUnchanged(t *testing.T) {
	t.Parallel()
	f := newFake()
	run(t, f, parse(t, clinic), false)
	f.rows[apply.Prompt] = append(f.rows[apply.Prompt], map[string]any{"id": "p9", "label": "Front desk", "content": "By hand",
		"prompt_template": map[string]any{"id": "t9", "user_id": "u", "required_context_keys": []any{"name"}}})
	for _, number := range f.rows[apply.Number] {
		number["is_routing_number"], number["sms_enabled"], number["config"] = false, false, map[string]any{"desk": 1.0}
	}
	f.rows[apply.Action] = append(f.rows[apply.Action], map[string]any{
		"id": "a9", "type": "action_external", "config": map[string]any{"url": "https://x", "signature_secret": "********1234"}})
	f.rows[apply.Voice] = []map[string]any{{"id": "v1", "label": "TTY"}, {"id": "v2", "label": "Twice"}, {"id": "v3", "label": "Twice"}}
	f.rows[apply.Prompt][0]["type"] = "prompt"
	f.rows[apply.Agent][0]["voice"] = map[string]any{"id": "v1", "label": "TTY"}
	f.rows[apply.Agent] = append(f.rows[apply.Agent], map[string]any{"id": "a3", "key": "other", "prompt": "p9", "voice": map[string]any{"id": "v3"}})
	live, err := apply.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := apply.Write(&b, apply.Export(live)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "****") || !strings.Contains(b.String(), "prompt: front-desk\n") ||
		!strings.Contains(b.String(), "voice: TTY\n") || !strings.Contains(b.String(), "voice: v3\n") ||
		strings.Contains(b.String(), "t9") || !strings.Contains(b.String(), "required_context_keys") {
		t.Errorf("exported\n%s", b.String())
	}
	run(t, f, parse(t, b.String()), true)
	want := []string{`update prompt p9 {"key":"front-desk-2"}`, `update action a9 {"key":"action"}`}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("adopting (-want +got)\n%s\n%s", diff, b.String())
	}
	if p := planned(t, f, parse(t, b.String()), true); p.Drifted() {
		t.Errorf("after adopting, it would do %v", p.Steps)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kind: robot\nkey: x":                     `f:1: kind must be one of prompt, action, agent, trunk, number, not "robot"`,
		"\n\nkind: agent":                         `f:3: key "" must be 1 to 128 letters, digits, dots, hyphens and underscores`,
		"kind: agent\nkey: a b":                   `f:1: key "a b" must be`,
		"kind: agent\nkey: 5":                     `f:1: key must be a text, not 5`,
		"kind: number\nnumber: 12025550100":       `f:1: number must be a text, not 12025550100`,
		"kind: number\nnumber: '12'":              `f:1: number "12" must be written as text with a plus`,
		"kind: number\nnumber: '+1'\nbuy: please": `f:1: buy must be true or false, not please`,
		"- a": `f:1: a document must be a mapping`,
		"kind: agent\nkey: a\n---\nkind: x\nkey: b": `f:4: kind must be one of`,
		"a: [":                                  `f:1: did not find expected`,
		"kind: agent\nkey: a\nname: x\nname: y": `f:4: mapping key "name" already defined at line 3`,
		"kind: agent\nkey: a\nfirst: x\ninital_message: y": `f:3: agent a cannot have "first"` + "\n" +
			`f:4: agent a cannot have "inital_message"; did you mean "initial_message"?`,
		"kind: number\nnumber: '+1'\nkey: x": `f:3: number +1 cannot have "key"`,
		"kind: prompt\nkey: a\nuser_id: x":   `f:3: prompt a cannot have "user_id"`,
	} {
		_, err := apply.Parse("f", strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestBadPlansAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kind: prompt\nkey: a\n---\nkind: prompt\nkey: a": "clinic.yaml:4: prompt a is described at clinic.yaml:1 already",
		"kind: agent\nkey: a\nprompt: p\nactions: [x, {type: y}]\n---\nkind: prompt\nkey: P": `clinic.yaml:3: agent a: prompt "p" names no prompt, here or in the files` + "\n" +
			`clinic.yaml:4: agent a: actions "x" names no action, here or in the files`,
		"kind: number\nnumber: '+1202'": `clinic.yaml:1: the environment has no number +1202; buy it, link it, or write "buy: true"`,
	} {
		_, err := apply.NewPlan(parse(t, text), apply.Live{}, false)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestPlansAreCheckedBeforeAnythingIsSent: each step's body is looked at, and a
// problem is where the property stands.
func TestPlansAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	live := apply.Live{apply.Prompt: {{"id": "p1", "key": "old", "content": "x", "label": "same"}, {"id": "p2", "key": "gone"}}}
	p, err := apply.NewPlan(parse(t, clinic+"---\nkind: prompt\nkey: old\nlabel: same\ncontent: y\n"), live, true)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	err = p.Check(func(v apply.Verb, k apply.Kind, fields map[string]any) ([]string, error) {
		raw, err := json.Marshal(fields)
		seen = append(seen, fmt.Sprintf("%s %s %s", v, k, raw))
		switch {
		case v == apply.Update:
			return []string{"content must be a number"}, err
		case k == apply.Agent:
			return []string{"actions[0] must be an object", "voice is required"}, err
		}
		return nil, err
	})
	want := "clinic.yaml:28: prompt old: content must be a number\n" +
		"clinic.yaml:11: agent receptionist: actions[0] must be an object\n" +
		"clinic.yaml:7: agent receptionist: voice is required"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	bodies := []string{
		`create prompt {"content":"Be kind.\nBe brief.\n","key":"front-desk"}`,
		`update prompt {"content":"y"}`,
		`create action {"config":{},"key":"hang-up","type":"action_end_conversation"}`,
		`create agent {"actions":["(new action hang-up)"],"conversation_speed":1,"key":"receptionist","name":"Receptionist","prompt":"(new prompt front-desk)"}`,
		`buy number {"example_context":{},"inbound_agent":"(new agent receptionist)"}`,
	}
	if diff := cmp.Diff(bodies, seen); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := p.Check(func(apply.Verb, apply.Kind, map[string]any) ([]string, error) { return nil, errors.New("no") }); err == nil {
		t.Error("an error of the check is lost")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(clinic)
	f.Add("# nothing yet\n---\n")
	f.Add("kind: agent\nkey: a\nid: b\nprompt: {content: [1, {a: 2}]}")
	f.Fuzz(func(t *testing.T, text string) {
		resources, err := apply.Parse("f", strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		if err := apply.Write(&b, resources); err != nil {
			t.Fatal(err)
		}
		_, _ = apply.NewPlan(resources, apply.Live{}, true)
	})
}

// Whatever texts a resource has, its export is read back as the same resource.
func FuzzExport(f *testing.F) {
	f.Add("Be kind.\nBe brief.\n", "yes", "a b")
	f.Add("\n  indented\n\ttab \n\n", "2026-01-02", "<<")
	f.Add(" \u0085\u2028x\r\n", "0x1F", "!!binary")
	f.Fuzz(func(t *testing.T, content, label, member string) {
		if !utf8.ValidString(content + label + member) {
			return // JSON has no such texts
		}
		live := apply.Live{
			apply.Prompt: {{"id": "p1", "key": "front", "content": content, "label": label}},
			apply.Number: {{"id": "n1", "number": "+12025550100", "label": content, "example_context": map[string]any{member: label}}},
		}
		var b strings.Builder
		if err := apply.Write(&b, apply.Export(live)); err != nil {
			t.Fatal(err)
		}
		resources, err := apply.Parse("f", strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		p, err := apply.NewPlan(resources, live, true)
		if err != nil || p.Drifted() || p.Unchanged != 2 {
			t.Fatalf("applying the export would do %+v, %v\n%s", p.Steps, err, b.String())
		}
	})
}
