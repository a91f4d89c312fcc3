package scripted

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/sidetone/sidetone/llm"
)

// Driver is an llm.Driver. It keeps no state: everything it knows about a call
// it derives from the request's messages. Its methods may be called
// concurrently.
type Driver struct{}

// New returns the driver.
func New() *Driver { return &Driver{} }

// Generate answers by the playbook in the request's system messages, a word at
// a time. Without a playbook it says what it heard. A playbook with an error in
// it is an error.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		if ctx.Err() != nil {
			yield(llm.Delta{}, context.Cause(ctx))
			return
		}
		reply, err := respond(r)
		if err != nil {
			yield(llm.Delta{}, err)
			return
		}
		stream(ctx, r, reply, yield)
	}
}

// respond makes the whole reply.
func respond(r llm.Request) (Reply, error) {
	for _, m := range r.Messages {
		if m.Role != llm.System {
			continue
		}
		text, before, found := Find(m.Text)
		if !found {
			continue
		}
		book, err := Parse(text)
		var wrong *SyntaxError
		if errors.As(err, &wrong) {
			wrong.Line += before
		}
		if err != nil {
			return Reply{}, fmt.Errorf("read the playbook in the prompt: %w", err)
		}
		return newPlay(book, r.Tools).answer(r.Messages), nil
	}
	return newPlay(generic(), r.Tools).answer(r.Messages), nil
}

// generic is the playbook of an agent that has none.
func generic() *Playbook {
	return &Playbook{Name: "generic", rules: []rule{
		{on: onWords, patterns: []pattern{{{"goodbye"}}, {{"bye"}}}, steps: []step{
			{verb: say, text: "Thank you for calling. Goodbye."}, {verb: hangUp},
		}},
		{on: otherwise, steps: []step{{verb: say, text: "I heard: $caller. What else can I do for you?"}}},
	}}
}

// stream yields the reply.
func stream(ctx context.Context, r llm.Request, reply Reply, yield func(llm.Delta, error) bool) {
	used := &llm.Usage{}
	for _, m := range r.Messages {
		used.In += len(strings.Fields(m.Text))
	}
	if reply.Text != "" {
		for word := range strings.SplitAfterSeq(reply.Text, " ") {
			if ctx.Err() != nil {
				yield(llm.Delta{}, context.Cause(ctx))
				return
			}
			used.Out++
			if !yield(llm.Delta{Text: word}, nil) {
				return
			}
		}
	}
	for _, call := range reply.Calls {
		used.Out++
		if !yield(llm.Delta{Call: &call}, nil) {
			return
		}
	}
	yield(llm.Delta{Done: used}, nil)
}
