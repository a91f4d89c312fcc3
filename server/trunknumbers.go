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
