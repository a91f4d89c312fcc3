package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

const envPrefix = "SIDETONE_"

// masterKeyKey is set by a variable only: configuration files are copied and
// committed.
const masterKeyKey = "secrets.master_key"

// knownKeys maps the variable form of every key (http_addr) to the key
// (http.addr).
func knownKeys() map[string]string {
	keys := map[string]string{}
	for _, k := range []string{"data", "http.addr", "http.public_url", "http.trusted_proxies", "auth.jwt", "sip.addr", "sip.advertise", "sip.rtp_min", "sip.rtp_max", "sip.loopback", "sip.sources", "sip.resolver", "sip.stun",
		"sip.ask_after", "sip.ask_after_first", "sip.ask_after_held",
		"sip.tls.listen", "sip.tls.cert_file", "sip.tls.key_file", "sip.users", "sip.trunks", "database.url", "database.migrate_url", "secrets.master_key_file", "calls.max",
		"calls.ringing_per_environment", "calls.ringing_per_trunk", "calls.answer_after", "calls.offline",
		"server.resume", "calls.comfort_noise", "calls.test_agents", "calls.drain", "speech.flite", "speech.pocketsphinx", "speech.voice", "speech.substitute", "recordings.lame", "recordings.signalling", "recordings.rtp", "recordings.journals", "recordings.journals_mib", "log.level", "log.format", "traces.endpoint", "traces.headers",
		"defaults.model", "defaults.voice", "defaults.transcriber", "outbound.allow", "outbound.only", "outbound.ca_file", "outbound.concurrent"} {
		keys[strings.ReplaceAll(k, ".", "_")] = k
	}
	for _, s := range suppliers() {
		for _, member := range providerKeys() {
			keys["providers_"+s.name+"_"+member] = "providers." + s.name + "." + member
		}
	}
	keys["master_key"] = masterKeyKey
	return keys
}

// entryList is a key whose value is a list of entries.
type entryList struct {
	// key is the list's own: the whole one, or within an entry that of the member.
	key string
	// members are the keys of an entry.
	members []string
	// lists are the members that are such lists themselves.
	lists []entryList
	// maps are the members whose own members have any names.
	maps []string
	// single says that the value is one entry and no list.
	single bool
}

func entryLists() []entryList {
	return []entryList{
		{key: "sip.users", members: []string{"name", "password"}},
		trunkList(),
		{
			key: "auth.jwt",
			members: []string{"issuer", "audience", "keys", "jwks", "environment", "environment_claim", "scopes_claim", "subject_prefix",
				"members_only", "leeway"},
			lists: []entryList{{key: "keys", members: []string{"id", "algorithm", "secret", "file"}}},
		},
	}
}

// findList is the list among lists that has the key.
func findList(lists []entryList, key string) (entryList, bool) {
	i := slices.IndexFunc(lists, func(l entryList) bool { return l.key == key })
	if i < 0 {
		return entryList{}, false
	}
	return lists[i], true
}

// isTextList says that a key's value is a list of texts, which a variable may
// separate by commas.
func isTextList(key string) bool {
	return slices.Contains([]string{"sip.sources", "http.trusted_proxies", "outbound.allow", "outbound.only"}, key) ||
		strings.HasPrefix(key, "providers.") && strings.HasSuffix(key, ".environments")
}

// clientVariables belong to the commands that talk to a server, and may stand
// in the shell that starts one.
func clientVariables() []string {
	return []string{"SIDETONE_URL", "SIDETONE_KEY", "SIDETONE_API_KEY", "SIDETONE_ENVIRONMENT", "SIDETONE_PHONE_PASSWORD", "SIDETONE_CALL_PASSWORD"}
}

// checkKeys finds the first key that does not exist; where says where it stands.
func checkKeys(where string, k *koanf.Koanf) error {
	known := knownKeys()
	for _, key := range k.Keys() {
		if key == masterKeyKey {
			return fmt.Errorf("%s: %s is taken from %s, or from the file that secrets.master_key_file names", where, key, masterVariable)
		}
		if key == "providers" && k.Get(key) != nil { // an empty list of them is one key
			continue
		}
		if known[strings.ReplaceAll(key, ".", "_")] != key {
			return fmt.Errorf("%s: unknown key %s", where, key)
		}
	}
	for _, list := range entryLists() {
		if err := list.check(where, list.key, k.Get(list.key)); err != nil {
			return err
		}
	}
	return nil
}

// check does the same within the entries of the list, which is called path.
func (l entryList) check(where, path string, value any) error {
	if value == nil {
		return nil
	}
	if l.single {
		return l.checkEntry(where, path, value)
	}
	entries, ok := value.([]any)
	if !ok {
		return fmt.Errorf("%s: %s must be a list", where, path)
	}
	for i, entry := range entries {
		if err := l.checkEntry(where, fmt.Sprintf("%s[%d]", path, i), entry); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry does it within one entry.
func (l entryList) checkEntry(where, path string, entry any) error {
	m, ok := entry.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: %s must have members: %s", where, path, strings.Join(l.members, ", "))
	}
	for name := range m {
		if !slices.Contains(l.members, name) {
			return fmt.Errorf("%s: unknown key %s.%s", where, path, name)
		}
		if nested, ok := findList(l.lists, name); ok {
			if err := nested.check(where, path+"."+name, m[name]); err != nil {
				return err
			}
		}
		if _, isMap := m[name].(map[string]any); slices.Contains(l.maps, name) && !isMap && m[name] != nil {
			return fmt.Errorf("%s: %s.%s must have members", where, path, name)
		}
	}
	return nil
}

// loadVariables overlays k with SIDETONE_* variables.
func loadVariables(k *koanf.Koanf, environ []string) error {
	known := knownKeys()
	var unknown []string
	var bad error
	provider := env.Provider(".", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			key, ok := known[strings.ToLower(strings.TrimPrefix(name, envPrefix))]
			if !ok {
				if !slices.Contains(clientVariables(), name) {
					unknown = append(unknown, name)
				}
				return "", nil
			}
			value, err := variable(name, key, text)
			bad = errors.Join(bad, err)
			return key, value
		}})
	if err := k.Load(provider, nil); err != nil {
		return fmt.Errorf("read %s* variables: %w", envPrefix, err)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("unknown variable %s", strings.Join(unknown, ", "))
	}
	return bad
}

// variable reads a variable's text, which for lists has a form of its own.
// Errors show nothing of it, for it may hold passwords.
func variable(name, key, text string) (any, error) {
	text = strings.TrimSpace(text)
	list, isList := findList(entryLists(), key)
	switch {
	case isTextList(key) && !strings.HasPrefix(text, "["):
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case !isList && !isTextList(key):
		return text, nil
	case text == "":
		return []any{}, nil
	}
	parsed, err := (writtenYAML{}).Unmarshal([]byte("list: " + text))
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML such as [{name: desk, password: secret}]", name)
	}
	if isTextList(key) {
		return parsed["list"], nil
	}
	return parsed["list"], list.check(name, key, parsed["list"])
}
