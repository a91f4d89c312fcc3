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
	ID string `json:"id"`
	// UserID is the account.
	UserID string `json:"user_id"`
	// Name is for people.
	Name string `json:"name"`
	// DefaultAgent is the agent that "default" stands for; may be empty.
	DefaultAgent string `json:"default_agent"`
	// CreatedAt is when it was made.
	CreatedAt time.Time `json:"created_at"`
}

// APIKey is a bearer of an environment.
type APIKey struct {
	// ID names the key; it is no secret.
	ID string `json:"id"`
	// EnvironmentID is where the key works.
	EnvironmentID string `json:"environment_id"`
	// Label is for people.
	Label string `json:"label"`
	// EndsIn is the end of the secret.
	EndsIn string `json:"ends_in"`
	// Scopes are what the key may do.
	Scopes []string `json:"scopes"`
	// Profile is the form of its answers; empty for the default.
	Profile string `json:"profile"`
	// AccountWide keys act in every environment of the account.
	AccountWide bool `json:"account_wide"`
	// Imported keys were chosen elsewhere.
	Imported bool `json:"imported"`
	// Member is whose key it is; may be empty.
	Member string `json:"member"`
	// Active is false once the key is revoked.
	Active bool `json:"active"`
	// CreatedAt is when it was made; RevokedAt is zero while it is active.
	CreatedAt time.Time `json:"created_at"`
	// RevokedAt is zero while the key is active.
	RevokedAt time.Time `json:"revoked_at"`
	// Key is the secret, in the answer of CreateAPIKey only.
	Key sidetone.Secret `json:"key"`
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
}

// AuditEntry is one change of one resource.
type AuditEntry struct {
	// ID names the entry.
	ID string `json:"id"`
	// CreatedAt is when the change was made.
	CreatedAt time.Time `json:"created_at"`
	// Actor is who made it.
	Actor struct {
		Type  string `json:"type"`
		ID    string `json:"id"`
		Label string `json:"label"`
	} `json:"actor"`
	// Action is create, update or delete.
	Action string `json:"action"`
	// Resource is the kind of resource, ResourceID which one.
	Resource string `json:"resource"`
	// ResourceID names the resource.
	ResourceID string `json:"resource_id"`
	// RequestID is the request that asked for the change; may be empty.
	RequestID string `json:"request_id"`
	// Before and After are what changed, secrets masked.
	Before json.RawMessage `json:"before"`
	// After is the state after the change.
	After json.RawMessage `json:"after"`
}

// Identity is who a client is.
type Identity struct {
	// Type is api_key, jwt or operator; ID names it among its kind.
	Type string `json:"type"`
	// ID is the key's id or the token's subject.
	ID string `json:"id"`
	// Label is for people.
	Label string `json:"label"`
	// UserID is the account.
	UserID string `json:"user_id"`
	// Environment is where the client works.
	Environment Environment `json:"environment"`
	// Scopes are what it may do.
	Scopes []string `json:"scopes"`
	// Profile is the form of its answers.
	Profile string `json:"profile"`
	// AccountWide says that it may name other environments.
	AccountWide bool `json:"account_wide"`
	// Member is who it is among the members; nil for none.
	Member *Member `json:"member"`
}

// WhoAmI returns who the client is and what it may do.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	var out Identity
	err := c.get(ctx, "/v1/whoami", nil, &out)
	return out, err
}

// Environments returns one page of environments; only Page and Size of the
// query count.
func (c *Client) Environments(ctx context.Context, q Query) (Page[Environment], error) {
	var out Page[Environment]
	err := c.get(ctx, "/v1/environments/list", Query{Page: q.Page, Size: q.Size}.values(), &out)
	return out, err
}

// GetEnvironment returns an environment.
func (c *Client) GetEnvironment(ctx context.Context, id string) (Environment, error) {
	var out Environment
	err := c.get(ctx, "/v1/environments", byID(id), &out)
	return out, err
}

// CreateEnvironment makes another environment of the account.
func (c *Client) CreateEnvironment(ctx context.Context, name string) (Environment, error) {
	var out Environment
	err := c.post(ctx, "/v1/environments/create", nil, map[string]string{"name": name}, &out)
	return out, err
}

// UpdateEnvironment changes name and default_agent, as far as change has them.
func (c *Client) UpdateEnvironment(ctx context.Context, id string, change map[string]any) (Environment, error) {
	var out Environment
	err := c.post(ctx, "/v1/environments/update", byID(id), change, &out)
	return out, err
}

// APIKey returns a key, without its secret.
func (c *Client) APIKey(ctx context.Context, id string) (APIKey, error) {
	var out APIKey
	err := c.get(ctx, "/v1/api_keys", byID(id), &out)
	return out, err
}

// APIKeys returns one page of keys, revoked ones included.
func (c *Client) APIKeys(ctx context.Context, q Query) (Page[APIKey], error) {
	var out Page[APIKey]
	err := c.get(ctx, "/v1/api_keys/list", q.values(), &out)
	return out, err
}

// CreateAPIKey makes a key. The secret in the answer is shown this once.
func (c *Client) CreateAPIKey(ctx context.Context, r KeyRequest) (APIKey, error) {
	var out APIKey
	err := c.post(ctx, "/v1/api_keys/create", nil, r, &out)
	return out, err
}

// ImportAPIKey makes a bearer of 20 characters or more, which clients have
// already, a key.
func (c *Client) ImportAPIKey(ctx context.Context, secret sidetone.Secret, r KeyRequest) (APIKey, error) {
	body := struct {
		KeyRequest
		Key string `json:"key"`
	}{r, secret.Reveal()}
	var out APIKey
	err := c.post(ctx, "/v1/api_keys/import", nil, body, &out)
	return out, err
}

// UpdateAPIKey changes label, scopes and profile, as far as change has them.
func (c *Client) UpdateAPIKey(ctx context.Context, id string, change map[string]any) (APIKey, error) {
	var out APIKey
	err := c.post(ctx, "/v1/api_keys/update", byID(id), change, &out)
	return out, err
}

// RevokeAPIKey makes a key invalid at once.
func (c *Client) RevokeAPIKey(ctx context.Context, id string) (APIKey, error) {
	var out APIKey
	err := c.post(ctx, "/v1/api_keys/revoke", byID(id), nil, &out)
	return out, err
}

// Member returns a member.
func (c *Client) Member(ctx context.Context, id string) (Member, error) {
	var out Member
	err := c.get(ctx, "/v1/members", byID(id), &out)
	return out, err
}

// Members returns one page of members.
func (c *Client) Members(ctx context.Context, q Query) (Page[Member], error) {
	var out Page[Member]
	err := c.get(ctx, "/v1/members/list", q.values(), &out)
	return out, err
}

// AddMember makes a member of a subject.
func (c *Client) AddMember(ctx context.Context, m Member) (Member, error) {
	var out Member
	err := c.post(ctx, "/v1/members/create", nil, m, &out)
	return out, err
}

// UpdateMember changes name and role, as far as change has them.
func (c *Client) UpdateMember(ctx context.Context, id string, change map[string]any) (Member, error) {
	var out Member
	err := c.post(ctx, "/v1/members/update", byID(id), change, &out)
	return out, err
}

// RemoveMember removes a member and revokes the member's keys.
func (c *Client) RemoveMember(ctx context.Context, id string) (Member, error) {
	var out Member
	err := c.Do(ctx, http.MethodDelete, "/v1/members/delete", byID(id), nil, &out)
	return out, err
}

// AuditLog returns one page of changes, newest first.
func (c *Client) AuditLog(ctx context.Context, q Query) (Page[AuditEntry], error) {
	var out Page[AuditEntry]
	err := c.get(ctx, "/v1/audit_log/list", q.values(), &out)
	return out, err
}

// AuditEntry returns one change.
func (c *Client) AuditEntry(ctx context.Context, id string) (AuditEntry, error) {
	var out AuditEntry
	err := c.get(ctx, "/v1/audit_log", byID(id), &out)
	return out, err
}
