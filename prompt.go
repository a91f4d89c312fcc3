package sidetone

import "time"

// Prompt is an agent's instructions. ${name} placeholders are filled from a
// call's context.
type Prompt struct {
	ID            string
	EnvironmentID string
	// Key is the name that files know it by, unique among the environment's
	// prompts; "" for none.
	Key             string
	Label           string
	Description     string
	Content         string
	ContextEndpoint string
	// CollectFields is a JSON array, as given; Fields reads it.
	CollectFields []byte
	Tags          []string
	// Template says what the prompt's placeholders need.
	Template PromptTemplate
	Version  int64
	Created  time.Time
	Updated  time.Time
}

// PromptTemplate names the keys of a call's context that a prompt cannot do
// without. It belongs to one prompt; an ID of "" means that there is none.
// Calls are refused whose context lacks a required key.
type PromptTemplate struct {
	ID    string
	Label string
	// RequiredKeys are the names of placeholders.
	RequiredKeys []string
}

// PromptTemplateChange is a partial update of a PromptTemplate.
type PromptTemplateChange struct {
	Label        Optional[string]
	RequiredKeys Optional[[]string]
}

// Apply carries the change out on t.
func (c PromptTemplateChange) Apply(t *PromptTemplate) {
	c.Label.Apply(&t.Label, "")
	c.RequiredKeys.Apply(&t.RequiredKeys, []string{})
}

// NewPrompt returns a prompt with the documented defaults.
func NewPrompt(id, environmentID, content string, now time.Time) Prompt {
	return Prompt{ID: id, EnvironmentID: environmentID, Content: content,
		CollectFields: []byte("[]"), Tags: []string{}, Created: now, Updated: now}
}

// PromptChange is a partial update of a Prompt.
type PromptChange struct {
	Key             Optional[string]
	Label           Optional[string]
	Description     Optional[string]
	Content         Optional[string]
	ContextEndpoint Optional[string]
	CollectFields   Optional[[]byte]
	Tags            Optional[[]string]
}

// Apply carries the change out on p.
func (c PromptChange) Apply(p *Prompt, now time.Time) {
	c.Key.Apply(&p.Key, "")
	c.Label.Apply(&p.Label, "")
	c.Description.Apply(&p.Description, "")
	c.Content.Apply(&p.Content, "")
	c.ContextEndpoint.Apply(&p.ContextEndpoint, "")
	c.CollectFields.Apply(&p.CollectFields, []byte("[]"))
	c.Tags.Apply(&p.Tags, []string{})
	p.Updated = now
}

// Validate checks lengths; the message starts with the property's path.
func (p Prompt) Validate() error {
	if err := validKey(p.Key); err != nil {
		return err
	}
	if err := describable(p.Label, p.Description); err != nil {
		return err
	}
	if err := optionalAddress("context_endpoint", p.ContextEndpoint); err != nil {
		return err
	}
	if err := p.validateCollectFields(); err != nil {
		return err
	}
	if err := maxLength("prompt_template.label", p.Template.Label, 256); err != nil {
		return err
	}
	return maxLength("content", p.Content, 262144)
}
