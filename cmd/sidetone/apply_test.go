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
