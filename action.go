package sidetone

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Action is something an agent can do besides speaking.
type Action struct {
	ID            string
	EnvironmentID string
	// Key is the name that files know it by, unique among the environment's
	// actions; "" for none.
	Key string
	// Type is of ActionTypes().
	Type        string
	Label       string
	Description string
	// Config is a JSON object; its members depend on the type.
	Config []byte
	// Trigger is a JSON object with a type: the model decides
	// (action_trigger_function_call) or a phrase the agent says
	// (action_trigger_phrase_based).
	Trigger []byte
	// SignatureSecret signs what is sent to an external action, base64; "" for
	// the other types.
	SignatureSecret Secret
	Version         int64
	Created         time.Time
	Updated         time.Time
}

// ActionTypes lists the types of actions.
func ActionTypes() []string {
	return []string{"action_transfer_call", "action_end_conversation", "action_dtmf", "action_add_to_conference",
		"action_set_hold", "action_warm_transfer", "action_external", "action_set_recording"}
}

const (
	triggerByModel  = "action_trigger_function_call"
	triggerByPhrase = "action_trigger_phrase_based"
	// conditionContains: the agent's words contain the phrase, whatever its case.
	conditionContains = "phrase_condition_type_contains"
)

// NewAction returns an action without a type that the model decides on.
func NewAction(id, environmentID string, now time.Time) Action {
	return Action{ID: id, EnvironmentID: environmentID, Config: []byte("{}"), Trigger: defaultTrigger(), Created: now, Updated: now}
}

// completeTrigger keeps what a trigger consists of. Its config is there even
// when it is empty: clients exist that cannot read a trigger without.
func completeTrigger(raw []byte) []byte {
	picked := pickJSON(raw, "type", "config")
	if string(picked) == "{}" {
		return defaultTrigger()
	}
	var given struct {
		Config json.RawMessage `json:"config"`
	}
	if json.Unmarshal(picked, &given) == nil && (given.Config == nil || string(given.Config) == "null") {
		return MergeJSON(picked, []byte(`{"config":{}}`))
	}
	return picked
}

func defaultTrigger() []byte { return []byte(`{"type":"` + triggerByModel + `","config":{}}`) }

// NewSignatureSecret makes the secret of an external action: 32 random bytes in
// base64.
func NewSignatureSecret() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return Secret(base64.StdEncoding.EncodeToString(b[:]))
}

// withConditions gives phrases of a trigger that say no condition the only one
// there is: clients read it of every phrase.
func withConditions(trigger []byte) []byte {
	var t struct {
		Type   string `json:"type"`
		Config struct {
			Phrases []map[string]any `json:"phrase_triggers"`
		} `json:"config"`
	}
	if json.Unmarshal(trigger, &t) != nil || t.Type != triggerByPhrase {
		return trigger
	}
	changed := false
	for _, phrase := range t.Config.Phrases {
		given, isList := phrase["conditions"].([]any)
		if phrase != nil && (phrase["conditions"] == nil || isList && len(given) == 0) {
			phrase["conditions"], changed = []string{conditionContains}, true
		}
	}
	if !changed {
		return trigger
	}
	out, err := json.Marshal(t)
	if err != nil {
		return trigger
	}
	return out
}

// ActionChange is a partial update of an Action.
type ActionChange struct {
	Key         Optional[string]
	Type        Optional[string]
	Label       Optional[string]
	Description Optional[string]
	// Config holds only the members the change mentions; null removes. Of an
	// action that gets another type nothing else is kept.
	Config  Optional[[]byte]
	Trigger Optional[[]byte]
	// SignatureSecret null asks for a new one.
	SignatureSecret Optional[Secret]
}

// Apply carries the change out on a. An external action without a secret gets
// one.
func (c ActionChange) Apply(a *Action, now time.Time) {
	if c.Type.Set && c.Type.Value != a.Type || c.Config.Null {
		a.Config = []byte("{}")
	}
	c.Type.Apply(&a.Type, "")
	c.Key.Apply(&a.Key, "")
	c.Label.Apply(&a.Label, "")
	c.Description.Apply(&a.Description, "")
	c.Trigger.Apply(&a.Trigger, defaultTrigger())
	a.Trigger = completeTrigger(a.Trigger)
	a.Trigger = withConditions(a.Trigger)
	c.SignatureSecret.Apply(&a.SignatureSecret, "")
	a.Config = MergeJSON(actionDefaults(a.Type), MergeJSON(a.Config, c.Config.Value))
	if names, open := ActionMembers(a.Type); !open {
		a.Config = pickJSON(a.Config, names...)
	}
	switch {
	case a.Type != typeExternal:
		a.SignatureSecret = ""
	case a.SignatureSecret == "":
		a.SignatureSecret = NewSignatureSecret()
	}
	a.Updated = now
}

// NeedsPhone says that the type's configuration must hold a phone number.
func (a Action) NeedsPhone() bool {
	return a.Type == "action_transfer_call" || a.Type == "action_add_to_conference"
}

// actionKind is what the configuration of a type of actions has.
type actionKind struct {
	// members are what it may hold; open says that it may hold anything.
	members []string
	open    bool
	// defaults are the documented ones, JSON.
	defaults string
}

// actionKinds has every type of ActionTypes.
func actionKinds() map[string]actionKind {
	return map[string]actionKind{
		"action_transfer_call":    {members: []string{"phone_number", "caller_id", "headers_out"}, defaults: `{}`},
		"action_end_conversation": {defaults: `{}`},
		"action_dtmf":             {defaults: `{}`},
		"action_add_to_conference": {members: []string{"phone_number", "place_primary_on_hold"},
			defaults: `{"place_primary_on_hold":true}`},
		"action_set_hold":      {defaults: `{}`},
		"action_set_recording": {defaults: `{}`},
		"action_warm_transfer": {open: true, defaults: `{}`},
		typeExternal: {members: externalMembers(),
			defaults: `{"processing_mode":"muted","speak_on_send":false,"speak_on_receive":false}`},
	}
}

// ActionMembers are what a configuration of the type may hold beside the secret; open
// says that it may hold anything. An unknown type, which Validate refuses, has none.
func ActionMembers(kind string) (names []string, open bool) {
	k := actionKinds()[kind]
	return k.members, k.open
}

// actionDefaults are the documented defaults of a type's configuration.
func actionDefaults(kind string) []byte {
	if k, ok := actionKinds()[kind]; ok {
		return []byte(k.defaults)
	}
	return []byte("{}")
}

// Validate checks what the type needs; the message starts with the property's
// path.
func (a Action) Validate() error {
	var config map[string]any
	if err := json.Unmarshal(a.Config, &config); err != nil {
		return Errorf(Invalid, "config must be an object")
	}
	switch {
	case a.Type == "":
		return Errorf(Invalid, "type is required")
	case !slices.Contains(ActionTypes(), a.Type):
		return Errorf(Invalid, "type must be one of %s", strings.Join(ActionTypes(), ", "))
	}
	if err := validateActionConfig(a.Type, config); err != nil {
		return err
	}
	if err := a.validateSignature(); err != nil {
		return err
	}
	if err := a.validateTrigger(); err != nil {
		return err
	}
	if err := validKey(a.Key); err != nil {
		return err
	}
	return describable(a.Label, a.Description)
}

func validateActionConfig(kind string, c map[string]any) error {
	switch kind {
	case "action_transfer_call", "action_add_to_conference":
		if c["phone_number"] == nil {
			return Errorf(Invalid, "config.phone_number is required")
		}
		text, isText := c["phone_number"].(string)
		if !isText || !IsE164(text) {
			return Errorf(Invalid, "config.phone_number must be a phone number with plus and country code")
		}
		if _, ok := c["place_primary_on_hold"].(bool); !ok && kind == "action_add_to_conference" {
			return Errorf(Invalid, "config.place_primary_on_hold must be true or false")
		}
		return validateSecondCall(c)
	case typeExternal:
		return validateExternal(c)
	}
	return nil
}

// validateSecondCall checks how somebody is called to whom a caller is handed.
func validateSecondCall(c map[string]any) error {
	if shown, given := c["caller_id"]; given && shown != "agent" && shown != "caller" {
		return Errorf(Invalid, "config.caller_id must be agent or caller")
	}
	headers, given := c["headers_out"]
	members, isObject := headers.(map[string]any)
	if given && !isObject {
		return Errorf(Invalid, "config.headers_out must be an object")
	}
	for _, value := range members {
		if _, isText := value.(string); !isText {
			return Errorf(Invalid, "config.headers_out must have texts")
		}
	}
	return nil
}

// Phrases are what the agent says that starts the action; nil when the model decides.
func (a Action) Phrases() (out []string) {
	var t struct {
		Type   string `json:"type"`
		Config struct {
			Phrases []struct {
				Phrase string `json:"phrase"`
			} `json:"phrase_triggers"`
		} `json:"config"`
	}
	if json.Unmarshal(a.Trigger, &t) != nil || t.Type != triggerByPhrase {
		return nil
	}
	for _, p := range t.Config.Phrases {
		out = append(out, p.Phrase)
	}
	return out
}

func (a Action) validateTrigger() error {
	var trigger map[string]any
	if err := json.Unmarshal(a.Trigger, &trigger); err != nil {
		return Errorf(Invalid, "action_trigger must be an object")
	}
	config, _ := trigger["config"].(map[string]any)
	phrases, _ := config["phrase_triggers"].([]any)
	switch {
	case trigger["type"] == triggerByModel:
		return nil
	case trigger["type"] != triggerByPhrase:
		return Errorf(Invalid, "action_trigger.type must be one of %s, %s", triggerByModel, triggerByPhrase)
	case a.Type == "action_dtmf" || a.Type == typeExternal:
		return Errorf(Invalid, "action_trigger.type must be %s for this type", triggerByModel)
	case len(phrases) == 0:
		return Errorf(Invalid, "action_trigger.config.phrase_triggers is required")
	}
	for i, p := range phrases {
		member, _ := p.(map[string]any)
		if text, _ := member["phrase"].(string); strings.TrimSpace(text) == "" {
			return Errorf(Invalid, "action_trigger.config.phrase_triggers[%d].phrase is required", i)
		}
		conditions, isList := member["conditions"].([]any)
		if !isList {
			return Errorf(Invalid, "action_trigger.config.phrase_triggers[%d].conditions must be a list", i)
		}
		for _, c := range conditions {
			if c != conditionContains {
				return Errorf(Invalid, "action_trigger.config.phrase_triggers[%d].conditions must be of %s", i, conditionContains)
			}
		}
	}
	return nil
}
