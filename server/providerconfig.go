package server

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
)

// ProviderConfig is an account of the server's own at a vendor.
type ProviderConfig struct {
	// APIKey is the credential; empty: the vendor's usual environment variable.
	APIKey sidetone.Secret `koanf:"api_key"`
	// BaseURL is another address of the vendor's interface, such as a server of
	// one's own.
	BaseURL string `koanf:"base_url"`
	// Environments are the ids of those that it serves; empty: the only environment
	// there is, and none once there are more.
	Environments []string `koanf:"environments"`
	// Region is asked for by vendors whose addresses have one.
	Region string `koanf:"region"`
	// HIPAA says that the vendor may get calls with hipaa_compliant.
	HIPAA bool `koanf:"hipaa"`

	// Found says that the key is from a variable which may be there for another program.
	Found bool `koanf:"-"`
}

// access is what the server's own account leads to.
func (p ProviderConfig) access() access {
	return access{Key: p.APIKey, Base: p.BaseURL, Settings: map[string]string{"region": p.Region}}
}

// configured reports whether there is anything to reach the vendor with.
func (p ProviderConfig) configured() bool { return p.APIKey != "" || p.BaseURL != "" }

// providerKeys are the keys of an entry of providers.
func providerKeys() []string {
	return []string{"api_key", "base_url", "environments", "region", "hipaa"}
}

// usualKeys takes the keys, and the addresses that belong to them, from the variables in
// which the vendors' own tools look for them, where the configuration has none.
func (c *Config) usualKeys(environ []string) {
	set := map[string]string{}
	for _, one := range environ {
		name, value, _ := strings.Cut(one, "=")
		set[name] = strings.TrimSpace(value)
	}
	for _, s := range suppliers() {
		if p := c.Providers[s.name]; p.APIKey == "" && set[s.variable] != "" {
			if c.Providers == nil {
				c.Providers = map[string]ProviderConfig{}
			}
			p.APIKey, p.Found = sidetone.Secret(set[s.variable]), true
			switch s.needs {
			case "region":
				p.Region = cmp.Or(p.Region, set[s.addressVariable])
			case "base_url":
				p.BaseURL = cmp.Or(p.BaseURL, set[s.addressVariable])
			}
			c.Providers[s.name] = p
		}
	}
}

// validateProviders checks what is set of vendors and of the way out.
func (c Config) validateProviders() error {
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		p := c.Providers[name]
		if err := supplierOf(name).addressed(p.access(), "providers."+name); err != nil && p.APIKey != "" && !p.Found {
			return err
		}
		if u, err := url.Parse(p.BaseURL); p.BaseURL != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("providers.%s.base_url must be a URL that begins with http:// or https://", name)
		}
	}
	if c.Outbound.Concurrent < 1 {
		return errors.New("outbound.concurrent must be at least 1")
	}
	guard, err := newGuard(c.Outbound)
	if err != nil {
		return err
	}
	guard.Close()
	return nil
}

// unusedKeys says of keys from variables which are not used why that is so.
func (c Config) unusedKeys() (out []string) {
	for _, s := range suppliers() {
		p := c.Providers[s.name]
		if err := s.addressed(p.access(), "providers."+s.name); err != nil && p.Found {
			out = append(out, fmt.Sprintf("%s is not used: %v; %s says it, too", s.variable, err, s.addressVariable))
		}
	}
	return out
}
