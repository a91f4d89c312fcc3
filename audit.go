package sidetone

import "time"

// ActorKind says what sort of actor changed something.
type ActorKind string

// The kinds of actors.
const (
	// ActorKey is an API key; its id is the actor's.
	ActorKey ActorKind = "api_key"
	// ActorToken is a JSON Web Token; its subject is the actor's id.
	ActorToken ActorKind = "jwt"
	// ActorOperator is the command line on the server's own machine.
	ActorOperator ActorKind = "operator"
	// ActorSystem is the server itself.
	ActorSystem ActorKind = "system"
)

// Actor is who changed something. The zero value is the server itself.
type Actor struct {
	Kind ActorKind
	// ID names the actor among its kind; "" for the operator and the system.
	ID string
	// Label is what the actor was called at the time.
	Label string
	// RequestID is the request that asked for the change; "" when none did.
	RequestID string
}

// AuditAction says what was done.
type AuditAction string

// The actions.
const (
	AuditCreate AuditAction = "create"
	AuditUpdate AuditAction = "update"
	AuditDelete AuditAction = "delete"
)

// AuditEntry is one change of one resource. Entries are written in the
// transaction of the change and never altered.
type AuditEntry struct {
	ID            string
	EnvironmentID string
	Actor         Actor
	Action        AuditAction
	// Noun is the kind of resource: number, agent, API key.
	Noun string
	// ResourceID names the resource.
	ResourceID string
	// Before and After are JSON objects of what changed, secrets masked; empty
	// objects before a creation and after a deletion.
	Before, After []byte
	Created       time.Time
}
