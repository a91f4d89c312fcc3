package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/wire"
)

// noKeys refuses a key in an object that is stored as it is, unless the object is as it
// was. path is where the object is.
func noKeys(path string, before, after []byte) error {
	value := jsonValue(after)
	if reflect.DeepEqual(jsonValue(before), value) {
		return nil
	}
	if found := keyIn(path, value); found != "" {
		return invalid("%s must not be given: keys belong into the credentials of account connections", found)
	}
	return nil
}

// keyIn is the path of a member with a key; "" for none. What is directly called key is
// one, too: where keys are refused nothing else is called so.
func keyIn(path string, value any) string {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inside := path + "." + wire.Clip(name)
			if text, ok := v[name].(string); ok && text != "" && (contract.KeyName(name) || strings.EqualFold(name, "key")) {
				return inside
			}
			if found := keyIn(inside, v[name]); found != "" {
				return found
			}
		}
	case []any:
		for _, item := range v {
			if found := keyIn(path+"[]", item); found != "" {
				return found
			}
		}
	}
	return ""
}

// hideKeys masks the texts of members that hold keys in an object that was stored as it
// was given.
func hideKeys(stored []byte) []byte {
	value := jsonValue(stored)
	if !maskKeys(value) {
		return stored
	}
	out, err := json.Marshal(value)
	if err != nil {
		return nil // rather nothing than a key
	}
	return out
}

// maskKeys does that in a value and reports whether there was one.
func maskKeys(value any) (found bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if text, ok := member.(string); ok && text != "" && contract.KeyName(name) {
				v[name], found = masked(sidetone.Secret(text)), true
			}
			found = maskKeys(member) || found
		}
	case []any:
		for _, item := range v {
			found = maskKeys(item) || found
		}
	}
	return found
}

// keptMasks puts what masks stand for in their place, so that a client can send back
// what it read.
func keptMasks(change *sidetone.Optional[[]byte], current []byte) error {
	if !bytes.Contains(change.Value, []byte(maskMark)) {
		return nil
	}
	sent, _ := jsonValue(change.Value).(map[string]any)
	now, _ := jsonValue(current).(map[string]any)
	for name, member := range sent {
		if name == "signature_secret" { // which is not kept so
			continue
		}
		full, err := unmasked(name, member, now[name])
		if err != nil {
			return err
		}
		sent[name] = full
	}
	out, err := json.Marshal(sent)
	if err != nil {
		return invalid("body must be JSON")
	}
	change.Value = out
	return nil
}

// jsonValue is a stored text of JSON, with its numbers as they are; nil for none.
func jsonValue(stored []byte) any {
	value, err := parseSecret(sidetone.Secret(stored))
	if err != nil {
		return nil
	}
	return value
}
