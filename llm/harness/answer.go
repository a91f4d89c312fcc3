package harness

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// greetTime is how long a program has to speak first.
const greetTime = time.Second

// endTool is the action that ends a call.
const endTool = "end_conversation"

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

// answer is one request under way.
type answer struct {
	driver  *Driver
	request llm.Request
	yield   func(llm.Delta, error) bool
	left    bool // the reader left
	spoke   bool
	ended   bool // the program wants to end the call
}

// run asks and reads the answer.
func (a *answer) run(ctx context.Context) error {
	l, fresh, err := a.driver.connect(ctx, a.request.Seed)
	if err != nil {
		return err
	}
	if !fresh {
		l.stale()
	}
	first := fresh && a.driver.past.messages == 0
	if a.driver.o.Protocol == Retell {
		return a.retell(ctx, l, first)
	}
	return a.relay(ctx, l, fresh, first)
}

// news is what the caller said since the agent's last message, and whether it cut
// the agent off; without what the program of this socket has been told.
func (a *answer) news(fresh bool) (words []string, interrupted *llm.Message) {
	p, answers := &a.driver.past, 0
	var since []string
	for i, m := range a.request.Messages {
		switch {
		case m.Role == llm.User && strings.TrimSpace(m.Text) != "":
			since = append(since, m.Text)
		case m.Role == llm.Assistant:
			answers, since = answers+1, nil
			if m.Interrupted && i >= p.messages && !fresh {
				interrupted = &m
			}
		}
	}
	words = since
	if !fresh && answers == p.answers && len(since) > len(p.sent) && slices.Equal(since[:len(p.sent)], p.sent) {
		words = since[len(p.sent):]
	}
	p.messages, p.answers, p.sent = len(a.request.Messages), answers, since
	return words, interrupted
}

// relay speaks ConversationRelay. How long the caller had listened before an
// interruption is not known here: durationUntilInterruptMs is 0.
func (a *answer) relay(ctx context.Context, l *link, fresh, first bool) error {
	words, interrupted := a.news(fresh)
	if fresh {
		if err := l.send(ctx, map[string]any{"type": "setup", "sessionId": a.request.Seed, "callSid": a.request.Seed, "accountSid": "",
			"from": "", "to": "", "customParameters": map[string]string{}}); err != nil {
			return err
		}
	}
	if interrupted != nil {
		if err := l.send(ctx, map[string]any{"type": "interrupt", "utteranceUntilInterrupt": interrupted.Text, "durationUntilInterruptMs": 0}); err != nil {
			return err
		}
	}
	switch {
	case len(words) > 0:
		prompt := map[string]any{"type": "prompt", "voicePrompt": strings.Join(words, " "), "last": true}
		if a.driver.o.Language != "" {
			prompt["lang"] = a.driver.o.Language
		}
		if err := l.send(ctx, prompt); err != nil {
			return err
		}
		return a.read(ctx, l, a.relayed)
	case first:
		return a.greeting(ctx, l, a.relayed)
	}
	return a.silent()
}

// relayed takes a frame of ConversationRelay.
func (a *answer) relayed(f frame) (done bool) {
	switch f.Type {
	case "text":
		if f.Token != nil {
			a.say(*f.Token)
		}
		return f.Last
	case "end":
		a.ended = true
		return true
	}
	return false
}

// utterance is a line of Retell's transcript.
type utterance struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// retell speaks the protocol of Retell's custom LLM: the program gets the whole
// conversation with each request, as it was heard. Its response 0 is what it says
// first.
func (a *answer) retell(ctx context.Context, l *link, first bool) error {
	words, _ := a.news(true)
	id := 0
	if len(words) > 0 || !first {
		a.driver.past.id++
		id = a.driver.past.id
		kind := "response_required"
		if len(words) == 0 {
			kind = "reminder_required"
		}
		if err := l.send(ctx, map[string]any{"interaction_type": kind, "response_id": id, "transcript": a.transcript()}); err != nil {
			return err
		}
	}
	take := func(f frame) bool {
		if f.ResponseType != "response" || f.ResponseID == nil || *f.ResponseID != id {
			return false
		}
		a.say(f.Content)
		a.ended = a.ended || f.EndCall
		return f.ContentComplete || f.EndCall
	}
	if id == 0 {
		return a.greeting(ctx, l, take)
	}
	return a.read(ctx, l, take)
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
func (a *answer) read(ctx context.Context, l *link, take func(frame) bool) error {
	for {
		f, err := l.next(ctx)
		if err != nil {
			return err
		}
		done := take(f)
		if a.left {
			return nil
		}
		if done {
			return a.finish()
		}
	}
}

// greeting reads what the program says first, if it does within greetTime.
func (a *answer) greeting(ctx context.Context, l *link, take func(frame) bool) error {
	soon, stop := context.WithTimeout(ctx, greetTime)
	defer stop()
	err := a.read(soon, l, take)
	none := provider.KindOf(err) == provider.Empty || provider.KindOf(err) == provider.Late
	if f := (*provider.Failure)(nil); ctx.Err() == nil && !a.spoke && errors.As(err, &f) && none {
		return a.silent()
	}
	return err
}

func (a *answer) say(text string) {
	if !a.spoke {
		text = strings.TrimLeft(text, " \n")
	}
	if text == "" || a.left {
		return
	}
	a.spoke = true
	a.left = !a.yield(llm.Delta{Text: text}, nil)
}

func (a *answer) silent() error {
	a.left = !a.yield(llm.Delta{Done: &llm.Usage{}, Silent: true}, nil)
	return nil
}

// finish completes the answer. A program has no tokens to count.
func (a *answer) finish() error {
	if a.ended {
		a.left = !a.yield(llm.Delta{Call: &llm.ToolCall{ID: "end_" + a.request.Seed, Name: endTool, Args: json.RawMessage(`{}`)}}, nil)
	} else if !a.spoke {
		return a.driver.o.Client.Fail(provider.Empty, "the program answered with nothing")
	}
	if !a.left {
		a.left = !a.yield(llm.Delta{Done: &llm.Usage{}}, nil)
	}
	return nil
}
