package call

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
)

// EndConversation is the name of the tool that ends the call. Agents that have an action of
// its type are offered it, and what follows a plan of its own: a playbook or a program.
const EndConversation = "end_conversation"

// EndTool is what a model is told of it.
func EndTool() llm.Tool {
	return llm.Tool{
		Name:        EndConversation,
		Description: "Ends the call after what you said was heard. Use it when the caller says goodbye or nothing is left to do.",
		Schema:      json.RawMessage(`{"type":"object","properties":{}}`),
	}
}

// builtin makes what runs the actions that a session runs itself, by their type: those
// that act on the call. An action that has a Tool needs no entry.
func builtin() map[string]func(*Session, Action) Tool {
	return map[string]func(*Session, Action) Tool{
		"action_end_conversation": func(s *Session, _ Action) Tool { return hangUp{s.inbox} },
		"action_dtmf":             func(s *Session, _ Action) Tool { return presser{s.caller().leg} },
		"action_set_recording":    func(s *Session, _ Action) Tool { return pauser{s.inbox, s.caller().ended} },
		"action_transfer_call":    newTransferCall,
		"action_warm_transfer":    newWarmTransfer,
	}
}

// OwnTool reports whether a name is that of a tool that the server itself runs, or means
// something to the machine, so that no action may have it.
func OwnTool(name string) bool {
	return slices.Contains([]string{EndConversation, sendDigits, storeField}, name) || strings.HasPrefix(name, conversation.CollectTool)
}

// RunsItself reports whether sessions run actions of a type themselves.
func RunsItself(kind string) bool {
	_, ok := builtin()[kind]
	return ok
}

// runnable are the actions of a plan that something runs.
func (p Plan) runnable() []Action {
	return slices.DeleteFunc(slices.Clone(p.Actions), func(a Action) bool { return a.Tool == nil && !RunsItself(a.Type) })
}

// offered is what models are told that they can call.
func (p Plan) offered() (out []llm.Tool) {
	for _, a := range p.runnable() {
		if a.Offer.Name != "" {
			out = append(out, a.Offer)
		}
	}
	return out
}

// outside are the names of the tools whose results come from outside of the server.
func (p Plan) outside() map[string]bool {
	out := map[string]bool{}
	for _, a := range p.runnable() {
		out[a.Rule.Name] = a.Once
	}
	return out
}

// rules is what the machine is told of the actions.
func (p Plan) rules() (out []conversation.Action) {
	for _, a := range p.runnable() {
		if a.Rule.Longest == 0 {
			a.Rule.Longest = cmp.Or(a.Timeout, toolTimeout) + longestStore
		}
		out = append(out, a.Rule)
	}
	return out
}
