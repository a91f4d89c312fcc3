package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/external"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/webhook"
)

// actionMaker makes what the agent of a call can do of one of its actions. Its names are
// given by name, which makes a wish unique. The error says why the agent cannot do it.
type actionMaker func(p *providers, c sidetone.Call, a sidetone.Action, name func(wish string) string) (call.Action, error)

// actionMakers are the types of actions that run, each with what makes it.
func actionMakers() map[string]actionMaker {
	return map[string]actionMaker{
		"action_end_conversation": makeEnd,
		"action_external":         makeExternal,
		"action_dtmf":             makePressKeys,
		"action_set_recording":    makeSetRecording,
		"action_transfer_call":    makeTransfer,
		"action_warm_transfer":    makeTransfer,
	}
}

// act gives a plan what its agent can do. An action that cannot run is left out, and the
// call says so.
func (p *providers) act(c sidetone.Call, plan *call.Plan) {
	makers, names := actionMakers(), toolNames{}
	for _, a := range c.Snapshot.Actions {
		made, ok := makers[a.Type]
		if !ok {
			continue // the support table says so
		}
		out, err := made(p, c, a, names.take)
		if err != nil {
			plan.Notices = append(plan.Notices, fmt.Sprintf("agent.actions[]: %s does not run: %v", shownAs(a), err))
			continue
		}
		if e, err := a.External(); err == nil && len(e.Claims) > 0 && len(out.Rule.Claims) == 0 {
			plan.Notices = append(plan.Notices, fmt.Sprintf("agent.actions[]: %s has no claims in the agent's language: nothing that the agent says is held back", shownAs(a)))
		}
		out.ID, out.Type, out.Config = a.ID, a.Type, a.Config
		out.Rule.Phrases = a.Phrases()
		if len(out.Rule.Phrases) > 0 {
			out.Offer = llm.Tool{} // the phrase alone starts it
		}
		plan.Actions = merged(plan.Actions, out)
	}
}

// merged adds an action; of one that has the name of another only the phrases, and that
// the model may decide, are new.
func merged(all []call.Action, one call.Action) []call.Action {
	i := slices.IndexFunc(all, func(a call.Action) bool { return a.Rule.Name == one.Rule.Name })
	if i < 0 {
		return append(all, one)
	}
	all[i].Rule.Phrases = append(all[i].Rule.Phrases, one.Rule.Phrases...)
	if all[i].Offer.Name == "" {
		all[i].Offer = one.Offer
	}
	return all
}

// shownAs is what a call's record calls an action.
func shownAs(a sidetone.Action) string {
	if a.Label != "" {
		return fmt.Sprintf("%s %q", a.Type, a.Label)
	}
	return a.Type
}

// toolNames are the names that models know actions by.
type toolNames map[string]bool

// longestName is how long a name may be that all vendors take.
const longestName = 64

// take makes a name of a wish: letters, digits and underscores, and nobody else's. The names
// of what the server does itself are not to be had.
func (n toolNames) take(wish string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, strings.TrimSpace(wish))
	switch {
	case strings.Trim(clean, "_") == "":
		clean = "action"
	case call.OwnTool(clean): // also all that begin like it, so that a number behind it is not enough
		clean = "action_" + clean
	}
	clean = clean[:min(len(clean), longestName-4)]
	name := clean
	for i := 2; n[name]; i++ {
		name = fmt.Sprintf("%s_%d", clean, i)
	}
	n[name] = true
	return name
}

// makeEnd lets the agent end the call.
func makeEnd(*providers, sidetone.Call, sidetone.Action, func(string) string) (call.Action, error) {
	return call.Action{Offer: call.EndTool(), Rule: conversation.Action{Name: call.EndConversation}}, nil
}

// makePressKeys lets the agent press keys, once what it said was heard.
func makePressKeys(_ *providers, _ sidetone.Call, _ sidetone.Action, name func(string) string) (call.Action, error) {
	n := name("press_keys")
	return call.Action{Offer: call.PressKeysTool(n), Rule: conversation.Action{Name: n, AfterSpeech: true, Quiet: true, Repeatable: true},
		Timeout: call.LongestPress}, nil
}

// makeSetRecording lets the agent pause the recording of its call.
func makeSetRecording(_ *providers, _ sidetone.Call, _ sidetone.Action, name func(string) string) (call.Action, error) {
	n := name("set_recording")
	return call.Action{Offer: call.SetRecordingTool(n), Rule: conversation.Action{Name: n, Repeatable: true}}, nil
}

// makeTransfer lets the agent hand the caller to the person of the action's configuration. The
// model decides when, and nothing else.
func makeTransfer(_ *providers, _ sidetone.Call, a sidetone.Action, name func(string) string) (call.Action, error) {
	var to call.Transfer
	if err := json.Unmarshal(a.Config, &to); err != nil || !sidetone.IsE164(to.Number) {
		return call.Action{}, errors.New("its config names nobody: phone_number must be a phone number with plus and country code")
	}
	wish, who := "transfer_call", "a person"
	if a.Label != "" {
		wish, who = "transfer_to_"+strings.ToLower(a.Label), a.Label
	}
	description := a.Description
	if description == "" {
		description = "Hands the caller over to " + who + ". Tell the caller so before. When it fails, the caller is yours again."
	}
	rule := conversation.Action{Name: name(wish), AfterSpeech: true, Muted: true, Longest: call.TransferTimeout}
	offer := llm.Tool{Name: rule.Name, Description: description, Schema: json.RawMessage(`{"type":"object","properties":{}}`)}
	return call.Action{Offer: offer, Rule: rule, Timeout: call.TransferTimeout}, nil
}

// makeExternal lets the agent ask a server of the customer's.
func makeExternal(p *providers, c sidetone.Call, a sidetone.Action, name func(string) string) (call.Action, error) {
	config, err := a.External()
	if err != nil {
		return call.Action{}, errors.New(sidetone.MessageOf(err))
	}
	made, err := external.New(config, a.SignatureSecret, p.keys.guard.Client(c.EnvironmentID), time.Now)
	if err != nil {
		return call.Action{}, fmt.Errorf("its input_schema: %w", err)
	}
	rule := externalRule(config, c.Snapshot.Agent.Language)
	rule.Name = name(config.Name)
	offer := llm.Tool{Name: rule.Name, Description: config.Description, Schema: made.Schema()}
	return call.Action{Offer: offer, Rule: rule, Tool: externalTool{made, c}, Timeout: config.Timeout, Once: true}, nil
}

// externalRule is what the machine is told of an external action in a language.
func externalRule(e sidetone.ExternalAction, language string) conversation.Action {
	if language == "" {
		language = "en"
	}
	return conversation.Action{
		AfterSpeech: e.AfterSpeech, Repeatable: e.Repeatable, Muted: e.Muted, SaysFirst: e.SaysFirst, OnSend: e.OnSend,
		Waiting: e.OnWait, WaitingAfter: e.Wait, OnDone: e.OnReceive, Silent: !e.Answers && len(e.OnReceive) == 0,
		OnFailure: e.OnFailure, Claims: e.Claims[language], Otherwise: e.Otherwise[language],
	}
}

// externalTool runs an external action in a call.
type externalTool struct {
	action *external.Action
	call   sidetone.Call
}

// Run implements call.Tool.
func (t externalTool) Run(ctx context.Context, c call.ToolCall) (call.ToolResult, error) {
	told := t.call
	told.Status = sidetone.CallInProgress
	answer, err := t.action.Do(ctx, external.Run{Key: c.Key, ID: c.ID, Name: c.Name, Args: c.Args,
		Report: webhook.Report{Call: told, Events: c.Spoken, At: time.Now()}})
	var failed *external.Failure
	if errors.As(err, &failed) {
		result := call.ToolResult{Status: failed.Status}
		switch failed.Kind {
		case external.Misused:
			return result, &call.Misused{Reason: failed.Reason}
		case external.Unknown:
			return result, &call.Uncertain{Reason: failed.Reason}
		case external.Failed:
		}
		return result, errors.New(failed.Reason)
	}
	if err != nil {
		return call.ToolResult{}, err //nolint:wrapcheck // every error is a Failure
	}
	return call.ToolResult{Text: answer.Text, Say: answer.Say, JSON: answer.JSON, Status: answer.Status}, nil
}

// checkInputSchema says what is wrong with the JSON Schema of an action's input.
func checkInputSchema(schema json.RawMessage) error {
	_, err := external.NewSchema(schema)
	return err //nolint:wrapcheck // it is shown as it is
}
