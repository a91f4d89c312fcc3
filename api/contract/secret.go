package contract

import (
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// secretFormat marks texts in the document that are secrets.
const secretFormat = "password"

// stars stand for a secret.
const stars = "********"

// isSecret reports whether a schema is that of a secret, or of an object all of whose
// members are secrets.
func isSecret(s *openapi3.Schema) bool {
	if more := s.AdditionalProperties.Schema; more != nil && more.Value.Format == secretFormat {
		return true
	}
	return s.Format == secretFormat
}

// KeyName reports whether a member of that name holds a secret, by what customers usually
// call them.
func KeyName(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, end := range []string{"apikey", "token", "secret", "password"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasSuffix(name, "_key") || name == "authorization"
}

// Secrets are the paths of the secrets among the properties of a request body.
type Secrets []string

// SecretsOf are the secrets among properties.
func SecretsOf(properties []Property) Secrets {
	var out Secrets
	for _, p := range properties {
		if p.Secret {
			out = append(out, p.Path)
		}
	}
	return out
}

// Hide returns a copy of value, which stands at path in a request body ("" for the body
// itself), with stars in the place of each secret. Those that the document does not
// know are found by their names.
func (s Secrets) Hide(path string, value any) any {
	return s.replace(path, value, func(any) any { return stars })
}

// HideSent returns a copy of the answer to a request, with stars in the place of the
// secrets that the request itself sent.
func (s Secrets) HideSent(sent, answer map[string]any) map[string]any {
	var texts []any
	s.replace("", sent, func(v any) any {
		texts = append(texts, v)
		return v
	})
	hidden, _ := s.replace("", answer, func(v any) any {
		if slices.Contains(texts, v) {
			return stars
		}
		return v
	}).(map[string]any)
	return hidden
}

// replace copies value and replaces each secret in it.
func (s Secrets) replace(path string, value any, by func(any) any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = s.replace(strings.TrimPrefix(path+"."+name, "."), member, by)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = s.replace(path+"[]", item, by)
		}
		return out
	}
	if s.have(path, value) {
		return by(value)
	}
	return value
}

// have says that the value at a path is a secret, or a part of one.
func (s Secrets) have(path string, value any) bool {
	name := strings.TrimRight(path[strings.LastIndexByte(path, '.')+1:], "[]")
	if _, isText := value.(string); isText && KeyName(name) {
		return true
	}
	return slices.ContainsFunc(s, func(secret string) bool {
		rest, found := strings.CutPrefix(path, secret)
		return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}
