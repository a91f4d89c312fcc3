package support

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/api/contract"
)

// place finds whose property a path in the body of an operation is:
// inbound_agent.actions[].type of POST /v1/numbers/buy is the type of an action.
func place(operation, path string) (resource, property string) {
	resource, property = Root(operation), ""
	parts := strings.Split(path, ".")
	for i, part := range parts {
		next := Inner(resource, strings.TrimSuffix(part, "[]"))
		if property == "" && next != "" && i < len(parts)-1 {
			resource = next
			continue
		}
		property = strings.TrimPrefix(property+"."+part, ".")
	}
	return resource, property
}

// named are the resource, the property and the values of each property that a
// request may have.
func named(t *testing.T) map[key][]string {
	t.Helper()
	doc, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	found := map[key][]string{}
	for _, p := range doc.Properties() {
		resource, property := place(p.Operation, p.Path)
		if resource == "" {
			t.Errorf("%s: root() has no resource for it", p.Operation)
		}
		of := key{resource: resource, property: property}
		found[of] = append(found[of], p.Values...)
	}
	for _, name := range parameters(t) {
		found[key{resource: "query", property: name}] = nil
	}
	for of, values := range free() {
		found[of] = append(found[of], values...)
	}
	return found
}

// parameters lists the names of the parameters of every operation's address.
func parameters(t *testing.T) []string {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(contract.Text()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, ref := range operation.Parameters {
				if in := ref.Value.In; in == openapi3.ParameterInQuery || in == openapi3.ParameterInPath {
					names = append(names, ref.Value.Name)
				}
			}
		}
	}
	return names
}

// free are values that select something and that the document leaves open, as the
// contracts of both families and we know them.
func free() map[key][]string {
	connections := strings.Fields("twilio openai google azure_llm elevenlabs deepgram cartesia playht rime azure_speech assemblyai " +
		"deepseek togetherai telnyx un_pw_oauth login_key_oauth external_api_key " +
		"anthropic openrouter ollama harness whisper kokoro") // the last line is ours
	for i, vendor := range connections {
		connections[i] = "account_connection_" + vendor
	}
	models := strings.Fields("openai azure anthropic google azure_llm deepseek togetherai openrouter ollama harness")
	sellers := strings.Fields("simulated sip twilio telnyx vonage fluents")
	return map[key][]string{
		{resource: "number", property: "telephony_provider"}:   sellers,
		{resource: "query", property: "telephony_provider"}:    sellers,
		{resource: "call", property: "telephony_provider"}:     sellers,
		{resource: "agent", property: "transcriber.type"}:      strings.Fields("pocketsphinx tty transcriber_deepgram transcriber_assembly_ai transcriber_azure transcriber_google transcriber_openai transcriber_whisper"),
		{resource: "voice", property: "type"}:                  strings.Fields("voice_flite voice_tty voice_azure voice_rime voice_eleven_labs voice_play_ht voice_vocode voice_openai voice_deepgram voice_cartesia voice_kokoro"),
		{resource: "voice", property: "voice"}:                 strings.Fields("rms slt kal16 awb"),
		{resource: "account_connection", property: "type"}:     connections,
		{resource: "agent", property: "provider"}:              append(strings.Fields("scripted echo bench"), models...),
		{resource: "agent", property: "llm_fallback.provider"}: models,
		{resource: "action", property: "action_trigger"}:       strings.Fields("action_trigger_function_call action_trigger_phrase_based"),
	}
}

// missing lists what has no entry among entries.
func missing(entries []Entry, properties map[key][]string) []string {
	table, out := index(entries), []string(nil)
	for of, values := range properties {
		for _, value := range append([]string{""}, values...) {
			if _, ok := table.Find(of.resource, of.property, value); !ok {
				out = append(out, strings.TrimSpace(of.resource+" "+of.property+" "+value))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestEveryPropertyAndValueHasAnEntry(t *testing.T) {
	t.Parallel()
	properties := named(t)
	for _, what := range missing(entries(), properties) {
		t.Errorf("%s: no entry", what)
	}
	seen := map[key]bool{}
	for _, e := range entries() {
		this, of := key{e.Resource, e.Property, e.Value}, key{resource: e.Resource, property: e.Property}
		if seen[this] {
			t.Errorf("%v: two entries", this)
		}
		seen[this] = true
		if values, ok := properties[of]; !ok || e.Value != "" && !slices.Contains(values, e.Value) {
			t.Errorf("%v: the entry names nothing", this)
		}
	}
}

// TestAMissingEntryIsFound takes each entry out and looks whether it is missed.
func TestAMissingEntryIsFound(t *testing.T) {
	t.Parallel()
	properties := named(t)
	for i, e := range entries() {
		want := strings.TrimSpace(e.Resource + " " + e.Property + " " + e.Value)
		if got := missing(slices.Delete(entries(), i, i+1), properties); !slices.Contains(got, want) {
			t.Errorf("without the entry of %s nothing is missing", want)
		}
	}
}

func TestEntriesAreComplete(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{}
	for _, e := range entries() {
		what := e.Resource + " " + e.Property + " " + e.Value
		switch e.Status {
		case Acts:
			dir, name, _ := strings.Cut(e.Test, ".")
			if tests[dir] == nil {
				tests[dir] = testsOf(t, filepath.Join("..", dir))
			}
			if !slices.Contains(tests[dir], name) || e.Reason != "" || e.Sentence != "" && !strings.HasSuffix(e.Sentence, ".") {
				t.Errorf("%s: acts, but there is no test %q, or it has a reason, or what it leaves out is no sentence", what, e.Test)
			}
		case Kept, Refused:
			if e.Test != "" || e.Reason == "" || !strings.HasSuffix(e.Sentence, ".") || strings.Contains(e.Sentence, ";") {
				t.Errorf("%s: needs a reason and a sentence without semicolon, and no test", what)
			}
		default:
			t.Errorf("%s: status %q", what, e.Status)
		}
	}
}

// testsOf lists the tests of a package.
func testsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{""}[:0:1]
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
