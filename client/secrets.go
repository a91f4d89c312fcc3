package client

import (
	"context"
	"net/http"
)

// EnvironmentRotation says what a rotation of an environment's data key did.
type EnvironmentRotation struct {
	// EnvironmentID is the environment.
	EnvironmentID string `json:"environment_id"`
	// DataKeyVersion is the data key that seals from now on.
	DataKeyVersion int64 `json:"data_key_version"`
	// Resealed counts the values that an older data key had sealed.
	Resealed int `json:"resealed"`
	// Retired counts the older data keys that were deleted.
	Retired int `json:"retired"`
}

// RotateEnvironment makes a new data key for the client's environment and seals
// every stored secret of it anew. It needs the scope admin.
func (c *Client) RotateEnvironment(ctx context.Context) (EnvironmentRotation, error) {
	var out EnvironmentRotation
	err := c.Do(ctx, http.MethodPost, "/v1/secrets/rotate_environment", nil, nil, &out)
	return out, err
}

// MasterRotation says what a rotation of the master key did.
type MasterRotation struct {
	// MasterKeyID tells the master key that wraps from now on from others; it is
	// no secret.
	MasterKeyID string `json:"master_key_id"`
	// Rewrapped counts the data keys that it wraps and another one wrapped
	// before.
	Rewrapped int `json:"rewrapped"`
}

// RotateMaster wraps all data keys with a new master key. It is for the command
// line on the server's machine: other clients are refused.
func (c *Client) RotateMaster(ctx context.Context) (MasterRotation, error) {
	var out MasterRotation
	err := c.Do(ctx, http.MethodPost, "/v1/secrets/rotate_master", nil, nil, &out)
	return out, err
}
