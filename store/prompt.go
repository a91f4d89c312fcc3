package store

import "github.com/sidetone/sidetone"

func promptTable() *table[sidetone.Prompt] {
	return newTable("prompts", "prompt", func(p *sidetone.Prompt) []column {
		return []column{
			{name: "id", ref: &p.ID, fixed: true}, {name: "environment_id", ref: &p.EnvironmentID, fixed: true},
			{name: "label", ref: &p.Label}, {name: "label_folded", ref: folded(p.Label)},
			{name: "description", ref: &p.Description}, {name: "content", ref: &p.Content},
			{name: "context_endpoint", ref: &p.ContextEndpoint}, {name: "collect_fields", ref: raw{&p.CollectFields, "[]"}},
			{name: "tags", ref: list{&p.Tags}}, {name: "version", ref: &p.Version},
			{name: "created", ref: millis{&p.Created}, fixed: true}, {name: "updated", ref: millis{&p.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "label": search("label", "label_folded"), "created": instant("created"), "updated": instant("updated"),
	})
}

// Prompt returns the prompt with id.
func (t *Tx) Prompt(id string) (sidetone.Prompt, error) { return t.store.tables.prompts.get(t, id) }

// Prompts lists the prompts.
func (t *Tx) Prompts(q sidetone.PageQuery) (sidetone.Page[sidetone.Prompt], error) {
	return page(t, t.store.tables.prompts, q)
}

// InsertPrompt stores a new prompt.
func (t *Tx) InsertPrompt(p sidetone.Prompt) error {
	if err := t.store.tables.prompts.insert(t, &p); err != nil {
		return err
	}
	t.change.prompts = append(t.change.prompts, p)
	return nil
}

// UpdatePrompt stores p if p.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdatePrompt(p sidetone.Prompt) error {
	if err := t.store.tables.prompts.update(t, &p); err != nil {
		return err
	}
	t.change.prompts = append(t.change.prompts, p)
	return nil
}
