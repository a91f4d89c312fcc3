package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sidetone/sidetone"
)

// Environment isolates numbers, agents, calls and keys.
type Environment struct {
	// ID is given by the server; UserID is the account.
	ID string `json:"id,omitempty"`
	// UserID is the account.
	UserID string `json:"user_id,omitempty"`
	// Name is for people.
	Name string `json:"name,omitempty"`
	// DefaultAgent is the agent that "default" stands for; may be empty.
	DefaultAgent string `json:"default_agent,omitempty"`
	// DefaultCountry is where numbers without plus are dialled, an ISO 3166 code;
	// may be empty.
	DefaultCountry string `json:"default_country,omitempty"`
	// DefaultModel, DefaultVoice and DefaultTranscriber are what agents use that name
	// none, such as "openai/gpt-4.1-mini"; empty leaves it to the server.
	DefaultModel       string `json:"default_model,omitempty"`
	DefaultVoice       string `json:"default_voice,omitempty"`
	DefaultTranscriber string `json:"default_transcriber,omitempty"`
	// FallbackModel, FallbackVoice and FallbackTranscriber take over when those of an
	// agent fail; may be empty.
	FallbackModel       string `json:"fallback_model,omitempty"`
	FallbackVoice       string `json:"fallback_voice,omitempty"`
	FallbackTranscriber string `json:"fallback_transcriber,omitempty"`
	// DialCountries are the only countries whose numbers are called, ISO 3166 codes; empty:
	// any, but those of the environment's numbers for people to whom callers are handed.
	DialCountries []string `json:"dial_countries,omitempty"`
	// RecordTransfers records people to whom callers were handed once no agent listens.
	RecordTransfers bool `json:"record_transfers"`
	// CreatedAt is when it was made.
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// APIKey is a bearer of an environment.
type APIKey struct {
	// ID names the key; it is no secret.
	ID string `json:"id,omitempty"`
	// EnvironmentID is where the key works.
	EnvironmentID string `json:"environment_id,omitempty"`
	// Label is for people.
	Label string `json:"label,omitempty"`
	// EndsIn is the end of the secret.
	EndsIn string `json:"ends_in,omitempty"`
	// Scopes are what the key may do.
	Scopes []string `json:"scopes,omitempty"`
	// Profile is the form of its answers; empty for the default.
	Profile string `json:"profile,omitempty"`
	// AccountWide keys act in every environment of the account.
	AccountWide bool `json:"account_wide"`
	// Imported keys were chosen elsewhere.
	Imported bool `json:"imported"`
	// Member is whose key it is; may be empty.
	Member string `json:"member,omitempty"`
	// Active is false once the key is revoked.
	Active bool `json:"active"`
	// CreatedAt is when it was made.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// UpdatedAt is when it changed last.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// RevokedAt is zero while the key is active.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Key is the secret, in the answer of CreateAPIKey only.
	Key sidetone.Secret `json:"key,omitempty"`
}

// KeyRequest describes a new key.
type KeyRequest struct {
	// Label is for people.
	Label string `json:"label,omitempty"`
	// Scopes are what it may do; empty for read, write and calls.
	Scopes []string `json:"scopes,omitempty"`
	// Profile is the form of its answers; empty for the default.
	Profile string `json:"profile,omitempty"`
	// AccountWide lets it act in every environment of the account.
	AccountWide bool `json:"account_wide,omitempty"`
	// Member is whose key it is.
	Member string `json:"member,omitempty"`
}

// Member is a person who may use an environment.
type Member struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// Subject is what tokens call the member.
	Subject string `json:"subject,omitempty"`
	// Name is for people.
	Name string `json:"name,omitempty"`
	// Role is admin or member.
	Role string `json:"role,omitempty"`
	// CreatedAt is when the member was added; answers only.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// UpdatedAt is when the member changed last; answers only.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Actor is who made a change.
type Actor struct {
	// Type is api_key, jwt, operator or system.
	Type string `json:"type,omitempty"`
	// ID is the key's id or the token's subject; may be empty.
	ID string `json:"id,omitempty"`
	// Label is for people.
	Label string `json:"label,omitempty"`
}

// AuditEntry is one change of one resource.
type AuditEntry struct {
	// ID names the entry.
	ID string `json:"id,omitempty"`
	// CreatedAt is when the change was made.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// Actor is who made it.
	Actor Actor `json:"actor,omitzero"`
	// Action is create, update or delete.
	Action string `json:"action,omitempty"`
	// Resource is the kind of resource, ResourceID which one.
	Resource string `json:"resource,omitempty"`
	// ResourceID names the resource.
	ResourceID string `json:"resource_id,omitempty"`
	// RequestID is the request that asked for the change; may be empty.
	RequestID string `json:"request_id,omitempty"`
	// Before and After are what changed, secrets masked.
	Before json.RawMessage `json:"before,omitempty"`
	// After is the state after the change.
	After json.RawMessage `json:"after,omitempty"`
}

// Identity is who a client is.
type Identity struct {
	// Type is api_key, jwt or operator; ID names it among its kind.
	Type string `json:"type,omitempty"`
	// ID is the key's id or the token's subject.
	ID string `json:"id,omitempty"`
	// Label is for people.
	Label string `json:"label,omitempty"`
	// UserID is the account.
	UserID string `json:"user_id,omitempty"`
	// Environment is where the client works.
	Environment Environment `json:"environment,omitzero"`
	// Scopes are what it may do.
	Scopes []string `json:"scopes,omitempty"`
	// Profile is the form of its answers.
	Profile string `json:"profile,omitempty"`
	// AccountWide says that it may name other environments.
	AccountWide bool `json:"account_wide"`
	// Member is who it is among the members; nil for none.
	Member *Member `json:"member,omitempty"`
}

// WhoAmI returns who the client is and what it may do.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	var out Identity
	err := c.get(ctx, "/v1/whoami", nil, &out)
	return out, err
}

// Environments are the account's environments. Of a Query only Page and Size
// count.
type Environments struct{ Editor[Environment] }

// Environments are the account's environments.
func (c *Client) Environments() Environments {
	return Environments{Editor[Environment]{readerAt[Environment](c, "/v1/environments")}}
}

// Create makes another environment of the account.
func (e Environments) Create(ctx context.Context, name string, options ...Option) (Environment, error) {
	var out Environment
	err := e.c.post(ctx, e.path+"/create", nil, map[string]string{"name": name}, &out, options...)
	return out, err
}

// APIKeys are the bearers of an environment, revoked ones included. Update
// changes label, scopes and profile.
type APIKeys struct{ Editor[APIKey] }

// APIKeys are the bearers of an environment.
func (c *Client) APIKeys() APIKeys {
	return APIKeys{Editor[APIKey]{readerAt[APIKey](c, "/v1/api_keys")}}
}

// Create makes a key. The secret in the answer is shown this once: a repetition
// with the same IdempotencyKey is refused (409).
func (k APIKeys) Create(ctx context.Context, r KeyRequest, options ...Option) (APIKey, error) {
	var out APIKey
	err := k.c.post(ctx, k.path+"/create", nil, r, &out, options...)
	return out, err
}

// Import makes a bearer of 20 characters or more, which clients have already, a
// key.
func (k APIKeys) Import(ctx context.Context, secret sidetone.Secret, r KeyRequest, options ...Option) (APIKey, error) {
	body := struct {
		KeyRequest
		Key string `json:"key"`
	}{r, secret.Reveal()}
	var out APIKey
	err := k.c.post(ctx, k.path+"/import", nil, body, &out, options...)
	return out, err
}

// Revoke makes a key invalid at once.
func (k APIKeys) Revoke(ctx context.Context, id string) (APIKey, error) {
	var out APIKey
	err := k.c.post(ctx, k.path+"/revoke", byID(id), nil, &out)
	return out, err
}

// Members are the people who may use an environment. Create needs Subject;
// Update changes name and role.
type Members struct{ Editor[Member] }

// Members are the people who may use an environment.
func (c *Client) Members() Members {
	return Members{Editor[Member]{readerAt[Member](c, "/v1/members")}}
}

// Create makes a member of a subject.
func (m Members) Create(ctx context.Context, v Member, options ...Option) (Member, error) {
	var out Member
	err := m.c.post(ctx, m.path+"/create", nil, v, &out, options...)
	return out, err
}

// Delete removes a member, revokes the member's keys, and returns who it was.
func (m Members) Delete(ctx context.Context, id string) (Member, error) {
	var out Member
	err := m.c.Do(ctx, http.MethodDelete, m.path+"/delete", byID(id), nil, &out)
	return out, err
}

// AuditLog is what changed in an environment, newest first.
func (c *Client) AuditLog() Reader[AuditEntry] { return readerAt[AuditEntry](c, "/v1/audit_log") }
