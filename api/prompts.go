package api

import (
	"encoding/json"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func prompts() plain[sidetone.Prompt] {
	return plain[sidetone.Prompt]{
		noun: "prompt", decode: decodePrompt, render: renderPrompt,
		fresh: func(id, environmentID string, now time.Time) sidetone.Prompt {
			return sidetone.NewPrompt(id, environmentID, "", now)
		}, id: func(p sidetone.Prompt) string { return p.ID },
		find: (*store.Tx).Prompt, list: (*store.Tx).Prompts,
		insert: (*store.Tx).InsertPrompt, update: (*store.Tx).UpdatePrompt, remove: (*store.Tx).DeletePrompt,
	}
}

func decodePrompt(d *decoder) edit[sidetone.Prompt] {
	change := sidetone.PromptChange{
		Key: d.text("key"), Label: d.text("label"), Description: d.text("description"), Content: d.text("content"),
		ContextEndpoint: d.text("context_endpoint"), CollectFields: d.raw("collect_fields"), Tags: d.texts("tags"),
	}
	template := d.reference("prompt_template")
	return func(w work, p *sidetone.Prompt) error {
		if template.set && !template.null && (template.byID || len(template.fields) > 0) {
			return missing(template.path("prompt_template"), "prompt template")
		}
		change.Apply(p, w.tx.Now())
		return p.Validate()
	}
}

func renderPrompt(v view, p sidetone.Prompt) object {
	o := object{"id": p.ID, "user_id": v.account, "content": p.Content, "type": "prompt",
		"collect_fields": json.RawMessage(p.CollectFields), "tags": p.Tags}
	o.text("key", p.Key)
	o.text("label", p.Label)
	o.text("description", p.Description)
	o.text("context_endpoint", p.ContextEndpoint)
	return v.finish("prompt", o)
}

// readablePrompts are the prompts and the built-in one of the agent unassigned,
// which can be read and nothing else.
func readablePrompts() plain[sidetone.Prompt] {
	p := prompts()
	p.find = func(tx *store.Tx, id string) (sidetone.Prompt, error) {
		if id == unassignedID {
			return unassignedAgent(tx.EnvironmentID(), sidetone.Voice{}).Prompt, nil
		}
		return tx.Prompt(id)
	}
	return p
}
