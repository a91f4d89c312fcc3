package dialect

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sidetone/sidetone/api/wire"
)

// Types are the types of one kind of resource that older clients know.
type Types struct {
	// needs are, by type, the members that such a client insists on, with what
	// stands in for a missing one.
	needs map[string]map[string]any
	// nearest are the types to show for unknown ones; otherwise is for the rest.
	nearest   map[string]string
	otherwise string
	// named is the member that a substitute gets the resource's label for; ""
	// for none.
	named string
	// inside is the member that needs looks into; "" means the resource itself.
	inside string
}

// Shown is the type that clients of the older family see for a true type.
func (t Types) Shown(trueType string) string {
	if _, known := t.needs[trueType]; known || t.needs == nil {
		return trueType
	}
	if near := t.nearest[trueType]; near != "" {
		return near
	}
	return t.otherwise
}

// fit makes o a resource of a known type. Of one of an unknown type, the id and what
// all types share remain.
func (t Types) fit(o map[string]any) {
	if t.needs == nil {
		return
	}
	trueType := stringOf(o["type"])
	shown := t.Shown(trueType)
	if shown != trueType {
		label := stringOf(o["label"])
		if label == "" {
			label = trueType
		}
		shared := []string{"id", "user_id", "label", "description", t.inside}
		maps.DeleteFunc(o, func(name string, _ any) bool { return !slices.Contains(shared, name) })
		if t.named != "" {
			o[t.named] = label
		}
		o["type"] = shown
	}
	t.complete(o, shown)
}

// complete adds the members that clients insist on.
func (t Types) complete(o map[string]any, shown string) {
	dest := o
	if t.inside != "" {
		dest = map[string]any{}
		for name, raw := range membersOf(o[t.inside]) {
			dest[name] = raw
		}
	}
	for name, standIn := range t.needs[shown] {
		if value, ok := dest[name]; !ok || jsonType(value) != jsonType(standIn) {
			dest[name] = standIn
		}
	}
	if t.inside != "" {
		o[t.inside] = dest
	}
}

// jsonType is the first byte of value's JSON text, one for each JSON type.
func jsonType(value any) byte {
	raw, err := wire.Encode(value)
	if err != nil || len(raw) == 0 {
		return 0
	}
	switch c := raw[0]; {
	case c == '-' || c >= '0' && c <= '9':
		return '0'
	case c == 'f':
		return 't'
	default:
		return c
	}
}

// stringOf is a rendered string, "" for everything else.
func stringOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.RawMessage:
		var s string
		_ = json.Unmarshal(v, &s) // what is no string is ""
		return s
	default:
		return ""
	}
}

// VoiceTypes are the types of voices.
func VoiceTypes() Types {
	return Types{
		needs: map[string]map[string]any{
			"voice_azure": {"voice_name": ""}, "voice_rime": {"speaker": ""}, "voice_eleven_labs": {"voice_id": ""},
			"voice_play_ht": {"voice_id": ""}, "voice_vocode": {"voice_id": "joe"},
		},
		otherwise: "voice_azure", named: "voice_name",
	}
}

// ActionTypes are the types of actions.
func ActionTypes() Types {
	return Types{
		needs: map[string]map[string]any{
			"action_transfer_call": {"phone_number": ""}, "action_end_conversation": {}, "action_dtmf": {},
			"action_add_to_conference": {"phone_number": ""}, "action_set_hold": {},
			"action_external": {
				"name": "", "description": "", "url": "", "input_schema": map[string]any{}, "speak_on_send": false,
				"speak_on_receive": false,
			},
		},
		nearest:   map[string]string{"action_warm_transfer": "action_add_to_conference"},
		otherwise: "action_external", inside: "config",
	}
}

// ConnectionTypes are the types of account connections.
func ConnectionTypes() Types {
	models := map[string]string{}
	for _, name := range []string{"google", "azure_llm", "deepseek", "togetherai"} {
		models["account_connection_"+name] = "account_connection_openai"
	}
	return Types{
		needs: map[string]map[string]any{
			"account_connection_twilio": {"twilio_account_sid": "", "twilio_auth_token": ""},
			"account_connection_openai": {"openai_api_key": ""},
		},
		nearest: models, otherwise: "account_connection_twilio", inside: "credentials",
	}
}

// modelAccounts are the connections that an agent can name, carrierAccounts
// those of numbers and calls: older clients know one type in each place.
func modelAccounts() Types {
	k := ConnectionTypes()
	delete(k.needs, "account_connection_twilio")
	k.nearest, k.otherwise = nil, "account_connection_openai"
	return k
}

func carrierAccounts() Types {
	k := ConnectionTypes()
	delete(k.needs, "account_connection_openai")
	k.nearest, k.otherwise = nil, "account_connection_twilio"
	return k
}

// fitMember makes the member name, if it is an object, one of a known type.
func (t Types) fitMember(o map[string]any, name string) {
	if inner, ok := o[name].(map[string]any); ok {
		t.fit(inner)
	}
}
