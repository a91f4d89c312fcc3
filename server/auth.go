package server

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/auth"
)

// AuthConfig says who else than the owners of API keys may use the API.
type AuthConfig struct {
	// JWT are the issuers of JSON Web Tokens.
	JWT []JWTConfig `koanf:"jwt"`
}

// JWTConfig is an issuer of JSON Web Tokens; auth.Issuer explains the fields.
type JWTConfig struct {
	Issuer   string   `koanf:"issuer"`
	Audience string   `koanf:"audience"`
	Keys     []JWTKey `koanf:"keys"`
	// JWKS is the path of a file that is read again when it changes.
	JWKS string `koanf:"jwks"`
	// Environment is the only one the tokens are good for; empty lets the claim
	// choose.
	Environment string `koanf:"environment"`
	// EnvironmentClaim and ScopesClaim name claims; empty: environment, scope.
	EnvironmentClaim string `koanf:"environment_claim"`
	ScopesClaim      string `koanf:"scopes_claim"`
	SubjectPrefix    string `koanf:"subject_prefix"`
	MembersOnly      bool   `koanf:"members_only"`
	// Leeway is how far the issuer's clock may differ; absent: 30 s.
	Leeway *time.Duration `koanf:"leeway"`
}

// JWTKey is a key of an issuer: a secret for HS256, else a PEM file.
type JWTKey struct {
	ID        string          `koanf:"id"`
	Algorithm string          `koanf:"algorithm"`
	Secret    sidetone.Secret `koanf:"secret"`
	File      string          `koanf:"file"`
}

// tokens makes the verifier of the configured issuers; nil for none.
func (c AuthConfig) tokens(now func() time.Time, log *slog.Logger) (*auth.Verifier, error) {
	if len(c.JWT) == 0 {
		return nil, nil //nolint:nilnil // no issuer is no error
	}
	issuers := make([]auth.Issuer, len(c.JWT))
	for n, j := range c.JWT {
		i := auth.Issuer{Name: j.Issuer, Audience: j.Audience, JWKS: j.JWKS, Environment: j.Environment, EnvironmentClaim: "environment",
			ScopesClaim: "scope", SubjectPrefix: j.SubjectPrefix, MembersOnly: j.MembersOnly, Leeway: 30 * time.Second}
		if j.EnvironmentClaim != "" {
			i.EnvironmentClaim = j.EnvironmentClaim
		}
		if j.ScopesClaim != "" {
			i.ScopesClaim = j.ScopesClaim
		}
		if j.Leeway != nil {
			i.Leeway = *j.Leeway
		}
		for _, k := range j.Keys {
			i.Keys = append(i.Keys, auth.Key{ID: k.ID, Algorithm: k.Algorithm, Secret: k.Secret, File: k.File})
		}
		issuers[n] = i
	}
	v, err := auth.New(issuers, now, log)
	if err != nil {
		return nil, fmt.Errorf("accept JSON Web Tokens: %w", err)
	}
	return v, nil
}
