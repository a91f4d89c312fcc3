package sidetone

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Connection is an account of the customer's at a carrier or another vendor.
type Connection struct {
	ID            string
	EnvironmentID string
	// Type starts with account_connection_.
	Type        string
	Label       string
	Description string
	// Credentials is a JSON object of texts.
	Credentials Secret
	// Config is a JSON object of settings, as given.
	Config []byte
	// SteeringPool holds numbers in E.164 that warm transfers may use.
	SteeringPool []string
	// AnyCallerID says that the account may show numbers it does not own.
	AnyCallerID bool
	// Default makes the account the one of its type that agents use which name none
	// of their own. An environment has one of a type at most.
	Default bool
	// State is what its vendor said when it was asked last.
	State   AccountState
	Version int64
	Created time.Time
	Updated time.Time
}

// connectionPrefix starts every type of connection.
const connectionPrefix = "account_connection_"

// NewConnection returns a connection without type and credentials.
func NewConnection(id, environmentID string, now time.Time) Connection {
	return Connection{ID: id, EnvironmentID: environmentID, Credentials: "{}", Config: []byte("{}"),
		SteeringPool: []string{}, Created: now, Updated: now}
}

// Provider is the telephony provider of a connection, such as twilio.
func (c Connection) Provider() string { return strings.TrimPrefix(c.Type, connectionPrefix) }

// ServesModels reports whether an agent can think with the account: it is not of a
// type that is known to be for something else, calls or speech.
func (c Connection) ServesModels() bool {
	others := []string{"twilio", "vonage", "telnyx", "sip", "assemblyai", "azure_speech", "cartesia", "deepgram", "elevenlabs", "playht", "rime"}
	return !slices.Contains(others, c.Provider())
}

// ServesEndpoints reports whether requests to somebody's own server can be
// authenticated with the account.
func (c Connection) ServesEndpoints() bool {
	return slices.Contains([]string{"un_pw_oauth", "login_key_oauth", "external_api_key"}, c.Provider())
}

// ConnectionChange is a partial update of a Connection.
type ConnectionChange struct {
	Type        Optional[string]
	Label       Optional[string]
	Description Optional[string]
	// Credentials holds only the members the change mentions; null removes. Of a
	// connection that gets another type none is kept.
	Credentials  Optional[Secret]
	Config       Optional[[]byte]
	SteeringPool Optional[[]string]
	AnyCallerID  Optional[bool]
	Default      Optional[bool]
}

// Apply carries the change out on c.
func (ch ConnectionChange) Apply(c *Connection, now time.Time) {
	if ch.Type.Set && ch.Type.Value != c.Type || ch.Credentials.Null {
		c.Credentials = "{}"
	}
	ch.Type.Apply(&c.Type, "")
	ch.Label.Apply(&c.Label, "")
	ch.Description.Apply(&c.Description, "")
	c.Credentials = Secret(MergeJSON([]byte(c.Credentials.Reveal()), []byte(ch.Credentials.Value.Reveal())))
	if ch.Type.Set || ch.Credentials.Set || ch.Config.Set {
		c.State = AccountState{}
	}
	ch.Config.Apply(&c.Config, []byte("{}"))
	ch.AnyCallerID.Apply(&c.AnyCallerID, false)
	ch.Default.Apply(&c.Default, false)
	if ch.SteeringPool.Set {
		c.SteeringPool = []string{}
		for _, number := range ch.SteeringPool.Value {
			c.AddToPool(number)
		}
	}
	c.Updated = now
}

// AddToPool puts a number, E.164, into the steering pool unless it is there.
func (c *Connection) AddToPool(number string) {
	if !slices.Contains(c.SteeringPool, number) {
		c.SteeringPool = append(slices.Clone(c.SteeringPool), number)
	}
}

// RemoveFromPool takes a number, E.164, out of the steering pool and says whether
// it was there.
func (c *Connection) RemoveFromPool(number string) bool {
	kept := slices.DeleteFunc(slices.Clone(c.SteeringPool), func(n string) bool { return n == number })
	found := len(kept) < len(c.SteeringPool)
	c.SteeringPool = kept
	return found
}

// Validate checks what the type needs; the message starts with the property's
// path.
func (c Connection) Validate() error {
	if c.Type == "" {
		return Errorf(Invalid, "type is required")
	}
	if c.Provider() == c.Type || c.Provider() == "" || len(c.Type) > 64 {
		return Errorf(Invalid, "type must start with %s", connectionPrefix)
	}
	var credentials map[string]string
	if err := json.Unmarshal([]byte(c.Credentials.Reveal()), &credentials); err != nil || credentials == nil {
		return Errorf(Invalid, "credentials must be an object of strings")
	}
	needed := map[string][]string{"twilio": {"twilio_account_sid", "twilio_auth_token"}, "openai": {"openai_api_key"}}
	for _, name := range needed[c.Provider()] {
		if credentials[name] == "" {
			return Errorf(Invalid, "credentials.%s is required", name)
		}
	}
	for _, number := range c.SteeringPool {
		if !IsE164(number) {
			return Errorf(Invalid, "steering_pool must hold phone numbers with plus and country code")
		}
	}
	if len(c.SteeringPool) > 1000 {
		return Errorf(Invalid, "steering_pool must have at most 1000 items")
	}
	return describable(c.Label, c.Description)
}
