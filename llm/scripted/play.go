package scripted

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sidetone/sidetone/llm"
)

// Reply is what the agent says and does in one turn.
type Reply struct {
	// Text is what is said, "" for nothing.
	Text string
	// Calls are the actions taken after it.
	Calls []llm.ToolCall
}

const (
	// endTool is the action that ends the call.
	endTool = "end_conversation"
	// resultField has the result of the last action, failedResult when it failed.
	resultField  = "result"
	failedResult = "failed"
)

// maxOpen bounds the questions that wait while others are dealt with, and
// maxTries how often a question is put.
const (
	maxOpen  = 4
	maxTries = 3
)

// position is a place in a rule: the step that comes next, or the ask or do
// that waits for an answer.
type position struct {
	rule, step int
	tries      int
	// failed is the number of the step behind an action that has failed, 0 for
	// none. The steps after it count on the action and are not taken, except those
	// for its failure; told says that there was one.
	failed int
	told   bool
}

// play is the state of a conversation. It is rebuilt from the messages for
// every answer, so that the driver itself keeps none.
type play struct {
	book *Playbook
	// mayCall is false when the reply must not have actions.
	mayCall bool
	fields  map[string]string
	// values fill the placeholders.
	values map[string]string
	// open are the rules under way, the innermost last; each waits at an ask or
	// a do, except while it runs.
	open []position
	// turns numbers the actions.
	turns int
	reply Reply
}

// newPlay starts a conversation.
func newPlay(book *Playbook, tools []llm.Tool) *play {
	return &play{book: book, mayCall: len(tools) > 0, fields: map[string]string{}}
}

// answer replays the messages and returns the reply to the last.
func (p *play) answer(messages []llm.Message) Reply {
	interrupted, spoke := false, false
	p.recall(messages)
	for i := 0; i < len(messages); i++ {
		switch m := messages[i]; m.Role {
		case llm.User:
			text := m.Text
			// The answer to a message that is followed by another was not heard.
			for i+1 < len(messages) && messages[i+1].Role == llm.User {
				i++
				text += " " + messages[i].Text
			}
			p.hear(text, interrupted)
			interrupted, spoke = false, true
		case llm.ToolRole:
			p.result(m.Text)
			spoke = true
		case llm.Assistant:
			interrupted, spoke = m.Interrupted, false
		}
	}
	if !spoke {
		p.unasked(messages)
	}
	return p.reply
}

// recall takes the rule for the start as said, if the first thing in the history
// is what it says.
func (p *play) recall(messages []llm.Message) {
	i := p.find(onStart)
	for _, m := range messages {
		if m.Role == llm.System {
			continue
		}
		if i < 0 || m.Role != llm.Assistant || m.Text == "" {
			return
		}
		p.begin()
		p.enter(i)
		if !strings.HasPrefix(p.reply.Text, m.Text) && !strings.HasPrefix(m.Text, p.reply.Text) {
			p.open = nil // a greeting from elsewhere
		}
		return
	}
}

// unasked speaks without having heard anything new.
func (p *play) unasked(messages []llm.Message) {
	p.begin()
	for _, m := range messages {
		if m.Role == llm.User || m.Role == llm.Assistant {
			p.repeat("Are you still there?")
			return
		}
	}
	if i := p.find(onStart); i >= 0 {
		p.enter(i)
		return
	}
	p.speak("Hello. How can I help you?")
}

// begin forgets the reply of the turn before.
func (p *play) begin() {
	p.reply = Reply{}
	p.turns++
}

// hear advances the conversation by what the caller said.
func (p *play) hear(text string, interrupted bool) {
	p.begin()
	p.fields["caller"] = strings.TrimSpace(text)
	said := words(text)
	// An action whose result never came is over.
	for len(p.open) > 0 && p.waiting().verb == do {
		p.open = p.open[:len(p.open)-1]
	}
	if len(p.open) > 0 && p.take(said) {
		p.run()
		return
	}
	if i := p.best(said); i >= 0 {
		p.digress(i)
		return
	}
	if len(p.open) > 0 {
		p.insist(said)
		return
	}
	if i := p.find(onInterrupt); interrupted && i >= 0 {
		p.enter(i)
		return
	}
	if i := p.find(otherwise); i >= 0 {
		p.enter(i)
		return
	}
	p.speak("I am sorry, I cannot help with that.")
}

// result advances the conversation by the result of an action.
func (p *play) result(text string) {
	if len(p.open) == 0 || p.waiting().verb != do {
		return
	}
	p.begin()
	if text == llm.PendingResult {
		return
	}
	at := &p.open[len(p.open)-1]
	p.fields[resultField] = strings.TrimSpace(text)
	if strings.HasPrefix(text, llm.FailedResult) {
		p.fail(at)
	}
	at.step++
	p.run()
}

// fail notes that the action at which the rule stands has failed.
func (p *play) fail(at *position) {
	p.fields[resultField] = failedResult
	at.failed = at.step + 1
}

// waiting returns the step at which the innermost rule waits.
func (p *play) waiting() step {
	at := p.open[len(p.open)-1]
	return p.book.rules[at.rule].steps[at.step]
}

// take fills the field that was asked for, if its value was said.
func (p *play) take(said []string) bool {
	s := p.waiting()
	value := s.kind.find(said)
	if s.kind == kindText && len(said) > 0 {
		value = p.fields["caller"]
	}
	if value == "" {
		return false
	}
	p.fill(s.field, value)
	return true
}

func (p *play) fill(field, value string) {
	p.fields[field] = value
	p.open[len(p.open)-1].step++
}

// insist handles an answer that fits neither the question nor a rule.
func (p *play) insist(said []string) {
	at := &p.open[len(p.open)-1]
	s := p.waiting()
	at.tries++
	switch {
	case s.kind == kindName && len(said) > 0 && len(said) <= 3:
		p.fill(s.field, asName(said))
		p.run()
	case at.tries < maxTries:
		p.repeat("I am sorry, I did not get that.")
	default:
		p.fill(s.field, p.fields["caller"])
		p.run()
	}
}

// repeat says lead and puts the open question again, if there is one.
func (p *play) repeat(lead string) {
	p.speak(lead)
	if len(p.open) > 0 && p.waiting().verb == ask {
		p.speak(p.waiting().text)
	}
}

// best returns the rule whose key words fit best, -1 when none does. The first
// of equals wins.
func (p *play) best(said []string) int {
	best, at := 0, -1
	for i, r := range p.book.rules {
		for _, pattern := range r.patterns {
			if score := pattern.score(said); score > best {
				best, at = score, i
			}
		}
	}
	return at
}

// find returns the rule with the trigger, -1 when there is none.
func (p *play) find(on trigger) int {
	for i, r := range p.book.rules {
		if r.on == on {
			return i
		}
	}
	return -1
}

// digress runs another rule and comes back to the open question after it. A
// rule that is under way already begins anew.
func (p *play) digress(i int) {
	for j, at := range p.open {
		if at.rule == i {
			p.open = p.open[:j]
			break
		}
	}
	if len(p.open) >= maxOpen {
		p.open = p.open[1:]
	}
	p.enter(i)
}

// enter starts a rule. What the caller said may hold the answers to its
// questions already, and older answers to them are forgotten.
func (p *play) enter(i int) {
	said := words(p.fields["caller"])
	for _, s := range p.book.rules[i].steps {
		if s.verb != ask {
			continue
		}
		delete(p.fields, s.field)
		if value := s.kind.find(said); value != "" && s.kind != kindYesNo {
			p.fields[s.field] = value
		}
	}
	p.open = append(p.open, position{rule: i})
	p.run()
}

// run takes steps until one waits or none is left.
func (p *play) run() {
	for len(p.open) > 0 {
		at := &p.open[len(p.open)-1]
		steps := p.book.rules[at.rule].steps
		if at.step >= len(steps) {
			if at.failed > 0 && !at.told {
				p.speak("I am sorry, that did not work.")
			}
			p.open = p.open[:len(p.open)-1]
			if len(p.open) > 0 {
				p.speak(p.waiting().text)
				return
			}
			continue
		}
		if p.perform(steps[at.step], at) {
			return
		}
		at.step++
	}
}

// holds reports whether the condition of a step is met. Nothing is equal to a
// placeholder that is empty.
func (p *play) holds(s step) bool {
	is := expand(s.is, func(name string) string { return "$" + name }, p.value)
	return is != "" && strings.EqualFold(p.fields[s.onlyIf], is)
}

// perform takes one step of the rule at which it stands and reports whether it
// waits.
func (p *play) perform(s step, at *position) (waits bool) {
	if s.onlyIf != "" && !p.holds(s) {
		return false
	}
	switch forFailure := s.onlyIf == resultField || s.onFailure && at.step == at.failed; {
	case at.failed == 0 && s.onFailure, at.failed > 0 && !forFailure:
		return false
	case at.failed > 0:
		at.told = true
	}
	switch s.verb {
	case say:
		p.speak(s.text)
	case ask:
		if _, known := p.fields[s.field]; known {
			return false
		}
		p.speak(s.text)
		return true
	case do:
		if !p.mayCall {
			p.fail(at)
			return false
		}
		p.call(s.tool, s.args)
		return true
	case hangUp:
		p.call(endTool, nil)
		p.open = nil
		return true
	}
	return false
}

// call takes an action. One that the agent does not have fails where actions are
// run, and so is in the call's record.
func (p *play) call(tool string, args []argument) {
	values := map[string]string{}
	for _, a := range args {
		values[a.key] = p.fillIn(a.value)
	}
	encoded, err := json.Marshal(values)
	if err != nil {
		encoded = []byte("{}") // strings always encode
	}
	id := fmt.Sprintf("call_%d_%d", p.turns, len(p.reply.Calls)+1)
	p.reply.Calls = append(p.reply.Calls, llm.ToolCall{ID: id, Name: tool, Args: encoded})
}

// speak adds text, filled in, to the reply. Of a text that is empty then nothing is
// said.
func (p *play) speak(text string) {
	text = strings.TrimSpace(p.fillIn(text))
	if text == "" {
		return
	}
	if p.reply.Text != "" {
		p.reply.Text += " "
	}
	p.reply.Text += text
}

// fillIn replaces $fields and ${placeholders} by their values, unknown ones by
// nothing.
func (p *play) fillIn(text string) string {
	return expand(text, func(name string) string { return p.fields[name] }, p.value)
}

// value is what fills a placeholder, on one line like all that is said.
func (p *play) value(name string) string {
	return strings.Join(strings.Fields(p.values[name]), " ")
}

// Rehearse plays the playbook against a caller who says lines, one a turn, with
// every action available and answered with "done". It returns the agent's
// replies, those after an action's result joined to the reply before. It is
// meant for tests of playbooks.
func (p *Playbook) Rehearse(lines ...string) []Reply {
	var tools []llm.Tool
	for _, r := range p.rules {
		for _, s := range r.steps {
			tools = append(tools, llm.Tool{Name: s.tool})
		}
	}
	tools = append(tools, llm.Tool{Name: endTool})
	var messages []llm.Message
	var replies []Reply
	for _, line := range lines {
		messages = append(messages, llm.Message{Role: llm.User, Text: line})
		whole := Reply{}
		for {
			reply := newPlay(p, tools).answer(messages)
			messages = append(messages, llm.Message{Role: llm.Assistant, Text: reply.Text, Calls: reply.Calls})
			whole.Text = strings.TrimSpace(whole.Text + " " + reply.Text)
			whole.Calls = append(whole.Calls, reply.Calls...)
			if len(reply.Calls) == 0 || reply.Calls[0].Name == endTool {
				break
			}
			messages = append(messages, llm.Message{Role: llm.ToolRole, CallID: reply.Calls[0].ID, Text: "done"})
		}
		replies = append(replies, whole)
	}
	return replies
}
