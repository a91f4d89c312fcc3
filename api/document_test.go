package api

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/api/contract"
)

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(contract.Text(), "api.fluents.ai") || doc.Servers[0].URL != "/" {
		t.Error("the document poses as the vendor's")
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Responses.Default() == nil {
				t.Errorf("%s %s declares no default error", method, path)
			}
			if op.Extensions["x-source"] == nil {
				t.Errorf("%s %s does not say where it comes from", method, path)
			}
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s %s has no summary or no id", method, path)
			}
		}
	}
}

func TestRoutesAndDocumentAgree(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	var documented, routed []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	for _, route := range (&server{}).routes() {
		routed = append(routed, route.pattern)
		method, path, _ := strings.Cut(route.pattern, " ")
		op := doc.Paths.Value(path).GetOperation(method)
		if open := op.Security != nil && len(*op.Security) == 0; open != route.open {
			t.Errorf("%s: document says open is %v, route says %v", route.pattern, open, route.open)
		}
	}
	slices.Sort(documented)
	slices.Sort(routed)
	if diff := cmp.Diff(documented, routed); diff != "" {
		t.Errorf("document (-) and routes (+) differ:\n%s", diff)
	}
}

func fragment(t *testing.T) *openapi3.T {
	t.Helper()
	raw, err := os.ReadFile("testdata/update-number.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// shape is what of a schema has to be equal to the letter.
type shape struct {
	Type       string
	Required   []string
	Properties map[string]shape
}

func typeOf(s *openapi3.Schema) string {
	if s.Type == nil {
		return ""
	}
	return strings.Join(s.Type.Slice(), "|")
}

func shapeOf(s *openapi3.Schema, properties bool) shape {
	out := shape{Type: typeOf(s), Required: slices.Sorted(slices.Values(s.Required))}
	if properties {
		out.Properties = map[string]shape{}
		for name, p := range s.Properties {
			out.Properties[name] = shapeOf(p.Value, false)
		}
	}
	return out
}

type declaredParameter struct {
	Name, In, Type string
	Required       bool
}

func parametersOf(op *openapi3.Operation) []declaredParameter {
	var out []declaredParameter
	for _, p := range op.Parameters {
		out = append(out, declaredParameter{p.Value.Name, p.Value.In, typeOf(p.Value.Schema.Value), p.Value.Required})
	}
	return out
}

func TestPublishedFragmentIsOurs(t *testing.T) {
	t.Parallel()
	ours, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	published := fragment(t)
	for path, item := range published.Paths.Map() {
		for method, theirs := range item.Operations() {
			mine := ours.Paths.Value(path).GetOperation(method)
			compareOperations(t, mine, theirs)
		}
	}
	bearer := func(d *openapi3.T) any {
		s := d.Components.SecuritySchemes["bearer"].Value
		return []string{s.Type, s.Scheme}
	}
	if diff := cmp.Diff(bearer(published), bearer(ours)); diff != "" {
		t.Errorf("security differs:\n%s", diff)
	}
}

func compareOperations(t *testing.T, mine, theirs *openapi3.Operation) {
	t.Helper()
	if mine.OperationID != theirs.OperationID {
		t.Errorf("got operationId %q, want %q", mine.OperationID, theirs.OperationID)
	}
	if diff := cmp.Diff(parametersOf(theirs), parametersOf(mine)); diff != "" {
		t.Errorf("parameters differ:\n%s", diff)
	}
	body := func(op *openapi3.Operation) shape {
		return shapeOf(op.RequestBody.Value.Content.Get("application/json").Schema.Value, false)
	}
	if diff := cmp.Diff(body(theirs), body(mine)); diff != "" {
		t.Errorf("request bodies differ:\n%s", diff)
	}
	if mine.RequestBody.Value.Required != theirs.RequestBody.Value.Required {
		t.Error("one of the bodies is not required")
	}
	for status, response := range theirs.Responses.Map() {
		declared := mine.Responses.Value(status)
		if declared == nil {
			t.Errorf("status %s is not declared", status)
			continue
		}
		schema := func(r *openapi3.ResponseRef) *openapi3.Schema {
			return r.Value.Content.Get("application/json").Schema.Value
		}
		whole := status != "201" // the number's members are held by TestAnswersFitThePublishedFragment
		if diff := cmp.Diff(shapeOf(schema(response), whole), shapeOf(schema(declared), whole)); diff != "" {
			t.Errorf("status %s differs:\n%s", status, diff)
		}
	}
}

// overlay gives the two members that contradict themselves the type of their
// own examples. It returns how often that was needed.
func overlay(s *openapi3.Schema) int {
	needed := 0
	for _, name := range []string{"telephony_provider", "telephony_account_connection"} {
		p := s.Properties[name].Value
		if _, isText := p.Example.(string); isText && p.Type.Is("object") {
			p.Type = &openapi3.Types{"string"}
			needed++
		}
	}
	return needed
}

func TestAnswersFitThePublishedFragment(t *testing.T) {
	both(t, func(b *bench) {
		published := fragment(b.t).Components.Schemas["NormalizedNumberDto"].Value
		number := b.number()
		got := b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{"name":"Ada"},"label":"Front desk",
			"description":"main line","inbound_agent":{"name":"Reception","prompt":{"content":"Be kind."}}}`).want(201)
		if published.VisitJSON(got.json) == nil {
			b.t.Error("the overlay is no longer needed")
		}
		if needed := overlay(published); needed != 2 {
			b.t.Errorf("the overlay changes %d members, want 2", needed)
		}
		if err := published.VisitJSON(got.json); err != nil {
			b.t.Error(err)
		}
		for _, name := range []string{"inbound_agent", "inbound_agent_name", "telephony_provider", "label", "description"} {
			if got.at(name) == nil {
				b.t.Errorf("%s is missing", name)
			}
		}
	})
}

// TestMoreThanTheFragment is the table of what known clients send although the
// published fragment refuses it; each row says who does.
func TestMoreThanTheFragment(t *testing.T) {
	both(t, func(b *bench) {
		published := fragment(b.t)
		body := published.Components.Schemas["UpdateNumberDto"].Value
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		number := b.do("POST /v1/numbers/buy", `{}`).want(201)
		for _, row := range []struct{ sender, query, body string }{
			{"the documentation's example and scripts: the agent by id", "phone_number=" + number.text("number")[1:], `{"example_context":{},"inbound_agent":"` + agent + `"}`},
			{"clients that clear: null removes the agent", "phone_number=" + number.text("number")[1:], `{"example_context":{},"inbound_agent":null}`},
			{"clients that clear: null empties a label", "phone_number=" + number.text("number")[1:], `{"example_context":{},"label":null}`},
			{"integrations by id: id instead of phone_number", "id=" + number.text("id"), `{"example_context":{}}`},
		} {
			var value any
			if err := json.Unmarshal([]byte(row.body), &value); err != nil {
				b.t.Fatal(err)
			}
			if body.VisitJSON(value) == nil && strings.HasPrefix(row.query, "phone_number=") {
				b.t.Errorf("%s: the fragment accepts it, the row can go", row.sender)
			}
			b.do("POST /v1/numbers/update?"+row.query, row.body).want(201)
		}
	})
}

// TestExamplesCanBeSentAsTheyAre: each request body has an example, which is
// what the page of the API offers; it fits, and those that refer to nothing
// else succeed on a new environment.
func TestExamplesCanBeSentAsTheyAre(t *testing.T) {
	both(t, func(b *bench) {
		sent := 0
		for path, item := range b.doc.Paths.Map() {
			for method, op := range item.Operations() {
				if op.RequestBody == nil {
					continue
				}
				media := op.RequestBody.Value.Content.Get("application/json")
				if media.Example == nil {
					b.t.Errorf("%s %s has no example", method, path)
					continue
				}
				if err := media.Schema.Value.VisitJSON(media.Example); err != nil {
					b.t.Errorf("%s %s: the example does not fit: %v", method, path, err)
				}
				if !strings.HasSuffix(path, "/create") && !strings.HasSuffix(path, "/bulk") && !strings.HasSuffix(path, "/import") ||
					path == "/v1/calls/create" { // needs a number
					continue
				}
				raw, err := json.Marshal(media.Example)
				if err != nil {
					b.t.Fatal(err)
				}
				status := http.StatusCreated
				if op.Responses.Status(status) == nil {
					status = http.StatusOK
				}
				b.do(method+" "+path, string(raw)).want(status)
				sent++
			}
		}
		if sent < 12 {
			b.t.Errorf("only %d examples were sent", sent)
		}
	})
}
