package client

import "context"

// EnvironmentRotation is what a rotation of an environment's data key did.
type EnvironmentRotation struct {
	// EnvironmentID names the environment.
	EnvironmentID string `json:"environment_id,omitempty"`
	// DataKeyVersion is the data key that seals from now on.
	DataKeyVersion int `json:"data_key_version"`
	// Resealed counts the values that an older data key had sealed.
	Resealed int `json:"resealed"`
	// Retired counts the older data keys that were deleted.
	Retired int `json:"retired"`
}

// MasterRotation is what a rotation of the master key did.
type MasterRotation struct {
	// MasterKeyID tells master keys apart and is no secret.
	MasterKeyID string `json:"master_key_id,omitempty"`
	// Rewrapped counts the data keys that were not wrapped with it before.
	Rewrapped int `json:"rewrapped"`
}

// RotateEnvironment makes a new data key for the environment and seals every
// stored secret anew with it, while other requests go on. An interrupted one
// leaves nothing unreadable; the next seals the rest.
func (c *Client) RotateEnvironment(ctx context.Context) (EnvironmentRotation, error) {
	var out EnvironmentRotation
	err := c.post(ctx, "/v1/secrets/rotate_environment", nil, nil, &out)
	return out, err
}

// RotateMaster wraps the data keys of every environment with a new master key,
// or with one that the operator put in front of the old one. Only the command
// line on the server's own machine may ask for it.
func (c *Client) RotateMaster(ctx context.Context) (MasterRotation, error) {
	var out MasterRotation
	err := c.post(ctx, "/v1/secrets/rotate_master", nil, nil, &out)
	return out, err
}
