package apply

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// properties are the properties of a kind that a file can set, as the API
// names them, beside what identifies the resource.
func properties(k Kind) []string {
	switch k {
	case Prompt:
		return []string{"label", "description", "content", "context_endpoint", "collect_fields", "tags", "prompt_template"}
	case Action:
		return []string{"type", "label", "description", "config", "action_trigger"}
	case Trunk:
		return nil
	case Number:
		return []string{"outbound_only", "max_concurrent_calls", "label", "inbound_agent", "example_context", "description", "tags", "config"}
	default:
		return []string{
			"prompt", "voice", "actions", "webhook", "vector_database", "openai_account_connection", "language",
			"initial_message", "initial_message_delay", "interrupt_sensitivity", "endpointing_sensitivity",
			"ivr_navigation_mode", "conversation_speed", "noise_suppression", "context_endpoint",
			"ask_if_human_present_on_idle", "idle_time_seconds", "max_idle_check_count", "call_duration_sec",
			"enable_recording", "enable_dynamic_turns", "wait_for_greeting", "run_do_not_call_detection", "provider",
			"model", "openai_model_name_override", "llm_temperature", "label", "description", "name", "llm_fallback",
			"deepgram_keywords", "transcriber", "post_call_actions", "post_call_insights", "transfer_on_failure", "transfer", "ai_disclosure",
		}
	}
}

// isProperty says whether a file can set a property of a kind. What a trunk can be told
// the server knows, which refuses the rest.
func isProperty(k Kind, name string) bool {
	if k == Trunk {
		return !slices.Contains([]string{"id", "user_id", "name"}, name)
	}
	return slices.Contains(properties(k), name)
}

// unknown finds the properties that no resource of the kind has: the API would
// drop them without a word. Each error begins with file and line.
func unknown(r Resource) error {
	known := properties(r.Kind)
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if isProperty(r.Kind, name) {
			continue
		}
		text := fmt.Sprintf("%s: %s cannot have %q", r.placeOf(name), r.name(), name)
		if like := Nearest(name, known); like != "" {
			text += fmt.Sprintf("; did you mean %q?", like)
		}
		problems = append(problems, errors.New(text))
	}
	return errors.Join(problems...)
}

// places maps the names of a mapping to "file:line".
func places(file string, mapping *yaml.Node) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		out[mapping.Content[i].Value] = fmt.Sprintf("%s:%d", file, mapping.Content[i].Line)
	}
	return out
}

// Nearest is the candidate that shares most of the name's letters in their
// order, "" when none shares three quarters of both. Of equals the first is it.
func Nearest(name string, candidates []string) string {
	letters := strings.Split(name[:min(len(name), 64)], "")
	best, most := "", 0.0
	for _, candidate := range candidates {
		others := strings.Split(candidate, "")
		shared := float64(2*commonLengths(letters, others)[0][0]) / float64(len(letters)+len(others))
		if shared >= 0.75 && shared > most {
			best, most = candidate, shared
		}
	}
	return best
}
