package scripted

import (
	"context"
	"iter"
	"strings"

	"github.com/sidetone/sidetone/llm"
)

// Driver is an llm.Driver that follows one playbook. It keeps no state: everything
// it knows about a conversation it derives from the request's messages. Its methods
// may be called concurrently.
type Driver struct {
	book   *Playbook
	values map[string]string
}

// New returns the driver of a playbook. values fill its ${name} placeholders; they
// are texts and nothing in them is read as a part of the playbook. The driver keeps
// the map.
func New(book *Playbook, values map[string]string) *Driver {
	return &Driver{book: book, values: values}
}

// Generate replies by the playbook, a word at a time. System messages mean nothing
// to it.
func (d *Driver) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		if ctx.Err() != nil {
			yield(llm.Delta{}, context.Cause(ctx))
			return
		}
		p := newPlay(d.book, r.Tools)
		p.values = d.values
		stream(ctx, r, p.answer(r.Messages), yield)
	}
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
	yield(llm.Delta{Done: used, Silent: reply.Text == "" && len(reply.Calls) == 0}, nil)
}
