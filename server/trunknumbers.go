package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/telephony"
)

// TrunkNumbers is how a trunk writes numbers of one kind, both ways.
type TrunkNumbers struct {
	// In is what is done to a number that the trunk sends before it is read, Out to
	// an E.164 number before it is sent.
	In  TrunkSpelling `koanf:"in"`
	Out TrunkSpelling `koanf:"out"`
}

// TrunkSpelling changes how a number is written, see [phonenumber.Spelling].
type TrunkSpelling struct {
	// Strip is taken away from the front, Prepend put there where it was found.
	Strip   string `koanf:"strip"`
	Prepend string `koanf:"prepend"`
	// Plus puts a plus in front or takes it away; nil leaves it.
	Plus *bool `koanf:"plus"`
}

func (s TrunkSpelling) spelling() phonenumber.Spelling { return phonenumber.Spelling(s) }

// validateNumbers checks how a trunk writes numbers and which headers it sends; key
// names the trunk.
func (t *Trunk) validateNumbers(key string) error {
	if _, ok := phonenumber.Country(t.Country); t.Country != "" && !ok {
		return fmt.Errorf("%s.country must be a country's code of two letters, such as US or DE", key)
	}
	for name, s := range map[string]TrunkSpelling{"called.in": t.Called.In, "called.out": t.Called.Out, "calling.in": t.Calling.In, "calling.out": t.Calling.Out} {
		for _, text := range []string{s.Strip, s.Prepend} {
			if strings.Trim(text, "+0123456789*#") != "" || strings.LastIndex(text, "+") > 0 || len(text) > 32 {
				return fmt.Errorf("%s.%s: strip and prepend must have digits, * and #, and a plus only in front", key, name)
			}
		}
	}
	variables := map[string]string{}
	for _, header := range slices.Sorted(maps.Keys(t.HeadersIn)) {
		variable := t.HeadersIn[header]
		if err := telephony.CheckHeaderIn(header, variable); err != nil {
			return fmt.Errorf("%s.headers_in: %q %w", key, header, err)
		}
		if other := variables[variable]; other != "" {
			return fmt.Errorf("%s.headers_in: %q and %q must not name the same variable", key, other, header)
		}
		variables[variable] = header
	}
	return nil
}

// trunksKey is the key of the trunks.
const trunksKey = "sip.trunks"

// trunkTexts are the members of a trunk that must be written as texts: YAML takes an
// unquoted +1 for the number 1, and 00 for 0. Members without a list of their own
// hold texts by names that the operator chooses.
func trunkTexts() map[string][]string {
	return map[string][]string{"called.in": {"strip", "prepend", "plus"}, "called.out": {"strip", "prepend", "plus"},
		"calling.in": {"strip", "prepend", "plus"}, "calling.out": {"strip", "prepend", "plus"}, "headers_in": nil}
}

// checkTrunkEntries finds what is unknown, or no text, within the trunks' members
// that have members.
func checkTrunkEntries(where, path string, entries []any) error {
	for i, entry := range entries {
		trunk, _ := entry.(map[string]any)
		for _, name := range []string{"called", "calling"} {
			if err := checkMembers(where, fmt.Sprintf("%s[%d].%s", path, i, name), trunk[name], []string{"in", "out"}); err != nil {
				return err
			}
		}
		for _, place := range slices.Sorted(maps.Keys(trunkTexts())) {
			outer, inner, nested := strings.Cut(place, ".")
			member := trunk[outer]
			if nested {
				parent, _ := member.(map[string]any)
				member = parent[inner]
			}
			full := fmt.Sprintf("%s[%d].%s", path, i, place)
			if err := checkMembers(where, full, member, trunkTexts()[place]); err != nil {
				return err
			}
			members, _ := member.(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(members)) {
				if _, text := members[name].(string); !text && name != "plus" && members[name] != nil {
					return fmt.Errorf("%s: %s.%s must be a text: put it in quotes", where, full, name)
				}
			}
		}
	}
	return nil
}

// checkMembers finds a member that is not among the known ones; nil knows all.
func checkMembers(where, path string, value any, known []string) error {
	if value == nil {
		return nil
	}
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: %s must have members", where, path)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if known != nil && !slices.Contains(known, name) {
			return fmt.Errorf("%s: unknown key %s.%s", where, path, name)
		}
	}
	return nil
}
