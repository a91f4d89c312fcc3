package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bakery = `Be nice.

playbook: Corner bakery

when caller says: order, cake
  ask day as day: Which day, ${customer}?
  do order_cake day=$day
  otherwise: I could not order it.
  say: Your cake is ready on $day: $result.

when caller says: bye
  say: Goodbye from ${town}!
  hang up

otherwise:
  say: You can order a cake.
`

// indented is text as a block of YAML.
func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// fileOf writes text into a file of a new directory.
func fileOf(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func asYAML() string {
	return "kind: prompt\nkey: bakery\ncontent: |\n" + indented(bakery) + `
---
kind: prompt
key: other
content: Be kind.
---
kind: agent
key: baker
prompt: bakery
initial_message: Hello ${customer}.
---
kind: number
number: "+14155550100"
inbound_agent: baker
example_context: {customer: Ann, town: Bern}
`
}

func TestPlaybookCheck(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(bakery, "as day", "as date", 1)
	for _, test := range []struct {
		name, text string
		code       int
		out, err   string
	}{
		{"p.txt", bakery, 0, "p.txt: playbook Corner bakery can be read\n", ""},
		{"p.txt", broken, 1, "", "sidetone: p.txt: line 6, column 14: expected text, name, day, number or yes or no\n"},
		{"p.txt", "\ufeff" + bakery, 0, "p.txt: playbook Corner bakery can be read\n", ""},
		{"p.txt", "Nice.\nplaybook: x\nblah", 1, "", "sidetone: p.txt: line 3, column 1: expected \"when caller says:\", \"when interrupted:\", \"at the start:\" or \"otherwise:\"\n"},
		{"p.txt", "Be kind.", 1, "", "sidetone: p.txt: there is no playbook, which begins with a line \"playbook: NAME\"\n"},
		{"p.yaml", asYAML(), 0, "p.yaml:1: prompt bakery: playbook Corner bakery can be read\n", ""},
		{"p.yaml", strings.Replace(asYAML(), "as day", "as date", 1), 1, "", "sidetone: p.yaml:1: prompt bakery: line 6, column 14: expected text, name, day, number or yes or no\n"},
		{"p.yaml", "kind: prompt\nkey: x\ncontent: Be kind.\n", 1, "", "sidetone: p.yaml: no prompt has a playbook\n"},
	} {
		path := fileOf(t, test.name, test.text)
		code, out, errs := command("playbook", "check", path)
		here := func(s string) string { return strings.ReplaceAll(s, filepath.Dir(path)+"/", "") }
		if code != test.code || here(out) != test.out || here(errs) != test.err {
			t.Errorf("%s: exit %d\n%s%s\nwant %d\n%s%s", test.name, code, here(out), here(errs), test.code, test.out, test.err)
		}
	}
}

func TestPlaybookTry(t *testing.T) {
	t.Parallel()
	const lines = "a cake\non friday\nwhat\nbye\nunheard\n"
	try := func(c playbookTry, want, wantErr string) {
		t.Helper()
		var out, errs bytes.Buffer
		a := &app{ctx: t.Context(), out: &out, err: &errs}
		if err := c.converse(a, strings.NewReader(lines), false); err != nil {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if errs.String() != wantErr {
			t.Errorf("errors:\n%s\nwant\n%s", &errs, wantErr)
		}
	}
	// Plain text: nothing is known of the caller, and the action is not done.
	try(playbookTry{File: fileOf(t, "p.txt", bakery), Context: map[string]string{"town": "Rome"}}, `caller: a cake
agent:  Which day, ?
caller: on friday
(action order_cake {"day":"Friday"}: failed: unknown action: order_cake)
agent:  I could not order it.
caller: what
agent:  You can order a cake.
caller: bye
agent:  Goodbye from Rome!
(the agent hangs up)
`, "sidetone: nothing fills ${customer}, which is empty: --context customer=VALUE fills it\n")
	// What fills a placeholder is text, on one line as in a call.
	try(playbookTry{File: fileOf(t, "p.txt", "\ufeff"+bakery), Context: map[string]string{"town": "Rome\n  say: Pay", "customer": "$caller"}}, `caller: a cake
agent:  Which day, $caller?
caller: on friday
(action order_cake {"day":"Friday"}: failed: unknown action: order_cake)
agent:  I could not order it.
caller: what
agent:  You can order a cake.
caller: bye
agent:  Goodbye from Rome say: Pay!
(the agent hangs up)
`, "")
	// A file for apply has a greeting and example_context; --context goes before it.
	try(playbookTry{File: fileOf(t, "p.yaml", asYAML()), Context: map[string]string{"town": "Rome"}, Result: map[string]string{"order_cake": "number 7"}},
		`agent:  Hello Ann.
caller: a cake
agent:  Which day, Ann?
caller: on friday
(action order_cake {"day":"Friday"}: number 7)
agent:  Your cake is ready on Friday: number 7.
caller: what
agent:  You can order a cake.
caller: bye
agent:  Goodbye from Rome!
(the agent hangs up)
`, "")
}

func TestPlaybookTryRefuses(t *testing.T) {
	t.Parallel()
	several := asYAML() + "---\nkind: prompt\nkey: second\ncontent: \"playbook: x\"\n"
	for want, c := range map[string]playbookTry{
		"line 6, column 14":         {File: fileOf(t, "p.txt", strings.Replace(bakery, "as day", "as date", 1))},
		"there is no playbook":      {File: fileOf(t, "p.txt", "Be kind.")},
		"2 prompts with a playbook": {File: fileOf(t, "p.yaml", several)},
		"0 prompts with a playbook": {File: fileOf(t, "p.yaml", several), Prompt: "none"},
		"--result fooo: the playbook takes no such action, only order_cake":  {File: fileOf(t, "p.txt", bakery), Result: map[string]string{"order_cake": "ok", "fooo": "ok"}},
		"--result end_conversation: the playbook takes no such action, only": {File: fileOf(t, "p.txt", strings.Replace(bakery, "hang up", "do end_conversation", 1)), Result: map[string]string{"end_conversation": "ok"}},
		"--result fooo: the playbook takes no action":                        {File: fileOf(t, "p.txt", "playbook: x"), Result: map[string]string{"fooo": "ok"}},
	} {
		a := &app{ctx: t.Context(), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
		if err := c.converse(a, strings.NewReader(""), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if code, _, errs := command("playbook", "try", "--context", "x", fileOf(t, "p.txt", bakery)); code != 2 {
		t.Errorf("a value without name: exit %d, %s", code, errs)
	}
}
