package server

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// writtenYAML is a parser for configuration that keeps the text of what YAML takes for a
// number, a truth value or a date, so that the password 0123456 is not 42798. What a
// setting's type makes of the text is the decoder's business, as with variables.
type writtenYAML struct{}

// Unmarshal implements koanf.Parser.
func (writtenYAML) Unmarshal(raw []byte) (map[string]any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it read
	}
	keepTexts(&document)
	var out map[string]any
	err := document.Decode(&out)
	return out, err //nolint:wrapcheck // the caller says what it read
}

// Marshal implements koanf.Parser.
func (writtenYAML) Marshal(m map[string]any) ([]byte, error) {
	return yaml.Marshal(m) //nolint:wrapcheck // nothing calls it
}

// keepTexts makes texts of the plain scalars in a document, null aside.
func keepTexts(node *yaml.Node) {
	typed := []string{"!!int", "!!float", "!!bool", "!!timestamp"}
	if node.Kind == yaml.ScalarNode && node.Style&yaml.TaggedStyle == 0 && slices.Contains(typed, node.ShortTag()) {
		node.Tag = "!!str"
	}
	for _, child := range node.Content {
		keepTexts(child)
	}
}
