package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mistaken has wrong types, a wrong word and something that is missing, each behind a resource that is as it should be.
const mistaken = `kind: prompt
key: desk
content: Be kind.
---
kind: agent
key: receptionist
prompt: desk
conversation_speed: fast
language: english
initial_message_delay: soon
actions: [{type: action_dtmf, config: 5}]
---
kind: agent
key: nobody
name: 7
---
kind: prompt
key: book
content: |
  playbook: desk
  otherwise:
    shout: Hello.
---
kind: number
number: "+12025550100"
buy: true
example_context: none
`

func TestPlansAsJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(path, []byte("kind: prompt\nkey: desk\nlabel: L\n---\nkind: action\nkey: x\ntype: action_dtmf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs, seen := say(t, `{"items":[{"id":"1","key":"desk","label":"M","type":"action_dtmf"}]}`, "drift", "-o", "json", "-f", path)
	want := `{
  "steps": [
    {
      "changes": [
        {
          "from": "M",
          "property": "label",
          "to": "L"
        }
      ],
      "id": "1",
      "key": "desk",
      "kind": "prompt",
      "verb": "update"
    },
    {
      "changes": [
        {
          "from": null,
          "property": "key",
          "to": "x"
        },
        {
          "from": null,
          "property": "type",
          "to": "action_dtmf"
        }
      ],
      "key": "x",
      "kind": "action",
      "verb": "create"
    }
  ],
  "unchanged": 0
}
`
	if diff := cmp.Diff(want, out); diff != "" || code != 1 || errs != "" || strings.Contains(seen, "POST") {
		t.Errorf("exit %d %s (-want +got)\n%s", code, errs, diff)
	}
}

// TestFilesAreCheckedBeforeAnythingIsSent holds files against the document: in a
// dry run, when they are applied, and when drift is looked for.
func TestFilesAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(path, []byte(mistaken), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s was sent", r.Method, r.URL)
		}
		_, _ = w.Write([]byte(`{"items":[]}`))
	}))
	defer server.Close()
	want := []string{
		`f.yaml:19: prompt book: content has a mistake: line 3, column 3: expected "say:", "ask", "do", "if" or "hang up"`,
		`f.yaml:11: agent receptionist: actions[0].config must be an object`,
		`f.yaml:8: agent receptionist: conversation_speed must be a number`,
		`f.yaml:10: agent receptionist: initial_message_delay must be a number`,
		`f.yaml:9: agent receptionist: language must be one of en, es, de, hi, pt, fr, nl, id, it, ja, ko`,
		`f.yaml:15: agent nobody: name must be a string`,
		`f.yaml:13: agent nobody: prompt is required`,
		`f.yaml:27: number +12025550100: example_context must be an object`,
	}
	for _, args := range [][]string{{"apply", "--dry-run"}, {"apply"}, {"drift"}} {
		var out, errs bytes.Buffer
		code := run(append(args, "-f", path, "--url", server.URL, "--key", "k"), &out, &errs)
		got := strings.Split(strings.TrimSpace(strings.ReplaceAll(errs.String(), filepath.Dir(path)+"/", "")), "\n")
		got[0] = strings.TrimPrefix(got[0], "sidetone: ")
		if diff := cmp.Diff(want, got); diff != "" || code == 0 || out.Len() > 0 {
			t.Errorf("%v: exit %d %s (-want +got)\n%s", args, code, out.String(), diff)
		}
	}
}

// TestDryRunFindsWhatTheAPIRefuses: values that nobody knows, addresses and names
// inside objects; and says what will only be kept.
func TestDryRunFindsWhatTheAPIRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s was sent", r.Method, r.URL)
		}
		_, _ = w.Write([]byte(`{"items":[]}`))
	}))
	defer server.Close()
	for file, want := range map[string]string{
		"kind: agent\nkey: a\nprompt: {content: Hi.}\nprovider: opnai\n":                                                        "agent a: provider must be one of scripted, echo, bench, openai, anthropic, google, azure, azure_llm, deepseek, togetherai, openrouter, ollama, harness: no other is known",
		"kind: agent\nkey: a\nprompt: {content: Hi.}\ncontext_endpoint: nourl\n":                                                "agent a: context_endpoint must be",
		"kind: agent\nkey: a\nprompt: {content: Hi., context_endpoint: nourl}\n":                                                "agent a: prompt.context_endpoint must be",
		"kind: agent\nkey: a\nprompt: {content: Hi.}\nllm_fallback: {provider: opnai, model_name: x}\n":                         "agent a: llm_fallback.provider must be one of openai, anthropic",
		"kind: agent\nkey: a\nprompt: {content: Hi.}\nvoice: {type: voice_banana}\n":                                            "agent a: voice.type must be one of voice_flite",
		"kind: agent\nkey: a\nprompt: {contnt: Hi., content: Hi.}\n":                                                            `agent a: prompt.contnt: there is no such property; did you mean "content"?`,
		"kind: action\nkey: t\ntype: action_transfer_call\nconfig: {phone_number: '911'}\n":                                     "action t: config.phone_number ",
		"kind: agent\nkey: a\nprompt: {content: Hi.}\nactions: [{type: action_transfer_call, config: {phone_number: '911'}}]\n": "agent a: actions[0].config.phone_number ",
		"kind: prompt\nkey: p\ncontent: Hi.\ncontext_endpoint: nourl\n":                                                         "prompt p: context_endpoint must be",
		"kind: agent\nkey: a\nprompt: {content: Hi.}\nprovider: openai\nvoice: {type: voice_vocode, voice_id: x}\n":             "warning: voice.type; no_driver; ",
		"kind: prompt\nkey: p\ncontent: \"Clinic.\\nplaybook: x\\nshout\"\n":                                                    "warning: content; unreadable; The playbook cannot be read, and without another model calls are refused: line 3, column 1: expected ",
		"kind: agent\nkey: a\nprompt: {content: \"Clinic.\\nplaybook: x\\nshout\"}\n":                                           "warning: prompt.content; unreadable; ",
	} {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := run([]string{"apply", "--dry-run", "-f", path, "--url", server.URL, "--key", "k"}, &out, &errs)
		if !strings.Contains(errs.String(), want) || (code == 0) != strings.HasPrefix(want, "warning") {
			t.Errorf("%s: exit %d %s, want %s", file, code, errs.String(), want)
		}
	}
}
