package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/journaltest"
)

// journalFile writes the journal of a call of a minute.
func journalFile(t *testing.T) (path string, text []byte) {
	t.Helper()
	cfg, entries := journaltest.Call(time.Minute)
	text, err := journal.AppendHeader(nil, journal.Header{Call: "c1", Build: "test", Config: cfg, Private: []string{"monday"},
		Agent: json.RawMessage(`{"prompt":"playbook: Clinic\n\nwhen caller says: appointment\n  say: Yes, ${name}, at ten.\n"}`)})
	if err != nil {
		t.Fatal(err)
	}
	m := conversation.New(cfg)
	var w journal.Writer
	var scratch []byte
	for _, e := range entries {
		if text, err = w.Input(text, e.At, e.In); err != nil {
			t.Fatal(err)
		}
		if text, scratch, err = w.Outputs(text, scratch, m.Step(e.At, e.In)); err != nil {
			t.Fatal(err)
		}
	}
	text = w.End(text, time.Minute)
	path = filepath.Join(t.TempDir(), "call.journal")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, text
}

// resumedFile writes the journal of a call whose process died in the middle.
func resumedFile(t *testing.T, text []byte) string {
	t.Helper()
	text = text[:bytes.LastIndexByte(text[:len(text)/2], '\n')+1]
	j, err := journal.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.Past()
	if err != nil {
		t.Fatal(err)
	}
	text = append(bytes.Clone(text), p.Missing...)
	var scratch []byte
	at := p.Until + 3*time.Second
	for _, in := range []conversation.Input{conversation.Resumed{Until: p.Until}, conversation.HungUp{Remote: true}} {
		if text, err = p.Writer.Input(text, at, in); err != nil {
			t.Fatal(err)
		}
		if text, scratch, err = p.Writer.Outputs(text, scratch, p.Machine.Step(at, in)); err != nil {
			t.Fatal(err)
		}
		at += 4 * time.Second
	}
	path := filepath.Join(t.TempDir(), "resumed.journal")
	if err := os.WriteFile(path, p.Writer.End(text, at), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReplay replays a file: exactly, cut, changed, as a test, and with other dials.
func TestReplay(t *testing.T) {
	t.Parallel()
	path, text := journalFile(t)
	resumed := resumedFile(t, text)
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	golden := filepath.Join(dir, "golden.journal")
	playbook := "kind: prompt\nkey: p\ncontent: |\n  playbook: Clinic\n\n  when caller says: appointment\n    say: At three.\n---\n"
	agent := "kind: agent\nkey: a\nname: A\nprompt: p\nendpointing_sensitivity: relaxed\ninitial_message: Hello ${name}\n"
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"exact", []string{path}, 0, []string{"exact: ", "4 turns of the caller, 60.0 s"}},
		{"cut", []string{file("cut.journal", string(text[:len(text)/2]))}, 0, []string{"exact: ", "ends here without the end of the call"}},
		{"changed", []string{file("changed.journal", strings.Replace(string(text), `"FinalWait":900000000`, `"FinalWait":800000000`, 1))}, 1,
			[]string{"the replay is not exact: turn 0, at ", "recorded another Arm, now Arm final at", "the input was line", "build test"}},
		{"no journal", []string{file("x.journal", "hello\n")}, 1, []string{"this is no journal of a call"}},
		{"no file", []string{filepath.Join(dir, "absent.journal")}, 1, []string{"no such file"}},
		{"no key", []string{"019a"}, 1, []string{"there is no file 019a", "SIDETONE_API_KEY"}},
		{"nothing", nil, 1, []string{"name a call, a file, or --all"}},
		{"all and one", []string{"--all", path}, 1, []string{"--all goes with --since only"}},
		{"since", []string{"--all", "--since", "soon"}, 1, []string{"--since \"soon\" must be a time"}},
		{"resumed", []string{resumed}, 0, []string{"exact: ", ": resumed at 30.5 s", "nothing is known of the 3.0 s before"}},
		{"resumed, another dial", []string{resumed, "--with", "endpointing_sensitivity=relaxed"}, 0, []string{"exact until turn 0"}},
		{"resumed, as a test", []string{resumed, "--to-golden", filepath.Join(dir, "resumed.journal")}, 0, []string{"are masked"}},
		{"the test of the resumed one", []string{filepath.Join(dir, "resumed.journal")}, 0, []string{"exact: ", ": resumed at 30.5 s"}},
		{"golden", []string{path, "--to-golden", golden}, 0, []string{golden, "are masked"}},
		{"the golden one", []string{golden}, 0, []string{"exact: "}},
		{"a dial", []string{path, "--with", "endpointing_sensitivity=relaxed"}, 0, []string{"exact until turn 0", "was  Arm endpoint", "is   Arm endpoint", "turn 1, simulated"}},
		{"a dial that does nothing", []string{path, "--with", "max_idle_check_count=1"}, 0, []string{"does the same in the whole call"}},
		{"no dial", []string{path, "--with", "prompt=x"}, 1, []string{`there is no dial "prompt"; there are initial_message, `}},
		{"a bad dial", []string{path, "--with", "language=7"}, 1, []string{"language cannot be 7"}},
		{"an agent", []string{path, "--with", file("agent.yaml", agent)}, 0, []string{"exact until turn 0", "was  Arm endpoint", "not looked at", "initial_message, name, prompt"}},
		{"two dials", []string{path, "--with", "endpointing_sensitivity=relaxed", "--with", "initial_message=Hello, this is us."}, 0, []string{`is   Say 1 gen=1 "Hello, this is us."`}},
		{"no value of a dial", []string{path, "--with", "endpointing_sensitivity=eager"}, 1, []string{"endpointing_sensitivity cannot be eager"}},
		{"the call's playbook", []string{path, "--with", "endpointing_sensitivity=relaxed", "--model", "scripted"}, 0, []string{"exact until turn 0", `"Yes, , at ten."`, "the playbook answers", "they are empty"}},
		{"another playbook", []string{path, "--model", "scripted", "--with", file("other.yaml", playbook+strings.ReplaceAll(agent, "relaxed", "auto"))}, 0,
			[]string{"exact until turn 0", "is   AskModel 2 with another prompt", `"At three."`, "turn 2, simulated"}},
		{"no playbook", []string{path, "--model", "scripted", "--with", file("plain.yaml", "kind: prompt\nkey: p\ncontent: Be kind.\n---\n"+agent)}, 1, []string{"has no playbook"}},
		{"no prompt", []string{golden, "--model", "scripted", "--with", "endpointing_sensitivity=relaxed"}, 1, []string{"the journal has no prompt"}},
		{"a model alone", []string{path, "--model", "scripted"}, 1, []string{"--model goes with --with"}},
		{"no model", []string{path, "--with", "language=de", "--model", "gpt"}, 2, []string{`--model must be one of "none","scripted"`}},
		{"no agent", []string{path, "--with", file("none.yaml", "kind: prompt\nkey: p\ncontent: x\n")}, 1, []string{"has 0 agents, want one"}},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"replay"}, c.args...), &out, &errs)
		all := out.String() + errs.String()
		for _, want := range c.want {
			if !strings.Contains(all, want) {
				t.Errorf("%s: lacks %q:\n%s", c.name, want, all)
			}
		}
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", c.name, code, c.code, all)
		}
	}
	if got, err := os.ReadFile(golden); err != nil || bytes.Contains(got, []byte("onday")) {
		t.Errorf("golden call: %v", err)
	}
}

// TestTable counts what was replayed, and fails when one differs.
func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lines := []replayed{{id: "a", length: "1.0s", turns: "2", result: "exact", done: true}, {id: "b", length: "-", turns: "-", result: "no journal"}}
	if err := table(&out, lines); err != nil || !strings.Contains(out.String(), "1 of 2 calls were replayed, all of them exactly") {
		t.Errorf("%v\n%s", err, out.String())
	}
	lines[0].failed, lines[0].result = true, "turn 1"
	if err := table(&out, lines); err == nil || err.Error() != "1 of 1 calls were not replayed exactly" {
		t.Errorf("got %v", err)
	}
}
