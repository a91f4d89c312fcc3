package api

import (
	"encoding/json"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/store"
)

func prompts() resource[sidetone.Prompt] {
	return resource[sidetone.Prompt]{
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
		Key: d.Text("key"), Label: d.Text("label"), Description: d.Text("description"), Content: d.Text("content"),
		ContextEndpoint: d.Text("context_endpoint"), CollectFields: d.JSON("collect_fields"), Tags: d.Strings("tags"),
	}
	template := decodeTemplate(d)
	return func(w work, p *sidetone.Prompt) error {
		if err := template(w, &p.Template); err != nil {
			return err
		}
		before := p.Content
		change.Apply(p, w.tx.Now())
		if err := p.Validate(); err != nil {
			return err
		}
		return w.contentError(before, p.Content)
	}
}

// contentError says what is wrong with the new text of a prompt. A text that is
// stored already may be sent again.
func (w work) contentError(before, content string) error {
	if w.checkPrompt == nil || content == before {
		return nil
	}
	if err := w.checkPrompt(content); err != nil {
		return invalid("content has a mistake: %v", err)
	}
	return nil
}

const templateName = "prompt_template"

// decodeTemplate reads a prompt's template. It belongs to the prompt: an id
// other than that of the template it has names nothing.
func decodeTemplate(d *decoder) func(work, *sidetone.PromptTemplate) error {
	ref := d.Reference(templateName)
	inner := d.inner(ref.Fields)
	change := sidetone.PromptTemplateChange{Label: inner.Text("label"), RequiredKeys: inner.Strings("required_context_keys")}
	d.Below(templateName, inner.Reader)
	return func(w work, t *sidetone.PromptTemplate) error {
		switch {
		case !ref.Set:
			return nil
		case ref.Null:
			*t = sidetone.PromptTemplate{}
			return nil
		case ref.ByID && (ref.ID != t.ID || ref.ID == ""):
			return missing(ref.Path(templateName), "prompt template")
		case t.ID == "":
			*t = sidetone.PromptTemplate{ID: w.ids.New(), RequiredKeys: []string{}}
		}
		change.Apply(t)
		return nil
	}
}

// renderTemplate is the template, or its id in lists of families that want it so;
// nil for none.
func renderTemplate(v view, t sidetone.PromptTemplate) any {
	switch {
	case t.ID == "":
		return nil
	case v.list && !v.profile.ListedAgents:
		return t.ID
	}
	keys := t.RequiredKeys
	if keys == nil {
		keys = []string{}
	}
	o := object{"id": t.ID, "user_id": v.account, "required_context_keys": keys}
	setText(o, "label", t.Label)
	return o
}

func renderPrompt(v view, p sidetone.Prompt) object {
	o := object{}
	o["collect_fields"] = json.RawMessage(p.CollectFields)
	o["content"] = p.Content
	o["id"] = p.ID
	o["tags"] = p.Tags
	o["type"] = "prompt"
	o["user_id"] = v.account
	setText(o, "key", p.Key)
	setText(o, "label", p.Label)
	setText(o, "description", p.Description)
	setText(o, "context_endpoint", p.ContextEndpoint)
	if template := renderTemplate(v, p.Template); template != nil {
		o[templateName] = template
	}
	return v.profile.Adapt(dialect.Prompt(), o)
}

// readablePrompts are the prompts and the built-in one of the agent unassigned,
// which can be read and nothing else.
func readablePrompts() resource[sidetone.Prompt] {
	p := prompts()
	p.find = func(tx *store.Tx, id string) (sidetone.Prompt, error) {
		if id == unassignedID {
			return unassignedAgent(tx.EnvironmentID(), sidetone.Voice{}).Prompt, nil
		}
		return tx.Prompt(id)
	}
	return p
}
