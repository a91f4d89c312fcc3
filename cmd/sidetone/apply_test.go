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
		`f.yaml:11: agent receptionist: actions[0].config must be an object`,
		`f.yaml:8: agent receptionist: conversation_speed must be a number`,
		`f.yaml:10: agent receptionist: initial_message_delay must be a number`,
		`f.yaml:9: agent receptionist: language must be one of en, es, de, hi, pt, fr, nl, id, it, ja, ko`,
		`f.yaml:15: agent nobody: name must be a string`,
		`f.yaml:13: agent nobody: prompt is required`,
		`f.yaml:20: number +12025550100: example_context must be an object`,
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
