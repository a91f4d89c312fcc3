package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

const envPrefix = "SIDETONE_"

// masterKeyKey is set by a variable only: configuration files get about.
const masterKeyKey = "secrets.master_key"

// knownKeys maps the variable form of every key (http_addr) to the key
// (http.addr).
func knownKeys() map[string]string {
	keys := map[string]string{}
	for _, k := range []string{"data", "http.addr", "auth.jwt", "sip.addr", "sip.advertise", "sip.rtp_min", "sip.rtp_max", "sip.loopback", "sip.sources",
		"sip.media_timeout", "sip.media_timeout_first", "sip.media_timeout_quiet",
		"sip.users", "sip.trunks", "database.url", "database.migrate_url", "secrets.master_key_file", "calls.max", "calls.answer_after", "calls.offline",
		"calls.comfort_noise", "calls.drain", "speech.flite", "speech.pocketsphinx", "speech.voice", "recordings.lame", "log.level", "log.format"} {
		keys[strings.ReplaceAll(k, ".", "_")] = k
	}
	keys["master_key"] = masterKeyKey
	return keys
}

// members are the keys of a list's entries.
func members(list string) []string {
	switch list {
	case "sip.users":
		return []string{"name", "password"}
	case "sip.trunks":
		return []string{"name", "host", "transport", "addresses", "username", "password", "numbers"}
	case "auth.jwt":
		return []string{"issuer", "audience", "keys", "jwks", "environment", "environment_claim", "scopes_claim", "subject_prefix",
			"members_only", "leeway"}
	case "auth.jwt.keys":
		return []string{"id", "algorithm", "secret", "file"}
	}
	return nil
}

// lists are the keys whose values are lists of entries.
func lists() []string { return []string{"sip.users", "sip.trunks", "auth.jwt"} }

// clientVariables belong to the commands that talk to a server, and may stand
// in the shell that starts one.
func clientVariables() []string {
	return []string{"SIDETONE_URL", "SIDETONE_KEY", "SIDETONE_API_KEY", "SIDETONE_ENVIRONMENT", "SIDETONE_CALL_PASSWORD"}
}

// checkKeys finds the first key that does not exist; where says where it stands.
func checkKeys(where string, k *koanf.Koanf) error {
	known := knownKeys()
	for _, key := range k.Keys() {
		if key == masterKeyKey {
			return fmt.Errorf("%s: %s is taken from %s, or from the file that secrets.master_key_file names", where, key, masterVariable)
		}
		if known[strings.ReplaceAll(key, ".", "_")] != key {
			return fmt.Errorf("%s: unknown key %s", where, key)
		}
	}
	for _, list := range lists() {
		if err := checkMembers(where, list, k.Get(list)); err != nil {
			return err
		}
	}
	return nil
}

// checkMembers does the same within the entries of a list.
func checkMembers(where, list string, value any) error {
	if value == nil {
		return nil
	}
	entries, ok := value.([]any)
	if !ok {
		return fmt.Errorf("%s: %s must be a list", where, list)
	}
	known := members(list)
	for i, entry := range entries {
		m, ok := entry.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s[%d] must have members: %s", where, list, i, strings.Join(known, ", "))
		}
		for name := range m {
			if !slices.Contains(known, name) {
				return fmt.Errorf("%s: unknown key %s[%d].%s", where, list, i, name)
			}
			if nested := list + "." + name; members(nested) != nil {
				if err := checkMembers(where, nested, m[name]); err != nil {
					return err
				}
			}
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
	switch {
	case key == "sip.sources" && !strings.HasPrefix(text, "["):
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	case !slices.Contains(lists(), key) && key != "sip.sources":
		return text, nil
	case text == "":
		return []any{}, nil
	}
	parsed, err := yaml.Parser().Unmarshal([]byte("list: " + text))
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML such as [{name: desk, password: secret}]", name)
	}
	if key == "sip.sources" {
		return parsed["list"], nil
	}
	return parsed["list"], checkMembers(name, key, parsed["list"])
}
