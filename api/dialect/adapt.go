package dialect

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/api/wire"
)

// Resource says what a profile may change about one kind of resource. What fluents
// clients see is what the renderer wrote; everything here is for families that
// want it otherwise.
type Resource struct {
	// nulls are the properties that some families want to see as null when they
	// have no value.
	nulls []string
	// digits are phone numbers, or lists of them.
	digits []string
	// maps are free maps.
	maps []string
	// types are those that older clients know.
	types Types
	// rework is what no other field describes; nil for nothing.
	rework func(map[string]any)
}

// Number is a phone number of the environment.
func Number() Resource {
	return Resource{
		nulls:  []string{"inbound_agent", "telephony_account_connection"},
		digits: []string{"number"}, maps: []string{"example_context"},
		rework: func(o map[string]any) { carrierAccounts().fitMember(o, "telephony_account_connection") },
	}
}

// NumberForSale is a phone number that can be bought.
func NumberForSale() Resource {
	return Resource{digits: []string{"number"}, maps: []string{"example_context"}}
}

// Agent is an agent.
func Agent() Resource {
	return Resource{
		nulls: []string{
			"name", "initial_message", "webhook", "vector_database", "context_endpoint", "openai_model_name_override",
			"openai_account_connection", "llm_fallback", "deepgram_keywords", "idle_time_seconds",
		},
		rework: reworkAgent,
	}
}

// Prompt is a prompt.
func Prompt() Resource {
	return Resource{nulls: []string{"context_endpoint", "prompt_template"}, rework: reworkPrompt}
}

// Call is a call.
func Call() Resource {
	return Resource{
		nulls: []string{
			"error_message", "transcript", "human_detection_result", "do_not_call_result", "telephony_id", "stage",
			"stage_outcome", "telephony_metadata", "start_time", "end_time", "on_no_human_answer",
			"telephony_account_connection",
		},
		digits: []string{"to_number", "from_number", "agent_phone_number"},
		maps:   []string{"context", "telephony_params"}, rework: reworkCall,
	}
}

// Voice is a voice.
func Voice() Resource { return Resource{types: VoiceTypes()} }

// Action is an action.
func Action() Resource { return Resource{types: ActionTypes(), rework: reworkAction} }

// Webhook is a webhook.
func Webhook() Resource {
	return Resource{rework: func(o map[string]any) {
		if asked, ok := o["subscriptions"].([]string); ok {
			o["subscriptions"] = slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return !slices.Contains(olderEvents(), s) })
		}
	}}
}

// olderEvents are the events that older clients know.
func olderEvents() []string {
	return []string{"event_message", "event_action", "event_phone_call_connected", "event_phone_call_ended",
		"event_phone_call_did_not_connect", "event_transcript", "event_recording", "event_human_detection"}
}

// Connection is an account connection.
func Connection() Resource {
	return Resource{digits: []string{"steering_pool"}, types: ConnectionTypes()}
}

// Adapt changes a rendered resource into the form of the profile and returns it.
func (p Profile) Adapt(r Resource, o map[string]any) map[string]any {
	if p.Digits {
		for _, member := range r.digits {
			if value, ok := o[member]; ok {
				o[member] = withoutPlus(value)
			}
		}
	}
	if p.TextMaps {
		for _, member := range r.maps {
			o[member] = textMap(o[member])
		}
	}
	if p.KnownTypes {
		r.types.fit(o)
		if r.rework != nil {
			r.rework(o)
		}
	}
	if p.unset == unsetNull {
		for _, member := range r.nulls {
			if _, ok := o[member]; !ok {
				o[member] = nil
			}
		}
	}
	return o
}

// withoutPlus removes the plus of a phone number or of each in a list.
func withoutPlus(v any) any {
	switch v := v.(type) {
	case string:
		return strings.TrimPrefix(v, "+")
	case []string:
		out := make([]string, len(v))
		for i, s := range v {
			out[i] = strings.TrimPrefix(s, "+")
		}
		return out
	}
	return v
}

// textMap turns the values of a JSON object into texts: texts stay, null is the
// empty text, everything else is its JSON.
func textMap(v any) any {
	members := membersOf(v)
	out := make(map[string]string, len(members))
	for name, raw := range members {
		out[name] = textOf(raw)
	}
	return out
}

// membersOf reads whatever was rendered as an object; nil when it is none.
func membersOf(v any) map[string]json.RawMessage {
	raw, err := wire.Encode(v)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// textOf is a JSON string, "" for null, and the compact text of everything else.
func textOf(raw json.RawMessage) string {
	var s string
	if string(raw) == "null" || json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}

// reworkAgent: seconds have no fraction, keywords map to numbers, a fallback is
// complete or null.
func reworkAgent(o map[string]any) {
	if s, ok := o["idle_time_seconds"].(float64); ok {
		o["idle_time_seconds"] = math.Ceil(s)
	}
	if keywords, ok := o["deepgram_keywords"]; ok {
		o["deepgram_keywords"] = keywordMap(keywords)
	}
	modelAccounts().fitMember(o, "openai_account_connection")
	if fallback := membersOf(o["llm_fallback"]); fallback["provider"] == nil || fallback["model_name"] == nil {
		delete(o, "llm_fallback")
	}
}

// keywordMap gives keywords that came as a list the weight 1.
func keywordMap(v any) any {
	raw, err := wire.Encode(v)
	var words []string
	if err != nil || json.Unmarshal(raw, &words) != nil {
		return v
	}
	out := make(map[string]float64, len(words))
	for _, word := range words {
		out[word] = 1
	}
	return out
}

// reworkPrompt shows fields to collect that are mere names as what the family
// has for them.
func reworkPrompt(o map[string]any) {
	raw, err := wire.Encode(o["collect_fields"])
	var items []json.RawMessage
	if err != nil || json.Unmarshal(raw, &items) != nil {
		o["collect_fields"] = nil
		return
	}
	out := make([]map[string]any, len(items))
	for i, item := range items {
		out[i] = collectField(item)
	}
	o["collect_fields"] = out
}

// collectField is the field that a name or an object describes.
func collectField(raw json.RawMessage) map[string]any {
	o := map[string]any{}
	for member, value := range membersOf(raw) {
		o[member] = value
	}
	name := stringOf(o["name"])
	if name == "" {
		name = textOf(raw)
	}
	for _, member := range []string{"label", "name"} {
		if _, ok := o[member]; !ok {
			o[member] = name
		}
	}
	o["field_type"] = "field_type_email"
	return o
}

// reworkCall shows a known type of account and leaves out carrier data of a type
// that the family cannot read.
func reworkCall(o map[string]any) {
	carrierAccounts().fitMember(o, "telephony_account_connection")
	readable := []string{"telephony_metadata_twilio", "telephony_metadata_vonage"}
	if !slices.Contains(readable, textOf(membersOf(o["telephony_metadata"])["type"])) {
		delete(o, "telephony_metadata")
	}
}

// reworkAction takes the plus from the number to call and gives an action without
// trigger the default one: an empty trigger breaks one SDK, and none at all the
// other.
func reworkAction(o map[string]any) {
	if config, ok := o["config"].(map[string]any); ok {
		if phone := stringOf(config["phone_number"]); phone != "" {
			config["phone_number"] = withoutPlus(phone)
		}
	}
	if len(membersOf(o["action_trigger"])) == 0 {
		o["action_trigger"] = map[string]any{"type": "action_trigger_function_call", "config": map[string]any{}}
	}
}
