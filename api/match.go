package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// withMatches is the patch in which every action that was sent without an id is
// about the current action that it stands for, if there is one: clients exist that
// drop the ids of inner objects. An action whose content is equal to that of a
// current one, wherever it stands in the list, is that one as it is. The others are
// matched by type and config.name, then by a type that occurs once on both sides and
// no other URL: another name and another URL make another action.
// Each current action is matched once.
func (p agentPatch) withMatches(current []sidetone.Action) agentPatch {
	m := actionMatch{profile: p.profile, free: map[string]sidetone.Action{}, about: map[int]sidetone.Action{}}
	for _, action := range current {
		m.free[action.ID] = action
		m.order = append(m.order, action.ID)
	}
	for i, r := range p.actions {
		if r.ref.ByID {
			delete(m.free, r.ref.ID)
		} else if r.ref.Fields != nil {
			m.open = append(m.open, i)
		}
	}
	once := m.typesOnBothSidesOnce(p.actions)
	out := p
	out.actions = make([]relation[sidetone.Action], len(p.actions))
	copy(out.actions, p.actions)
	m.take(p.actions, m.isEqual)
	for i, action := range m.about {
		out.actions[i].ref = wire.Reference{Set: true, ByID: true, ID: action.ID}
	}
	m.take(p.actions, m.hasName)
	m.take(p.actions, func(sent wire.Object, a sidetone.Action) bool {
		url := textMember(configOf(sent), "url")
		return once[m.shownType(a)] && textMember(sent, "type") == m.shownType(a) && (url == "" || url == memberOf(a.Config, "url"))
	})
	for i, action := range m.about {
		if !out.actions[i].ref.ByID {
			out.actions[i].ref.ByID, out.actions[i].ref.ID = true, action.ID
		}
	}
	return out
}

// actionMatch finds which current action each of the sent ones is about.
type actionMatch struct {
	profile dialect.Profile
	// free are the current actions that nothing is about yet, order their ids in
	// the agent's order.
	free  map[string]sidetone.Action
	order []string
	// open are the places in the request of actions without an id.
	open []int
	// about is what was found, by the place in the request.
	about map[int]sidetone.Action
}

// take matches what is open with what is free where fits says so.
func (m *actionMatch) take(sent []relation[sidetone.Action], fits func(wire.Object, sidetone.Action) bool) {
	for _, i := range m.open {
		if _, done := m.about[i]; done {
			continue
		}
		for _, id := range m.order {
			action, free := m.free[id]
			if free && fits(sent[i].ref.Fields, action) {
				m.about[i] = action
				delete(m.free, id)
				break
			}
		}
	}
}

// shownType is the type that the client sees of a.
func (m *actionMatch) shownType(a sidetone.Action) string {
	if m.profile.KnownTypes {
		return dialect.ActionTypes().Shown(a.Type)
	}
	return a.Type
}

// typesOnBothSidesOnce are the types of which one action without an id was sent
// and one current action is free.
func (m *actionMatch) typesOnBothSidesOnce(sent []relation[sidetone.Action]) map[string]bool {
	there, here := map[string]int{}, map[string]int{}
	for _, i := range m.open {
		there[textMember(sent[i].ref.Fields, "type")]++
	}
	for _, action := range m.free {
		here[m.shownType(action)]++
	}
	once := map[string]bool{}
	for kind, n := range there {
		once[kind] = n == 1 && here[kind] == 1
	}
	return once
}

// isEqual reports whether sent is the action as the client reads it, with its
// secret in clear, masked or left out.
func (m *actionMatch) isEqual(sent wire.Object, a sidetone.Action) bool {
	if actions().isShown(m.profile, sent, a) {
		return true
	}
	a.SignatureSecret = ""
	return actions().isShown(m.profile, sent, a)
}

// isShown reports whether sent is row as clients of the profile read it, with its
// secrets masked or in clear; ids do not count.
func (p resource[T]) isShown(profile dialect.Profile, sent wire.Object, row T) bool {
	return sameAsShown(sent, p.render(view{profile: profile}, row)) ||
		sameAsShown(sent, p.render(view{profile: profile, secrets: true}, row))
}

// hasName compares the type and the name in the configuration.
func (m *actionMatch) hasName(sent wire.Object, a sidetone.Action) bool {
	name := textMember(configOf(sent), "name")
	return name != "" && name == memberOf(a.Config, "name") && textMember(sent, "type") == m.shownType(a)
}

// configOf is the configuration of an action in a request.
func configOf(action wire.Object) wire.Object {
	config, _ := action.Get("config")
	members, _ := config.(wire.Object)
	return members
}

// sameAsShown compares an object of a request with a rendered one. Ids and members
// without a value do not count.
func sameAsShown(sent wire.Object, rendered object) bool {
	shown, err := asSent(rendered)
	return err == nil && dialect.SameContent(sent, shown)
}

// asSent is a rendered object as a request that repeats it has it.
func asSent(rendered object) (wire.Object, error) {
	text, err := wire.Encode(rendered)
	if err != nil {
		return nil, err
	}
	return wire.Parse(text)
}

// textMember is the text called name, "" when there is none.
func textMember(o wire.Object, name string) string {
	value, _ := o.Get(name)
	text, _ := value.(string)
	return text
}
