package sidetone

import (
	"regexp"
	"time"
)

// Trunk is a carrier or a telephone system that an environment set up for itself. Those
// of the server's configuration belong to the operator and are no rows.
type Trunk struct {
	ID            string
	EnvironmentID string
	// Name is unique in the environment.
	Name string
	// Settings is a JSON object: what an entry of sip.trunks in the configuration file
	// says, but for its name and its secrets.
	Settings []byte
	// Secrets is a JSON object: the secrets among the settings, each where it stands
	// there.
	Secrets Secret
	Version int64
	Created time.Time
	Updated time.Time
}

// MaxTrunks is how many trunks an environment may have.
const MaxTrunks = 100

// NewTrunk returns a trunk without name and settings.
func NewTrunk(id, environmentID string, now time.Time) Trunk {
	return Trunk{ID: id, EnvironmentID: environmentID, Settings: []byte("{}"), Secrets: "{}", Created: now, Updated: now}
}

// Validate checks what does not depend on the settings; the message starts with the
// property's path.
func (t Trunk) Validate() error {
	switch {
	case t.Name == "":
		return Errorf(Invalid, "name is required")
	case !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`).MatchString(t.Name):
		return Errorf(Invalid, "name must be 1 to 63 letters, digits, dots, hyphens and underscores, and begin with a letter or digit")
	}
	return maxLength("settings", string(t.Settings)+t.Secrets.Reveal(), 1<<16)
}
