package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
)

// maskMark starts every mask, and no value that a client may set.
const (
	maskMark = "****"
	mask     = "********"
)

// masked is what reads show of a secret: stars and the last four characters;
// stars only when it has fewer than twelve.
func masked(s sidetone.Secret) string {
	r := []rune(s.Reveal())
	if len(r) < 12 {
		return mask
	}
	return mask + string(r[len(r)-4:])
}

// setSecret sets name to the secret: in clear if the view shows secrets, else
// masked; absent when there is none. Decision 6: the response to a request that
// creates or sets a secret is rendered with v.showing(path).
func (v view) setSecret(o object, name string, s sidetone.Secret) {
	switch {
	case s == "":
	case v.shows(name):
		o[name] = s.Reveal()
	default:
		o[name] = masked(s)
	}
}

// showing returns the view of the one response that shows the secrets of these
// names, because the request set them.
func (v view) showing(names ...string) view {
	shown := map[string]bool{}
	for name := range v.shown {
		shown[name] = true
	}
	for _, name := range names {
		shown[name] = true
	}
	v.shown = shown
	return v
}

func (v view) shows(name string) bool { return v.secrets || v.shown[name] }

// secret reads a secret: absent changes nothing, null clears, and whether a text
// that looks like a mask is the current one is for maskResolved to say.
func (d *decoder) secret(name string) sidetone.Optional[sidetone.Secret] {
	text := d.Text(name)
	return sidetone.Optional[sidetone.Secret]{Value: sidetone.Secret(text.Value), Set: text.Set, Null: text.Null}
}

// secretJSON reads an object of secrets as compact JSON.
func (d *decoder) secretJSON(name string) sidetone.Optional[sidetone.Secret] {
	raw := d.JSON(name)
	if raw.Set && !raw.Null && !bytes.HasPrefix(raw.Value, []byte("{")) {
		d.Faults = append(d.Faults, name+" must be an object")
	}
	return sidetone.Optional[sidetone.Secret]{Value: sidetone.Secret(raw.Value), Set: raw.Set, Null: raw.Null}
}

// maskResolved replaces the current mask in a change by what it stands for: exactly
// that mask leaves the secret as it is, any other value that starts like one is a
// 400 naming path. current is "" for something new.
func maskResolved(path string, change sidetone.Optional[sidetone.Secret], current sidetone.Secret) (sidetone.Optional[sidetone.Secret], error) {
	if !change.Set || change.Null || !strings.HasPrefix(change.Value.Reveal(), maskMark) {
		return change, nil
	}
	if current != "" && change.Value.Reveal() == masked(current) {
		return sidetone.Optional[sidetone.Secret]{}, nil
	}
	return change, notAMask(path)
}

// notCarried refuses a change that would take a secret, as it was stored, to another
// URL, host, region or type: it must be sent anew. given is what the request says of
// it; a mask says nothing.
func notCarried(path string, given sidetone.Optional[sidetone.Secret], before, after sidetone.Secret) error {
	anew := given.Set && !strings.HasPrefix(given.Value.Reveal(), maskMark)
	if before == "" || before != after || anew {
		return nil
	}
	return invalid("%s must be sent again, or as null: what is stored is not carried to another URL, host, region or type", path)
}

func notAMask(path string) error {
	return invalid("%s must be a new value, or exactly the mask that reads show; it must not start with %s", path, maskMark)
}

// masksResolved does the same with an object of secrets: masks in it are replaced
// by the current values, so that a client that changes one member can repeat the
// others as it read them.
func masksResolved(path string, change sidetone.Optional[sidetone.Secret], current sidetone.Secret) (sidetone.Optional[sidetone.Secret], error) {
	if !change.Set || change.Null || !strings.Contains(change.Value.Reveal(), maskMark) {
		return change, nil
	}
	given, err := parseSecret(change.Value)
	if err != nil {
		return change, invalid("%s must be JSON", path)
	}
	now, err := parseSecret(current)
	if err != nil {
		now = nil // a new one, or a broken row: no mask stands for anything
	}
	full, err := unmasked(path, given, now)
	if err != nil {
		return change, err
	}
	b, err := json.Marshal(full)
	if err != nil {
		return change, invalid("%s must be JSON", path)
	}
	if current != "" && sameJSON(b, now) {
		return sidetone.Optional[sidetone.Secret]{}, nil
	}
	return sidetone.Some(sidetone.Secret(b)), nil
}

// sameJSON compares with another value; both are maps, which encode in the order
// of their names.
func sameJSON(a []byte, value any) bool {
	b, err := json.Marshal(value)
	return err == nil && bytes.Equal(a, b)
}

func parseSecret(s sidetone.Secret) (any, error) {
	dec := json.NewDecoder(strings.NewReader(s.Reveal()))
	dec.UseNumber() // digits stay as they were given
	var v any
	err := dec.Decode(&v)
	return v, err
}

// maskedJSON masks every text and number of value.
func maskedJSON(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = maskedJSON(member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = maskedJSON(item)
		}
		return out
	case string:
		return masked(sidetone.Secret(v))
	case json.Number:
		return masked(sidetone.Secret(v))
	default:
		return v
	}
}

// unmasked replaces the masks in given by the members of current at the same
// place.
func unmasked(path string, given, current any) (any, error) {
	switch v := given.(type) {
	case map[string]any:
		now, _ := current.(map[string]any)
		for name, member := range v {
			full, err := unmasked(path+"."+wire.Clip(name), member, now[name])
			if err != nil {
				return nil, err
			}
			v[name] = full
		}
	case []any:
		now, _ := current.([]any)
		for i := range v {
			var item any
			if i < len(now) {
				item = now[i]
			}
			full, err := unmasked(path+"["+strconv.Itoa(i)+"]", v[i], item)
			if err != nil {
				return nil, err
			}
			v[i] = full
		}
	case string:
		if !strings.HasPrefix(v, maskMark) {
			break
		}
		if hidden := maskedJSON(current); current == nil || hidden != v {
			return nil, notAMask(path)
		}
		return current, nil
	}
	return given, nil
}
