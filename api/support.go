package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/support"
)

// warningHeader says that a part of the request was stored and does not act.
const warningHeader = "Sidetone-Warning"

// otherShop warns about a purchase or a search that names a carrier whose numbers are
// not sold here.
func (s *server) otherShop(r *request, route route) []support.Warning {
	asked := map[string]string{
		"GET /v1/numbers/available": r.query.Get("telephony_provider"),
		"POST /v1/numbers/buy":      textMember(r.body, "telephony_provider"),
	}[route.pattern]
	if asked == "" || s.Shops[asked] != nil {
		return nil
	}
	return []support.Warning{{Property: "telephony_provider", Reason: support.NoDriver, Sentence: support.NotSold}}
}

// unknownInQuery warns about parameters of the address that the operation does not
// have, and about references that expand does not know.
func unknownInQuery(r *request, route route) []support.Warning {
	var found []support.Warning
	unknown := 0
	for name := range r.query {
		if !route.operation.HasParameter(name) {
			unknown++
		}
	}
	if unknown > 0 {
		found = append(found, support.Warning{Property: "query", Reason: support.Unknown,
			Sentence: fmt.Sprintf("It has parameters that this operation does not have and that nothing reads: %d.", unknown)})
	}
	for name := range r.view.expand {
		if !slices.Contains([]string{connectionName, "inbound_agent", "agent"}, name) {
			return append(found, support.Warning{Property: "query.expand", Reason: support.Unknown,
				Sentence: "It names something else than telephony_account_connection, inbound_agent and agent."})
		}
	}
	return found
}

// eitherNumber warns about a purchase that names both a number and an area code: the
// number decides.
func eitherNumber(r *request, route route) []support.Warning {
	if route.pattern != "POST /v1/numbers/buy" || textMember(r.body, "phone_number") == "" || textMember(r.body, "area_code") == "" {
		return nil
	}
	return []support.Warning{{Property: "area_code", Reason: support.Ignored, Sentence: "phone_number decides which number is bought."}}
}

// warnOfRequest notes what of a valid request does not act, and what the operation
// does not set.
func (s *server) warnOfRequest(r *request, route route) {
	r.resource = support.Root(route.pattern)
	r.warnings = slices.Concat(unknownInQuery(r, route), eitherNumber(r, route), s.otherShop(r, route))
	if r.resource == "" || len(r.body) == 0 {
		return
	}
	plain, _ := contract.Plain(r.body)
	r.sent, _ = plain.(map[string]any)
	used, unused := map[string]any{}, map[string]any{}
	for name, value := range r.sent {
		// An id in a body is that of what was read: the query names the resource.
		if name != "id" && route.operation.Declares(name) {
			used[name] = value
		} else {
			unused[name] = value
		}
	}
	r.unused = unused
	if r.resource == "number" {
		delete(used, "telephony_provider") // otherShop looks at it
	}
	found := s.unknownConfig(r, r.resource, r.query.Get("id"), used)
	if r.view.profile.KnownTypes {
		used, _ = withoutStandIns(used).(map[string]any)
	}
	r.warnings = append(append(r.warnings, s.table.Check(r.resource, used)...), found...)
}

// allWarnings are the warnings of a request that was carried out, as headers: of its
// body, of what it does not set, and of the agent that it made, changed or named.
func (s *server) allWarnings(r *request, answer any) ([]string, error) {
	found := slices.Concat(r.warnings, r.ignored, s.promptWarning(r, answer))
	if r.resource == "voice" || len(r.unused) > 0 {
		shown, err := plainMembers(answer)
		if err != nil {
			return nil, err
		}
		found = append(found, s.voiceWarnings(r, shown)...)
		found = append(found, s.table.Unused(r.resource, r.unused, shown)...)
	}
	ofAgent, err := s.agentWarnings(r)
	return support.Headers(support.Sorted(append(found, ofAgent...))), err
}

// voiceWarnings warns about what a request sends of a voice and its type, which may be
// stored already, does not take.
func (s *server) voiceWarnings(r *request, voice map[string]any) (out []support.Warning) {
	if r.resource != "voice" {
		return nil
	}
	kind, _ := voice["type"].(string)
	for _, w := range support.Untaken(kind, voice) {
		name, _, _ := strings.Cut(w.Property, ".")
		if _, sent := r.sent[name]; sent {
			out = append(out, w)
		}
	}
	return out
}

// promptWarning warns about the prompt that the request made, changed or named.
func (s *server) promptWarning(r *request, answer any) []support.Warning {
	if r.resource != "prompt" {
		return nil
	}
	prompt, _ := answer.(object)
	content, _ := prompt["content"].(string)
	return s.unreadable("content", content)
}

// unreadable warns about a mistake in the text of a prompt, which property has.
func (s *server) unreadable(property, content string) []support.Warning {
	if s.Unreadable == nil {
		return nil
	}
	why := s.Unreadable(content)
	if why == "" {
		return nil
	}
	return []support.Warning{{Property: property, Reason: support.Unreadable, Sentence: why}}
}

// agentWarnings lists what does not act of the request's agent: of one that is named
// by its id alone, or that a call runs with, all; of others what the request sends,
// whether there is something to think with, and whether its playbook can be read.
func (s *server) agentWarnings(r *request) ([]support.Warning, error) {
	member, sent := r.agentMember(), r.sent
	ok := member != ""
	if ok {
		sent, _ = r.sent[member].(map[string]any)
	}
	if r.agent == nil || r.agent.Agent.ID == unassignedID || ok && r.sent[member] == nil {
		return nil, nil
	}
	found, err := s.limits(r, *r.agent, sent)
	always := []support.Reason{support.NoModel, support.Unreadable}
	var out []support.Warning
	for _, w := range found {
		name, _, _ := strings.Cut(w.Property, ".")
		_, named := sent[strings.TrimSuffix(name, "[]")]
		if named || slices.Contains(always, w.Reason) || r.resource == "call" || ok && len(sent) <= 1 {
			w.Property = strings.TrimPrefix(member+"."+w.Property, ".")
			out = append(out, w)
		}
	}
	return out, err
}

// agentMember is the member of the body that is an agent, "" for none.
func (r *request) agentMember() string {
	return map[string]string{"number": "inbound_agent", "call": "agent"}[r.resource]
}

// ignore notes that a property changed nothing. A transaction that runs again may note
// it again: warnings are given once.
func (r *request) ignore(property, sentence string) {
	r.ignored = append(r.ignored, support.Warning{Property: property, Reason: support.Ignored, Sentence: sentence})
}

// limits lists what of an agent does not act. A temperature of 0 is what all agents have
// that name none: only who has sent it is told that the model takes none.
func (s *server) limits(r *request, a sidetone.Snapshot, sent map[string]any) ([]support.Warning, error) {
	found, err := check(s.table, "agent", renderAgent(view{profile: dialect.Fluents()}, a))
	found = append(s.unreadable("prompt.content", a.Prompt.Content), found...)
	if n := a.Agent.OtherInsights(); n > 0 {
		found = append(found, support.Warning{Property: "post_call_insights", Reason: support.Unknown, Sentence: fmt.Sprintf(
			"It has items of a form that nothing reads: %d. An item has a type (summary, success, sentiment, text or data), a name, a prompt and, for data, a schema.", n)})
	}
	if s.Lacking == nil || err != nil {
		return found, err
	}
	lacking, err := s.Lacking(r.ctx, sidetone.Call{EnvironmentID: r.who.EnvironmentID, Snapshot: a, HIPAA: r.resource == "call" && r.sent["hipaa_compliant"] == true})
	lacking = slices.DeleteFunc(lacking, func(w support.Warning) bool {
		return w.Property == "llm_temperature" && a.Agent.Temperature == 0 && sent[w.Property] == nil
	})
	return append(lacking, found...), err
}

// unknownConfig warns about members of actions' configurations that their types do
// not have: they are dropped. id is that of the resource, "" for a new one.
func (s *server) unknownConfig(r *request, resource, id string, members map[string]any) []support.Warning {
	var out []support.Warning
	below := func(name, resource string, value any) {
		inner, _ := value.(map[string]any)
		id, _ := inner["id"].(string)
		for _, w := range s.unknownConfig(r, resource, id, inner) {
			w.Property = name + "." + w.Property
			out = append(out, w)
		}
	}
	switch resource {
	case "action":
		return s.unknownMembers(r, id, members)
	case "agent":
		list, _ := members["actions"].([]any)
		for _, item := range list {
			below("actions[]", "action", item)
		}
	case "number":
		below("inbound_agent", "agent", members["inbound_agent"])
	case "call":
		below("agent", "agent", members["agent"])
	default: // no other resource has actions
	}
	return out
}

// unknownMembers does the same for one action. One whose type is nowhere to be found
// may have the members of every type.
func (s *server) unknownMembers(r *request, id string, action map[string]any) []support.Warning {
	config, _ := action["config"].(map[string]any)
	kind, _ := action["type"].(string)
	if kind == "" && id != "" && len(config) > 0 {
		_ = s.readConfiguration(r, func(w work) error { // an action that is not there is what the handler finds, too
			a, err := w.tx.Action(id)
			kind = a.Type
			return err
		})
	}
	kinds := []string{kind}
	if kind == "" {
		kinds = sidetone.ActionTypes()
	}
	known := []string{"signature_secret"}
	for _, kind := range kinds {
		names, open := sidetone.ActionMembers(kind)
		if known = append(known, names...); open && len(kinds) == 1 {
			return nil
		}
	}
	unknown := 0
	for name := range config {
		if !slices.Contains(known, name) {
			unknown++
		}
	}
	if unknown == 0 {
		return nil
	}
	return []support.Warning{{Property: "config", Reason: support.Unknown,
		Sentence: fmt.Sprintf("It has members that the action's type does not have and that were dropped: %d.", unknown)}}
}

// withoutStandIns puts ids in the place of the objects inside that have one: the
// client may have seen another type than the stored one.
func withoutStandIns(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = withoutStandIns(member)
			if object, ok := member.(map[string]any); ok && object["id"] != nil {
				out[name] = object["id"]
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = withoutStandIns(item)
			if object, ok := item.(map[string]any); ok && object["id"] != nil {
				out[i] = object["id"]
			}
		}
		return out
	default:
		return v
	}
}

// warn adds warnings to the response.
func (r *request) warn(warnings []string) {
	for _, text := range warnings {
		if text != "" {
			r.header.Add(warningHeader, text)
		}
	}
}

// getSupport answers what acts: the whole table, or what of an agent does not.
func (s *server) getSupport(r *request) (any, error) {
	id := r.query.Get("agent")
	if id == "" {
		return object{"entries": s.table.Entries()}, nil
	}
	var snapshot sidetone.Snapshot
	err := s.readConfiguration(r, func(w work) (err error) {
		snapshot, err = w.readAgent(id, "agent")
		return err
	})
	if err != nil {
		return nil, err
	}
	kept, err := s.limits(r, snapshot, nil)
	if err != nil {
		return nil, err
	}
	entries := []support.Entry{}
	for _, w := range kept {
		entries = append(entries, support.Entry{Resource: "agent", Property: w.Property, Status: support.Kept, Reason: w.Reason, Sentence: w.Sentence})
	}
	return object{"entries": entries}, nil
}

// Kept lists what of a call and its agent is stored and does not act.
func Kept(t *support.Table, c sidetone.Call) ([]support.Warning, error) {
	return check(t, "call", object{
		"agent":                     renderAgent(view{profile: dialect.Fluents()}, c.Snapshot),
		"on_no_human_answer":        c.OnNoHuman,
		"run_do_not_call_detection": c.RunDoNotCall && !c.Snapshot.Agent.RunDoNotCall,
		"telephony_params":          jsonObject(c.Params),
	})
}

// check lists what of an answer does not act.
func check(t *support.Table, resource string, answer any) ([]support.Warning, error) {
	members, err := plainMembers(answer)
	if err != nil {
		return nil, err
	}
	all := t.Check(resource, members)
	return slices.DeleteFunc(all, func(w support.Warning) bool {
		return w.Reason == support.Unknown // answers have properties that requests do not have
	}), nil
}

// plainMembers are the members of an answer as decoded JSON; nil when it is no
// object.
func plainMembers(answer any) (map[string]any, error) {
	raw, err := wire.Encode(answer)
	if err != nil {
		return nil, err
	}
	var value any
	err = json.Unmarshal(raw, &value)
	members, _ := value.(map[string]any)
	return members, err
}

// chosen refuses a new value of a property that selects something when nobody
// knows it. What is stored already stays, and may be sent back.
func (w work) chosen(resource, property, before, after string) error {
	if before == after {
		return nil
	}
	if wrong := w.table.Choice(resource, property, after); wrong != "" {
		return invalid("%s", wrong)
	}
	return nil
}
