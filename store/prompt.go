package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func promptTable() *configurationTable[sidetone.Prompt] {
	tb := newTable("prompts", "prompt", func(p *sidetone.Prompt) []column {
		return []column{
			{name: "id", ref: &p.ID, fixed: true}, {name: "environment_id", ref: &p.EnvironmentID, fixed: true},
			{name: "resource_key", ref: &p.Key},
			{name: "label", ref: &p.Label}, {name: "label_folded", ref: folded(p.Label)},
			{name: "description", ref: &p.Description}, {name: "content", ref: &p.Content},
			{name: "context_endpoint", ref: &p.ContextEndpoint}, {name: "collect_fields", ref: raw{&p.CollectFields, "[]"}},
			{name: "template_id", ref: &p.Template.ID}, {name: "template_label", ref: &p.Template.Label},
			{name: "template_keys", ref: list{&p.Template.RequiredKeys}},
			{name: "tags", ref: list{&p.Tags}}, {name: "version", ref: &p.Version},
			{name: "created", ref: millis{&p.Created}, fixed: true}, {name: "updated", ref: millis{&p.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "key": filterOnly(text("resource_key")), "label": search("label", "label_folded"), "created": instant("created"), "updated": instant("updated"),
		"tags": tags("tags"),
	})
	return &configurationTable[sidetone.Prompt]{
		table: tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Prompt { return e.Prompts }),
		detach: func(p *sidetone.Prompt) {
			p.Tags, p.CollectFields = slices.Clone(p.Tags), slices.Clone(p.CollectFields)
			p.Template.RequiredKeys = slices.Clone(p.Template.RequiredKeys)
		},
		uses: []use{{table: "agents", noun: "agent", column: "prompt_id", shown: "id"}},
	}
}

// Prompt returns the prompt with id.
func (t *Tx) Prompt(id string) (sidetone.Prompt, error) { return t.store.tables.prompts.get(t, id) }

// Prompts lists the prompts.
func (t *Tx) Prompts(q sidetone.PageQuery) (sidetone.Page[sidetone.Prompt], error) {
	return page(t, t.store.tables.prompts.table, q)
}

// InsertPrompt stores a new prompt.
func (t *Tx) InsertPrompt(p sidetone.Prompt) error { return t.store.tables.prompts.insert(t, p) }

// UpdatePrompt stores p if p.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdatePrompt(p sidetone.Prompt) error { return t.store.tables.prompts.update(t, p) }

// DeletePrompt removes the prompt with id. One that is in use is a Conflict that
// names its users.
func (t *Tx) DeletePrompt(id string) error { return t.store.tables.prompts.remove(t, id) }
