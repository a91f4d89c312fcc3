package sidetone

import "time"

// Voice is a way to speak. Config is a JSON object of type-specific fields.
type Voice struct {
	ID            string
	EnvironmentID string
	// Type is voice_flite, voice_tty or a vendor's (voice_eleven_labs ...).
	Type        string
	Label       string
	Description string
	Config      []byte
	// BuiltIn voices exist in every environment.
	BuiltIn bool
	Version int64
	Created time.Time
	Updated time.Time
}

// Prompt is an agent's instructions. ${name} placeholders are filled from a
// call's context.
type Prompt struct {
	ID              string
	EnvironmentID   string
	Label           string
	Description     string
	Content         string
	ContextEndpoint string
	// CollectFields is a JSON array, as given.
	CollectFields []byte
	Tags          []string
	Version       int64
	Created       time.Time
	Updated       time.Time
}

// PromptChange is a partial update of a Prompt.
type PromptChange struct {
	Label           Optional[string]
	Description     Optional[string]
	Content         Optional[string]
	ContextEndpoint Optional[string]
	CollectFields   Optional[[]byte]
	Tags            Optional[[]string]
}

// Apply carries the change out on p.
func (c PromptChange) Apply(p *Prompt, now time.Time) {
	c.Label.Apply(&p.Label, "")
	c.Description.Apply(&p.Description, "")
	c.Content.Apply(&p.Content, "")
	c.ContextEndpoint.Apply(&p.ContextEndpoint, "")
	c.CollectFields.Apply(&p.CollectFields, []byte("[]"))
	c.Tags.Apply(&p.Tags, []string{})
	p.Updated = now
}

// NewPrompt returns a prompt with the documented defaults.
func NewPrompt(id, environmentID, content string, now time.Time) Prompt {
	return Prompt{ID: id, EnvironmentID: environmentID, Content: content,
		CollectFields: []byte("[]"), Tags: []string{}, Created: now, Updated: now}
}
