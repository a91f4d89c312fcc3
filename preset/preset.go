// Package preset knows carriers and telephone systems: what a trunk to them needs and
// where that is documented. Each is a file of data; docs/lines has a page for each.
package preset

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed data/*.yaml
var files embed.FS

// Preset is what is known of a carrier or a telephone system.
type Preset struct {
	// Name is the file's, such as twilio; Title is for people.
	Name  string `yaml:"-"`
	Title string `yaml:"title"`
	// Private says that it stands in the customer's own network, so that its address
	// must be allowed with outbound.allow for trunks that the interface makes.
	Private bool `yaml:"private"`
	// Settings are those of a trunk that are the same for everybody, as an entry of
	// sip.trunks has them.
	Settings map[string]any `yaml:"settings"`
	// Needs are the settings that everybody has to say himself, in the order in which
	// they are asked for.
	Needs []Need `yaml:"needs"`
	// Media are the networks that sound comes from and goes to, and Ports the ports
	// there; empty: not documented.
	Media []string `yaml:"media"`
	Ports string   `yaml:"ports"`
	// NumberForm says in which form called numbers come and go, Codecs what of sound.
	NumberForm string `yaml:"number_form"`
	Codecs     string `yaml:"codecs"`
	// Registers says that the other side takes registrations.
	Registers bool `yaml:"registers"`
	// Echo is a number that says back what it hears; nil: none is documented.
	Echo *Echo `yaml:"echo"`
	// Remedies say what to do when a test fails, by "STEP STATUS", such as "call 403", or
	// by STEP alone for every other failure; steps are options, register and call.
	Remedies map[string]string `yaml:"remedies"`
	// Sources are where this is documented.
	Sources []Source `yaml:"sources"`
	// Unverified are facts that no page of the maker's own was read for, or that were
	// not tried.
	Unverified []string `yaml:"unverified"`
}

// Need is a setting that everybody has to say himself.
type Need struct {
	// Setting is its name.
	Setting string `yaml:"setting"`
	// Ask says what it is and where it is found.
	Ask string `yaml:"ask"`
	// Example shows one; Default is what empty stands for.
	Example string `yaml:"example"`
	Default string `yaml:"default"`
	// Optional may stay empty. Secret is not shown while it is typed. List holds several,
	// separated by blanks or commas.
	Optional bool `yaml:"optional"`
	Secret   bool `yaml:"secret"`
	List     bool `yaml:"list"`
}

// Echo is a number that says back what it hears.
type Echo struct {
	Number string `yaml:"number"`
	// Note says where it holds.
	Note string `yaml:"note"`
}

// Source is where something is documented.
type Source struct {
	URL string `yaml:"url"`
	// Date is when the page was read or, where it says so, last changed.
	Date string `yaml:"date"`
	// Says is what was taken from it.
	Says string `yaml:"says"`
}

// Names lists the presets.
func Names() []string {
	entries, err := files.ReadDir("data")
	if err != nil {
		return nil // it is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Find returns the preset of that name.
func Find(name string) (Preset, error) {
	if !slices.Contains(Names(), name) {
		return Preset{}, fmt.Errorf("no preset is called %q; there are %s", name, strings.Join(Names(), ", "))
	}
	raw, err := files.ReadFile("data/" + name + ".yaml")
	if err != nil {
		return Preset{}, fmt.Errorf("read preset %s: %w", name, err)
	}
	p := Preset{Name: name}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return Preset{}, fmt.Errorf("read preset %s: %w", name, err)
	}
	return p, nil
}

// Remedy is what to do when a step of a test failed with a SIP status, 0 for none: exact
// when the preset knows the status, else what it says of the step; "" when it does not know.
func (p Preset) Remedy(step string, status int) (text string, exact bool) {
	if text := p.Remedies[fmt.Sprintf("%s %d", step, status)]; text != "" {
		return text, true
	}
	return p.Remedies[step], false
}
