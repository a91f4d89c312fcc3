package sidetone

import (
	"slices"
	"strings"
	"time"
)

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
	// DefaultCountry is where numbers without plus are dialled, an ISO 3166 code
	// in capitals; "" for nowhere: such numbers then need their country code.
	DefaultCountry string
	// DefaultModel, DefaultVoice and DefaultTranscriber are what agents use that name
	// none: a provider, or a type, and behind a slash the model, or the voice, such as
	// "openai/gpt-4.1-mini"; "" leaves it to the server.
	DefaultModel, DefaultVoice, DefaultTranscriber string
	// FallbackModel, FallbackVoice and FallbackTranscriber take over when those of an
	// agent fail, in the same form; "" means none.
	FallbackModel, FallbackVoice, FallbackTranscriber string
	// DialCountries are the only countries, ISO 3166 codes in capitals, whose numbers are
	// called; none means any for calls that are placed, and those of the environment's
	// numbers for everybody to whom a caller is handed.
	DialCountries []string
	// RecordTransfers lets the words of a person be recorded to whom a caller was handed and
	// with whom no agent is on the line any more.
	RecordTransfers bool
	Created         time.Time
}

// Validate checks the name; the message starts with the property's path.
func (e Environment) Validate() error {
	if strings.TrimSpace(e.Name) == "" {
		return Errorf(Invalid, "name is required")
	}
	for path, text := range map[string]string{"default_model": e.DefaultModel, "default_voice": e.DefaultVoice, "default_transcriber": e.DefaultTranscriber,
		"fallback_model": e.FallbackModel, "fallback_voice": e.FallbackVoice, "fallback_transcriber": e.FallbackTranscriber} {
		if err := maxLength(path, text, 256); err != nil {
			return err
		}
	}
	if len(e.DialCountries) > 300 {
		return Errorf(Invalid, "dial_countries must have at most 300 countries")
	}
	return maxLength("name", e.Name, 256)
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
	// Scopes are what the key may do, at most.
	Scopes Scopes
	// AccountWide keys may act in every environment of their account.
	AccountWide bool
	// Imported keys were chosen elsewhere and need not look like ours.
	Imported bool
	// MemberID is whose key it is: it can do no more than the member and goes
	// with them. "" means nobody's.
	MemberID string
	Version  int64
	Created  time.Time
	Updated  time.Time
	// Revoked is zero while the key is valid.
	Revoked time.Time
}

// MaxImportedKey is the most characters of an imported key; ours are shorter.
const MaxImportedKey = 4096

const minImportedKey = 20

// ValidateImportedKey checks a bearer that was chosen elsewhere: 20 to 4,096
// visible ASCII characters. It need not look like a key of ours.
func ValidateImportedKey(s Secret) error {
	text := s.Reveal()
	if len(text) < minImportedKey || len(text) > MaxImportedKey {
		return Errorf(Invalid, "key must have %d to %d characters", minImportedKey, MaxImportedKey)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Errorf(Invalid, "key must consist of visible ASCII characters without spaces")
	}
	return nil
}

// KeyProfiles lists the response profiles that a key may fix.
func KeyProfiles() []string {
	return []string{"fluents", "vocode", "vocode-python", "vocode-javascript"}
}

// Validate checks the key's label, profile and scopes; the message starts with
// the property's path.
func (k APIKey) Validate() error {
	switch {
	case k.Profile != "" && !slices.Contains(KeyProfiles(), k.Profile):
		return Errorf(Invalid, "profile must be one of %s", strings.Join(KeyProfiles(), ", "))
	case k.Scopes == 0:
		return Errorf(Invalid, "scopes must not be empty")
	case k.AccountWide && k.MemberID != "":
		return Errorf(Invalid, "account_wide must be false for a member's key")
	}
	return maxLength("label", k.Label, 256)
}

// Principal is who makes a request.
type Principal struct {
	EnvironmentID string
	AccountID     string
	// HomeID is the environment of an account-wide key that acts in another one;
	// "" at home.
	HomeID string
	// KeyID names the API key; "" when there was none.
	KeyID string
	// Profile is the key's fixed profile, may be empty.
	Profile string
	// Scopes are what the request may do.
	Scopes Scopes
	// AccountWide says that other environments of the account may be named.
	AccountWide bool
	// MemberID is the member who asks, if it is one.
	MemberID string
	// Subject is whom a JSON Web Token speaks of; "" for keys.
	Subject string
	// Operator says that the request comes from this machine's command line.
	Operator bool
	// Label is a name for people: the key's label or the member's name.
	Label string
}

// Has reports whether the request may do what one stands for.
func (p Principal) Has(one Scope) bool { return p.Scopes.Has(one) }

// Actor names the principal in the audit log.
func (p Principal) Actor() Actor {
	switch {
	case p.Operator:
		return Actor{Kind: ActorOperator, ID: "", Label: p.Label}
	case p.KeyID != "":
		return Actor{Kind: ActorKey, ID: p.KeyID, Label: p.Label}
	case p.Subject != "":
		return Actor{Kind: ActorToken, ID: p.Subject, Label: p.Label}
	}
	return Actor{Kind: ActorSystem}
}
