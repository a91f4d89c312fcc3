package sidetone

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CollectField is something that an agent finds out from a caller.
type CollectField struct {
	// Type is of CollectTypes().
	Type string
	// Name is the field's name in what is stored; Label is what it is called in words.
	Name, Label string
	// Description is for the model; may be empty.
	Description string
	// Choices are what a field of type choice may be.
	Choices []string
	// Min and Max are how many digits a field of type digits has; Max 0 means any number.
	Min, Max int
	// Terminator is a key that ends digits that are pressed, beside "#"; "" for none.
	Terminator string
	// Secret digits are shown to nobody and stored nowhere: the agent's actions alone get
	// them.
	Secret bool
	// ReadBack says that the value counts only when the caller has heard and confirmed it.
	ReadBack bool
}

// The types of fields. A field without a type, or a mere name, is text.
const (
	CollectText   = "field_type_text"
	CollectEmail  = "field_type_email"
	CollectPhone  = "field_type_phone"
	CollectDate   = "field_type_date"
	CollectNumber = "field_type_number"
	CollectChoice = "field_type_choice"
	CollectDigits = "field_type_digits"
)

// CollectTypes lists the types of fields.
func CollectTypes() []string {
	return []string{CollectText, CollectEmail, CollectPhone, CollectDate, CollectNumber, CollectChoice, CollectDigits}
}

// collectFieldJSON is a field as prompts have it.
type collectFieldJSON struct {
	Type        string   `json:"field_type"`
	Name        string   `json:"name"`
	Label       string   `json:"label"`
	Description string   `json:"description"`
	Choices     []string `json:"choices"`
	Min         int      `json:"min"`
	Max         int      `json:"max"`
	Terminator  string   `json:"terminator"`
	Secret      bool     `json:"secret"`
	ReadBack    *bool    `json:"read_back"`
}

// Fields are what the prompt's agent finds out from callers. What of CollectFields cannot be
// read is left out.
func (p Prompt) Fields() []CollectField {
	var items []json.RawMessage
	_ = json.Unmarshal(p.CollectFields, &items) // what is no list has no fields
	var out []CollectField
	for _, raw := range items {
		if f, err := readCollectField(raw); err == nil && !slices.ContainsFunc(out, func(o CollectField) bool { return o.Name == f.Name }) {
			out = append(out, f)
		}
	}
	return out
}

func readCollectField(raw []byte) (CollectField, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		raw, _ = json.Marshal(collectFieldJSON{Name: name}) // a string can be encoded
	}
	var j collectFieldJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return CollectField{}, Errorf(Invalid, "cannot be read: a member has another type than the document says")
	}
	f := CollectField{Type: orText(j.Type, CollectText), Name: j.Name, Label: orText(j.Label, j.Name), Description: j.Description,
		Choices: j.Choices, Min: j.Min, Max: j.Max, Terminator: j.Terminator, Secret: j.Secret}
	f.ReadBack = f.Type == CollectDigits && !f.Secret
	if j.ReadBack != nil {
		f.ReadBack = *j.ReadBack
	}
	return f, f.validate()
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// CollectedFields are the values of fields that events of a call tell, by name; nil for none.
func CollectedFields(events []Event) map[string]string {
	var out map[string]string
	for _, e := range events {
		var data struct{ Value string }
		if e.Kind != EventCollected || e.Text == "" || json.Unmarshal(e.Data, &data) != nil {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[e.Text] = data.Value
	}
	return out
}

const (
	// mostDigits bounds a field of digits.
	mostDigits = 64
	// nameLetters are what the names of tools consist of.
	nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)

// validate checks one field; the message begins with the member.
func (f CollectField) validate() error {
	digits := f.Type == CollectDigits
	switch {
	case strings.TrimSpace(f.Name) == "" || len(f.Name) > 64:
		return Errorf(Invalid, "name must have 1 to 64 characters")
	case !slices.Contains(CollectTypes(), f.Type):
		return Errorf(Invalid, "field_type must be one of %s", strings.Join(CollectTypes(), ", "))
	case digits && (len(f.Name) > 48 || strings.Trim(f.Name, nameLetters) != ""):
		return Errorf(Invalid, "name of a field of digits must be letters, digits and underscores")
	case f.Type == CollectChoice && len(f.Choices) == 0:
		return Errorf(Invalid, "choices must have at least one")
	case f.Type != CollectChoice && len(f.Choices) > 0:
		return Errorf(Invalid, "choices belong to field_type_choice")
	case !digits && (f.Min != 0 || f.Max != 0 || f.Terminator != "" || f.Secret):
		return Errorf(Invalid, "min, max, terminator and secret belong to field_type_digits")
	case f.Min < 0 || f.Min > mostDigits || f.Max < 0 || f.Max > mostDigits || f.Max > 0 && f.Min > f.Max:
		return Errorf(Invalid, "min and max must be 0 to %d, and min at most max", mostDigits)
	case f.Terminator != "" && f.Terminator != "#" && f.Terminator != "*":
		return Errorf(Invalid, "terminator must be # or *")
	case f.Secret && f.ReadBack:
		return Errorf(Invalid, "read_back: a secret field is not read back")
	}
	return nil
}

// validateCollectFields checks the fields of a prompt; the message starts with the path.
func (p Prompt) validateCollectFields() error {
	var items []json.RawMessage
	if err := json.Unmarshal(p.CollectFields, &items); err != nil {
		return Errorf(Invalid, "collect_fields must be a list")
	}
	seen := map[string]bool{}
	for i, raw := range items {
		f, err := readCollectField(raw)
		if err != nil {
			return Errorf(Invalid, "collect_fields[%d].%s", i, MessageOf(err))
		}
		if seen[f.Name] {
			return Errorf(Invalid, "collect_fields[%d].name: another field has this name", i)
		}
		seen[f.Name] = true
	}
	return nil
}

// Check returns a value of the field in its normal form. The text of an error is for the
// model: what is wrong with the value.
func (f CollectField) Check(value string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", fmt.Errorf("the value is empty")
	}
	if len(value) > 1024 {
		return "", fmt.Errorf("the value is longer than 1024 bytes")
	}
	switch f.Type {
	case CollectEmail:
		a, err := mail.ParseAddress(value)
		if err != nil || a.Address != value || !strings.Contains(value[strings.LastIndexByte(value, '@'):], ".") {
			return "", fmt.Errorf("%q is no e-mail address", value)
		}
		return value, nil
	case CollectPhone:
		number := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(value)
		if !IsE164(number) {
			return "", fmt.Errorf("%q is no phone number with plus and country code", value)
		}
		return number, nil
	case CollectDate:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", fmt.Errorf("%q is no date of the form 2006-01-31", value)
		}
		return value, nil
	case CollectNumber:
		if _, err := strconv.ParseFloat(value, 64); err != nil || strings.Trim(value, "0123456789.+-") != "" {
			return "", fmt.Errorf("%q is no number", value)
		}
		return value, nil
	case CollectChoice:
		i := slices.IndexFunc(f.Choices, func(c string) bool { return strings.EqualFold(c, value) })
		if i < 0 {
			return "", fmt.Errorf("%q is none of: %s", value, strings.Join(f.Choices, ", "))
		}
		return f.Choices[i], nil
	case CollectDigits:
		return f.checkDigits(value)
	}
	return value, nil
}

func (f CollectField) checkDigits(value string) (string, error) {
	digits := strings.NewReplacer(" ", "", "-", "", ".", "").Replace(value)
	switch {
	case strings.Trim(digits, "0123456789") != "":
		return "", fmt.Errorf("%q is not only digits", value)
	case len(digits) < f.Min:
		return "", fmt.Errorf("%d digits are too few: at least %d", len(digits), f.Min)
	case f.Max > 0 && len(digits) > f.Max:
		return "", fmt.Errorf("%d digits are too many: at most %d", len(digits), f.Max)
	}
	return digits, nil
}
