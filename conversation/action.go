package conversation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Action is what a Machine must know of a tool, beside its name. The zero value of
// everything else is a tool that runs as soon as the model's answer is complete, and whose
// result the model is told.
type Action struct {
	// Name is the tool's, as ToolCall has it.
	Name string
	// AfterSpeech says that it runs when all that the agent says in that answer was heard. A
	// caller who interrupts that withdraws it.
	AfterSpeech bool
	// SaysFirst says that the argument user_message is spoken before it runs, and that it
	// runs when that was heard, as with AfterSpeech.
	SaysFirst bool
	// OnSend are sentences, one of which is spoken before it runs, as with SaysFirst; not when
	// user_message was.
	OnSend []string
	// Quiet says that nothing can be said while it runs, as on a line that sends keys. It
	// begins when the agent has said everything.
	Quiet bool
	// Repeatable says that it may run again with the same arguments, also soon, and also
	// when it is not known what came of a run before.
	Repeatable bool
	// Muted says that the caller's words wait while it runs: they become a turn together
	// with the result. Otherwise they are answered at once.
	Muted bool
	// Longest is how long the result is awaited; 0 means 30 s. After it the outcome is not
	// known.
	Longest time.Duration
	// Waiting are sentences, one of which is spoken when there is no result after
	// WaitingAfter and every 8 s from then on; none means Phrases.Filler. WaitingAfter is at
	// most 3 s, longer ones count as that; 0 means 1.5 s.
	Waiting      []string
	WaitingAfter time.Duration
	// OnDone are sentences, one of which is spoken when it succeeded, instead of an answer
	// of the model's. ToolDone.Say outranks them.
	OnDone []string
	// OnFailure are sentences, one of which is spoken when it failed, instead of an answer
	// of the model's. When it is not known whether it was done, the model answers.
	OnFailure []string
	// Silent says that its result is put into history and nothing is said because of it,
	// unless the caller would get no answer at all, or it was not done and has Claims: somebody
	// counts on it then.
	Silent bool
	// Claims are words in the call's language, such as "booked" or "all set". A sentence of the
	// model's that has one claims the action's effect, and is said when the last run of it in
	// this call has succeeded.
	Claims []string
	// Otherwise is spoken instead of such a sentence; "" means Phrases.Unconfirmed. It is said
	// when there was no run, when the last one failed, and when nobody knows what came of it.
	Otherwise string
	// Phrases start it with the arguments {} when the agent says one of them and all of that
	// turn was heard.
	Phrases []string
}

const (
	// longestWaiting is what WaitingAfter is at most: no longer may the caller hear nothing.
	longestWaiting = 3 * time.Second
	// sameCall is how long after a result an equal call gets the same one.
	sameCall = 30 * time.Second
)

// rulesOf are the rules of a call's actions, by name.
func rulesOf(actions []Action) map[string]*Action {
	rules := map[string]*Action{digitsTool: {Name: digitsTool, Quiet: true, Repeatable: true}}
	for i := range actions {
		rules[actions[i].Name] = &actions[i]
	}
	return rules
}

// rule is what is known of a tool. One of which nothing is known may be repeated.
func (m *Machine) rule(name string) *Action {
	if a, ok := m.rules[name]; ok {
		return a
	}
	return &Action{Name: name, Repeatable: true}
}

// awaitsSpeech reports whether it begins only when the agent's words were heard.
func (a *Action) awaitsSpeech() bool { return a.AfterSpeech || a.SaysFirst || len(a.OnSend) > 0 }

// outcome is what is known of a run.
type outcome uint8

const (
	underway outcome = iota
	succeeded
	failed
	unknown // nobody knows whether it was done
)

// run is a run of a tool in this call.
type run struct {
	name, args string
	// unoffered: nothing was run.
	unoffered bool
	outcome   outcome
	result    string
	// outdated: a field that its arguments refer to has been given anew.
	outdated bool
	// over is when the result came.
	over time.Duration
}

// earlier is the index of the run whose result an equal call gets instead of one of its own;
// -1 for none. A run that failed may be tried again.
func (m *Machine) earlier(c ToolCall) int {
	if m.rule(c.Name).Repeatable || strings.HasPrefix(c.Name, CollectTool) { // a number is asked for again when it was wrong
		return -1
	}
	args := canonical(c.Args)
	for i := len(m.runs) - 1; i >= 0; i-- {
		r := &m.runs[i]
		if r.unoffered || r.name != c.Name || r.args != args {
			continue
		}
		if r.outcome == failed || r.outcome == succeeded && (r.outdated || m.now > r.over+sameCall) {
			return -1
		}
		return i
	}
	return -1
}

// outdate notes that a secret field was given anew: what a run made of its value before says
// nothing of an equal call from now on.
func (m *Machine) outdate(field string) {
	for i := range m.runs {
		r := &m.runs[i]
		r.outdated = r.outdated || strings.Contains(r.args, CollectReference(field))
	}
}

// canonical returns arguments in a form that equal ones share, however the model wrote them.
func canonical(args string) string {
	if strings.TrimSpace(args) == "" {
		return "{}"
	}
	var v any
	d := json.NewDecoder(strings.NewReader(args))
	d.UseNumber() // no floating point
	if d.Decode(&v) != nil || d.More() {
		return args
	}
	b, err := json.Marshal(v)
	if err != nil {
		return args
	}
	return string(b)
}

// standing is what came of the last run of a tool; underway while one runs. known is false
// for a tool that never ran.
func (m *Machine) standing(name string) (o outcome, known bool) {
	if slices.ContainsFunc(m.tools, func(t tool) bool { return t.name == name && !t.unoffered }) {
		return underway, true
	}
	o, known = m.results[name]
	return o, known
}

// runsOf counts the runs of a tool.
func (m *Machine) runsOf(name string) (n int) {
	for i := range m.runs {
		if m.runs[i].name == name && !m.runs[i].unoffered {
			n++
		}
	}
	return n
}

// choose returns the nth of sentences, beginning anew behind the last; "" when there are
// none.
func choose(sentences []string, n int) string {
	if len(sentences) == 0 {
		return ""
	}
	return sentences[max(0, n)%len(sentences)]
}
