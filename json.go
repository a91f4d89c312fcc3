package sidetone

import (
	"encoding/json"
	"maps"
	"slices"
)

// MergeJSON returns the object base with the members of patch laid over it; a
// null member removes. A text that is no JSON object counts as empty.
func MergeJSON(base, patch []byte) []byte {
	out := map[string]json.RawMessage{}
	_ = json.Unmarshal(base, &out) // a broken base counts as empty
	if out == nil {
		out = map[string]json.RawMessage{} // the text was null
	}
	over := map[string]json.RawMessage{}
	_ = json.Unmarshal(patch, &over)
	for k, v := range over {
		if string(v) == "null" {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	merged, err := json.Marshal(out)
	if err != nil {
		return []byte("{}")
	}
	return merged
}

// pickJSON returns the object base with the named members only.
func pickJSON(base []byte, names ...string) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(base, &all) != nil {
		return []byte("{}")
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(names, name) })
	if all == nil {
		return []byte("{}")
	}
	picked, err := json.Marshal(all)
	if err != nil {
		return []byte("{}")
	}
	return picked
}
