package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/preset"
)

// TestReadTrunk: what the interface says of a trunk means what an entry of sip.trunks
// does, and is refused by the same rules.
func TestReadTrunk(t *testing.T) {
	t.Parallel()
	got, err := readTrunk("acme", map[string]any{"host": "sip.acme.example", "transport": "tcp", "target_timeout": "2s", "redirects": true, "addresses": []any{"198.51.100.7"},
		"username": "u", "password": "p", "realm": "r", "numbers": []any{"+14155550100"}, "media": map[string]any{"sources": "strict"}, "preset": "twilio"})
	want := Trunk{Name: "acme", Host: "sip.acme.example", Transport: "tcp", TargetTimeout: 2 * time.Second, Redirects: true, Addresses: []string{"198.51.100.7"}, Username: "u", Password: "p",
		Realm: "r", Numbers: []string{"+14155550100"}, Media: TrunkMedia{Sources: "strict"}, Preset: "twilio"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for want, settings := range map[string]map[string]any{
		"hots is no setting of a trunk; did you mean host?":          {"hots": "a"},
		"ID is no setting of a trunk":                                {"ID": "a"},
		"- is no setting of a trunk":                                 {"-": "a"},
		"media.sauce is no setting of a trunk":                       {"media": map[string]any{"sauce": "a"}},
		"media must be an object":                                    {"media": "strict"},
		"host must be a text":                                        {"host": 5.0},
		"password must be a text":                                    {"password": map[string]any{"secret": "canary"}},
		"tls.key_file can be set in the server's configuration only": {"tls": map[string]any{"key_file": "/etc/passwd"}},
		"target_timeout must be a time such as 4s":                   {"target_timeout": 4.0},
		"numbers must be a list":                                     {"numbers": "+14155550100"},
		"numbers[1] must be a text":                                  {"numbers": []any{"+14155550100", 4.0}},
		"transport must be udp, tcp or tls":                          {"transport": "pigeon"},
		"host must be host:port with a port between 1 and 65535":     {"host": "a:0"},
		"password must go with the username":                         {"username": "a"},
		"username must go with the password":                         {"host": "a", "password": "p"},
		"redirects needs a host":                                     {"addresses": []any{"198.51.100.7"}, "redirects": true},
		"keepalive needs a host":                                     {"addresses": []any{"198.51.100.7"}, "keepalive": "30s"},
		"target_timeout needs a host":                                {"addresses": []any{"198.51.100.7"}, "target_timeout": "2s"},
		"called.out needs a host":                                    {"addresses": []any{"198.51.100.7"}, "called": map[string]any{"out": map[string]any{"strip": "+"}}},
		"calling.out needs a host":                                   {"addresses": []any{"198.51.100.7"}, "calling": map[string]any{"out": map[string]any{"plus": false}}},
		"any_caller_id needs a host":                                 {"addresses": []any{"198.51.100.7"}, "any_caller_id": true},
		"tls.insecure needs the transport tls":                       {"host": "a", "transport": "udp", "tls": map[string]any{"insecure": true}},
		"tls.server_name needs the transport tls":                    {"host": "a", "transport": "tcp", "tls": map[string]any{"server_name": "b"}},
		"preset must be one of asterisk":                             {"preset": "acme"},
		`numbers: "5550100" must be written as +, country code`:      {"numbers": []any{"5550100"}},
		`addresses: "everywhere" is neither an address nor a net`:    {"addresses": []any{"everywhere"}},
	} {
		if _, err := readTrunk("acme", settings); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: got %v, want %s", settings, err, want)
		}
	}
}

// TestFitsType: types that no setting has yet are ready for those that will.
func TestFitsType(t *testing.T) {
	t.Parallel()
	type all struct {
		Wait    time.Duration     `koanf:"wait"`
		On      *bool             `koanf:"on"`
		Count   int               `koanf:"count"`
		Names   map[string]string `koanf:"names"`
		Key     sidetone.Secret   `koanf:"key"`
		File    string            `koanf:"file" trunk:"operator"`
		Entries []struct {
			Name string `koanf:"name"`
		} `koanf:"entries"`
	}
	for _, test := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{"wait": "4s", "on": true, "count": 3.0, "names": map[string]any{"X-A": "a"}, "key": "k", "entries": []any{map[string]any{"name": "n"}}}, ""},
		{map[string]any{"wait": 4.0}, "wait must be a time such as 4s"}, {map[string]any{"on": "yes"}, "on must be true or false"},
		{map[string]any{"count": 1.5}, "count must be a number"}, {map[string]any{"count": "1"}, "count must be a number"},
		{map[string]any{"names": map[string]any{"X-A": 1.0}}, "names.X-A must be a text"}, {map[string]any{"names": "a"}, "names must be an object"},
		{map[string]any{"file": "/etc/passwd"}, "file can be set in the server's configuration only"},
		{map[string]any{"entries": []any{map[string]any{"nam": "n"}}}, "entries[0].nam is no setting of a trunk; did you mean name?"},
	} {
		got := ""
		if err := fitsType("", test.settings, reflect.TypeFor[all]()); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: got %q, want %q", test.settings, got, test.want)
		}
	}
}

// TestTrunkRules: what customers' trunks may reach is for the guard.
func TestTrunkRules(t *testing.T) {
	t.Parallel()
	guard, err := outbound.New(outbound.Options{Allow: []string{"10.1.0.0/16", "pbx.lan:5080"}})
	if err != nil {
		t.Fatal(err)
	}
	rules := trunkRules{&trunkLines{guard: guard, operator: []Trunk{{Name: "ours", Numbers: []string{"+14155550100"}}}}}
	for _, test := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{"host": "sip.acme.example", "addresses": []any{"54.172.60.0/30", "2600:1f18::/32"}}, ""},
		{map[string]any{"host": "10.1.2.3:5070", "addresses": []any{"10.1.2.3", "10.1.0.0/24"}}, ""},
		{map[string]any{"host": "pbx.lan:5080"}, ""}, {map[string]any{"host": "sip.acme.example:443"}, ""},
		{map[string]any{"host": "10.2.2.3"}, "host: 10.2.2.3:5060 must not be reached: its address is not a public one"},
		{map[string]any{"host": "[::1]:5060"}, "host: [::1]:5060 must not be reached"}, {map[string]any{"host": "127.1"}, "host: 127.1:5060 must not be reached: write an address"},
		{map[string]any{"host": "sip.acme.example:25"}, "host: sip.acme.example:25 must not be reached: of the ports below 1024"},
		{map[string]any{"addresses": []any{"54.172.60.0/30", "127.0.0.1"}}, "addresses[1]: 127.0.0.1/32 must not be reached"},
		{map[string]any{"addresses": []any{"0.0.0.0/0"}}, "addresses[0]: 0.0.0.0/0 must not be reached: it is larger"},
		{map[string]any{"addresses": []any{"::/0"}}, "addresses[0]: ::/0 must not be reached: it is larger"},
		{map[string]any{"media": map[string]any{"sources": "anywhere"}}, `media sources "anywhere" are none of peer, strict, learn`},
	} {
		got := ""
		if err := rules.Check("acme", test.settings); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
			t.Errorf("%v: got %q, want %q", test.settings, got, test.want)
		}
	}
	found, lists := rules.Configured("ours")
	if !found || !lists("+14155550100") || lists("+14155550101") {
		t.Errorf("the configuration's: %t, %t", found, lists("+14155550100"))
	}
	if found, _ := rules.Configured("theirs"); found {
		t.Error("the configuration has no such trunk")
	}
	if err := rules.lines.permit("rebound.example", netip.MustParseAddrPort("10.2.2.3:5060")); err == nil {
		t.Error("a name may lead into a private network")
	}
}

// TestTrunkSettingsAreDocumented: what an entry of sip.trunks can say stands in the
// interface's document, too, and the secrets among them are known as such.
func TestTrunkSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("../api/contract/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, s := range trunkSettings() {
		if s.Secret {
			secrets = append(secrets, s.Path)
		}
		name, _, _ := strings.Cut(s.Path, ".")
		for _, schema := range []string{"TrunkDto", "TrunkInput"} {
			property := doc.Components.Schemas[schema].Value.Properties[name]
			if property == nil {
				t.Errorf("%s in api/contract/openapi.yaml does not have %s", schema, name)
				continue
			}
			if s.Secret && property.Value.Format != "password" {
				t.Errorf("%s in api/contract/openapi.yaml does not say that %s is a secret", schema, s.Path)
			}
		}
	}
	if !slices.Contains(secrets, "password") {
		t.Errorf("secrets %v", secrets)
	}
}

// TestPresetsAreTrunks: with what a preset asks for, its settings are those of a trunk.
func TestPresetsAreTrunks(t *testing.T) {
	t.Parallel()
	for _, name := range preset.Names() {
		p, err := preset.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]any{"preset": name}
		for setting, value := range p.Settings {
			settings[setting] = value
		}
		for _, need := range p.Needs {
			switch example := need.Example; {
			case need.Secret:
				settings[need.Setting] = "a-password"
			case need.List:
				settings[need.Setting] = []any{example}
			default:
				settings[need.Setting] = example
			}
		}
		if _, err := readTrunk(name, settings); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The sample configuration shows every setting of a trunk.
func TestSampleShowsTrunkSettings(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile(filepath.Join("..", "sidetone.sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range trunkSettings() {
		name := s.Path[strings.LastIndexByte(s.Path, '.')+1:]
		if !strings.Contains(string(sample), name+":") {
			t.Errorf("sidetone.sample.yaml does not show %s", s.Path)
		}
	}
}
