package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/apply"
)

// secretBodies are bodies for all operations of the document that take secrets, each with
// a secret of its own at every place where there may be one.
func secretBodies(t *testing.T) map[string]object {
	t.Helper()
	out := map[string]object{}
	for _, p := range document(t).Properties() {
		path, post := strings.CutPrefix(p.Operation, "POST ")
		if !p.Secret || !post {
			continue
		}
		if out[path] == nil {
			out[path] = object{}
		}
		place := p.Path
		if strings.HasSuffix(place, "credentials") { // an object of secrets: one that the document does not name
			place += ".of_a_later_vendor"
		}
		plant(out[path], place, fmt.Sprintf("canary-%s-%s", path, place))
	}
	return out
}

// document is the contract, read once for all commands of a test.
func document(t *testing.T) *contract.Document {
	t.Helper()
	doc, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// plant sets the member at a path, [] being the first item of a list.
func plant(o object, path, value string) {
	head, rest, nested := strings.Cut(path, ".")
	name, isList := strings.CutSuffix(head, "[]")
	if !nested {
		o[name] = value
		return
	}
	if o[name] == nil && isList {
		o[name] = []any{object{}}
	} else if o[name] == nil {
		o[name] = object{}
	}
	inner, ok := o[name].(object)
	if isList {
		inner, ok = o[name].([]any)[0].(object)
	}
	if ok {
		plant(inner, rest, value)
	}
}

// What a command sent it does not show again: neither in the table nor as JSON.
func TestCommandsDoNotShowTheSecretsThatTheySend(t *testing.T) {
	t.Parallel()
	bodies, a := secretBodies(t), app{document: document(t)}
	commands := map[string][]string{"/v1/numbers/buy": {"numbers", "buy", "+12025550100"}, "/v1/numbers/link": {"numbers", "link", "+12025550100"}, "/v1/calls/create": {"calls", "create"}, "/v1/api_keys/import": {"api-keys", "import"}}
	for name, n := range nouns() {
		commands[n.path+"/create"], commands[n.path+"/update"] = []string{name, "create"}, []string{name, "update", "x"}
	}
	for path, fields := range bodies {
		command, ok := commands[path]
		if !ok {
			t.Errorf("no command sends the secrets of %s", path)
			continue
		}
		for _, output := range []string{"table", "json"} {
			raw, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "body.json")
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs, seen := sayBy(t, a, string(raw), slices.Concat(command, []string{"-f", file, "-o", output})...)
			if code != 0 || !strings.Contains(seen, "canary") || strings.Contains(out+errs, "canary") {
				t.Errorf("%s -o %s: exit %d, prints\n%s%s", strings.Join(command, " "), output, code, out, errs)
			}
		}
	}
}

// A plan shows stars for secrets: of what is made and of what is changed, in a dry run,
// when it is carried out, and when drift is looked for. What is sent is whole.
func TestPlansShowNoSecrets(t *testing.T) {
	t.Parallel()
	minimal := map[apply.Kind]object{
		apply.Prompt: {"content": "x"}, apply.Action: {"type": "action_external"}, apply.Trunk: {},
		apply.Agent:  {"prompt": object{"content": "x"}, "voice": object{"type": "voice_eleven_labs"}},
		apply.Number: {"buy": true, "example_context": object{}},
	}
	bodies, planted := secretBodies(t), 0
	a := app{document: document(t)}
	for _, kind := range apply.Kinds() {
		fields, ok := bodies[applyPath(kind)+"/update"]
		if !ok {
			continue
		}
		planted++
		wanted := merged(minimal[kind], fields)
		wanted["kind"] = kind
		key := "k1"
		switch kind {
		case apply.Number:
			key = "+12025550100"
			wanted["number"] = key
		case apply.Trunk:
			wanted["name"] = key
		default:
			wanted["key"] = key
		}
		raw, err := json.Marshal(wanted) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		for state, live := range map[string]string{"new": `{"items":[]}`, "changed": fmt.Sprintf(`{"items":[{"id":"1","key":%q,"name":%q,"number":%q}]}`, key, key, key)} {
			for _, args := range []string{"apply --dry-run", "apply", "drift", "apply --dry-run -o json", "drift -o json"} {
				var seen strings.Builder
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, applyPath(kind)+"/") {
						_, _ = w.Write([]byte(live))
						return
					}
					if r.Method != http.MethodGet {
						_ = r.Write(&seen)
					}
					_, _ = w.Write([]byte(`{"id":"1","items":[]}`))
				}))
				var out, errs strings.Builder
				a.run(append(strings.Fields(args), "-f", file, "--url", server.URL, "--key", "k"), &out, &errs)
				server.Close()
				shows := strings.Contains(out.String()+errs.String(), "canary")
				if shows || !strings.Contains(out.String(), "***") || args == "apply" && !strings.Contains(seen.String(), "canary") {
					t.Errorf("%s of a %s %s prints\n%s%s", args, state, kind, out.String(), errs.String())
				}
			}
		}
	}
	if planted < 4 {
		t.Errorf("only %d kinds have secrets", planted)
	}
}

// merged is a copy of a with the members of b, and those of objects in both.
func merged(a, b object) object {
	out := maps.Clone(a)
	for name, member := range b {
		mine, ok := out[name].(object)
		if theirs, isObject := member.(object); ok && isObject {
			member = merged(mine, theirs)
		}
		out[name] = member
	}
	return out
}
