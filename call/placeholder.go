package call

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// ivrIdle is the idle time of agents that may wait in a queue.
const ivrIdle = 10 * time.Minute

// fillPlaceholders replaces ${name} by the member of the call's context, a JSON
// object; one that nothing fills becomes nothing. Sample data of numbers
// (example_context) never fills one.
func fillPlaceholders(text string, context []byte) string {
	filled, _ := fill(text, context)
	return filled
}

// Values are the texts that fill the ${name} placeholders of a call with that
// context, a JSON object.
func Values(context []byte) map[string]string {
	members := map[string]any{}
	_ = json.Unmarshal(context, &members) // a broken context has no values
	out := make(map[string]string, len(members))
	for name, value := range members {
		if value != nil {
			out[name] = plain(value)
		}
	}
	return out
}

// unfilled names the placeholders of texts that the context has nothing for,
// each once.
func unfilled(context []byte, texts ...string) []string {
	var names []string
	for _, text := range texts {
		_, missing := fill(text, context)
		for _, name := range missing {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// fill is fillPlaceholders and names what nothing fills.
func fill(text string, context []byte) (filled string, missing []string) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	values := Values(context)
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(text, "${")
		b.WriteString(head)
		if !found {
			return b.String(), missing
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String(), missing
		}
		value, ok := values[name]
		if !ok {
			missing = append(missing, name)
		}
		b.WriteString(value)
		text = after
	}
}

func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
