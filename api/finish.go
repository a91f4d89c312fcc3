package api

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
)

// noun says what a profile may change about one kind of resource.
type noun struct {
	// nulls are the properties that some families want to see as null when they
	// have no value.
	nulls []string
	// digits are phone numbers, or lists of them.
	digits []string
	// maps are free maps.
	maps []string
	// kinds are the types that older clients know.
	kinds kinds
	// rework is what no other field describes; nil for nothing.
	rework func(*object)
}

// nounOf describes a resource. What fluents clients see is what the renderer
// wrote; everything here is for families that want it otherwise.
func nounOf(name string) noun {
	switch name {
	case "number":
		return noun{
			nulls:  []string{"inbound_agent", "telephony_account_connection"},
			digits: []string{"number"}, maps: []string{"example_context"},
			rework: func(o *object) { carrierAccounts().fitMember(o, "telephony_account_connection") },
		}
	case "offer":
		return noun{digits: []string{"number"}, maps: []string{"example_context"}}
	case "agent":
		return noun{
			nulls: []string{
				"name", "initial_message", "webhook", "vector_database", "context_endpoint", "openai_model_name_override",
				"openai_account_connection", "llm_fallback", "deepgram_keywords", "idle_time_seconds",
			},
			rework: reworkAgent,
		}
	case "prompt":
		return noun{nulls: []string{"context_endpoint", "prompt_template"}, rework: reworkPrompt}
	case "call":
		return noun{
			nulls: []string{
				"error_message", "transcript", "human_detection_result", "do_not_call_result", "telephony_id", "stage",
				"stage_outcome", "telephony_metadata", "start_time", "end_time", "on_no_human_answer",
				"telephony_account_connection",
			},
			digits: []string{"to_number", "from_number", "agent_phone_number"},
			maps:   []string{"context", "telephony_params"}, rework: reworkCall,
		}
	case "voice":
		return noun{kinds: voiceKinds()}
	case "action":
		return noun{kinds: actionKinds(), rework: reworkAction}
	case "connection":
		return noun{digits: []string{"steering_pool"}, kinds: connectionKinds()}
	default:
		return noun{}
	}
}

// finish brings a rendered resource into the form of the view's profile. Every
// renderer ends with it.
func (v view) finish(name string, o object) object {
	p := v.profile
	if p.unset == unsetAbsent && !p.digits && !p.textMaps && !p.knownTypes {
		return o
	}
	n := nounOf(name)
	if p.digits {
		for _, member := range n.digits {
			o.set(member, withoutPlus(o.get(member)))
		}
	}
	if p.textMaps {
		for _, member := range n.maps {
			o.set(member, textMap(o.get(member)))
		}
	}
	if p.knownTypes {
		n.kinds.fit(&o)
		if n.rework != nil {
			n.rework(&o)
		}
	}
	if p.unset == unsetNull {
		for _, member := range n.nulls {
			if !o.has(member) {
				o.set(member, nil)
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
	f := membersOf(v)
	out := make(map[string]string, len(f))
	for name, raw := range f {
		out[name] = textOf(raw)
	}
	return out
}

// membersOf reads whatever was rendered as an object; nil when it is none.
func membersOf(v any) fields {
	raw, err := json.Marshal(v)
	var f fields
	if err != nil || json.Unmarshal(raw, &f) != nil {
		return nil
	}
	return f
}

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

// reworkAgent: seconds are whole, keywords map to numbers, a fallback is whole
// or null.
func reworkAgent(o *object) {
	if s, ok := o.get("idle_time_seconds").(float64); ok {
		o.set("idle_time_seconds", math.Ceil(s))
	}
	if o.has("deepgram_keywords") {
		o.set("deepgram_keywords", keywordMap(o.get("deepgram_keywords")))
	}
	modelAccounts().fitMember(o, "openai_account_connection")
	if f := membersOf(o.get("llm_fallback")); !f.has("provider") || !f.has("model_name") {
		o.drop("llm_fallback")
	}
}

// keywordMap gives keywords that came as a list the weight 1.
func keywordMap(v any) any {
	raw, err := json.Marshal(v)
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
func reworkPrompt(o *object) {
	raw, err := json.Marshal(o.get("collect_fields"))
	var items []json.RawMessage
	if err != nil || json.Unmarshal(raw, &items) != nil {
		o.set("collect_fields", nil)
		return
	}
	out := make([]object, len(items))
	for i, item := range items {
		out[i] = collectField(item)
	}
	o.set("collect_fields", out)
}

func collectField(raw json.RawMessage) object {
	o := object{}
	o.members(raw)
	name := textOf(raw)
	if text, ok := o.get("name").(json.RawMessage); ok {
		name = textOf(text)
	}
	if len(o) == 0 || name == "" {
		name = textOf(raw)
	}
	for member, standIn := range map[string]string{"field_type": "field_type_email", "label": name, "name": name} {
		if !o.has(member) {
			o.set(member, standIn)
		}
	}
	o.set("field_type", "field_type_email")
	return o
}

// reworkCall shows a known type of account and leaves out carrier data of a type
// that the family cannot read.
func reworkCall(o *object) {
	carrierAccounts().fitMember(o, "telephony_account_connection")
	switch textOf(membersOf(o.get("telephony_metadata"))["type"]) {
	case "telephony_metadata_twilio", "telephony_metadata_vonage":
	default:
		o.drop("telephony_metadata")
	}
}

// reworkAction takes the plus from the number to call and gives an action without trigger the default one: an empty
// trigger breaks one SDK, and none at all the other.
func reworkAction(o *object) {
	if config, ok := o.get("config").(object); ok {
		if phone := stringOf(config.get("phone_number")); phone != "" {
			config.set("phone_number", withoutPlus(phone))
			o.set("config", config)
		}
	}
	if len(membersOf(o.get("action_trigger"))) == 0 {
		o.set("action_trigger", object{{"type", "action_trigger_function_call"}, {"config", object{}}})
	}
}
