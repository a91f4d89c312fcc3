package call

import (
	"encoding/json"
	"strings"
	"time"
)

// ivrIdle is the idle time of agents that may wait in a queue.
const ivrIdle = 10 * time.Minute

// fillPlaceholders replaces ${name} by the member of the context, a JSON
// object; a missing one becomes nothing.
func fillPlaceholders(text string, context []byte) string {
	if !strings.Contains(text, "${") {
		return text
	}
	values := map[string]any{}
	_ = json.Unmarshal(context, &values) // a broken context has no values
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(text, "${")
		b.WriteString(head)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String()
		}
		b.WriteString(plain(values[name]))
		text = after
	}
}

func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
