package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/api/contract"
)

// typedMembers are the properties that a request may have, by which the text of a value is
// read: a telephone system's user 1000 is a text and no number.
type typedMembers struct{ properties []contract.Property }

// value reads the text that was given for a property: as JSON, where the property can have
// what that is, else as a text, or as a list of texts between commas.
func (m typedMembers) value(name, text string) any {
	types, parts := m.types(name)
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		if onlyTexts(types, parts) {
			return betweenCommas(text)
		}
		return text
	}
	if _, isList := v.([]any); isList && slices.Contains(types, "array") {
		return m.items(text, parts, v)
	}
	switch {
	case v == nil || fits(types, v):
		return v
	case slices.Contains(types, "string"):
		return text
	case onlyTexts(types, parts):
		return betweenCommas(text)
	}
	return v
}

// types are those of a property and of its parts, also of a member of an object whose
// members have any names; none when the document does not say.
func (m typedMembers) types(name string) (types, parts []string) {
	for _, p := range m.properties {
		if p.Path == name {
			return p.Types, p.Parts
		}
	}
	if end := strings.LastIndexByte(name, '.'); end >= 0 {
		for _, p := range m.properties {
			if p.Path == name[:end] && p.Open {
				return p.Parts, nil
			}
		}
	}
	return nil, nil
}

// items keeps the text of the items of a list, whose JSON is text, where they must be
// texts and are none.
func (m typedMembers) items(text string, parts []string, list any) any {
	var raw []json.RawMessage
	if !slices.Equal(parts, []string{"string"}) || json.Unmarshal([]byte(text), &raw) != nil {
		return list
	}
	out := make([]any, len(raw))
	for i, item := range raw {
		var v any
		_ = json.Unmarshal(item, &v) // it was read above
		if _, isText := v.(string); !isText {
			v = string(item)
		}
		out[i] = v
	}
	return out
}

// fits says that a value of JSON has one of the types; without any it has.
func fits(types []string, v any) bool {
	kinds := []string{"object"}
	switch v.(type) {
	case string:
		kinds = []string{"string"}
	case float64:
		kinds = []string{"number", "integer"}
	case bool:
		kinds = []string{"boolean"}
	case []any:
		kinds = []string{"array"}
	}
	return len(types) == 0 || slices.ContainsFunc(kinds, func(kind string) bool { return slices.Contains(types, kind) })
}

// onlyTexts says that a property is a list whose items may be texts.
func onlyTexts(types, parts []string) bool {
	return slices.Equal(types, []string{"array"}) && (len(parts) == 0 || slices.Contains(parts, "string"))
}

// betweenCommas are the parts between commas of a list that was written without quotes, with or
// without brackets.
func betweenCommas(text string) []any {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	out := []any{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.Trim(strings.TrimSpace(part), `"`); part != "" {
			out = append(out, part)
		}
	}
	return out
}
