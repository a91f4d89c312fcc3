package client

import (
	"context"
	"time"
)

// AccountConnection is an account at a carrier or a vendor.
type AccountConnection struct {
	// ID names the connection.
	ID string `json:"id,omitempty"`
	// UserID is the account here; answers only.
	UserID string `json:"user_id,omitempty"`
	// Type says at whom, such as account_connection_twilio.
	Type string `json:"type,omitempty"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Credentials are what the type needs to log in.
	Credentials map[string]Credential `json:"credentials,omitempty"`
	// Config is what else the type needs.
	Config map[string]any `json:"config,omitempty"`
	// SteeringPool are the numbers, E.164 with plus, that warm transfers may
	// use.
	SteeringPool []string `json:"steering_pool,omitempty"`
	// AccountSupportsAnyCallerID says that the carrier takes any caller's
	// number.
	AccountSupportsAnyCallerID *bool `json:"account_supports_any_caller_id,omitempty"`
	// Default says that agents use this connection of its type that name none of
	// their own.
	Default *bool `json:"default,omitempty"`
	// State is verified or failed, as the vendor said when it was asked last; empty
	// when nobody has asked. StateSince is when, StateCause why it failed.
	State      string    `json:"state,omitempty"`
	StateSince time.Time `json:"state_since,omitzero"`
	StateCause string    `json:"state_cause,omitempty"`
}

// ConnectionTest is what the vendor of an account connection said.
type ConnectionTest struct {
	// ID and Type are the connection's.
	ID   string `json:"id,omitempty"`
	Type string `json:"type,omitempty"`
	// OK says that all checks went well.
	OK bool `json:"ok"`
	// Checks are what was asked, one for each driver that works with the account.
	Checks []ConnectionCheck `json:"checks,omitempty"`
}

// ConnectionCheck is what one driver did.
type ConnectionCheck struct {
	// Part is model, voice or recogniser.
	Part string `json:"part,omitempty"`
	OK   bool   `json:"ok"`
	// LatencyMS is the time up to the first that came, in milliseconds.
	LatencyMS int64 `json:"latency_ms,omitempty"`
	// Error says what went wrong.
	Error string `json:"error,omitempty"`
}

// VectorDatabase is where agents look things up.
type VectorDatabase struct {
	// ID names the database.
	ID string `json:"id,omitempty"`
	// UserID is the account; answers only.
	UserID string `json:"user_id,omitempty"`
	// Type is vector_database_pinecone.
	Type string `json:"type,omitempty"`
	// Index is the vendor's name of the index.
	Index string `json:"index,omitempty"`
	// APIKey is the account's secret at the vendor.
	APIKey Credential `json:"api_key,omitempty"`
	// APIEnvironment is the vendor's region.
	APIEnvironment string `json:"api_environment,omitempty"`
}

// VectorDatabases are where agents look things up.
func (c *Client) VectorDatabases() Resource[VectorDatabase] {
	return resourceAt[VectorDatabase](c, "/v1/vector_databases")
}

// AccountConnections are accounts at carriers and vendors.
type AccountConnections struct{ Resource[AccountConnection] }

// AccountConnections are accounts at carriers and vendors.
func (c *Client) AccountConnections() AccountConnections {
	return AccountConnections{resourceAt[AccountConnection](c, "/v1/account_connections")}
}

// Test asks the vendor for a little, which the account is charged for, and keeps what
// it said.
func (a AccountConnections) Test(ctx context.Context, id string) (ConnectionTest, error) {
	var out ConnectionTest
	err := a.c.post(ctx, a.path+"/test", byID(id), nil, &out)
	return out, err
}

// AddToSteeringPool adds a number that warm transfers may use; one that is
// there already stays.
func (a AccountConnections) AddToSteeringPool(ctx context.Context, id, number string) (AccountConnection, error) {
	var out AccountConnection
	err := a.c.post(ctx, a.path+"/add_to_steering_pool", byID(id), map[string]string{"phone_number": number}, &out)
	return out, err
}

// RemoveFromSteeringPool takes a number out of the pool.
func (a AccountConnections) RemoveFromSteeringPool(ctx context.Context, id, number string) (AccountConnection, error) {
	var out AccountConnection
	err := a.c.post(ctx, a.path+"/remove_from_steering_pool", byID(id), map[string]string{"phone_number": number}, &out)
	return out, err
}
