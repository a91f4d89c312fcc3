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
	template := decodeTemplate(d)
	return func(w work, p *sidetone.Prompt) error {
		if err := template(w, &p.Template); err != nil {
			return err
		}
		change.Apply(p, w.tx.Now())
		return p.Validate()
	}
}

const templateName = "prompt_template"

// decodeTemplate reads a prompt's template. It belongs to the prompt: an id
// other than that of the template it has names nothing.
func decodeTemplate(d *decoder) func(work, *sidetone.PromptTemplate) error {
	ref := d.reference(templateName)
	inner := &decoder{fields: ref.fields, profile: d.profile}
	change := sidetone.PromptTemplateChange{Label: inner.text("label"), RequiredKeys: inner.texts("required_context_keys")}
	for _, fault := range inner.faults {
		d.faults = append(d.faults, templateName+"."+fault)
	}
	return func(w work, t *sidetone.PromptTemplate) error {
		switch {
		case !ref.set:
			return nil
		case ref.null:
			*t = sidetone.PromptTemplate{}
			return nil
		case ref.byID && (ref.id != t.ID || ref.id == ""):
			return missing(ref.path(templateName), "prompt template")
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
	case v.list && !v.profile.listedAgents:
		return t.ID
	}
	keys := t.RequiredKeys
	if keys == nil {
		keys = []string{}
	}
	o := object{{"id", t.ID}, {"user_id", v.account}, {"required_context_keys", keys}}
	o.text("label", t.Label)
	return o
}

// promptMembers is about how many members a rendered prompt has.
const promptMembers = 8

func renderPrompt(v view, p sidetone.Prompt) object {
	o := make(object, 0, promptMembers)
	o.set("collect_fields", json.RawMessage(p.CollectFields))
	o.set("content", p.Content)
	o.set("id", p.ID)
	o.set("tags", p.Tags)
	o.set("type", "prompt")
	o.set("user_id", v.account)
	o.text("key", p.Key)
	o.text("label", p.Label)
	o.text("description", p.Description)
	o.text("context_endpoint", p.ContextEndpoint)
	if template := renderTemplate(v, p.Template); template != nil {
		o.set(templateName, template)
	}
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
