package sidetone

import "time"

// Account is a customer. Its id is the user_id of the wire contract.
type Account struct {
	ID      string
	Name    string
	Created time.Time
}

// Environment isolates everything an account owns: numbers, agents, calls and
// keys of one are invisible to another.
type Environment struct {
	ID        string
	AccountID string
	Name      string
	// DefaultAgentID is what the literal "default" stands for; may be empty.
	DefaultAgentID string
	Created        time.Time
}

// APIKey is a bearer of an environment. The secret itself is shown once and
// stored as a hash only.
type APIKey struct {
	ID            string
	EnvironmentID string
	Label         string
	// Hint is the last four characters of the secret.
	Hint string
	// Hash is the SHA-256 of the secret.
	Hash [32]byte
	// Profile fixes the rendering for clients that do not identify themselves;
	// "" means by request.
	Profile string
	Created time.Time
	// Revoked is zero while the key is valid.
	Revoked time.Time
}

// Principal is who makes a request.
type Principal struct {
	EnvironmentID string
	AccountID     string
	KeyID         string
	// Profile is the key's fixed profile, may be empty.
	Profile string
}
