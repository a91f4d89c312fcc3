package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sidetone/sidetone"
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
}

// find returns what an environment reaches a supplier with, and who pays: "agent",
// the id of a connection, or "server"; "" when there is nothing.
func (k keyring) find(ctx context.Context, environmentID string, s supplier, mine ownCredentials) (access, string, error) {
	if mine.Key != "" {
		return access{HTTP: k.guard.Client(environmentID), Key: mine.Key}, "agent", nil
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
		return a, connection.ID, err
	}
	c, settings := k.providers[s.name], map[string]string{}
	if s.name == "ollama" && !c.configured() {
		c.BaseURL, settings["model"] = k.local.find(ctx)
	}
	if !c.configured() {
		return access{}, "", nil
	}
	settings["region"] = c.Region
	serves, err := k.serves(ctx, c, environmentID)
	if !serves || err != nil {
		return access{}, "", err
	}
	return access{HTTP: k.guard.Operator(environmentID), Key: c.APIKey, Base: c.BaseURL, Settings: settings}, "server", nil
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
	return a, nil
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
