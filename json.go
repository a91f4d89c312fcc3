package sidetone

import "encoding/json"

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
