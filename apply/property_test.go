package apply

import (
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// TestFilesSetWhatTheAPITakes: a file can have exactly the properties that the
// document's requests have.
func TestFilesSetWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("../api/contract/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for kind, schema := range map[Kind]string{
		Prompt: "PromptInput", Action: "ActionInput", Agent: "AgentInput", Number: "UpdateNumberDto",
	} {
		want := slices.Sorted(maps.Keys(doc.Components.Schemas[schema].Value.Properties))
		want = slices.DeleteFunc(want, func(name string) bool { return name == "id" || name == "key" })
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(properties(kind)))); diff != "" {
			t.Errorf("%s (-document +files)\n%s", kind, diff)
		}
	}
}
