package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The contract test is generated from the document: it walks through every
// property of every request body, sends a value that fits and values that are
// one mistake away from fitting, and wants a success or a 400 that names the
// property. All answers are held strictly against the document by bench.

// leaf is a property of a request body.
type leaf struct {
	path   []string // "[]" stands for the first item of a list
	schema *openapi3.Schema
	// required properties of the object they are in must not be left out.
	required bool
}

func (l leaf) name() string {
	return strings.ReplaceAll(strings.Join(l.path, "."), ".[]", "[0]")
}

// leaves lists the properties of a body's schema. A property that may be an id
// or an object is walked through as an object.
func leaves(s *openapi3.Schema, path []string, depth int) []leaf {
	var out []leaf
	for _, part := range append(append(openapi3.SchemaRefs{}, s.AllOf...), s.AnyOf...) {
		out = append(out, leaves(part.Value, path, depth)...)
	}
	if depth > 3 {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name].Value
		at := append(slices.Clone(path), name)
		out = append(out, leaf{at, p, slices.Contains(s.Required, name)})
		out = append(out, leaves(p, at, depth+1)...)
		if p.Items != nil {
			out = append(out, leaves(p.Items.Value, append(at, "[]"), depth+1)...)
		}
	}
	return out
}

// jsonTypes are the JSON types that a schema takes.
func jsonTypes(s *openapi3.Schema) []string {
	var out []string
	for _, part := range append(append(openapi3.SchemaRefs{}, s.AnyOf...), s.OneOf...) {
		out = append(out, jsonTypes(part.Value)...)
	}
	for _, part := range s.AllOf {
		if k := jsonTypes(part.Value); len(k) > 0 {
			return k
		}
	}
	if s.Type != nil {
		out = append(out, s.Type.Slice()...)
	}
	return out
}

// nullable says that null is a value of the property.
func nullable(s *openapi3.Schema) bool {
	return s.Nullable || slices.ContainsFunc(s.AnyOf, func(r *openapi3.SchemaRef) bool { return r.Value.Nullable })
}

// mistakes are values that do not fit the schema, each with what is wrong.
func mistakes(s *openapi3.Schema) map[string]any {
	out := map[string]any{}
	takes := jsonTypes(s)
	for kind, value := range map[string]any{
		"string": "text", "number": 1.5, "boolean": true, "array": []any{true}, "object": map[string]any{"zz": 1},
	} {
		if len(takes) > 0 && !slices.Contains(takes, kind) && !(kind == "number" && slices.Contains(takes, "integer")) {
			out["a "+kind] = value
		}
	}
	if slices.Contains(takes, "integer") && !slices.Contains(takes, "number") {
		out["a fraction"] = 1.5
	}
	if len(s.Enum) > 0 {
		out["outside of the enumeration"] = "no such value"
	}
	if s.Max != nil {
		out["too large"] = *s.Max + 1
	}
	if s.Min != nil {
		out["too small"] = *s.Min - 1
	}
	if s.MaxLength != nil && *s.MaxLength < 5000 {
		out["too long"] = strings.Repeat("x", int(*s.MaxLength)+1)
	}
	if s.MaxItems != nil {
		out["too many"] = slices.Repeat([]any{map[string]any{}}, int(*s.MaxItems)+1)
	}
	return out
}

// fitting is a value that the schema takes; ok is false when only the meaning of
// the property could tell (ids, addresses).
func fitting(s *openapi3.Schema) (v any, ok bool) {
	takes := jsonTypes(s)
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0], true
	case len(takes) != 1:
		return nil, false
	}
	switch takes[0] {
	case "boolean":
		return true, true
	case "integer", "number":
		if s.Max != nil {
			return *s.Max, true
		}
		return 1.0, true
	}
	return nil, false
}

// place puts a value at the path of a body and reports whether the objects on
// the way were there or could be made.
func place(body map[string]any, path []string, v any, remove bool) bool {
	var at any = body
	for i, name := range path {
		last := i == len(path)-1
		switch here := at.(type) {
		case map[string]any:
			if last {
				if delete(here, name); !remove {
					here[name] = v
				}
				return true
			}
			if here[name] == nil {
				here[name] = emptyFor(path[i+1])
			}
			at = here[name]
		case []any:
			if last || len(here) == 0 {
				return false
			}
			at = here[0]
		default:
			return false
		}
	}
	return false
}

func emptyFor(next string) any {
	if next == "[]" {
		return []any{map[string]any{}}
	}
	return map[string]any{}
}

func cloned(t *testing.T, body string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if body != "" {
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestRequestsOneMistakeAway mutates each property of each valid sample.
func TestRequestsOneMistakeAway(t *testing.T) {
	both(t, func(b *bench) {
		samples, tried := b.samples(), 0
		for _, pattern := range posts() {
			method, path, _ := strings.Cut(pattern, " ")
			op := b.doc.Paths.Value(path).GetOperation(method)
			if op.RequestBody == nil {
				continue
			}
			s := samples[pattern]
			for _, l := range leaves(op.RequestBody.Value.Content.Get("application/json").Schema.Value, nil, 0) {
				for what, value := range mistakes(l.schema) {
					body := cloned(b.t, s.body)
					if !place(body, l.path, value, false) {
						continue
					}
					tried++
					b.refused(pattern, s.query, body, l.name(), what)
				}
				if l.required && len(l.path) == 1 {
					body := cloned(b.t, s.body)
					place(body, l.path, nil, true)
					b.refused(pattern, s.query, body, l.name(), "absent")
				}
				if !nullable(l.schema) && l.required {
					body := cloned(b.t, s.body)
					place(body, l.path, nil, false)
					b.refused(pattern, s.query, body, l.name(), "null")
				}
			}
		}
		if tried < 1000 {
			b.t.Errorf("only %d mutations were tried", tried)
		}
	})
}

func (b *bench) refused(pattern, query string, body map[string]any, path, what string) {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	got := b.do(pattern+query, string(raw))
	if got.status != 400 || !strings.Contains(got.text("message"), path) {
		b.t.Errorf("%s with %s %s answers %d %s", pattern, path, what, got.status, got.raw)
	}
}

// TestFittingRequests sets each property of the valid samples to another value
// that fits, in every profile. What can be done once only is left out.
func TestFittingRequests(t *testing.T) {
	once := []string{"buy", "link", "cancel", "detach", "import", "revoke", "end"}
	both(t, func(b *bench) {
		samples, tried := b.samples(), 0
		for name, header := range families() {
			header.Set("Authorization", "Bearer "+b.key)
			for _, pattern := range posts() {
				method, path, _ := strings.Cut(pattern, " ")
				op := b.doc.Paths.Value(path).GetOperation(method)
				if op.RequestBody == nil || slices.Contains(once, path[strings.LastIndex(path, "/")+1:]) {
					continue
				}
				for _, l := range leaves(op.RequestBody.Value.Content.Get("application/json").Schema.Value, nil, 0) {
					body := cloned(b.t, samples[pattern].body)
					value, ok := fitting(l.schema)
					if !ok || !there(body, l.path) || meaningful(pattern, l.name()) || !place(body, l.path, value, false) {
						continue
					}
					tried++
					if pattern == "POST /v1/trunks/create" && l.name() != "name" {
						body["name"] = fmt.Sprintf("trunk-%d", tried) // a name is one trunk's
					}
					raw, err := json.Marshal(body)
					if err != nil {
						b.t.Fatal(err)
					}
					if got := b.send(pattern+samples[pattern].query, string(raw), header); got.status/100 != 2 {
						b.t.Errorf("%s: %s with %s = %v answers %d %s", name, pattern, l.name(), value, got.status, got.raw)
					}
				}
			}
		}
		if tried < 100 {
			b.t.Errorf("only %d requests were tried", tried)
		}
	})
}

// families are the headers by which each family of clients is known.
func families() map[string]http.Header {
	return map[string]http.Header{
		"fluents":    {},
		"python":     {"X-Fern-Sdk-Name": {"vocode-api"}, "X-Fern-Language": {"Python"}},
		"javascript": {"X-Fern-Sdk-Name": {"@vocode/vocode-api"}, "X-Fern-Language": {"JavaScript"}},
		"neutral":    {"X-Fern-Sdk-Name": {"vocode-api"}},
	}
}

// there says that the objects on the way to a property exist: an object made for
// one property alone would lack what it needs.
func there(body map[string]any, path []string) bool {
	for _, name := range path[:len(path)-1] {
		next, ok := body[name].(map[string]any)
		if !ok {
			return false
		}
		body = next
	}
	return true
}

// meaningful are the properties whose values depend on others, which a schema
// cannot say.
func meaningful(pattern, name string) bool {
	switch {
	case strings.HasPrefix(pattern, "POST /v1/actions/") && name == "type":
		return true // the configuration must be the type's
	case pattern == "POST /v1/members/create":
		return true // a subject is a member once
	}
	return false
}

// TestDocumentedDefaults: what the document says about what nobody says is so.
func TestDocumentedDefaults(t *testing.T) {
	both(t, func(b *bench) {
		b.shop.stock(1)
		account := b.carrierAccount()
		number := b.number()
		for pattern, body := range map[string]string{
			"POST /v1/agents/create":  `{"prompt":{}}`,
			"POST /v1/numbers/link":   `{"phone_number":"+12025550160","telephony_account_connection":"` + account + `"}`,
			"POST /v1/members/create": `{"subject":"eve"}`,
			"POST /v1/calls/create":   `{"to_number":"+12025550199","from_number":"` + number + `","agent":{"prompt":{}}}`,
		} {
			method, path, _ := strings.Cut(pattern, " ")
			schema := b.doc.Paths.Value(path).GetOperation(method).RequestBody.Value.Content.Get("application/json").Schema.Value
			got := b.do(pattern, body).want(201)
			defaults, _ := schema.Extensions["x-defaults"].(map[string]any)
			for name, documented := range defaults {
				if value := got.at(name); value != documented {
					b.t.Errorf("%s: %s is %v, documented is %v", pattern, name, value, documented)
				}
				if said := fmt.Sprintf("%s %v", name, documented); !strings.Contains(schema.Description, said) {
					b.t.Errorf("%s: the description does not say %q", pattern, said)
				}
			}
			if len(defaults) == 0 {
				b.t.Errorf("%s documents no defaults", pattern)
			}
		}
	})
}

// TestQueriesOneMistakeAway gives each parameter of each route values that do
// not fit, twice the same one, and none where one is required.
func TestQueriesOneMistakeAway(t *testing.T) {
	both(t, func(b *bench) {
		tried := 0
		for _, r := range (&server{}).routes() {
			method, path, _ := strings.Cut(r.pattern, " ")
			target := method + " " + strings.ReplaceAll(path, "{id}", "x")
			for _, ref := range b.doc.Paths.Value(path).GetOperation(method).Parameters {
				p, schema := ref.Value, ref.Value.Schema.Value
				if p.In != openapi3.ParameterInQuery {
					continue
				}
				values := map[string][]string{"string": nil, "boolean": {"yes", "1"}, "integer": {"x", "1.5", "99999999999"}, "number": {"x", "NaN"}}[schema.Type.Slice()[0]]
				if schema.Max != nil {
					values = append(values, strconv.FormatFloat(*schema.Max+1, 'f', -1, 64))
				}
				if schema.Min != nil {
					values = append(values, strconv.FormatFloat(*schema.Min-1, 'f', -1, 64))
				}
				values = append(values, "a&"+p.Name+"=b", "%00", "%ff")
				for _, value := range values {
					tried++
					got := b.do(target+"?"+p.Name+"="+value, "")
					if got.status != 400 || !strings.Contains(got.text("message"), p.Name) {
						b.t.Errorf("%s with %s=%s answers %d %s", r.pattern, p.Name, value, got.status, got.raw)
					}
				}
				if p.Required {
					got := b.do(target, "").want(400)
					if !strings.Contains(got.text("message"), p.Name+" is required") {
						b.t.Errorf("%s without %s answers %s", r.pattern, p.Name, got.raw)
					}
				}
			}
		}
		if tried < 300 {
			b.t.Errorf("only %d queries were tried", tried)
		}
	})
}

func TestPathsThatAreNoText(t *testing.T) {
	both(t, func(b *bench) {
		for _, id := range []string{"%ff", "%00", "x%fey", "%c0%80"} {
			b.do("GET /v1/calls/"+id+"/events", "").want(404)
			b.do("GET /docs/"+id, "").want(404)
		}
	})
}
