package api

import "github.com/sidetone/sidetone"

// MasterRotation says what a rotation of the master key did.
type MasterRotation struct {
	// KeyID tells the master key that wraps from now on from others; it is no
	// secret.
	KeyID string
	// Rewrapped is how many data keys it wraps that another one wrapped before.
	Rewrapped int
}

// rotateEnvironment gives the request's environment a new data key.
func (s *server) rotateEnvironment(r *request) (any, error) {
	done, err := s.Store.RotateEnvironment(r.ctx, r.who.EnvironmentID)
	return object{
		"environment_id": r.who.EnvironmentID, "data_key_version": done.Version, "resealed": done.Resealed, "retired": done.Retired,
	}, err
}

// rotateMaster is for the operator only: the key is that of all accounts, and
// whoever has a copy of it has to learn of a new one.
func (s *server) rotateMaster(r *request) (any, error) {
	if !r.who.Operator {
		return nil, sidetone.Errorf(sidetone.Forbidden, "Forbidden: this is for `sidetone secrets rotate-master` on the server's machine")
	}
	if s.RotateMaster == nil {
		return nil, unavailable("the master key cannot be rotated here", nil)
	}
	done, err := s.RotateMaster(r.ctx)
	return object{"master_key_id": done.KeyID, "rewrapped": done.Rewrapped}, err
}
