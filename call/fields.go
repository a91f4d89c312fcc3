package call

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
)

// storeField is the tool by which the model stores a field.
const storeField = "store_field"

// fields are what the agent finds out from the caller. It belongs to the session's
// goroutine.
type fields struct {
	all    []sidetone.CollectField
	values map[string]string
	// unconfirmed are values that the caller has yet to confirm, by field.
	unconfirmed map[string]unconfirmed
	// turn counts the caller's turns, stored is told of each value.
	turn   func() int
	stored func(name, value string)
}

// unconfirmed is a value and the caller's turn after which it was given.
type unconfirmed struct {
	value string
	turn  int
}

func newFields(s *Session) *fields {
	return &fields{all: s.call.Snapshot.Prompt.Fields(), values: map[string]string{}, unconfirmed: map[string]unconfirmed{},
		turn: func() int { return s.machine.Snapshot().Turn }, stored: s.collected}
}

// machineFields are the fields that the machine collects.
func machineFields(all []sidetone.CollectField) []conversation.Field {
	var out []conversation.Field
	for _, f := range all {
		if f.Type != sidetone.CollectDigits {
			continue
		}
		terminator := rune(0)
		for _, key := range f.Terminator {
			terminator = key
		}
		out = append(out, conversation.Field{Name: f.Name, Min: max(1, f.Min), Max: f.Max, Terminator: terminator, Secret: f.Secret})
	}
	return out
}

// tools are what the model is offered.
func (f *fields) tools() []llm.Tool {
	var out []llm.Tool
	var stored []sidetone.CollectField
	for _, field := range f.all {
		if field.Type == sidetone.CollectDigits {
			out = append(out, collectTool(field))
		}
		if !field.Secret {
			stored = append(stored, field)
		}
	}
	if len(stored) > 0 {
		out = append(out, storeTool(stored))
	}
	return out
}

func collectTool(f sidetone.CollectField) llm.Tool {
	text := fmt.Sprintf("Begins to collect %s, which the caller presses on the phone or says digit by digit. Call it before you ask for it, and then ask.", f.Label)
	if f.Secret {
		text += fmt.Sprintf(" The value is secret: you never see it and never ask to hear it back. Pass %s where an action needs it.", conversation.CollectReference(f.Name))
	}
	if f.Description != "" {
		text += " " + f.Description
	}
	return llm.Tool{Name: conversation.CollectTool + f.Name, Description: text, Schema: json.RawMessage(`{"type":"object","properties":{}}`)}
}

func storeTool(all []sidetone.CollectField) llm.Tool {
	names, lines := make([]string, 0, len(all)), make([]string, 0, len(all))
	for _, f := range all {
		names = append(names, f.Name)
		line := f.Name + " (" + strings.TrimPrefix(f.Type, "field_type_") + "): " + f.Label
		if f.Type == sidetone.CollectChoice {
			line += ", one of: " + strings.Join(f.Choices, ", ")
		}
		if f.Description != "" {
			line += ". " + f.Description
		}
		lines = append(lines, line)
	}
	schema, _ := json.Marshal(map[string]any{"type": "object", "required": []string{"field", "value"}, "properties": map[string]any{
		"field":     map[string]any{"type": "string", "enum": names},
		"value":     map[string]any{"type": "string", "description": "Dates as 2006-01-31, phone numbers with plus and country code."},
		"confirmed": map[string]any{"type": "boolean", "description": "The caller has heard the value and confirmed it."},
	}}) // texts can be encoded
	return llm.Tool{Name: storeField, Schema: schema,
		Description: "Stores what you have found out from the caller, as soon as you know it. The fields:\n" + strings.Join(lines, "\n")}
}

// runs are the tools, by name.
func (f *fields) runs() map[string]func(json.RawMessage) (string, error) {
	out := map[string]func(json.RawMessage) (string, error){}
	for _, t := range f.tools() {
		if t.Name == storeField {
			out[t.Name] = f.store
			continue
		}
		i := slices.IndexFunc(f.all, func(c sidetone.CollectField) bool { return conversation.CollectTool+c.Name == t.Name })
		out[t.Name] = func(json.RawMessage) (string, error) { return asking(f.all[i]), nil }
	}
	return out
}

// asking tells the model how a field of digits is given.
func asking(f sidetone.CollectField) string {
	end := "#"
	if f.Terminator == "*" {
		end = "* or #"
	}
	text := fmt.Sprintf("Ask the caller now for %s", f.Label)
	if f.Max == 0 || f.Min < f.Max {
		text += ", to be ended with " + end + " on the phone"
	}
	return text + ". The next words of the caller say what was given."
}

// store checks and stores a value.
func (f *fields) store(args json.RawMessage) (string, error) {
	var in struct {
		Field     string
		Value     json.RawMessage
		Confirmed bool
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return "", fmt.Errorf("the arguments must be field, value and confirmed: %w", err)
	}
	i := slices.IndexFunc(f.all, func(c sidetone.CollectField) bool { return c.Name == in.Field && !c.Secret })
	if i < 0 {
		return "", llm.Error("there is no such field")
	}
	value, err := f.all[i].Check(textOf(in.Value))
	if err != nil {
		return "", err
	}
	if f.all[i].ReadBack && !f.confirmed(in.Field, value, in.Confirmed) {
		return "Not stored yet. Read the value back to the caller, as " + spelled(f.all[i], value) +
			", and ask whether it is right. If it is, store it again with confirmed true.", nil
	}
	delete(f.unconfirmed, in.Field)
	f.values[in.Field] = value
	f.stored(in.Field, value)
	return "stored", nil
}

// confirmed reports whether a value may count: it was given before, and the caller has
// spoken since.
func (f *fields) confirmed(name, value string, says bool) bool {
	turn := f.turn()
	before, ok := f.unconfirmed[name]
	if ok && says && before.value == value && turn > before.turn {
		return true
	}
	if !ok || before.value != value {
		f.unconfirmed[name] = unconfirmed{value, turn}
	}
	return false
}

// textOf is a JSON string's text, or the JSON of another value: models write numbers, too.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// spelled is how a value is read to a caller.
func spelled(f sidetone.CollectField, value string) string {
	if f.Type == sidetone.CollectDigits || f.Type == sidetone.CollectPhone {
		return strings.Join(strings.Split(value, ""), " ")
	}
	return value
}

// collected records a value.
func (s *Session) collected(name, value string) {
	if s.call.HIPAA {
		s.event(sidetone.EventCollected, "", nil)
		return
	}
	s.event(sidetone.EventCollected, name, map[string]any{"value": value})
}

// took notes that a secret field was given, or is to be given anew.
func (s *Session) took(c conversation.Collected) {
	s.secrets.collected(c)
	if c.Digits == "" {
		delete(s.fields.values, c.Field)
		return
	}
	if _, again := s.fields.values[c.Field]; !again {
		s.collected(c.Field, conversation.Covered)
	}
	s.fields.values[c.Field] = conversation.Covered
}

// secretNames are the fields whose values the session keeps for itself.
func (f *fields) secretNames() (names []string) {
	for _, c := range f.all {
		if c.Secret {
			names = append(names, c.Name)
		}
	}
	return names
}
