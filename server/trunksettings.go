package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/v2"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/apply"
)

// One list says what a trunk can be told, wherever that is: the fields of Trunk. An entry
// of sip.trunks, the body of POST /v1/trunks/create and a document of `sidetone apply`
// are read by the same decoder and checked by the same rules, so that a field that is
// added to Trunk acts in all three.
//
// A field with the tag trunk:"operator" is for the configuration file only: it names
// something of the server's own, such as a file.

// operatorTag marks settings that only the configuration file has.
const operatorTag = "operator"

// membersOf are the keys of a structure's fields in configuration, and those of them
// that are lists of structures or structures themselves.
func membersOf(t reflect.Type) (members []string, nested []entryList, maps []string) {
	for _, f := range reflect.VisibleFields(t) {
		name, ok := f.Tag.Lookup("koanf")
		if !ok || name == "-" {
			continue
		}
		members = append(members, name)
		inner := f.Type
		if inner.Kind() == reflect.Map {
			maps = append(maps, name)
		}
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		list := entryList{key: name, single: f.Type.Kind() != reflect.Slice}
		list.members, list.lists, list.maps = membersOf(inner)
		nested = append(nested, list)
	}
	return members, nested, maps
}

// trunkList is the list sip.trunks.
func trunkList() entryList {
	list := entryList{key: trunksKey}
	list.members, list.lists, list.maps = membersOf(reflect.TypeFor[Trunk]())
	return list
}

// trunkSettings are the settings of a trunk that the interface takes, besides its name.
func trunkSettings() []api.TrunkSetting {
	var out []api.TrunkSetting
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for _, f := range reflect.VisibleFields(t) {
			name, ok := f.Tag.Lookup("koanf")
			if !ok || name == "-" || prefix+name == "name" {
				continue
			}
			out = append(out, api.TrunkSetting{Path: prefix + name, Secret: f.Type == reflect.TypeFor[sidetone.Secret]()})
			if f.Type.Kind() == reflect.Struct {
				walk(prefix+name+".", f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[Trunk]())
	return out
}

// readTrunk reads what the interface says of a trunk. Errors begin with the setting and
// show nothing of its value, which may be a secret.
func readTrunk(name string, settings map[string]any) (Trunk, error) {
	if err := fitsType("", settings, reflect.TypeFor[Trunk]()); err != nil {
		return Trunk{}, err
	}
	entry := maps.Clone(settings)
	entry["name"] = name
	k := koanf.New(".")
	if err := k.Set("trunks", []any{entry}); err != nil {
		return Trunk{}, fmt.Errorf("read settings: %w", err)
	}
	var c SIPConfig
	if err := k.Unmarshal("", &c); err != nil || len(c.Trunks) != 1 {
		return Trunk{}, errors.New("the settings cannot be read") // the decoder's words may show them
	}
	if err := c.validate(); err != nil {
		return Trunk{}, errors.New(strings.ReplaceAll(err.Error(), "sip.trunks[0].", ""))
	}
	return c.Trunks[0], nil
}

// fitsType holds a JSON value against the type of a setting, which path names.
func fitsType(path string, value any, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wants := func(ok bool, what string) error {
		if !ok {
			return fmt.Errorf("%s must be %s", path, what)
		}
		return nil
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		text, isText := value.(string)
		_, err := time.ParseDuration(text)
		return wants(isText && err == nil, "a time such as 4s")
	case t.Kind() == reflect.String:
		_, isText := value.(string)
		return wants(isText, "a text")
	case t.Kind() == reflect.Bool:
		_, isBool := value.(bool)
		return wants(isBool, "true or false")
	case t.Kind() == reflect.Slice:
		return eachFits(path, value, t.Elem())
	case t.Kind() == reflect.Map:
		return fitsMap(path, value, t.Elem())
	case t.Kind() == reflect.Struct:
		return fitsStruct(path, value, t)
	}
	n, isNumber := value.(float64)
	whole := t.Kind() != reflect.Float64 && t.Kind() != reflect.Float32
	return wants(isNumber && (!whole || n == math.Trunc(n) && math.Abs(n) < 1<<31), "a number")
}

func eachFits(path string, value any, item reflect.Type) error {
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf("%s must be a list", path)
	}
	for i, v := range list {
		if err := fitsType(fmt.Sprintf("%s[%d]", path, i), v, item); err != nil {
			return err
		}
	}
	return nil
}

func fitsMap(path string, value any, item reflect.Type) error {
	m, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", path)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := fitsType(path+"."+clipped(name), m[name], item); err != nil {
			return err
		}
	}
	return nil
}

func fitsStruct(path string, value any, t reflect.Type) error {
	m, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s must be an object", path)
	}
	members, _, _ := membersOf(t)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		full := strings.TrimPrefix(path+"."+clipped(name), ".")
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Tag.Get("koanf") == name && name != "-" })
		if i < 0 {
			text := full + " is no setting of a trunk"
			if like := apply.Nearest(name, members); like != "" {
				text += "; did you mean " + like + "?"
			}
			return errors.New(text)
		}
		field := reflect.VisibleFields(t)[i]
		if field.Tag.Get("trunk") == operatorTag {
			return fmt.Errorf("%s can be set in the server's configuration only", full)
		}
		if err := fitsType(full, m[name], field.Type); err != nil {
			return err
		}
	}
	return nil
}

// clipped bounds a name in a message.
func clipped(name string) string { return name[:min(len(name), 64)] }

// storedTrunk reads an environment's trunk from its row.
func storedTrunk(row sidetone.Trunk) (Trunk, error) {
	settings := map[string]any{}
	if err := json.Unmarshal(row.Settings, &settings); err != nil {
		return Trunk{}, fmt.Errorf("read the settings of trunk %s: %w", row.ID, err)
	}
	secrets := map[string]any{}
	if row.Secrets != "" {
		if err := json.Unmarshal([]byte(row.Secrets.Reveal()), &secrets); err != nil {
			return Trunk{}, fmt.Errorf("read the secrets of trunk %s: no JSON", row.ID)
		}
	}
	t, err := readTrunk(row.Name, api.JoinTrunk(settings, secrets))
	t.ID, t.EnvironmentID = row.ID, row.EnvironmentID
	return t, err
}
