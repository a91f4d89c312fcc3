package contract

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// Input is a request as the validator and the handlers see it.
type Input struct {
	// Query are the parameters of the URL.
	Query url.Values
	// Body is empty when the request had none.
	Body wire.Object
	// size is that of the body's text, in bytes.
	size int
}

// Normalise brings the ways in which known clients write the same request into
// one form. What it returns depends on its arguments only, and it changes none of
// them. A body that is no JSON object is an error with code Invalid.
//
// A missing, empty or null body is the empty object, whatever its content type
// said. Query booleans are lower-cased, because Python writes True. A space at
// the start of a phone number in the query is a plus that was not escaped. A
// provider written as {"name": x} is x. Where the profile says that {} means
// not set, such properties are removed at every depth; a free map is a value
// all the same, except in an update. Where it says that example_context is
// optional, null for it is removed, too: the family's published schema allows that.
func Normalise(p dialect.Profile, op Operation, query url.Values, body []byte) (Input, error) {
	in := Input{Query: normaliseQuery(op, query), Body: wire.Object{}, size: len(body)}
	if op.body == nil {
		return in, nil
	}
	text := strings.TrimSpace(string(body))
	if text == "" || text == "null" {
		return in, nil
	}
	parsed, err := wire.Parse(body)
	if err != nil {
		return Input{}, err
	}
	if p.EmptyObjectIsUnset {
		parsed = dialect.WithoutEmpty(parsed, op.partial)
	}
	if p.ContextOptional {
		parsed = withoutNull(parsed, op.optional)
	}
	in.Body = withPlainProvider(parsed)
	return in, nil
}

// withoutNull leaves out the members with these names that are null.
func withoutNull(body wire.Object, names []string) wire.Object {
	return slices.DeleteFunc(slices.Clone(body), func(m wire.Member) bool {
		return m.Value == nil && slices.Contains(names, m.Name)
	})
}

// withPlainProvider replaces a provider written as {"name": x} by x.
func withPlainProvider(body wire.Object) wire.Object {
	const member = "telephony_provider"
	value, _ := body.Get(member)
	provider, ok := value.(wire.Object)
	if !ok {
		return body
	}
	name, ok := provider.Get("name")
	if !ok {
		return body
	}
	return body.With(member, name)
}

func normaliseQuery(op Operation, query url.Values) url.Values {
	out := make(url.Values, len(query))
	for name, values := range query {
		out[name] = append([]string(nil), values...)
	}
	for _, p := range op.parameters {
		values := out[p.name]
		if len(values) == 0 {
			continue
		}
		switch {
		case p.name == "phone_number" && strings.HasPrefix(values[0], " "):
			values[0] = "+" + strings.TrimSpace(values[0])
		case p.kind != "string" && values[0] == "":
			delete(out, p.name)
		case p.kind == "boolean":
			values[0] = strings.ToLower(values[0])
		}
	}
	return out
}
