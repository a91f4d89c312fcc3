package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// greetTime is how long a program that nobody asked has to say something, keysTime how
// long one that was told of keys. What it says later is heard as well.
const (
	greetTime = time.Second
	keysTime  = time.Second
	// restTime is how long a program of ConversationRelay's that has begun to speak may
	// pause without having sent last: then what it said is taken for the whole, as some
	// programs never send it. It is short, because the end of what it said waits that long,
	// and longer than models pause between words; what comes later is heard as well.
	// Twilio's own rule is not known.
	restTime = time.Second
)

// The actions that a program can take.
const (
	endTool    = "end_conversation"
	digitsTool = "send_digits"
)

// past is what the program knows of the conversation.
type past struct {
	// messages is how long the history was at the last request.
	messages int
	// answers counts the agent's messages then, and sent is what the caller had said
	// since the last of them.
	answers int
	sent    []string
	// id numbers the requests of Retell's protocol.
	id int
}

// forget restores what was known before a request that failed, but its number.
func (p *past) forget(before past) {
	before.id = p.id
	*p = before
}

// news is what the program has not been told.
type news struct {
	words       []string // of the caller, without keys
	keys        []rune
	interrupted *llm.Message // of the agent
}

// answer is one request under way.
type answer struct {
	driver   *Driver
	request  llm.Request
	yield    func(llm.Delta, error) bool
	id       int    // of Retell's request
	asked    bool   // the program was asked, or has begun to speak
	quiet    bool   // it may have nothing to say
	left     bool   // the reader left
	spoke    bool   // there were words
	shielded bool   // which the caller cannot interrupt
	ended    bool   // the program wants to end the call
	digits   string // to be pressed
	finished bool
}

// run asks and reads the answer.
func (a *answer) run(ctx context.Context) error {
	l, err := a.driver.connect(ctx)
	if err != nil {
		return a.over(err)
	}
	l.socket.Use(provider.MeterOf(ctx))
	fresh := a.driver.unused()
	first := fresh && a.driver.past.messages == 0
	if fresh && a.driver.greets {
		if done, err := a.passOver(ctx, l); err != nil || done {
			return err
		}
	}
	n := a.driver.past.news(a.request.Messages, fresh)
	switch {
	case len(n.words) == 0 && len(n.keys) == 0:
		wait := time.Duration(0)
		if first {
			wait = greetTime
		}
		err := a.listen(ctx, l, wait)
		a.driver.greets = a.driver.greets || fresh && a.spoke && a.driver.o.Protocol == ConversationRelay
		return err
	case a.driver.o.Protocol == Retell:
		return a.retell(ctx, l)
	}
	return a.relay(ctx, l, n)
}

// passOver drops what a program that greets at setup says when it gets another setup in
// mid-call, up to its last or for greetTime: it is no answer. A slower greeting cannot be
// told from one.
func (a *answer) passOver(ctx context.Context, l *link) (done bool, err error) {
	soon, stop := context.WithTimeout(ctx, greetTime)
	defer stop()
	for {
		f, err := l.next(soon)
		switch {
		case err != nil && ctx.Err() == nil && provider.KindOf(err) == provider.Late, err == nil && f.said() && f.Last:
			return false, nil
		case err != nil:
			return true, a.over(err)
		case f.said():
		case a.take(ctx, l, f):
			return true, a.finish()
		}
	}
}

// over is the end of an answer whose socket ended.
func (a *answer) over(err error) error {
	if !a.driver.hangsUp(err) {
		return err
	}
	a.ended, a.quiet = true, true
	return a.finish()
}

// news compares a conversation with what the program of this socket knows.
func (p *past) news(messages []llm.Message, fresh bool) (n news) {
	answers := 0
	var since []string
	for i, m := range messages {
		switch {
		case m.Role == llm.User && strings.TrimSpace(m.Text) != "":
			since = append(since, m.Text)
		case m.Role == llm.Assistant:
			answers, since = answers+1, nil
			if m.Interrupted && i >= p.messages {
				n.interrupted = &m
			}
		}
	}
	said := since
	if !fresh && answers == p.answers && len(since) >= len(p.sent) && slices.Equal(since[:len(p.sent)], p.sent) {
		said = since[len(p.sent):]
	}
	p.messages, p.answers, p.sent = len(messages), answers, since
	for _, text := range said {
		words, keys := split(text)
		n.keys = append(n.keys, keys...)
		if words != "" {
			n.words = append(n.words, words)
		}
	}
	return n
}

// split takes the keys out of what the caller said.
func split(text string) (words string, keys []rune) {
	for {
		before, after, found := strings.Cut(text, llm.KeysPressed)
		words = strings.TrimSpace(words + " " + strings.TrimSpace(before))
		if !found {
			return words, keys
		}
		for len(after) > 0 && strings.ContainsRune("0123456789*#ABCD", rune(after[0])) && (len(after) == 1 || after[1] == ' ') {
			keys = append(keys, rune(after[0]))
			after = strings.TrimPrefix(after[1:], " ")
		}
		text = after
	}
}

// relay asks a program of ConversationRelay's.
func (a *answer) relay(ctx context.Context, l *link, n news) error {
	if err := a.driver.flush(ctx, l); err != nil {
		return err
	}
	var frames []any
	if !a.driver.attends() {
		if m := n.interrupted; m != nil {
			frames = append(frames, interrupt(m.Text, m.HeardFor))
		}
		for _, key := range n.keys {
			frames = append(frames, dtmf(key))
		}
	}
	if len(n.words) > 0 {
		prompt := map[string]any{"type": "prompt", "voicePrompt": strings.Join(n.words, " "), "last": true}
		if a.driver.o.Language != "" {
			prompt["lang"] = a.driver.o.Language
		}
		frames, a.asked = append(frames, prompt), true
	}
	for _, f := range frames {
		if err := l.send(ctx, f); err != nil {
			return err
		}
	}
	if len(n.words) == 0 {
		return a.listen(ctx, l, keysTime)
	}
	return a.read(ctx, l)
}

// utterance is a line of Retell's transcript.
type utterance struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// retell asks a program of Retell's, which gets the whole conversation with each
// request, as it was heard.
func (a *answer) retell(ctx context.Context, l *link) error {
	a.driver.past.id++
	a.id, a.asked = a.driver.past.id, true
	if err := l.send(ctx, map[string]any{"interaction_type": "response_required", "response_id": a.id, "transcript": a.transcript()}); err != nil {
		return err
	}
	return a.read(ctx, l)
}

// transcript is the conversation in Retell's form.
func (a *answer) transcript() []utterance {
	lines := []utterance{}
	for _, m := range a.request.Messages {
		switch {
		case strings.TrimSpace(m.Text) == "":
		case m.Role == llm.User:
			lines = append(lines, utterance{"user", m.Text})
		case m.Role == llm.Assistant:
			lines = append(lines, utterance{"agent", m.Text})
		}
	}
	return lines
}

// read takes frames up to the end of the answer.
func (a *answer) read(ctx context.Context, l *link) error {
	for {
		f, err := a.next(ctx, l)
		switch {
		case err != nil && a.spoke && ctx.Err() == nil && provider.KindOf(err) == provider.Late:
			return a.finish()
		case err != nil:
			return a.over(err)
		}
		done := a.take(ctx, l, f)
		switch {
		case a.left:
			return nil
		case done:
			return a.finish()
		}
	}
}

// next waits for a frame, for restTime at most where that ends an answer.
func (a *answer) next(ctx context.Context, l *link) (frame, error) {
	if a.spoke && a.driver.o.Protocol == ConversationRelay {
		soon, stop := context.WithTimeout(ctx, restTime)
		defer stop()
		return l.next(soon)
	}
	return l.next(ctx)
}

// listen reads what the program says unasked, if it begins within d.
func (a *answer) listen(ctx context.Context, l *link, d time.Duration) error {
	a.quiet = true
	for !a.spoke {
		soon, stop := context.WithTimeout(ctx, d)
		f, err := l.next(soon)
		stop()
		switch {
		case err != nil && ctx.Err() == nil && provider.KindOf(err) == provider.Late:
			return a.finish()
		case err != nil:
			return a.over(err)
		}
		done := a.take(ctx, l, f)
		switch {
		case a.left:
			return nil
		case done:
			return a.finish()
		}
	}
	return a.read(ctx, l)
}

// take does what a frame says. It reports whether the answer is complete.
func (a *answer) take(ctx context.Context, l *link, f frame) (done bool) {
	if a.driver.o.Protocol == Retell {
		return a.responded(ctx, l, f)
	}
	return a.relayed(ctx, l, f)
}

// relayed takes a frame of ConversationRelay. A command before any words is an answer
// by itself: what comes after it is heard as well.
func (a *answer) relayed(ctx context.Context, l *link, f frame) (done bool) {
	switch f.Type {
	case "text":
		a.shielded = a.shielded || f.Interruptible != nil && !*f.Interruptible
		if f.Lang != "" && !sameLanguage(f.Lang, a.driver.o.Language) {
			a.refuse(ctx, l, "lang of text")
		}
		if f.Preemptible {
			a.refuse(ctx, l, "preemptible of text")
		}
		if f.Token != nil {
			a.say(*f.Token)
		}
		return f.Last
	case "end":
		if f.HandoffData != nil {
			a.refuse(ctx, l, "handoffData of end")
		}
		a.ended = true
		return true
	case "sendDigits":
		a.press(ctx, l, f.Digits)
	case "language":
		a.refuse(ctx, l, f.Type)
		return false
	default:
		a.refuse(ctx, l, named(f))
		if f.Type != "play" {
			return false
		}
	}
	a.quiet = a.quiet || !a.spoke
	return !a.spoke
}

// sameLanguage compares the main parts of two tags.
func sameLanguage(a, b string) bool {
	a, _, _ = strings.Cut(a, "-")
	b, _, _ = strings.Cut(b, "-")
	return strings.EqualFold(a, b)
}

// responded takes a frame of Retell's.
func (a *answer) responded(ctx context.Context, l *link, f frame) (done bool) {
	switch kind := f.kind(); kind {
	case "response", "agent_interrupt":
		if kind == "response" && (f.ResponseID == nil || *f.ResponseID != a.id) {
			return false
		}
		a.shielded = a.shielded || f.NoInterruption
		a.say(f.Content)
		switch {
		case f.EndCall:
			a.ended = true
		case f.TransferNumber != "":
			a.refuse(ctx, l, "transfer_number")
		case f.DigitToPress != "":
			a.quiet = true
			a.press(ctx, l, f.DigitToPress)
		}
		return (f.ContentComplete || f.EndCall) && (kind == "response" || a.id == 0)
	case "config":
		if f.Config.ToolCalls {
			a.refuse(ctx, l, "transcript_with_tool_calls")
		}
	case "tool_call_invocation":
		a.driver.toolName[f.ToolCallID] = f.Name
	case "tool_call_result":
		n := llm.Note{Action: cmp.Or(a.driver.toolName[f.ToolCallID], "tool_call"), Text: f.Content}
		if f.Successful != nil && !*f.Successful {
			n.Text = llm.FailedResult + n.Text
		}
		delete(a.driver.toolName, f.ToolCallID)
		a.note(n)
	default:
		a.refuse(ctx, l, named(f))
	}
	return false
}

// named is what a frame is called that does nothing here.
func named(f frame) string {
	const longest = 40
	kind := f.kind()
	switch kind {
	case "play", "update_agent", "metadata":
		return kind
	case "":
		return "a frame without a type"
	}
	return "a frame of type " + string([]rune(kind)[:min(longest, len([]rune(kind)))])
}

// press asks for keys, 0-9, * and #, and w for half a second of waiting.
func (a *answer) press(ctx context.Context, l *link, keys string) {
	if keys == "" || strings.Trim(keys, "0123456789*#wW") != "" {
		a.refuse(ctx, l, "keys other than 0-9, *, # and w")
		return
	}
	a.digits += keys
}

// refuse tells, once, that something the program wants is not done.
func (a *answer) refuse(ctx context.Context, l *link, what string) {
	d := a.driver
	if d.refused[what] {
		return
	}
	d.refused[what] = true
	text := "the program asks for what is not done here: " + what
	a.note(llm.Note{Text: text})
	if d.o.Protocol == ConversationRelay {
		_ = l.send(ctx, map[string]string{"type": "error", "description": text}) // a lost socket is found by reading it
	}
}

func (a *answer) note(n llm.Note) {
	if !a.left {
		a.left = !a.yield(llm.Delta{Note: &n}, nil)
	}
}

func (a *answer) say(text string) {
	if !a.spoke {
		text = strings.TrimLeft(text, " \n")
	}
	if text == "" || a.left {
		return
	}
	a.spoke, a.asked = true, true
	a.left = !a.yield(llm.Delta{Text: text, Protected: a.shielded}, nil)
}

// finish completes the answer. A program has no tokens to count.
func (a *answer) finish() error {
	a.finished = true
	if !a.spoke && !a.ended && !a.quiet {
		return a.driver.o.Client.Fail(provider.Empty, "the program answered with nothing")
	}
	switch {
	case a.ended:
		a.call(endTool, json.RawMessage(`{}`))
	case a.digits != "":
		a.call(digitsTool, digitsOf(a.digits))
	}
	if !a.left {
		a.left = !a.yield(llm.Delta{Done: &llm.Usage{}, Silent: !a.spoke && a.quiet}, nil)
	}
	return nil
}

func (a *answer) call(tool string, args json.RawMessage) {
	if !a.left {
		a.left = !a.yield(llm.Delta{Call: &llm.ToolCall{ID: tool + "_" + a.request.Seed, Name: tool, Args: args}}, nil)
	}
}
