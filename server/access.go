package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm/anthropic"
	"github.com/sidetone/sidetone/llm/harness"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/store"
)

// accounts finds the account connection of a type that an environment uses by
// default; nil when it has none.
type accounts func(ctx context.Context, environmentID, kind string) (*sidetone.Connection, error)

// keyring finds the credentials that pay for a part of a call. The owner of the
// first that is found pays: another's are not tried.
type keyring struct {
	accounts accounts
	// environment finds an environment.
	environment func(ctx context.Context, id string) (sidetone.Environment, error)
	// providers are the server's own credentials.
	providers map[string]ProviderConfig
	// sole says that the server has one environment only, which its own
	// credentials then serve.
	sole  func(ctx context.Context) (bool, error)
	guard *outbound.Guard
	// local finds a model server on this machine; nil: nobody looks.
	local *localModels
}

// ownCredentials are those that an agent names itself.
type ownCredentials struct {
	// Key is a voice's.
	Key sidetone.Secret
	// Connection is an account connection.
	Connection *sidetone.Connection
	// unfit says why what the agent names does not serve; another owner's is not used
	// in its place.
	unfit unfit
}

// unfit is the error of an account that is there and does not serve.
type unfit string

// Error says why.
func (u unfit) Error() string { return string(u) }

// addressed says that an account of s leads to an address: that of a vendor which has
// one for everybody, or its own. where is where the setting belongs that it lacks.
func (s supplier) addressed(a access, where string) error {
	if err := s.sound(a.Settings, where); err != nil {
		return err
	}
	if s.needs == "" || a.Base != "" || a.Settings[s.needs] != "" || a.Settings["endpoint"] != "" {
		return nil
	}
	return unfit(fmt.Sprintf("%s.%s is required: %s", where, s.needs, s.is))
}

// sound refuses settings that no driver understands.
func (s supplier) sound(settings map[string]string, where string) error {
	allowed := map[string][]string{}
	switch s.name {
	case "anthropic":
		allowed["anthropic_version"] = []string{anthropic.Version2023, anthropic.Version2026}
	case "harness":
		allowed["protocol"] = []string{string(harness.ConversationRelay), string(harness.Retell)}
	}
	for name, values := range allowed {
		if given := settings[name]; given != "" && !slices.Contains(values, given) {
			return unfit(fmt.Sprintf("%s.%s must be %s", where, name, strings.Join(values, " or ")))
		}
	}
	outside := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if strings.ContainsFunc(settings["region"], outside) { // it becomes a part of a host's name
		return unfit(where + ".region must be letters, digits and hyphens, such as westeurope")
	}
	return nil
}

// settingNames are the members of a connection's config that drivers read.
func settingNames() []string {
	return []string{"base_url", "endpoint", "region", "deployment", "api_version", "model", "stream_usage", "anthropic_version", "protocol"}
}

// misspelt refuses members of a config that are taken for others, and those that are no
// texts: nothing would read them.
func misspelt(config json.RawMessage) error {
	var members map[string]any
	_ = json.Unmarshal(config, &members) // connected refuses what is no object
	plain := func(name string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
	}
	for _, known := range settingNames() {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if name != known && plain(name) == plain(known) {
				return unfit(fmt.Sprintf("config.%s must be written like this", known))
			}
		}
		if value, given := members[known]; given && value != nil {
			if _, text := value.(string); !text {
				return unfit(fmt.Sprintf("config.%s must be a text", known))
			}
		}
	}
	return nil
}

// find returns what an environment reaches a supplier with, and who pays: "agent",
// the id of a connection, or "server"; "" when there is nothing.
func (k keyring) find(ctx context.Context, environmentID string, s supplier, mine ownCredentials) (access, string, error) {
	switch {
	case mine.unfit != "":
		return access{}, "", mine.unfit
	case mine.Key != "":
		return access{HTTP: k.guard.Client(environmentID), Key: mine.Key}, "agent", s.addressed(access{}, "a key alone does not tell where to go: account_connection.config")
	}
	connection := mine.Connection
	if connection == nil {
		var err error
		if connection, err = k.accounts(ctx, environmentID, s.account); err != nil {
			return access{}, "", fmt.Errorf("find the account for %s: %w", s.name, err)
		}
	}
	if connection != nil {
		a, err := connected(*connection)
		a.HTTP = k.guard.Client(environmentID)
		if err == nil {
			err = misspelt(connection.Config)
		}
		if err == nil {
			err = s.addressed(a, "connection "+connection.ID+": config")
		}
		return a, connection.ID, err
	}
	c, model := k.providers[s.name], ""
	if s.name == "ollama" && !c.configured() {
		c.BaseURL, model = k.local.find(ctx)
	}
	if !c.configured() {
		return access{}, "", nil
	}
	serves, err := k.serves(ctx, c, environmentID)
	if err == nil && !serves {
		err = c.unserved(s.name, environmentID)
	}
	if err != nil {
		return access{}, "", err
	}
	a := c.access()
	a.HTTP, a.Base, a.Settings["model"] = k.guard.Operator(environmentID), s.address(a.Base), model
	return a, "server", s.addressed(a, "providers."+s.name)
}

// serves says whether the server's own credentials serve an environment: one that
// is listed, or the only one there is.
func (k keyring) serves(ctx context.Context, c ProviderConfig, environmentID string) (bool, error) {
	if len(c.Environments) > 0 {
		return slices.Contains(c.Environments, environmentID), nil
	}
	return k.sole(ctx)
}

// keyNames are the members of credentials that hold a key, besides one that is
// named after the vendor.
func keyNames() []string { return []string{"api_key", "key", "subscription_key", "token"} }

// connected is what a connection reaches its vendor with.
func connected(c sidetone.Connection) (access, error) {
	settings, config := map[string]string{}, map[string]any{}
	if err := json.Unmarshal([]byte(c.Credentials.Reveal()), &settings); err != nil {
		return access{}, fmt.Errorf("credentials of connection %s: not an object of texts", c.ID)
	}
	if err := json.Unmarshal(c.Config, &config); err != nil {
		return access{}, fmt.Errorf("config of connection %s: not an object", c.ID)
	}
	a := access{Settings: map[string]string{}}
	keys := append([]string{c.Provider() + "_api_key"}, keyNames()...)
	for _, name := range keys {
		if a.Key == "" {
			a.Key = sidetone.Secret(settings[name])
		}
	}
	for name, value := range settings {
		if !slices.Contains(keys, name) {
			a.Settings[name] = value
		}
	}
	for name, value := range config {
		if text, ok := value.(string); ok && a.Settings[name] == "" {
			a.Settings[name] = text
		}
	}
	a.Base = a.Settings["base_url"]
	for _, s := range suppliers() {
		if s.account == c.Type {
			a.Base = s.address(a.Settings["base_url"])
		}
	}
	return a, nil
}

// checkAccount refuses a connection that leads to no address. It implements
// api.Config's CheckAccount.
func checkAccount(c sidetone.Connection) error {
	a, err := connected(c)
	if err != nil {
		return err
	}
	for _, s := range suppliers() {
		if s.account != c.Type {
			continue
		}
		if err := misspelt(c.Config); err != nil {
			return err
		}
		return s.addressed(a, "config")
	}
	return nil
}

// checkThinks refuses an account that agents of a provider do not think with. It
// implements api.Config's CheckThinks.
func (v vendors) checkThinks(provider string, c sidetone.Connection) error {
	if why := v.misfit(provider, c.Type); why != "" {
		return unfit(why)
	}
	return nil
}

// address is a base_url as drivers take it: people write it with and without the version
// of the interface.
func (s supplier) address(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return base
	}
	path := strings.TrimRight(u.Path, "/")
	switch {
	case s.version != "" && path == "":
		u.Path = s.version
	case s.version == "" && slices.Contains([]string{"/v1", "/v2", "/v3"}, path) && !s.whole():
		u.Path = ""
	default:
		return base
	}
	return u.String()
}

// whole says that a supplier's address is a path of the customer's own.
func (s supplier) whole() bool {
	return slices.Contains([]string{"harness", "azure_llm", "azure_speech"}, s.name)
}

// accountsOf looks into the store for the default connection of a type.
func accountsOf(s *store.Store) accounts {
	return func(ctx context.Context, environmentID, kind string) (found *sidetone.Connection, err error) {
		err = s.ReadConfiguration(ctx, environmentID, func(tx *store.Tx) error {
			c, err := tx.DefaultConnection(kind)
			if sidetone.CodeOf(err) == sidetone.NotFound {
				return nil
			}
			found = &c
			return err
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // find says what it looked for
		}
		return found, nil
	}
}

// newKeyring finds credentials in the configuration and the store.
func newKeyring(c Config, s *store.Store, guard *outbound.Guard) keyring {
	return keyring{accounts: accountsOf(s), environment: s.EnvironmentByID, providers: c.Providers, guard: guard,
		local: &localModels{bases: localBases(), http: guard.Operator("")}, sole: s.SoleEnvironment}
}
