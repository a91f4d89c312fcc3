package api

import "encoding/json"

// kinds are the types of one kind of resource that older clients know.
type kinds struct {
	// needs are, by type, the members that such a client insists on, with what
	// stands in for a missing one.
	needs map[string]object
	// nearest are the types to show for unknown ones; otherwise is for the rest.
	nearest   map[string]string
	otherwise string
	// named is the member that a substitute gets the resource's label for; ""
	// for none.
	named string
	// inside is the member that needs looks into; "" means the resource itself.
	inside string
}

// shown is the type that clients of the older family see for a true type.
func (k kinds) shown(trueType string) string {
	if _, known := k.needs[trueType]; known || k.needs == nil {
		return trueType
	}
	if near := k.nearest[trueType]; near != "" {
		return near
	}
	return k.otherwise
}

// fit makes o a resource of a known type. One of an unknown type keeps its id
// and what all types share.
func (k kinds) fit(o *object) {
	if k.needs == nil {
		return
	}
	trueType := stringOf(o.get("type"))
	shown := k.shown(trueType)
	if shown != trueType {
		label := stringOf(o.get("label"))
		if label == "" {
			label = trueType
		}
		o.keep("id", "user_id", "label", "description", k.inside)
		if k.named != "" {
			o.set(k.named, label)
		}
		o.set("type", shown)
	}
	k.complete(o, shown)
}

func (k kinds) complete(o *object, shown string) {
	dest := o
	if k.inside != "" {
		dest = &object{}
		for name, raw := range membersOf(o.get(k.inside)) {
			dest.set(name, raw)
		}
	}
	for _, need := range k.needs[shown] {
		if !dest.has(need.name) || !sameKind(dest.get(need.name), need.value) {
			dest.set(need.name, need.value)
		}
	}
	if k.inside != "" {
		o.set(k.inside, *dest)
	}
}

// sameKind reports whether two values have the same JSON type.
func sameKind(a, b any) bool {
	return jsonKind(a) == jsonKind(b)
}

func jsonKind(v any) byte {
	raw, err := json.Marshal(v)
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

func stringOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var s string
	_ = json.Unmarshal(raw, &s) // no text is ""
	return s
}

func voiceKinds() kinds {
	return kinds{
		needs: map[string]object{
			"voice_azure": {{"voice_name", ""}}, "voice_rime": {{"speaker", ""}}, "voice_eleven_labs": {{"voice_id", ""}},
			"voice_play_ht": {{"voice_id", ""}}, "voice_vocode": {{"voice_id", "joe"}},
		},
		otherwise: "voice_azure", named: "voice_name",
	}
}

func actionKinds() kinds {
	return kinds{
		needs: map[string]object{
			"action_transfer_call": {{"phone_number", ""}}, "action_end_conversation": {}, "action_dtmf": {},
			"action_add_to_conference": {{"phone_number", ""}}, "action_set_hold": {},
			"action_external": {
				{"name", ""}, {"description", ""}, {"url", ""}, {"input_schema", object{}}, {"speak_on_send", false},
				{"speak_on_receive", false},
			},
		},
		nearest:   map[string]string{"action_warm_transfer": "action_add_to_conference"},
		otherwise: "action_external", inside: "config",
	}
}

func connectionKinds() kinds {
	models := map[string]string{}
	for _, name := range []string{"google", "azure_llm", "deepseek", "togetherai"} {
		models["account_connection_"+name] = "account_connection_openai"
	}
	return kinds{
		needs: map[string]object{
			"account_connection_twilio": {{"twilio_account_sid", ""}, {"twilio_auth_token", ""}},
			"account_connection_openai": {{"openai_api_key", ""}},
		},
		nearest: models, otherwise: "account_connection_twilio", inside: "credentials",
	}
}

// modelAccounts are the connections that an agent can name, carrierAccounts
// those of numbers and calls: older clients know one type in each place.
func modelAccounts() kinds {
	k := connectionKinds()
	delete(k.needs, "account_connection_twilio")
	k.nearest, k.otherwise = nil, "account_connection_openai"
	return k
}

func carrierAccounts() kinds {
	k := connectionKinds()
	delete(k.needs, "account_connection_openai")
	k.nearest, k.otherwise = nil, "account_connection_twilio"
	return k
}

// fitMember makes the member name, if it is an object, one of a known type.
func (k kinds) fitMember(o *object, name string) {
	if inner, ok := o.get(name).(object); ok {
		k.fit(&inner)
		o.set(name, inner)
	}
}
